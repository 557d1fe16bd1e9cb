-- Claim: two tasks that take two locks in opposite orders can wait for each other for ever; one order for all cannot.
-- When nothing can ever go on, the main chunk gets an error that names every task, what it waits for and where.
-- (Only a deadlock of all tasks is an error: while one task can still run, nobody knows that it will not help.)

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local SCHEDULES = draw.quick and 100 or 1000

-- Ada and Bob move money between two accounts, each locked while it is used. `ordered`: both lock account 1 first.
-- At each step chance decides whether the other comes first. True, or false and the report.
local function transfers(ordered)
  local locks = { weft.mutex(), weft.mutex() }
  local function move(from, to)
    if ordered then from, to = math.min(from, to), math.max(from, to) end
    if math.random() < 0.5 then weft.yield() end
    local _ <close> = locks[from]:guard()
    if math.random() < 0.5 then weft.yield() end
    local _ <close> = locks[to]:guard()
  end
  local ada, bob = weft.go({ name = "ada" }, move, 1, 2), weft.go({ name = "bob" }, move, 2, 1)
  local ok, report = pcall(function() ada:join() bob:join() end)
  ada:cancel() bob:cancel()
  ada:wait() bob:wait()
  return ok, report
end

-- Draws who waits for what, and who holds that, from the lines of a report.
local function graph(report)
  local waits, holder, first = {}, {}, nil
  for task, lock, by in tostring(report):gmatch "\n  (%w+): waits in lock for weft%.(mutex %d+) %(held by (%w+)%)" do
    waits[task], holder[lock], first = lock, by, first or task
  end
  local line, task = "  " .. first, first
  repeat
    local lock = waits[task]
    task = holder[lock]
    line = ("%s waits for %s %s held by %s %s"):format(line, draw.arrow, lock, draw.arrow, task)
  until task == first
  return line .. ", and so on"
end

print "two tasks that lock in opposite orders can wait for each other for ever; one order for all cannot\n"
math.randomseed(1)
local stuck, report = { [false] = 0, [true] = 0 }, nil
for _, ordered in ipairs { false, true } do
  for _ = 1, SCHEDULES do
    local ok, err = transfers(ordered)
    if not ok then
      assert(weft.is(err, "deadlock"), err)
      stuck[ordered], report = stuck[ordered] + 1, report or err
    end
  end
end
print(report)
print("\n" .. graph(report) .. "\n")
print(("deadlocks in %d random schedules: opposite orders %d, one order %d"):format(SCHEDULES, stuck[false], stuck[true]))
