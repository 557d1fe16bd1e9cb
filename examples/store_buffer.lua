-- Claim: CPUs reorder. One thread writes x and then reads y, another writes y and then reads x. Whoever comes second must
-- see what the other wrote; yet both may read the old value: each processor keeps its write in a store buffer for a while
-- and reads past it. A fence (here: a sequentially consistent write) forbids that.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local ROUNDS, SECONDS = draw.quick and 3000 or 300000, draw.quick and 2 or 20

-- Six cells, each in a cache line of its own. A thread's write and read are copies of two cells to the two before them:
--   thread 1: what it writes (4) to x (2), then y (5) to its result (3)
--   thread 2: what it writes (1) to y (5), then x (2) to its result (6)
local TO, FROM = { 2, 5 }, { 4, 1 }

local ways = {
  { "write and read in C, one after the other (copy)", function(to, from) to:copy(from) end },
  { "write and read in Lua, relaxed", function(to, from, load, store)
    store(to, 1, load(from, 1), "relaxed")
    to[2] = load(from, 2)
  end },
  { "the same with a fence (seq_cst)", function(to, from, load, store)
    store(to, 1, load(from, 1), "seq_cst")
    to[2] = load(from, 2)
  end },
}

-- As many rounds as there is time for: how many, and how often each pair of results came. [0] both read the old value.
local function meet(write_and_read)
  local cells, turn = weft.buffer("i32", 6, { stride = 64 }), weft.buffer("i32", 2, { stride = 64 })
  local seen, last = weft.buffer("u8", 2 * ROUNDS), weft.atomic(ROUNDS)
  local deadline = weft.now() + SECONDS
  local function side(mine)
    local to, from = cells:slice(TO[mine], TO[mine] + 1), cells:slice(FROM[mine], FROM[mine] + 1)
    local results, load, store = seen:slice((mine - 1) * ROUNDS + 1, mine * ROUNDS), cells.load, cells.store
    math.randomseed(mine)
    for round = 1, ROUNDS do
      local jitter = math.random(0, 10) -- the two meet at ever another distance
      if mine == 1 and round % 1000 == 0 and weft.now() > deadline then last:store(1, round) end
      from[1] = round
      load(to, 1)
      load(from, 2) -- x and y are in this core's cache now
      store(turn, mine, round)
      while load(turn, 3 - mine) < round do end
      if load(last, 1) <= round then return end
      for _ = 1, jitter do end
      write_and_read(to, from, load, store)
      if to[2] == round then results[round] = 1 end
    end
  end
  weft.all { weft.thread(side, 1), weft.thread(side, 2) }
  local rounds, times = last[1] - 1, { [0] = 0, 0, 0, 0 }
  for round = 1, rounds do
    local pair = 2 * seen[round] + seen[ROUNDS + round]
    times[pair] = times[pair] + 1
  end
  return rounds, times
end

local function picture(title, rounds, times)
  print(("%s, %d rounds:"):format(title, rounds))
  print "                         thread 2 reads old x   thread 2 reads new x"
  for first = 0, 1 do
    local cells = {}
    for second = 0, 1 do
      local n = times[2 * first + second]
      cells[second + 1] = ("%7d %s"):format(n, draw.full:rep(n == 0 and 0 or math.max(1, math.floor(12 * n / rounds + 0.5))))
    end
    print(("  thread 1 reads %s y  %s %s"):format(first == 0 and "old" or "new",
      cells[1] .. (" "):rep(22 - utf8.len(cells[1])), cells[2]))
  end
  print ""
end

print "CPUs reorder: two threads write and then read what the other writes; both may read the old value\n"
if weft.cpus() == 1 then
  print "one CPU only: threads take turns here, and a CPU sees its own writes in order; nothing can be shown"
  return
end
local odd = {}
for i, way in ipairs(ways) do
  local rounds, times = meet(way[2])
  picture(way[1], rounds, times)
  odd[i] = times[0] / rounds * 1e6
end
assert(odd[3] == 0, "a fence was passed")
print "in Lua so much happens between the write and the read that the store buffer has room again, as a rule"
print(("both read the old value, in a million rounds: %.0f in C, %.0f in Lua, %.0f with a fence"):format(table.unpack(odd)))
