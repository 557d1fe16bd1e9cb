-- weft.every: a task that calls a function at every beat of a clock.

local core = require "weft.core"

-- every(seconds, f, ...): its job. Ends when f returns false, by its error, or when it is cancelled.
return function(seconds, f, ...)
  local ticker = core.ticker(seconds)
  if type(f) ~= "function" and not (getmetatable(f) or {}).__call then
    error(("bad argument #2 to 'every' (function expected, got %s)"):format(type(f)), 2)
  end
  return core.go({ name = ("every %g s"):format(seconds) }, function(...)
    local ticks <close> = ticker
    for _ in ticks do
      if f(...) == false then return end
    end
  end, ...)
end
