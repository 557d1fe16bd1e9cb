-- Tasks parked in a receive: slope of resident memory between two counts.
local clock, weft = require "bclock", require "weft"
local few, many = tonumber(arg[1]), tonumber(arg[2])
local c = weft.channel()

local function body()
  c:recv()
end

local function start(n)
  for _ = 1, n // 1000 do
    for _ = 1, 1000 do weft.go(body):detach() end
    weft.yield()
  end
end

start(few)
local r = clock.rss()
start(many - few)
print("bytes", (clock.rss() - r) / (many - few))
io.stdout:flush()
os.exit(0, false)
