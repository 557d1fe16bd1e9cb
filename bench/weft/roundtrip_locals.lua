-- As roundtrip.lua with the methods kept in locals: the difference is what Lua takes to find a userdata's method.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
local a, b = weft.channel(), weft.channel()
local send, recv = a.send, a.recv

weft.go(function()
  for _ = 1, n do send(b, recv(a)) end
end)
local asker = weft.go(function()
  for i = 1, n do
    send(a, i)
    if recv(b) ~= i then error "another value came back" end
  end
end)
local t = clock.cpu()
asker:join()
print("ns", (clock.cpu() - t) / n)
