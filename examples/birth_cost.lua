-- Claim: being born costs more, the more one owns. A function that does nothing, started and joined: as a task, as an isolate on
-- the workers, as a thread, as a process.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")

local function nothing() end

-- Seconds for one of n that are started, `batch` at a time, and joined.
local function birth(start, n, batch)
  local jobs, began = {}, weft.now()
  for _ = 1, n // batch do
    for i = 1, batch do jobs[i] = start(nothing) end
    for i = 1, batch do jobs[i]:join() end
  end
  return (weft.now() - began) / (n // batch * batch)
end

print "creation spans three decades and more: start and join of a function that does nothing\n"
local rows, part = { unit = "s", log = true }, draw.quick and 20 or 1
for i, way in ipairs {
  { "task, weft.go", weft.go, 400000, 1000 }, { "isolate, weft.spawn", weft.spawn, 20000, 1000 },
  { "thread, weft.thread", weft.thread, 4000, 20 }, { "process, weft.process", weft.process, 200, 2 },
} do
  birth(way[2], way[4], way[4]) -- what is made once is made
  rows[i] = { way[1], draw.median(draw.quick and 1 or 5, birth, way[2], way[3] // part, way[4]) }
end
print(weft.plot.bars(rows))
local us = {}
for i, row in ipairs(rows) do us[i] = draw.number(row[2] * 1e6) end
print(("us each: task %s, isolate %s, thread %s, process %s; a process costs %.0f tasks"):format(us[1], us[2], us[3], us[4],
  rows[4][2] / rows[1][2]))
print "others have published: 50,000 times fork 8.1 s (162 us each), as many pthread_create 0.9 s (18 us each)"
