-- Claim: a task costs next to nothing. Each starts ten, they ten each, down to a million leaves; the numbers of the leaves
-- come back as sums.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local LEAVES = draw.quick and 10000 or 1000000

local function sky(number, size)
  if size == 1 then return number end
  local jobs, sum = {}, 0
  for i = 1, 10 do jobs[i] = weft.go(sky, number + (i - 1) * size // 10, size // 10) end
  for i = 1, 10 do sum = sum + jobs[i]:join() end
  return sum
end

print(("a tree of tasks, ten under each, %d leaves\n"):format(LEAVES))

-- The first time, a thread looks at the memory of the process meanwhile.
local stop = weft.event()
local watcher = weft.thread(function(over)
  local points, start = {}, weft.now()
  repeat
    points[#points + 1] = { weft.now() - start, weft.info().memory.rss / 2^20 }
  until over:wait(0.01)
  return points
end, stop)
local before, start = weft.info().memory.rss / 2^20, weft.now()
local sum = weft.go(sky, 0, LEAVES):join()
local ms = 1000 * (weft.now() - start)
stop:set()
local points, peak = watcher:join(), before
for _, point in ipairs(points) do peak = math.max(peak, point[2]) end
points.label = "MiB in memory"
print(weft.plot.curve { x = "time", xunit = "s", y = "MiB", points })
local tasks = (LEAVES * 10 - 1) // 9
print(("\nsum %d, as it must be: %s"):format(sum, tostring(sum == LEAVES * (LEAVES - 1) // 2)))
print(("%.0f ms, and %.1f MiB more at the most: %.0f bytes for each of %d tasks, all of which are there at once"):format(ms,
  peak - before, (peak - before) * 2^20 / tasks, tasks))

local rate, text = draw.rate("tasks", function()
  weft.go(sky, 0, LEAVES):join()
  return tasks
end)
print(("again: %s; %.0f ns for a task, its start, its end and its share of the waiting"):format(text, 1e9 / rate))
print "(others, a million leaves on a desktop of 2013: Go 200 ms, Erlang 700 to 1100 ms)"
