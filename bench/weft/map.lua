-- Counting primes below n in 64 chunks, one after the other, then by weft.map on two workers: "speedup" is the ratio, the
-- median of several rounds. "item_us": weft.map of a function that does nothing, per item. Arguments: n, rounds, items,
-- and the kind of pool (threads).
local clock, weft = require "bclock", require "weft"
local count = dofile "bench/primes.lua"
local n, rounds, items = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local kind = arg[4] or "thread"
local CHUNKS <const>, THREADS <const> = 64, 2
local step = n // CHUNKS

local function chunk(i) return count((i - 1) * step, i * step) end

local list = {}
for i = 1, CHUNKS do list[i] = i end

local function sum(results)
  local s = 0
  for i = 1, CHUNKS do s = s + results[i] end
  return s
end

local function seconds(f)
  local t = clock.now()
  local s = f()
  return (clock.now() - t) / 1e9, s
end

local ratios = {}
for round = 1, rounds do
  local one, s = seconds(function()
    local results = {}
    for i = 1, CHUNKS do results[i] = chunk(i) end
    return sum(results)
  end)
  local two, same = seconds(function() return sum(weft.map(chunk, list, { kind = kind, size = THREADS, chunk = 1 })) end)
  assert(s == same)
  ratios[round] = one / two
end
table.sort(ratios)
print("speedup", ratios[(rounds + 1) // 2])

list = {}
for i = 1, items do list[i] = i end
local t = seconds(function() weft.map(function(i) return i end, list, { kind = kind, size = THREADS }) end)
print("item_us", t * 1e6 / items)
