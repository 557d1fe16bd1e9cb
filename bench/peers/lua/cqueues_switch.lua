-- Two cqueues coroutines take turns with poll(0), its way to give up without waiting.
local clock, cqueues = require "bclock", require "cqueues"
local n = tonumber(arg[1])
local poll = cqueues.poll
local cq = cqueues.new()

local function body()
  for _ = 1, n do poll(0) end
end

cq:wrap(body)
cq:wrap(body)
local t = clock.cpu()
assert(cq:loop())
print("ns", (clock.cpu() - t) / (2 * n))
