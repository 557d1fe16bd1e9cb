-- Copy 1,000 records of 10 mixed fields within one state by a plain Lua function: no message, no other state.
local clock = require "bclock"
local n = tonumber(arg[1])
local data = dofile "bench/data.lua" ()
local pairs, type = pairs, type

local function copy(v)
  if type(v) ~= "table" then return v end
  local r = {}
  for k, x in pairs(v) do r[k] = copy(x) end
  return r
end

for _ = 1, 3 do copy(data) end
local t = clock.cpu()
for _ = 1, n do copy(data) end
print("us", (clock.cpu() - t) / 1e3 / n)
