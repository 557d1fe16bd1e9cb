-- Claim: a sleep is not a promise. It ends no earlier than asked, and how much later depends on who else wants the
-- thread. Sleeps of 1 ms, measured while nothing else runs, while other tasks compute in small steps and in large ones,
-- and while threads keep all cores busy.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local SLEEPS, ASKED = draw.quick and 50 or 1000, 0.001

-- How late the sleeps were, in microseconds, sorted.
local function measure()
  local late = {}
  for i = 1, SLEEPS do
    local due = weft.nanotime() + ASKED * 1e9
    weft.sleep(ASKED)
    late[i] = (weft.nanotime() - due) / 1000
  end
  table.sort(late)
  return late
end

local function compute(seconds)
  local finish = weft.now() + seconds
  while weft.now() < finish do end
end

local function beside(step)
  local job = weft.go(function()
    while true do
      compute(step)
      weft.yield()
    end
  end)
  local late = measure()
  job:cancel()
  job:wait()
  return late
end

local function with_threads()
  local jobs = {}
  for i = 1, 2 * weft.cpus() do
    jobs[i] = weft.thread(function() while true do end end)
  end
  local late = measure()
  for _, job in ipairs(jobs) do job:cancel() end
  for _, job in ipairs(jobs) do job:wait() end
  return late
end

local EDGES = { 10, 30, 100, 300, 1000, 3000, 10000, math.huge }
local NAMES = { "<10", "<30", "<100", "<300", "<1ms", "<3ms", "<10ms", "more" }

print(("a sleep is not a promise: how late %d sleeps of 1 ms end, in microseconds\n"):format(SLEEPS))
local early = 0
for _, case in ipairs {
  { "alone", measure }, { "a task computes, 0.1 ms at a time", beside, 0.0001 },
  { "a task computes, 5 ms at a time", beside, 0.005 }, { "threads on all cores", with_threads },
} do
  local late = case[2](case[3])
  if late[1] < 0 then early = early + 1 end
  local function at(q) return late[math.max(1, math.ceil(#late * q))] end
  print(("%s: p50 %.0f us, p99 %.0f us, max %.0f us"):format(case[1], at(0.5), at(0.99), late[#late]))
  local counts, bin = {}, 1
  for i in ipairs(EDGES) do counts[i] = 0 end
  for _, v in ipairs(late) do
    while v >= EDGES[bin] do bin = bin + 1 end
    counts[bin] = counts[bin] + 1
  end
  for i, n in ipairs(counts) do
    if n > 0 then print(("  %6s %s %d"):format(NAMES[i], draw.full:rep(math.max(1, math.floor(n / #late * 40))), n)) end
  end
end
print(("\n%s ended early"):format(early == 0 and "none" or early))
