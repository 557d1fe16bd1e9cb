-- weft.every: a task that calls a function at every beat of a clock.

local blame = require "weft.blame"
local core = require "weft.core"

-- every(seconds, f, ...): its job. Ends when f returns false, by its error, or when it is cancelled.
return function(seconds, f, ...)
  local ticker = blame.call("every", 0, core.ticker, seconds)
  if type(f) ~= "function" and not (getmetatable(f) or {}).__call then blame.type(2, "every", "function", f) end
  return core.go({ name = ("every %g s"):format(seconds) }, function(...)
    local ticks <close> = ticker
    for _ in ticks do
      if f(...) == false then return end
    end
  end, ...)
end
