-- n cqueues coroutines sleep k times 1 ms each: CPU time a sleep.
local clock, cqueues = require "bclock", require "cqueues"
local n, k = tonumber(arg[1]), tonumber(arg[2])
local cq, slept, sleep = cqueues.new(), 0, cqueues.sleep
for _ = 1, n do
  cq:wrap(function()
    for _ = 1, k do
      sleep(0.001)
      slept = slept + 1
    end
  end)
end
local t = clock.cpu()
assert(cq:loop())
assert(slept == n * k)
print("ns", (clock.cpu() - t) / (n * k))
