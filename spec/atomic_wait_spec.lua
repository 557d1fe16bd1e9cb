-- Waiting for an element of a buffer: within an isolate, between threads, and what is told when nobody will wake.

local helper = require "spec.helper"
local weft = require "weft"

local HUGE, MAX = math.huge, math.maxinteger

local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

-- Until all of the jobs are parked.
local function all_wait(jobs)
  for _, job in ipairs(jobs) do
    while job:status() ~= "waiting" do weft.yield() end
  end
end

describe("wait", function()
  it("returns at once when the element is another", function()
    for _, t in ipairs { "i8", "u16", "i32", "u64", "f32", "f64" } do
      local b = weft.buffer(t, 3)
      b[2] = 5
      assert.equal("changed", b:wait(2, 4))
      assert.equal("changed", b:wait(2, 4, 0))
      assert.equal("changed", b:wait(2, 4, 1000))
      assert.equal("timeout", b:wait(2, 5, 0))
      assert.equal("timeout", b:wait(2, 5, 1e-9))
    end
  end)

  it("checks its arguments", function()
    local a = weft.atomic(0)
    helper.raises("bad argument #2 to 'wait' (a number expected, got no value)", function() a:wait(1) end)
    helper.raises("bad argument #3 to 'wait'", function() a:wait(1, 0, -1) end)
    helper.raises("bad argument #3 to 'wait'", function() a:wait(1, 0, 0 / 0) end)
    helper.raises("bad argument #3 to 'wait'", function() a:wait(1, 0, "x") end)
    helper.raises("bad argument #2 to 'wake'", function() a:wake(1, -1) end)
    helper.raises("bad argument #2 to 'wake'", function() a:wake(1, 0 / 0) end)
    helper.raises("bad argument #2 to 'wake'", function() a:wake(1, {}) end)
  end)

  it("parks the task until it is woken, whatever the element is by then", function()
    local a, log = weft.atomic(0), {}
    local job = start(function()
      log[#log + 1] = a:wait(1, 0)
      log[#log + 1] = a[1]
    end)
    assert.equal("waiting", job:status())
    a[1] = 1
    weft.yield()
    assert.same({}, log) -- a change alone wakes nobody
    assert.equal(1, a:wake(1))
    assert.equal(0, a:wake(1))
    job:join()
    assert.same({ "woken", 1 }, log)
    job = start(a.wait, a, 1, 1)
    assert.equal(1, a:wake(1)) -- and a wake needs no change
    assert.equal("woken", job:join())
  end)

  it("ends when its time is over", function()
    local a = weft.atomic(0)
    local began = weft.now()
    assert.equal("timeout", a:wait(1, 0, 0.005))
    assert.is_true(weft.now() - began >= 0.005)
    local job = start(a.wait, a, 1, 0, 0.001)
    assert.equal("timeout", job:join())
    assert.equal(0, a:wake(1))
    job = start(a.wait, a, 1, 0, 1000)
    a:wake(1)
    assert.equal("woken", job:join())
    weft.go(a.wake, a, 1)
    assert.equal("woken", a:wait(1, 0, HUGE))
  end)

  it("wakes first who came first, and as many as asked", function()
    local a, log, jobs = weft.atomic(0), {}, {}
    for i = 1, 10 do
      jobs[i] = start(function()
        a:wait(1, 0)
        log[#log + 1] = i
      end)
    end
    assert.equal(0, a:wake(1, 0))
    assert.equal(1, a:wake(1))
    weft.yield()
    assert.same({ 1 }, log)
    assert.equal(3, a:wake(1, 3))
    weft.yield()
    assert.same({ 1, 2, 3, 4 }, log)
    assert.equal(2, a:wake(1, 2.5)) -- no more than that
    assert.equal(4, a:wake(1, HUGE))
    weft.all(jobs)
    for i = 1, 10 do assert.equal(i, log[i]) end
    assert.equal(0, a:wake(1, MAX))
  end)

  it("wakes those of one element alone, however many there are", function()
    local n = helper.scale(2000, 200)
    local b, order, jobs = weft.buffer("u8", n), {}, {}
    for i = 1, n do
      order[i] = i
      jobs[i] = weft.go(b.wait, b, i, 0)
    end
    weft.yield()
    all_wait(jobs)
    for i = n, 2, -1 do
      local j = math.random(i)
      order[i], order[j] = order[j], order[i]
    end
    for _, i in ipairs(order) do
      assert.equal("waiting", jobs[i]:status())
      assert.equal(1, b:wake(i, HUGE))
      assert.equal(0, b:wake(i, HUGE))
      assert.equal("woken", jobs[i]:join())
    end
  end)

  it("knows an element by its place, in slices too", function()
    local b = weft.buffer("i32", 10)
    local s = b:slice(4, 6)
    local job = start(s.wait, s, 2, 0)
    assert.equal(0, b:wake(4))
    assert.equal(1, b:wake(5))
    assert.equal("woken", job:join())
  end)

  it("goes on when the buffer is closed", function()
    local b = weft.buffer("i32", 1)
    local s = b:slice()
    local job = start(b.wait, b, 1, 0)
    b:close()
    collectgarbage()
    assert.equal(1, s:wake(1))
    assert.equal("woken", job:join())
  end)

  it("works in generators and wherever a call cannot yield", function()
    local a = weft.atomic(0)
    local function once()
      weft.go(a.wake, a, 1)
      return a:wait(1, 0)
    end
    assert.equal("woken", once())
    assert.equal("woken", coroutine.wrap(once)())
    assert.equal("woken", (("x"):gsub("x", once)))
    assert.equal("woken", weft.go(function() return coroutine.wrap(once)() end):join())
    assert.equal("woken", weft.go(function() return (("x"):gsub("x", once)) end):join())
  end)

  it("can be cancelled", function()
    local a = weft.atomic(0)
    local first, second = start(a.wait, a, 1, 0), start(a.wait, a, 1, 0)
    first:cancel "enough"
    helper.raises_kind("cancelled", first.join, first)
    assert.equal(1, a:wake(1, HUGE))
    assert.equal("woken", second:join())
    helper.raises_kind("timeout", weft.timeout, 0.001, a.wait, a, 1, 0)
    assert.equal(0, a:wake(1))
    local job = weft.go(function()
      weft.current():get "x" -- nothing
      return pcall(a.wait, a, 1, 0)
    end)
    job:cancel()
    assert.is_false((job:result()))
  end)

  it("is a cancellation point even when it need not wait", function()
    local a = weft.atomic(1)
    local job
    job = weft.go(function()
      job:cancel()
      return a:wait(1, 0)
    end)
    helper.raises_kind("cancelled", job.join, job)
  end)
end)

describe("a deadlock", function()
  it("of tasks that wait for an element is found and told", function()
    local a = weft.atomic(0)
    weft.go({ name = "sleeper" }, function() weft.shield(function() pcall(a.wait, a, 1, 0) end) end)
    local err = helper.raises_kind("deadlock", a.wait, a, 1, 0)
    assert.truthy(err.message:find "all 2 tasks are asleep", err.message)
    assert.truthy(err.message:find "sleeper.*: waits in wait for weft%.buffer %d+ %(i64, 1%) at .*spec%.lua:%d+", err.message)
    assert.equal(1, a:wake(1))
    weft.wait()
  end)

  it("is no deadlock with a time-out", function()
    local a = weft.atomic(0)
    assert.equal("timeout", a:wait(1, 0, 0.02))
  end)

  it("of threads that wait for each other's wake is found", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      local a, b = weft.atomic(0), weft.atomic(0)
      local job = weft.thread(function() a:wait(1, 0) b:wake(1) end)
      b:wait(1, 0)
      a:wake(1)
      print "never"
    ]]
    assert.equal("", out)
    assert.equal(1, code)
    assert.truthy(err:find "deadlock: all 2 tasks are asleep", err)
    local _, told = err:gsub("waits in wait for weft%.buffer %d+ %(i64, 1%) at ", "")
    assert.is_true(told >= 2, err)
  end)

  it("is not seen where a thread may still wake", function()
    local a = weft.atomic(0)
    for _ = 1, helper.scale(50, 5) do
      local job = weft.thread(function()
        local x = 0
        for i = 1, 20000 do x = x + i end
        a:wake(1)
        while a:wake(1) == 0 and a[1] == 0 do weft.yield() end
        return x
      end)
      assert.equal("woken", a:wait(1, 0))
      a[1] = 1
      job:join()
      a[1] = 0
    end
  end)

  it("is not missed when a buffer has come back and its thread is gone", function()
    local a = weft.atomic(0)
    weft.thread(function() a:add(1, 1) end):join()
    helper.raises_kind("deadlock", a.wait, a, 1, 1)
  end)
end)

describe("between threads", function()
  it("a waiting task is woken from another thread", function()
    local a = weft.atomic(0)
    local ran = false
    local job = weft.thread(function()
      a:wait(1, 0)
      a:store(1, 2)
      a:wake(1)
      return "done"
    end)
    weft.go(function() ran = true end)
    a:store(1, 1)
    a:wake(1)
    while a[1] ~= 2 do assert(a:wait(1, 1) ~= "timeout") end
    assert.equal("done", job:join())
    assert.is_true(ran) -- the carrier was not blocked
  end)

  it("a task that waited before the buffer crossed can be woken from there", function()
    local b = weft.buffer("i32", 20)
    local jobs = {}
    for i = 1, 20 do jobs[i] = weft.go(b.wait, b, i, 0) end
    weft.yield()
    all_wait(jobs)
    b:wake(3) -- one is woken by its own isolate
    jobs[5]:cancel()
    local thread = weft.thread(function()
      local n = 0
      for i = 1, 20 do n = n + b:wake(i, math.huge) end
      return n
    end)
    assert.equal(18, thread:join())
    for i, job in ipairs(jobs) do
      if i == 5 then helper.raises_kind("cancelled", job.join, job) else assert.equal("woken", job:join()) end
    end
  end)

  -- A mutex of an element: 0 free, 1 held, 2 held and somebody waits.
  local function lock(m, i)
    local done, seen = m:cas(i, 0, 1, "acquire")
    if done then return end
    if seen ~= 2 then seen = m:exchange(i, 2, "acquire") end
    while seen ~= 0 do
      m:wait(i, 2)
      seen = m:exchange(i, 2, "acquire")
    end
  end
  local function unlock(m, i)
    if m:exchange(i, 0, "release") == 2 then m:wake(i) end
  end

  it("cas, wait and wake make a lock that many tasks of many threads share", function()
    local n = helper.scale(3000, 100)
    local m, count, inside = weft.buffer("i32", 1), weft.buffer("i64", 1), weft.buffer("i32", 1)
    local function work()
      for i = 1, n do
        lock(m, 1)
        assert(inside:add(1, 1) == 0, "two are inside")
        count[1] = count[1] + 1 -- plain: the lock protects it
        if i % 50 == 0 then weft.yield() end
        inside:add(1, -1)
        unlock(m, 1)
      end
    end
    local jobs = {}
    for _ = 1, 3 do
      jobs[#jobs + 1] = weft.thread(function()
        local tasks = {}
        for k = 1, 3 do tasks[k] = weft.go(work) end
        weft.all(tasks)
      end)
      jobs[#jobs + 1] = weft.go(work)
    end
    weft.all(jobs)
    assert.equal(12 * n, count[1])
    assert.equal(0, m[1])
  end)

  it("a ball goes to and fro", function()
    local n = helper.scale(5000, 200)
    local a = weft.buffer("u32", 1)
    local function player(mine)
      for turn = mine, 2 * n, 2 do
        while true do
          local at = a:load(1, "acquire")
          if at == turn then break end
          a:wait(1, at)
        end
        a:store(1, turn + 1, "release")
        a:wake(1)
      end
    end
    local job = weft.thread(player, 1)
    player(0)
    job:join()
    assert.equal(2 * n + 1, a[1])
  end)

  it("every task that was woken was woken by somebody, once", function()
    -- Waits with short time-outs race wakes from three threads: what wake says is what wait says.
    local n = helper.scale(400, 40)
    local b, stop = weft.buffer("i32", 4), weft.atomic(0)
    local wakers = {}
    for k = 1, 3 do
      wakers[k] = weft.thread(function()
        local woken = 0
        while stop[1] == 0 do
          for i = 1, 4 do woken = woken + b:wake(i, k) end
        end
        return woken
      end)
    end
    local function waits()
      local woken, late = 0, 0
      for i = 1, n do
        local how = b:wait(i % 4 + 1, 0, (i % 7) * 1e-5)
        if how == "woken" then woken = woken + 1 elseif how == "timeout" then late = late + 1 end
      end
      assert(woken + late == n)
      return woken
    end
    local jobs = {}
    for k = 1, 4 do jobs[k] = weft.go(waits) end
    jobs[5] = weft.thread(function()
      local mine = { weft.go(waits), weft.go(waits) }
      return mine[1]:join() + mine[2]:join()
    end)
    -- Some are cancelled in the middle: a wake that took one of those counts too.
    local cancelled, caught = 0, 0
    for _ = 1, n // 4 do
      local job = weft.go(function()
        local ok, how = pcall(b.wait, b, 1, 0)
        return ok and how == "woken"
      end)
      weft.yield()
      job:cancel()
      cancelled = cancelled + 1
      if job:join() then caught = caught + 1 end
    end
    local woken = 0
    for _, k in ipairs(weft.all(jobs)) do woken = woken + k end
    stop[1] = 1
    local sent = 0
    for _, k in ipairs(weft.all(wakers)) do sent = sent + k end
    -- A task that was woken and cancelled before it ran raises: the wake was its.
    local least, most = woken + caught, woken + cancelled
    assert.is_true(sent >= least and sent <= most, ("%d sent, %d to %d woken"):format(sent, least, most))
  end)

  it("threads that end while they wait leave the queue in order", function()
    local b = weft.buffer("i32", 2)
    for _ = 1, helper.scale(100, 10) do
      local job = weft.thread(function()
        weft.go(b.wait, b, 1, 0):detach()
        weft.go(b.wait, b, 2, 0):detach()
        weft.yield()
        b:wait(1, 0, 1e-4)
      end)
      while job:status() ~= "done" do
        b:wake(2)
        weft.yield()
      end
      job:join()
    end
    assert.equal(0, b:wake(1, HUGE))
    assert.equal(0, b:wake(2, HUGE))
  end)

  it("a thread that is cancelled stops waiting", function()
    local a = weft.atomic(0)
    local job = weft.thread(function()
      a:store(1, 1)
      a:wake(1)
      a:wait(1, 1)
    end)
    while a[1] == 0 do a:wait(1, 0, 1) end
    job:cancel()
    helper.raises_kind("cancelled", job.join, job)
    assert.equal(0, a:wake(1, HUGE))
  end)
end)
