-- Claim: token passing is pure scheduling. In a ring every hop wakes one and parks another, and nothing else happens. One
-- program for all kinds: between tasks a hop costs little, and about the same in a small ring and in a large one, until the
-- tasks no longer fit in the cache; between isolates, threads and processes it costs more, as they share less.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local part = draw.quick and 50 or 1

-- Sends a token round and round a ring of `size`, of which the caller is one. Returns the hops and their seconds.
local function ring(verb, size, hops)
  local channels = {}
  for i = 1, size do channels[i] = weft.channel() end
  for i = 2, size do
    weft[verb](function(from, to)
      for token in from do to:send(token + 1) end
      to:close()
    end, channels[i], channels[i % size + 1]):detach()
  end
  local function rounds(n)
    local token = 0
    for _ = 1, n do
      channels[2]:send(token + 1)
      token = channels[1]:recv()
    end
    assert(token == n * size, "the token was lost")
  end
  rounds(1) -- all are there
  local start, n = weft.now(), math.max(1, hops // size)
  rounds(n)
  local took = weft.now() - start
  channels[2]:close()
  assert(channels[1]:recv() == nil) -- the ring has ended
  return n * size, took
end

print "token passing is pure scheduling: the less two share, the more a hop from one to the other costs\n"
local rows = { unit = "/s", log = true }
for i, way in ipairs {
  { "2 tasks", weft.go, "go", 2, 500000 }, { "100 tasks", weft.go, "go", 100, 500000 },
  { "10000 tasks", weft.go, "go", 10000, 500000 }, { "100 isolates", weft.spawn, "spawn", 100, 200000 },
  { "10 threads", weft.go, "thread", 10, 20000 }, { "5 processes", weft.go, "process", 5, 10000 },
} do
  local function once() -- the one who sends the token off is of the same kind, but for threads and processes
    local hops, seconds = way[2](ring, way[3], way[4], way[5] // part):join()
    return hops / seconds
  end
  rows[i] = { way[1], draw.median(draw.quick and 1 or 5, once) }
end
print(weft.plot.bars(rows))
print(("hops/s: %s in a ring of 100 tasks, %s between isolates, %s between threads, %s between processes"):format(
  draw.number(rows[2][2]), draw.number(rows[4][2]), draw.number(rows[5][2]), draw.number(rows[6][2])))
