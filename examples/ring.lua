-- Claim: token passing is pure scheduling. In a ring of tasks every hop wakes one task and parks another; it costs about
-- the same in a small ring and in a large one, until the tasks no longer fit in the cache. From thread to thread it costs
-- far more. (Channels do not cross threads yet: there each hop is a new thread, started with the token and joined.)

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local HOPS, THREADS = draw.quick and 10000 or 500000, draw.quick and 20 or 1000

-- Sends a token round and round a ring of `size` tasks, of which the caller is one.
local function tasks(size)
  local channels, hops = {}, HOPS // size * size
  for i = 1, size do channels[i] = weft.channel() end
  for i = 2, size do
    weft.go(function()
      for token in channels[i] do channels[i % size + 1]:send(token + 1) end
      channels[i % size + 1]:close()
    end)
  end
  weft.yield() -- now all wait for the token
  local start, token = weft.now(), 0
  for _ = 1, hops // size do
    channels[2]:send(token + 1)
    token = channels[1]:recv()
  end
  local took = weft.now() - start
  assert(token == hops, "the token was lost")
  channels[2]:close()
  assert(channels[1]:recv() == nil) -- the ring has ended
  return hops, took
end

local function threads()
  local token = 0
  for _ = 1, THREADS do token = weft.thread(function(t) return t + 1 end, token):join() end
  return token
end

print "token passing is pure scheduling: between tasks a hop costs little, in a small ring and in a large one\n"
local rows = {}
for i, ring in ipairs { { "2 tasks", tasks, 2 }, { "100 tasks", tasks, 100 }, { "10000 tasks", tasks, 10000 },
  { "threads, a new one a hop", threads } } do
  rows[i] = { ring[1], draw.rate("hops", ring[2], ring[3]) }
end
draw.bars(rows, "log")
print(("\nhops/s: %s in a ring of 100 tasks, %s between threads (the bars' scale is logarithmic)")
  :format(draw.number(rows[2][2]), draw.number(rows[4][2])))
