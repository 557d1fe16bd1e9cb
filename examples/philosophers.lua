-- Claim: five philosophers who each take the left fork, then the right, can starve together; a host who admits two of
-- them at a time prevents it, and nobody waits long. Three meals each. (Chance, seeded, decides who is quick.)

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local N, MEALS, DINNERS = 5, 3, draw.quick and 50 or 1000
local SYMBOL = draw.ascii and { thinks = " ", hungry = ".", eats = "#" } or { thinks = " ", hungry = "░", eats = "█" }

-- A dinner: true, or false and the deadlock's report. `rows`, if given, gets what each one did, turn by turn.
local function dinner(host, rows)
  local forks, does, jobs, left_table = {}, {}, {}, 0
  for i = 1, N do forks[i], does[i] = weft.mutex(), "thinks" end
  local function spend(i, what, turns)
    does[i] = what
    for _ = 1, turns do weft.yield() end
  end
  local function philosopher(i)
    local left, right = forks[i], forks[i % N + 1]
    for _ = 1, MEALS do
      spend(i, "thinks", math.random(0, 4))
      does[i] = "hungry"
      if host then host:acquire() end
      left:lock()
      spend(i, "hungry", math.random(0, 3)) -- the other hand is slow
      right:lock()
      assert(does[i % N + 1] ~= "eats" and does[(i - 2) % N + 1] ~= "eats", "two neighbours eat at once")
      spend(i, "eats", math.random(1, 4))
      right:unlock()
      left:unlock()
      if host then host:release() end
    end
    does[i], left_table = "thinks", left_table + 1
  end
  for i = 1, N do jobs[i] = weft.go({ name = "philosopher " .. i }, philosopher, i) end
  while rows and left_table < N do -- the main chunk looks on, once a turn
    for i = 1, N do rows[i][#rows[i] + 1] = does[i] end
    weft.yield()
  end
  local ok, report = pcall(function() for _, job in ipairs(jobs) do job:join() end end)
  for _, job in ipairs(jobs) do job:cancel() job:wait() end
  return ok, report
end

print "five philosophers can starve together; a host who admits two at a time prevents it\n"
math.randomseed(5)
local stuck, first = { 0, 0 }, nil
for _ = 1, DINNERS do
  for kind = 1, 2 do
    local ok, report = dinner(kind == 2 and weft.semaphore(2) or nil)
    if not ok then
      assert(weft.is(report, "deadlock"), report)
      stuck[kind], first = stuck[kind] + 1, first or report
    end
  end
end
print("without a host, a dinner that never ended:\n" .. tostring(first or "(none this time)"))

local rows, longest, circle = { {}, {}, {}, {}, {} }, 0, {}
assert(dinner(weft.semaphore(2), rows))
for i, row in ipairs(rows) do
  local wait, cells = 0, {}
  for turn, what in ipairs(row) do
    wait, cells[turn] = what == "hungry" and wait + 1 or 0, SYMBOL[what]
    longest = math.max(longest, wait)
  end
  circle[i] = ("  philosopher %d |%s|"):format(i, table.concat(cells))
end
print(("\nwith a host, turn by turn (%s eats, %s waits; the table is round: after 5 comes 1)"):format(SYMBOL.eats, SYMBOL.hungry))
print(table.concat(circle, "\n") .. "\n" .. circle[1] .. "\n")
print(("deadlocks in %d dinners: without a host %d, with a host %d; longest wait with a host: %d turns"):format(DINNERS,
  stuck[1], stuck[2], longest))
