-- Claim: waking everyone wastes work. A hundred workers wait for items; each item is for one of them. By broadcast all
-- wake, one finds the item, the others look in vain and sleep again. By signal one wakes. A channel hands the item over.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local WORKERS, ITEMS = 100, draw.quick and 50 or 2000

-- Runs workers that wait on a condition, woken by `wake`: wakes an item, and CPU microseconds an item.
local function by_condition(wake)
  local mutex, cond, items, wakes, left, idle = weft.mutex(), weft.condition(), {}, 0, ITEMS, weft.event()
  local jobs = {}
  for i = 1, WORKERS do
    jobs[i] = weft.go(function()
      mutex:lock()
      while left > 0 do
        if #items > 0 then
          items[#items] = nil
          left = left - 1
          idle:set()
        else
          cond:wait(mutex)
          wakes = wakes + 1
        end
      end
      mutex:unlock()
    end)
  end
  weft.yield()
  local start, begin = os.clock(), wakes
  for i = 1, ITEMS do
    mutex:with(function() items[1] = i end)
    idle:clear()
    cond[wake](cond)
    idle:wait()
    for _ = 1, 3 do weft.yield() end -- those who were woken look, and sleep again
  end
  local spent = os.clock() - start
  local result = (wakes - begin) / ITEMS
  mutex:with(function() cond:broadcast() end)
  weft.all(jobs)
  return result, spent / ITEMS * 1e6
end

local function by_channel()
  local ch, wakes = weft.channel(), 0
  for _ = 1, WORKERS do
    weft.go(function()
      for _ in ch do wakes = wakes + 1 end
    end)
  end
  weft.yield()
  local start = os.clock()
  for i = 1, ITEMS do ch:send(i) end
  ch:close()
  weft.wait()
  return wakes / ITEMS, (os.clock() - start) / ITEMS * 1e6
end

-- As many tasks that accept at one port: a connection is for one, and one wakes.
local function by_accept()
  local server <close> = weft.net.listen("127.0.0.1", 0)
  local n, wakes = draw.quick and 20 or 200, 0
  local jobs = {}
  for i = 1, WORKERS do
    jobs[i] = weft.go(function()
      while true do
        local conn = server:accept()
        if not conn then return end
        wakes = wakes + 1
        conn:close()
      end
    end)
  end
  weft.yield()
  local start = os.clock()
  for _ = 1, n do weft.net.connect(server:sockname()):read() end
  local spent = os.clock() - start
  server:close()
  weft.all(jobs)
  return wakes / n, spent / n * 1e6
end

print(("waking everyone wastes work: %d workers wait, each event is for one of them\n"):format(WORKERS))
local rows = {}
for i, case in ipairs {
  { "broadcast", by_condition, "broadcast" }, { "signal", by_condition, "signal" },
  { "channel", by_channel }, { "accept", by_accept },
} do
  local wakes, cost = case[2](case[3])
  rows[i] = { case[1], wakes, ("%.4g wakes an event, %.1f us of CPU"):format(wakes, cost) }
end
draw.bars(rows, true)
