-- n tasks of chan.lua in all, started in batches and run batch by batch. Arguments: n, batch.
local clock, chan = require "bclock", require "chan"
local n, batch = tonumber(arg[1]), tonumber(arg[2])
local go, run, ran = chan.go, chan.run, 0

local function body()
  ran = ran + 1
end

local t = clock.cpu()
for _ = 1, n // batch do
  for _ = 1, batch do go(body) end
  run()
end
local ns = (clock.cpu() - t) / n
assert(ran == n)
print("ns", ns)
