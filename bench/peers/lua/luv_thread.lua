-- luv: a thread with a Lua state of all libraries and luv itself, for an empty function: start and join.
local clock, uv = require "bclock", require "luv"
local n = tonumber(arg[1])
local function body() end

for _ = 1, n // 10 do uv.new_thread(body):join() end
local t = clock.now()
for _ = 1, n do uv.new_thread(body):join() end
print("us", (clock.now() - t) / 1e3 / n)
