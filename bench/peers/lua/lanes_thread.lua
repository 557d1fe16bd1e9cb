-- Lanes: a thread with a Lua state without libraries for an empty function: start and join. "full_us": with all libraries.
local clock, lanes = require "bclock", require "lanes"
if lanes.configure then lanes = lanes.configure {} end
local n = tonumber(arg[1])

local function measure(metric, libraries)
  local start = lanes.gen(libraries, function() end)
  for _ = 1, n // 10 do start():join() end
  local t = clock.now()
  for _ = 1, n do start():join() end
  print(metric, (clock.now() - t) / 1e3 / n)
end

measure("us", "")
measure("full_us", "*")
os.exit(0, false)
