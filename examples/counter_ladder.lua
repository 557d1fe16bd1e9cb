-- Claim: each level of contention costs about ten times more. A counter is raised by one, again and again: in a variable
-- that nobody else can see; in an atomic; in an atomic that two threads share; under a lock that two threads want; by a
-- message to the thread that owns it; by a thread that is made for it.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")

-- A lock of one element: 0 free, 1 held, 2 held and wanted. Who must wait sleeps, and is woken.
local function lock(l)
  local done, seen = l:cas(1, 0, 1, "acquire")
  if done then return end
  if seen ~= 2 then seen = l:exchange(1, 2, "acquire") end
  while seen ~= 0 do
    l:wait(1, 2)
    seen = l:exchange(1, 2, "acquire")
  end
end
local function unlock(l)
  if l:exchange(1, 0, "release") == 2 then l:wake(1) end
end

local function both(f) -- in this thread and another one, at once
  local job = weft.thread(f)
  f()
  job:join()
end

local function variable(n)
  local x = 0
  for _ = 1, n do x = x + 1 end
  return x
end
local function atomic(n)
  local a = weft.atomic()
  local add = a.add
  for _ = 1, n do add(a, 1, 1) end
  return a[1]
end
local function shared(n)
  local a = weft.atomic()
  both(function()
    local add = a.add
    for _ = 1, n // 2 do add(a, 1, 1) end
  end)
  return a[1]
end
local function locked(n)
  local l, count = weft.atomic(), weft.atomic()
  both(function()
    for _ = 1, n // 2 do
      lock(l)
      count[1] = count[1] + 1 -- in steps: the lock keeps them together
      unlock(l)
    end
  end)
  return count[1]
end
local function owned(n)
  local ask, answer = weft.channel(), weft.channel()
  local owner = weft.thread(function()
    local x = 0
    for v in ask do
      x = x + v
      answer:send(x)
    end
    return x
  end)
  for _ = 1, n do
    ask:send(1)
    answer:recv()
  end
  ask:close()
  return owner:join()
end
local function made(n)
  local a = weft.atomic()
  for _ = 1, n do weft.thread(function() a:add(1, 1) end):join() end
  return a[1]
end

print "each level of contention costs about ten times more: raising a counter by one, six ways\n"
local levels = {
  { "a variable", variable, 2e7 }, { "an atomic", atomic, 2e6 }, { "an atomic of two threads", shared, 2e6 },
  { "under a lock of two threads", locked, 2e5 }, { "by its owner, another thread", owned, 1e4 }, { "by a new thread", made, 1e3 },
}
local rows, costs = {}, {}
for i, level in ipairs(levels) do
  local n = math.tointeger(draw.quick and level[3] // 50 or level[3])
  local cost, least, most = draw.median(draw.quick and 1 or 5, function()
    local start = weft.now()
    assert(level[2](n) == n, "an addition was lost")
    return (weft.now() - start) / n * 1e9
  end)
  local times = i > 1 and (", %.3g times the one before"):format(cost / costs[i - 1]) or ""
  local text = ("%s ns (%s to %s)%s"):format(draw.number(cost), draw.number(least), draw.number(most), times)
  rows[i], costs[i] = { level[1], cost, text }, cost
end
draw.bars(rows, "log")
if weft.cpus() == 1 then
  print "\none CPU only: two threads take turns here, so what they share is hardly ever contended"
end
local all = {}
for i, cost in ipairs(costs) do all[i] = draw.number(cost) end
print(("\nns an addition: %s; five steps from %s to %s, %.1f times each")
  :format(table.concat(all, ", "), all[1], all[6], (costs[6] / costs[1]) ^ (1 / 5)))
