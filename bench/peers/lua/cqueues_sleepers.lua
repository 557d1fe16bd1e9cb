-- n cqueues coroutines sleep 1 to 1000 ms each.
local clock, cqueues = require "bclock", require "cqueues"
local n = tonumber(arg[1])
local cq, fired, sleep = cqueues.new(), 0, cqueues.sleep
local t = clock.now()
for i = 1, n do
  local d = (i % 1000 + 1) / 1000
  cq:wrap(function()
    sleep(d)
    fired = fired + 1
  end)
end
assert(cq:loop())
assert(fired == n)
print("cpu", clock.cpu() / 1e9)
print("wall", (clock.now() - t) / 1e9)
print("rss", clock.peak() / 2 ^ 20)
os.exit(0, false)
