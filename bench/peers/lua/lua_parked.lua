-- Tasks of chan.lua parked in a receive: slope of resident memory between two counts.
local clock, chan = require "bclock", require "chan"
local few, many = tonumber(arg[1]), tonumber(arg[2])
local c = chan.new(0)

local function body()
  c:recv()
end

local function start(n)
  for _ = 1, n // 1000 do
    for _ = 1, 1000 do chan.go(body) end
    chan.run()
  end
end

start(few)
local r = clock.rss()
start(many - few)
print("bytes", (clock.rss() - r) / (many - few))
