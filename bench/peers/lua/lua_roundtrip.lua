-- Two tasks of chan.lua answer each other over two unbuffered channels.
local clock, chan = require "bclock", require "chan"
local n = tonumber(arg[1])
local a, b = chan.new(0), chan.new(0)

chan.go(function()
  for _ = 1, n do b:send(a:recv()) end
end)
chan.go(function()
  for i = 1, n do
    a:send(i)
    if b:recv() ~= i then error "another value came back" end
  end
end)
local t = clock.cpu()
chan.run()
print("ns", (clock.cpu() - t) / n)
