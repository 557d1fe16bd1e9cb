-- Claim: what is heavier to make is heavier to keep. Some of a kind wait for a message; the memory that one takes is the slope
-- between few and many, so that what is there once does not count. Each kind is measured in a process of its own.

local weft = require "weft"
local here = arg[0]:match "^(.*/)" or ""
local draw, memory = dofile(here .. "lib/draw.lua"), dofile(here .. "lib/memory.lua")

-- Starts more and more until there are as many as each of the counts says; how many bytes those take that are more than one.
local function keep(verb, counts)
  local up, over, jobs, bytes = weft.channel(), weft.channel(), {}, {}
  for k, n in ipairs(counts) do
    for i = #jobs + 1, n do
      jobs[i] = weft[verb](function()
        up:send(true)
        over:recv()
      end)
      up:recv()
    end
    collectgarbage()
    bytes[k] = memory()
  end
  over:close()
  weft.all(jobs)
  for k = #counts, 1, -1 do bytes[k] = bytes[k] - bytes[1] end
  return bytes
end

print "what one of a kind takes of the memory while it waits\n"
local lines, rows = { x = "how many wait", y = "bytes", unit = "B", logx = true, logy = true }, { unit = "B", log = true }
for i, way in ipairs { { "task", "go", 100000 }, { "isolate", "spawn", 10000 }, { "thread", "thread", 400 },
  { "process", "process", 16 } } do
  local most = way[3] // (draw.quick and 4 or 1)
  local counts = { 1, most // 4 + 1, most // 2 + 1, most + 1 }
  local bytes = weft.process(keep, way[2], counts):join()
  lines[i] = { label = way[1] }
  for k = 2, #counts do lines[i][k - 1] = { counts[k], math.max(bytes[k], 1) } end
  rows[i] = { way[1], math.max((bytes[4] - bytes[2]) / (counts[4] - counts[2]), 1) }
end
print(weft.plot.curve(lines))
print(weft.plot.bars(rows))
local kib = {}
for i, row in ipairs(rows) do kib[i] = draw.number(row[2] / 1024) end
print(("KiB each: task %s, isolate %s, thread %s, process %s"):format(table.unpack(kib)))
print "others have published: an Erlang process 327 words, 2.6 KiB"
