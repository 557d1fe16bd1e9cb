-- n cqueues coroutines in all, started in batches and run batch by batch. Arguments: n, batch.
local clock, cqueues = require "bclock", require "cqueues"
local n, batch = tonumber(arg[1]), tonumber(arg[2])
local cq, ran = cqueues.new(), 0

local function body()
  ran = ran + 1
end

local t = clock.cpu()
for _ = 1, n // batch do
  for _ = 1, batch do cq:wrap(body) end
  assert(cq:loop())
end
local ns = (clock.cpu() - t) / n
assert(ran == n)
print("ns", ns)
