-- Claim: "don't format a floppy at the same time": a task that never yields freezes every other task of its isolate.
-- Yielding now and then cures it; or weft.preempt, which takes the turn away from who keeps it; or a thread of its own. (With
-- one CPU the thread takes turns by the system's clock.)

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local TRACKS, SLICE = draw.quick and 8 or 80, 0.002

-- Formats 80 tracks of 18 sectors of 512 bytes, each sector with the check sum that a floppy has (CRC-16-CCITT).
local function format(tracks, polite)
  local crc
  for track = 0, tracks - 1 do
    for _ = 1, 18 do
      crc = 0xFFFF
      for i = 0, 511 do
        crc = crc ~ ((track + i & 0xFF) << 8)
        for _ = 1, 8 do crc = (crc << 1 ~ (crc & 0x8000 ~= 0 and 0x1021 or 0)) & 0xFFFF end
      end
    end
    if polite then require("weft").yield() end
  end
  return crc
end

-- Runs the formatting as what `start` starts while three tasks draw their frames; how often they came to it meanwhile.
local function desk(start, polite, slice)
  weft.preempt(slice)
  local frames, over = 0, false
  local function frame()
    while not over do
      for _ = 1, 20000 do end
      frames = frames + 1
      weft.yield()
    end
  end
  local jobs = { weft.go({ name = "mouse" }, frame), weft.go({ name = "clock" }, frame), weft.go({ name = "music" }, frame) }
  for _ = 1, 10 do weft.yield() end
  local floppy = start({ name = "floppy" }, format, TRACKS, polite)
  local before = frames
  floppy:join()
  local during = frames - before
  for _ = 1, 10 do weft.yield() end
  over = true
  weft.all(jobs)
  weft.preempt(false)
  return during
end

print "a task that never yields freezes all others; yielding cures it, and so do time slices and a thread\n"
local numbers = {}
for i, way in ipairs { { "never yields", weft.go, false, false }, { "yields", weft.go, true, false },
  { "is preempted", weft.go, false, SLICE }, { "thread", weft.thread, false, false } } do
  local runs = {}
  for run = 1, draw.quick and 1 or 5 do
    local t = weft.trace(desk, way[2], way[3], way[4])
    runs[run] = { t = t, stall = t:summary().longest_stall * 1e3 }
  end
  table.sort(runs, function(a, b) return a.stall < b.stall end)
  local middle = runs[(#runs + 1) // 2]
  numbers[i] = ("%s %.2f ms (%.2f to %.2f)"):format(way[1], middle.stall, runs[1].stall, runs[#runs].stall)
  print(("floppy %s: the others had %d turns meanwhile"):format(way[1], middle.t.results[1]))
  middle.t:timeline()
  print()
end
print("longest stall: " .. table.concat(numbers, ", "))
if weft.cpus() == 1 then print "one CPU only: the thread does not run beside the tasks, the system switches between them" end
