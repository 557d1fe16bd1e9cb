-- Two tasks answer each other over two unbuffered channels.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
local a, b = weft.channel(), weft.channel()

weft.go(function()
  for _ = 1, n do b:send(a:recv()) end
end)
local asker = weft.go(function()
  for i = 1, n do
    a:send(i)
    if b:recv() ~= i then error "another value came back" end
  end
end)
local t = clock.cpu()
asker:join()
print("ns", (clock.cpu() - t) / n)
