-- Claim: `x = x + 1` is three steps: read, add, write. When another task comes between them, an update is lost;
-- under a mutex none is. (Tasks change places only where they wait or yield: one such place is put between the steps.)

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local TASKS, TIMES = 4, draw.quick and 250 or 25000

-- `tasks` tasks add 1 to x, each `times` times: the share that is lost. `log` is told of every step.
local function count(tasks, times, mutex, log)
  local x, jobs = 0, {}
  local function add(name)
    local mine = x
    log(name, "reads " .. mine, x)
    if math.random() < 0.5 then weft.yield() end
    x = mine + 1
    log(name, "writes " .. x, x)
  end
  for i = 1, tasks do
    jobs[i] = weft.go(function()
      for _ = 1, times do
        if mutex then mutex:with(add, i) else add(i) end
        if math.random() < 0.5 then weft.yield() end
      end
    end)
  end
  weft.all(jobs)
  return 100 * (1 - x / (tasks * times)), x
end

-- One column a task, one line a step. A write that leaves x as it was has lost the other task's update.
local function picture(mutex)
  print(("  step  %-12s%-12s  x"):format("task 1", "task 2"))
  local step, before = 0, 0
  local _, x = count(2, 3, mutex, function(task, what, now)
    step = step + 1
    local lost = what:find "writes" and now == before and "   <- an update is lost" or ""
    print(("  %4d  %-12s%-12s%3d%s"):format(step, task == 1 and what or "", task == 2 and what or "", now, lost))
    before = now
  end)
  print(("  one was added six times, x is %d\n"):format(x))
end

print "x = x + 1 is three steps: when tasks change places between them, updates are lost; a mutex keeps them\n"
math.randomseed(3)
print "without a mutex:"
picture()
print "with a mutex:"
picture(weft.mutex())

local function share(mutex)
  return draw.median(draw.quick and 1 or 5, function() return (count(TASKS, TIMES, mutex, function() end)) end)
end
local none, none_least, none_most = share()
local with, with_least, with_most = share(weft.mutex())
print(("lost of %d additions by %d tasks: without %.1f %% (%.1f to %.1f), with a mutex %.1f %% (%.1f to %.1f)")
  :format(TASKS * TIMES, TASKS, none, none_least, none_most, with, with_least, with_most))
