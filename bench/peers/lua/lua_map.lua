-- Two independent processes: how much faster are they than one? Each counts the same primes at the same time; "speedup"
-- is twice the time of one alone over the time of the slower of the two, the median of several rounds.
-- Arguments: n, rounds; a process of its own gets n alone, and prints its seconds.
local clock = require "bclock"
local count = dofile "bench/primes.lua"
local n, rounds = tonumber(arg[1]), tonumber(arg[2])
local CHUNKS <const> = 64

local function seconds()
  local t, step, s = clock.now(), n // CHUNKS, 0
  for i = 1, CHUNKS do s = s + count((i - 1) * step, i * step) end
  return (clock.now() - t) / 1e9
end

if not rounds then
  print(seconds())
  return
end

local ratios = {}
for round = 1, rounds do
  local one = seconds()
  local command = ("%s bench/peers/lua/lua_map.lua %d"):format(arg[-1], n)
  local first, second = io.popen(command), io.popen(command)
  local slower = math.max(first:read "n", second:read "n")
  first:close()
  second:close()
  ratios[round] = 2 * one / slower
end
table.sort(ratios)
print("speedup", ratios[(rounds + 1) // 2])
