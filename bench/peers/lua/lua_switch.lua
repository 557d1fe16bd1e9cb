-- Two tasks of chan.lua take turns. "ns" is one yield: one gives up, the other begins.
-- "bare_ns" is coroutine.wrap alone: resume and yield, no scheduler.
local clock, chan = require "bclock", require "chan"
local n = tonumber(arg[1])
local yield = chan.yield

local function body()
  for _ = 1, n do yield() end
end

chan.go(body)
chan.go(body)
local t = clock.cpu()
chan.run()
print("ns", (clock.cpu() - t) / (2 * n))

local pause = coroutine.yield
local step = coroutine.wrap(function() while true do pause() end end)
step()
t = clock.cpu()
for _ = 1, n do step() end
print("bare_ns", (clock.cpu() - t) / n)
