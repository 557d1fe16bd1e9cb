-- cqueues coroutines parked on a condition: slope of resident memory between two counts.
local clock, cqueues, condition = require "bclock", require "cqueues", require "cqueues.condition"
local few, many = tonumber(arg[1]), tonumber(arg[2])
local cq, c = cqueues.new(), condition.new()

local function body()
  c:wait()
end

local function start(n)
  for _ = 1, n do cq:wrap(body) end
  cq:step(0)
end

start(few)
local r = clock.rss()
start(many - few)
print("bytes", (clock.rss() - r) / (many - few))
os.exit(0, false)
