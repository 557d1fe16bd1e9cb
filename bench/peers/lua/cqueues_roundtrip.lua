-- Two cqueues coroutines answer each other over two conditions; the library has no channel.
local clock, cqueues, condition = require "bclock", require "cqueues", require "cqueues.condition"
local n = tonumber(arg[1])
local cq, a, b, turn = cqueues.new(), condition.new(), condition.new(), 0

cq:wrap(function()
  for _ = 1, n do
    while turn ~= 1 do a:wait() end
    turn = 0
    b:signal()
  end
end)
cq:wrap(function()
  for _ = 1, n do
    turn = 1
    a:signal()
    while turn ~= 0 do b:wait() end
  end
end)
local t = clock.cpu()
assert(cq:loop())
print("ns", (clock.cpu() - t) / n)
