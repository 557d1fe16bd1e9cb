-- Programs and worker processes: start and end, a round trip, messages one way, a buffer across.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])

local function each(count, unit, f, ...)
  local t = clock.now()
  f(...)
  return (clock.now() - t) / unit / count
end

weft.exec({ "true" }):wait()
print("exec_us", each(n, 1e3, function()
  for _ = 1, n do weft.exec({ "true" }):wait() end
end))
print("exec8_us", each(n // 8 * 8, 1e3, function()
  for _ = 1, n // 8 do
    local children = {}
    for i = 1, 8 do children[i] = weft.exec { "true" } end
    for i = 1, 8 do children[i]:wait() end
  end
end))
local function nothing() end
weft.process(nothing):join()
print("lua_us", each(n // 2, 1e3, function()
  for _ = 1, n // 2 do weft.process(nothing):join() end
end))

local there, back = weft.channel(64), weft.channel(64)
local echo = weft.process(function() for v in there do back:send(v) end end)
local function trips(count)
  for i = 1, count do
    there:send(i)
    back:recv()
  end
end
trips(n * 5)
print("trip_us", each(n * 50, 1e3, trips, n * 50))
local buffer = weft.buffer("u8", 1 << 20)
there:send(buffer)
back:recv()
print("buffer_us", each(n * 25, 1e3, function()
  for _ = 1, n * 25 do
    there:send(buffer)
    back:recv()
  end
end))
there:close()
echo:join()

local buffers = weft.channel(128)
local taker = weft.process(function()
  local sum = 0
  for b in buffers do sum = sum + b[1] end
  return sum
end)
buffer[1] = 1
for _ = 1, n do buffers:send(buffer) end
print("buffer_ns", each(n * 250, 1, function()
  for _ = 1, n * 250 do buffers:send(buffer) end
  buffers:close()
  assert(taker:join() == n * 251)
end))

local text = ("x"):rep(64)
local stream = weft.channel(1024)
local counter = weft.process(function()
  local count = 0
  for _ in stream do count = count + 1 end
  return count
end)
print("message_ns", each(n * 1000, 1, function()
  for _ = 1, n * 1000 do stream:send(text) end
  stream:close()
  assert(counter:join() == n * 1000)
end))
