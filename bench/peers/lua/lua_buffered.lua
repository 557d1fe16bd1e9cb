-- One task of chan.lua sends integers through a channel of 128, another receives.
local clock, chan = require "bclock", require "chan"
local n = tonumber(arg[1])
local c, sum = chan.new(128), 0

chan.go(function()
  for i = 1, n do c:send(i) end
end)
chan.go(function()
  for _ = 1, n do sum = sum + c:recv() end
end)
local t = clock.cpu()
chan.run()
local seconds = (clock.cpu() - t) / 1e9
assert(sum == n * (n + 1) // 2)
print("rate", n / seconds)
