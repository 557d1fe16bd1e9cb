-- Claim: many light units share few OS threads, and use a second core when there is one. As Go's runtime shares goroutines:
-- the same isolates, on one worker, then on two.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local ISOLATES, LOOPS = draw.quick and 40 or 400, draw.quick and 100000 or 300000

local function unit(loops)
  local x = 0
  for i = 1, loops do x = (x + i * i) % 1000003 end
  return x
end

-- The rows of the workers: what each has done so far.
local function workers()
  local rows = {}
  for _, row in ipairs(weft.ps()) do
    if row.kind == "worker" then rows[row.id] = row end
  end
  return rows
end

-- Seconds for all isolates; and what each worker did meanwhile.
local function run()
  weft.spawn(unit, 1):join() -- the workers are there
  local before, start, jobs, answer = workers(), weft.now(), {}, nil
  for i = 1, ISOLATES do jobs[i] = weft.spawn(unit, LOOPS) end
  for i = 1, ISOLATES do answer = jobs[i]:join() end
  local seconds, rows = weft.now() - start, workers()
  for id, row in pairs(rows) do
    local was = before[id] or { slices = 0, stolen = 0, cpu = 0 }
    rows[id] = { slices = row.slices - was.slices, stolen = row.stolen - was.stolen, cpu = row.cpu - was.cpu }
  end
  return seconds, rows, answer
end

print(("many isolates share few workers: %d isolates that compute, on one worker, then on two\n"):format(ISOLATES))
local took = {}
for n = 1, 2 do
  weft.workers(n) -- the pool can grow while it runs
  local seconds, rows, answer = run()
  took[n] = seconds
  print(("%d worker%s: %.3f s, each isolate says %d"):format(n, n == 1 and "" or "s", seconds, answer))
  local bars = {}
  for id, row in ipairs(rows) do
    local text = ("%.3f s of CPU, %d slices, %d isolates stolen"):format(row.cpu, row.slices, row.stolen)
    bars[id] = { "worker " .. id, row.cpu, text }
  end
  draw.bars(bars)
  print()
end

-- The same once more, fewer, with a lane for each OS thread.
local t = weft.trace(function()
  local jobs = {}
  for i = 1, 40 do jobs[i] = weft.spawn(unit, LOOPS) end
  weft.all(jobs)
end)
print "40 of them on the two, a row for each OS thread:"
t:timeline { by = "carrier" }
local rate = ISOLATES / took[2]
print(("\n%.0f isolates/s on two workers, of %d steps each"):format(rate, LOOPS))
print(("two workers are %.2f times as fast as one; this process may use %d CPU%s"):format(took[1] / took[2], weft.cpus(),
  weft.cpus() == 1 and "" or "s"))
