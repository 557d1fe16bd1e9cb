-- Claim: neighbours in a cache line hurt. Two threads count, each in an element of its own; nothing is shared. But a
-- processor fetches memory by the line of 64 bytes: when both elements are in one, the line goes to and fro between the
-- two at every addition. With 64 bytes between the elements each has a line, and that ends.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local TIMES = draw.quick and 50000 or 2000000

-- ns of processor time an addition, when `threads` threads count in elements that lie `stride` bytes apart. (Time of the
-- processor, not of the clock: a core that waits for a line is busy, one that other programs have is not ours.)
local function count(threads, stride)
  local counters, here, jobs = weft.buffer("i64", 2, { stride = stride }), weft.atomic(), {}
  local start = os.clock()
  for i = 1, threads do
    jobs[i] = weft.thread(function()
      local add = counters.add
      here:add(1, 1)
      while here[1] < threads do end -- begin together
      for _ = 1, TIMES do add(counters, i, 1, "relaxed") end
    end)
  end
  weft.all(jobs)
  local took = os.clock() - start
  assert(counters:sum() == threads * TIMES)
  return took / (threads * TIMES) * 1e9
end

print "neighbours in a cache line hurt: two threads count, each for itself, at a distance of some bytes\n"
local runs = draw.quick and 1 or 5
local alone = draw.median(runs, count, 1, 64)
local strides, costs, lines = { 8, 16, 32, 64, 128, 256 }, {}, {}
if weft.cpus() == 1 then
  print "one CPU only: two threads never touch a line at the same time here, and nothing can be shown"
  print(("one thread alone: %.1f ns an addition"):format(alone))
  return
end
for i, stride in ipairs(strides) do
  local least, most
  costs[i], least, most = draw.median(runs, count, 2, stride)
  lines[i] = ("%4d bytes apart: %5.1f ns an addition (%.1f to %.1f), %+5.1f against one thread alone%s")
    :format(stride, costs[i], least, most, costs[i] - alone, stride < 64 and "; same line" or "")
end
draw.curve(strides, costs, "ns", "bytes apart")
print("\n" .. table.concat(lines, "\n"))
print "\nmost of that is the loop in Lua, which hides a part of what an addition waits"
print(("slow-down against one thread alone (%.1f ns): %.2f times 8 bytes apart, %.2f times 64 bytes apart")
  :format(alone, costs[1] / alone, costs[4] / alone))
