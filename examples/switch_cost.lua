-- Claim: switching costs more, the more there is to switch. One program four times: a token goes to and fro between two, and
-- each hand-over is a switch from one to the other. All of it on one CPU, so that nobody runs beside.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")

-- Seconds for n hand-overs between the caller and what `start` starts, in the system's own switches too.
local function token(start, n)
  local there, back = weft.channel(), weft.channel()
  local other = start(function()
    for v in there do back:send(v) end
  end)
  there:send(0) -- it is there
  back:recv()
  local began = weft.now()
  for i = 2, n, 2 do
    there:send(i)
    back:recv()
  end
  local took = weft.now() - began
  there:close()
  other:join()
  return took
end

weft.set { affinity = { weft.info().affinity[1] }, process = true } -- what is started from now on is there too
weft.workers(1)
print "process > thread > task: handing a token over, everything on one CPU\n"
local rows, count = { unit = "s", log = true }, draw.quick and 50 or 1
for i, way in ipairs {
  { "task, weft.go", function(n) return token(weft.go, n) end, 400000 },
  { "isolate, weft.spawn", function(n) return weft.spawn(token, weft.spawn, n):join() end, 100000 },
  { "thread, weft.thread", function(n) return token(weft.thread, n) end, 20000 },
  { "process, weft.process", function(n) return token(weft.process, n) end, 10000 },
} do
  local n = way[3] // count
  rows[i] = { way[1], draw.median(draw.quick and 1 or 5, function() return way[2](n) / n end) }
end
print(weft.plot.bars(rows))
local ns = {}
for i, row in ipairs(rows) do ns[i] = draw.number(row[2] * 1e9) end
print(("ns a switch: task %s, isolate %s, thread %s, process %s"):format(table.unpack(ns)))
print "others have published: two processes at a pipe 5000 on one CPU, two threads 1000 to 2000, goroutines 100 to 200"
