-- A dedicated thread with an isolate of its own for an empty function: start and join.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
local function body() end

for _ = 1, n // 10 do weft.thread(body):join() end
local t = clock.now()
for _ = 1, n do weft.thread(body):join() end
print("us", (clock.now() - t) / 1e3 / n)
