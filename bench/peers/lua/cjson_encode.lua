-- Encode and decode 1,000 records of 10 mixed fields with lua-cjson.
local clock, cjson = require "bclock", require "cjson"
local n = tonumber(arg[1])
local data = dofile "bench/data.lua" ()

for _ = 1, 3 do cjson.decode(cjson.encode(data)) end
local t = clock.cpu()
for _ = 1, n do cjson.decode(cjson.encode(data)) end
print("us", (clock.cpu() - t) / 1e3 / n)
