-- One task sends integers through a channel of 128, another receives.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
local c, sum = weft.channel(128), 0

weft.go(function()
  for i = 1, n do c:send(i) end
end)
local receiver = weft.go(function()
  for _ = 1, n do sum = sum + c:recv() end
end)
local t = clock.cpu()
receiver:join()
local seconds = (clock.cpu() - t) / 1e9
assert(sum == n * (n + 1) // 2)
print("rate", n / seconds)
