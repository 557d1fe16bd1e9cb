-- Claim: a bug that needs one unlucky moment passes a hundred plain runs and is found in a few schedules that are
-- chosen: a lost update, a deadlock, a lost wake-up, an atomicity violation. Each is shown at its smallest, and no
-- schedule of the repaired program fails.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local DINERS = 3

local bugs = {}

-- Two cashiers take money from one account, each after a look at it.
bugs[1] = { name = "lost update", program = function(repaired)
  local account, mutex = weft.buffer("i64", 1), weft.mutex()
  account[1] = 100
  local function draw_money(amount)
    if repaired then mutex:lock() end
    local balance = account[1]
    account[1] = balance - amount
    if repaired then mutex:unlock() end
  end
  weft.all { weft.go(draw_money, 10), weft.go(draw_money, 20) }
  assert(account[1] == 70, "money is lost")
end }

-- Philosophers take the fork on the left, then the one on the right. Repaired: the last one is left-handed.
bugs[2] = { name = "deadlock of philosophers", program = function(repaired)
  local forks = {}
  for i = 1, DINERS do forks[i] = weft.mutex() end
  local function dine(left, right)
    forks[left]:lock()
    forks[right]:lock()
    forks[right]:unlock()
    forks[left]:unlock()
  end
  for i = 1, DINERS do
    local left, right = i, i % DINERS + 1
    if repaired and i == DINERS then left, right = right, left end
    weft.go({ name = "philosopher " .. i }, dine, left, right)
  end
end }

-- A task waits until another one has made something ready: it looks, then waits. Repaired: both under the mutex.
bugs[3] = { name = "lost wake-up", program = function(repaired)
  local mutex, changed, ready = weft.mutex(), weft.condition(), false
  weft.go({ name = "waiter" }, function()
    if repaired then mutex:lock() end
    while not ready do
      if not repaired then mutex:lock() end
      changed:wait(mutex)
      if not repaired then mutex:unlock() end
    end
    if repaired then mutex:unlock() end
  end)
  weft.go({ name = "maker" }, function()
    if repaired then mutex:lock() end
    ready = true
    changed:signal()
    if repaired then mutex:unlock() end
  end)
end }

-- A buffer for one item. Both takers see that it is full, and wait for their turn; one finds it empty. Repaired: the
-- look and what follows are one piece.
bugs[4] = { name = "atomicity of a bounded buffer", program = function(repaired)
  local mutex, items = weft.mutex(), { "item" }
  local function full() return mutex:with(function() return #items > 0 end) end
  local function take() return mutex:with(table.remove, items) end
  local function taker()
    if repaired then
      mutex:with(function() if #items > 0 then assert(table.remove(items)) end end)
    elseif full() then
      assert(take(), "nothing was there")
    end
  end
  weft.all { weft.go({ name = "taker 1" }, taker), weft.go({ name = "taker 2" }, taker) }
end }

-- How often a program fails when it just runs.
local function plain_runs(n, f)
  local failed = 0
  for _ = 1, n do
    local ok = pcall(f)
    if not ok then failed = failed + 1 end
  end
  return failed
end

print "a bug that needs one unlucky moment passes every plain run, and is found when schedules are chosen\n"
local table_rows = {}
for _, bug in ipairs(bugs) do
  local function broken() bug.program(false) end
  local function repaired() bug.program(true) end
  local failed = plain_runs(100, function()
    broken()
    weft.wait()
  end)
  local found = weft.explore(broken, { schedules = 1000000, seconds = 60 })
  local proof = weft.explore(repaired, { schedules = draw.quick and 2000 or 2000000, seconds = 60 })
  assert(proof.ok, proof)
  print(("%s: %s\n"):format(bug.name, found.failure.message:gsub("^[^ ]+:%d+: ", "")))
  print(found.failure.interleaving .. "\n")
  local replay = weft.explore(broken, { replay = found.failure.token })
  assert(replay.failure.kind == found.failure.kind)
  table_rows[#table_rows + 1] = ("%-30s %3d of 100 %14d %8d   %s"):format(bug.name, failed, found.schedules,
    found.failure.preemptions, ("%d schedules%s"):format(proof.schedules, proof.complete and ", all" or ""))
end
print(("%-30s %10s %14s %8s   %s"):format("bug", "plain runs", "schedules", "preempt-", "repaired: none"))
print(("%-30s %10s %14s %8s   %s"):format("", "that fail", "until found", "ions", "fails of"))
for _, row in ipairs(table_rows) do print(row) end
