-- Claim: four sorters share the work, but the merge is left for one: it caps the speed-up. The list is cut in four, each
-- quarter is copied to a thread and sorted there; the sorted quarters come back and are merged.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local N, SORTERS = draw.quick and 20000 or 400000, 4

local function sort(list)
  table.sort(list)
  return list
end

local function merge(a, b)
  local out, i, j, x, y = {}, 1, 1, a[1], b[1]
  for k = 1, #a + #b do
    if not y or x and x <= y then
      out[k], i, x = x, i + 1, a[i + 1]
    else
      out[k], j, y = y, j + 1, b[j + 1]
    end
  end
  return out
end

local function random_list()
  local list = {}
  for i = 1, N do list[i] = math.random(1 << 40) end
  return list
end

-- Sorts with all workers of the pool; returns the list and the seconds of the merge.
local function sort4(pool, list)
  local quarters = {}
  for q = 1, SORTERS do
    quarters[q] = table.move(list, (q - 1) * N // SORTERS + 1, q * N // SORTERS, 1, {})
  end
  local sorted = pool:map(sort, quarters, { chunk = 1 })
  local start = weft.now()
  local merged = merge(merge(sorted[1], sorted[2]), merge(sorted[3], sorted[4]))
  return merged, weft.now() - start
end

local function same(a, b)
  for i = 1, N do if a[i] ~= b[i] then return false end end
  return #b == N
end

print "four sorters share the work, but the merge is left for one: it caps the speed-up\n"
math.randomseed(4)
local shares, alone = {}, {}
local pool = weft.pool { kind = "thread", size = SORTERS }
local ratio, least, most = draw.median(draw.quick and 1 or 5, function()
  local list = random_list()
  local copy = table.move(list, 1, N, 1, {})
  collectgarbage()
  local start = weft.now()
  sort(copy)
  local one = weft.now() - start
  start = weft.now()
  local sorted, merging = sort4(pool, list)
  local four = weft.now() - start
  assert(same(copy, sorted))
  shares[#shares + 1], alone[#alone + 1] = merging / four, one
  return one / four
end)
table.sort(shares)
table.sort(alone)

pool:close()
local picture = random_list()
collectgarbage()
weft.trace(function()
  local four <close> = weft.pool { kind = "thread", size = SORTERS }
  sort4(four, picture)
end):timeline()

local share = shares[(#shares + 1) // 2]
print(("\nsorting %d numbers takes one sorter %.2f s; four are %.2f times as fast (%.2f to %.2f)")
  :format(N, alone[(#alone + 1) // 2], ratio, least, most))
print(("the merge is %.0f %% of their time, while the sorters do nothing: with any number of them it would stay")
  :format(100 * share))
if weft.cpus() < SORTERS then
  print(("this process may use %d CPU%s: the four take turns on %s"):format(weft.cpus(), weft.cpus() == 1 and "" or "s",
    weft.cpus() == 1 and "it" or "them"))
end
