-- n tasks sleep k times 1 ms each: CPU time a sleep.
local clock, weft = require "bclock", require "weft"
local n, k = tonumber(arg[1]), tonumber(arg[2])
local sleep, slept = weft.sleep, 0

for _ = 1, n do
  weft.go(function()
    for _ = 1, k do
      sleep(0.001)
      slept = slept + 1
    end
  end)
end
local t = clock.cpu()
weft.wait()
assert(slept == n * k)
print("ns", (clock.cpu() - t) / (n * k))
