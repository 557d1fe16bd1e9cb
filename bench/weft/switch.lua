-- Two tasks take turns. "ns" is one yield: one task gives up, the other begins.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
local yield = weft.yield

local function body()
  for _ = 1, n do yield() end
end

local t = clock.cpu()
local a, b = weft.go(body), weft.go(body)
a:join()
b:join()
print("ns", (clock.cpu() - t) / (2 * n))
