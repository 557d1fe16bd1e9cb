-- Locks that have crossed to other isolates: the same promises as within one, between threads and isolates of the pool.

local helper = require "spec.helper"
local weft = require "weft"

-- Every test runs with both kinds of isolates on the other side.
local function each(name, f)
  for _, verb in ipairs { "thread", "spawn" } do
    it(name .. " (" .. verb .. ")", function() f(weft[verb]) end)
  end
end

-- A channel on which the other side says where it is.
local function steps() return weft.channel(100) end

describe("a shared mutex", function()
  each("excludes, and is handed over to all", function(start)
    local m, log = weft.mutex(), steps()
    m:lock()
    local others = {}
    for i = 1, 3 do
      others[i] = start(function(mutex, ch, no)
        ch:send("at " .. no)
        mutex:lock()
        ch:send("in " .. no)
        mutex:unlock()
      end, m, log, i)
      assert.equal("at " .. i, (log:recv()))
      weft.sleep(0)
    end
    m:unlock()
    local seen = {}
    for i = 1, 3 do seen[i] = log:recv() end
    table.sort(seen) -- who has come first of them is not to be seen from outside
    assert.same({ "in 1", "in 2", "in 3" }, seen)
    for i = 1, 3 do others[i]:join() end
    assert.truthy(tostring(m):find("(free)", 1, true))
  end)

  each("counts right under many isolates and tasks", function(start)
    local m, count = weft.mutex(), weft.atomic(0)
    local n, jobs = helper.scale(3000, 60), {}
    local function work(mutex, counter, times)
      local tasks = {}
      for k = 1, 3 do
        tasks[k] = weft.go(function()
          for i = 1, times do
            if i % 3 == 0 then
              mutex:with(function() counter[1] = counter[1] + 1 end)
            elseif i % 3 == 1 then
              local _ <close> = mutex:guard()
              counter[1] = counter[1] + 1
              if i % 10 == 0 then weft.yield() end
            else
              mutex:lock()
              counter[1] = counter[1] + 1
              mutex:unlock()
            end
          end
        end)
      end
      weft.all(tasks)
    end
    for i = 1, 4 do jobs[i] = start(work, m, count, n) end
    work(m, count, n)
    weft.all(jobs)
    assert.equal(5 * 3 * n, count[1])
  end)

  each("parks only the task that waits", function(start)
    local m, log = weft.mutex(), steps()
    m:lock()
    local job = start(function(mutex, ch)
      local waiter = weft.go(function() mutex:lock() ch:send "got it" mutex:unlock() end)
      for i = 1, 3 do weft.yield() ch:send(i) end
      waiter:join()
    end, m, log)
    for i = 1, 3 do assert.equal(i, (log:recv())) end
    m:unlock()
    assert.equal("got it", (log:recv()))
    job:join()
  end)

  each("can be tried for a time", function(start)
    local m = weft.mutex()
    m:lock()
    assert.same({ false, false }, { start(function(mutex) return mutex:try_lock(), mutex:try_lock(0.001) end, m):join() })
    m:unlock()
    assert.same({ true, false }, { start(function(mutex)
      local first, second = mutex:try_lock(0.001), mutex:try_lock()
      mutex:unlock()
      return first, second
    end, m):join() })
  end)

  each("is nobody's to unlock but its holder's", function(start)
    local m = weft.mutex()
    m:lock()
    local ok, err = start(function(mutex) mutex:unlock() end, m):result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find("the main chunk holds it, not this task", 1, true), err)
    helper.raises("this task holds it already", m.lock, m)
    m:unlock()
    helper.raises("nobody holds it", m.unlock, m)
  end)

  each("is left by who is cancelled", function(start)
    local m, log = weft.mutex(), steps()
    m:lock()
    local job = start(function(mutex, ch) ch:send "at" mutex:lock() end, m, log)
    log:recv()
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    m:unlock()
    assert.is_true(m:try_lock())
    m:unlock()
  end)

  each("that its holder has taken along tells those who wait, and can be freed", function(start)
    local m, log = weft.mutex(), steps()
    local go = weft.channel()
    local job = start(function(mutex, ch, wait)
      mutex:lock()
      ch:send "has it"
      wait:recv()
    end, m, log, go)
    log:recv()
    local waiter = weft.go(function() m:lock() end)
    weft.yield()
    assert.truthy(tostring(m):find(job.kind .. " %d+%)"), tostring(m))
    go:send(true)
    local ok, err = waiter:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "deadlock"), tostring(err))
    assert.truthy(err.message:find("left locked by " .. job.kind .. " %d+, which has ended"), err.message)
    helper.raises_kind("deadlock", m.lock, m)
    helper.raises_kind("deadlock", m.try_lock, m, 0.001)
    m:unlock()
    m:lock()
    m:unlock()
    job:join()
  end)

  each("that a task of another isolate has taken along tells, while that isolate lives", function(start)
    local m, log, go = weft.mutex(), steps(), weft.channel()
    local job = start(function(mutex, ch, wait)
      weft.go(function() mutex:lock() end):join()
      ch:send "ended"
      wait:recv()
    end, m, log, go)
    log:recv()
    local err = helper.raises_kind("deadlock", m.lock, m)
    assert.truthy(err.message:find("task %d+ of " .. job.kind .. " %d+, which has ended"), err.message)
    m:unlock()
    go:send(true)
    job:join()
    assert.is_true(m:try_lock())
    m:unlock()
  end)

  each("keeps its holder and its waiters when it crosses", function(start)
    local m, order = weft.mutex(), {}
    local holder = weft.go(function()
      m:lock()
      weft.sleep(0.01)
      order[#order + 1] = "holder"
      m:unlock()
    end)
    weft.yield()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = weft.go(function()
        m:with(function() order[#order + 1] = i end)
      end)
      weft.yield()
    end
    local timed = weft.go(function() return m:try_lock(0.001) end)
    weft.yield()
    local job = start(function(mutex) mutex:lock() mutex:unlock() return true end, m)
    assert.is_true(job:join())
    holder:join()
    weft.all(tasks)
    assert.same({ "holder", 1, 2, 3 }, order)
    assert.is_false(timed:join())
  end)

  it("is one object in one isolate, however it comes", function()
    local m, ch = weft.mutex(), weft.channel(2)
    local a, b = weft.thread(function(x, y, c)
      c:send(x)
      return rawequal(x, y), rawequal(x, (c:recv()))
    end, m, m, ch):join()
    assert.same({ true, true }, { a, b })
    ch:send { m }
    assert.is_true(rawequal(m, ch:recv()[1]))
  end)
end)

describe("a shared event", function()
  each("wakes all, everywhere", function(start)
    local e, log, jobs = weft.event(), steps(), {}
    for i = 1, 4 do
      jobs[i] = start(function(ev, ch) ch:send "at" return ev:wait(), ev:is_set() end, e, log)
    end
    local here = weft.go(function() return e:wait() end)
    for _ = 1, 4 do log:recv() end
    assert.is_false(e:wait(0.001))
    e:set()
    for i = 1, 4 do assert.same({ true, true }, { jobs[i]:join() }) end
    assert.is_true(here:join())
    e:clear()
    assert.is_false(e:is_set())
    start(function(ev) ev:set() end, e):join()
    assert.is_true(e:wait())
  end)
end)

describe("a shared waitgroup", function()
  each("waits for what others do", function(start)
    local g, jobs = weft.waitgroup(), {}
    g:add(8)
    for i = 1, 4 do
      jobs[i] = start(function(wg)
        weft.go(function() weft.yield() wg:done() end)
        wg:done()
        weft.wait()
      end, g)
    end
    assert.is_true(g:wait())
    assert.equal(0, g:count())
    helper.raises("below zero", g.done, g)
    weft.all(jobs)
  end)
end)

describe("a shared semaphore", function()
  each("lets as many in as it has units", function(start)
    local s, inside, most = weft.semaphore(2), weft.atomic(0), weft.atomic(0)
    local jobs = {}
    for i = 1, 5 do
      jobs[i] = start(function(sem, now, top, n)
        for k = 1, n do
          local function work()
            local here = now:add(1, 1) + 1
            while true do
              local t = top:load(1)
              if here <= t or top:cas(1, t, here) then break end
            end
            if k % 5 == 0 then weft.yield() end
            now:add(1, -1)
          end
          if k % 2 == 0 then
            sem:with(work)
          else
            sem:acquire()
            work()
            sem:release()
          end
        end
      end, s, inside, most, helper.scale(500, 20))
    end
    weft.all(jobs)
    assert.equal(0, inside[1])
    assert.is_true(most[1] <= 2, most[1])
    assert.equal(2, s:count())
    assert.is_false(start(function(sem) sem:acquire() sem:acquire() return sem:try_acquire(0.001) end, s):join())
    s:release(2)
    helper.raises("math.maxinteger", s.release, s, math.maxinteger)
    assert.equal(2, s:count())
  end)
end)

describe("a shared barrier", function()
  each("lets all pass together, with one leader each time", function(start)
    local b, rounds, jobs, leaders = weft.barrier(4), helper.scale(100, 5), {}, 0
    for i = 1, 3 do
      jobs[i] = start(function(barrier, n)
        local led = 0
        for _ = 1, n do
          if barrier:wait() then led = led + 1 end
        end
        return led
      end, b, rounds)
    end
    for _ = 1, rounds do
      if b:wait() then leaders = leaders + 1 end
    end
    for i = 1, 3 do leaders = leaders + jobs[i]:join() end
    assert.equal(rounds, leaders)
  end)

  each("does not count who was cancelled", function(start)
    local b, log = weft.barrier(2), steps()
    local job = start(function(barrier, ch) ch:send "at" barrier:wait() end, b, log)
    log:recv()
    job:cancel()
    job:wait()
    local one = weft.go(function() return b:wait() end)
    weft.yield()
    assert.equal("waiting", one:status())
    assert.is_true(b:wait())
    assert.is_false(one:join())
  end)
end)

describe("a shared condition", function()
  each("with a shared mutex makes a queue", function(start)
    local m, c, box = weft.mutex(), weft.condition(), weft.buffer("i64", 2)
    local n, jobs = helper.scale(1000, 30), {}
    local function take(mutex, cond, b, times)
      local sum = 0
      for _ = 1, times do
        mutex:lock()
        while b[1] == 0 do cond:wait(mutex) end
        sum = sum + b[2]
        b[1] = 0
        mutex:unlock()
        cond:broadcast()
      end
      return sum
    end
    for i = 1, 3 do jobs[i] = start(take, m, c, box, n) end
    for i = 1, 3 * n do
      m:with(function()
        while box[1] == 1 do c:wait(m) end
        box[1], box[2] = 1, i
      end)
      c:broadcast()
    end
    local sum = 0
    for i = 1, 3 do sum = sum + jobs[i]:join() end
    assert.equal(3 * n * (3 * n + 1) // 2, sum)
  end)

  each("has the mutex again after a time-out and a cancellation", function(start)
    local m, c, log = weft.mutex(), weft.condition(), steps()
    local job = start(function(mutex, cond, ch)
      local _ <close> = mutex:guard() -- a cancellation may come at any place of a thread
      local in_time = cond:wait(mutex, 0.001)
      mutex:unlock() -- raises when this task does not hold it
      mutex:lock()
      ch:send(in_time)
      cond:wait(mutex)
    end, m, c, log)
    assert.is_false((log:recv()))
    job:cancel "enough"
    job:wait()
    assert.equal("cancelled", job:status())
    assert.is_true(m:try_lock())
    m:unlock()
  end)
end)

describe("a shared rwlock", function()
  each("has readers together and writers alone", function(start)
    local rw, state, jobs = weft.rwlock(), weft.buffer("i64", 2), {}
    for i = 1, 4 do
      jobs[i] = start(function(lock, b, n)
        local bad = 0
        for k = 1, n do
          if k % 4 == 0 then
            lock:writing(function()
              b[1] = b[1] + 1
              if k % 8 == 0 then weft.yield() end
              b[2] = b[2] + 1
            end)
          else
            lock:reading(function()
              if b[1] ~= b[2] then bad = bad + 1 end
              if k % 7 == 0 then weft.yield() end
              if b[1] ~= b[2] then bad = bad + 1 end
            end)
          end
        end
        return bad
      end, rw, state, helper.scale(1000, 40))
    end
    for i = 1, 4 do assert.equal(0, (jobs[i]:join())) end
    assert.equal(helper.scale(1000, 40), state[1])
    assert.truthy(tostring(rw):find("(free)", 1, true), tostring(rw))
  end)

  each("says who holds it how", function(start)
    local rw, log, go = weft.rwlock(), steps(), weft.channel()
    local job = start(function(lock, ch, wait) lock:rlock() ch:send "reads" wait:recv() end, rw, log, go)
    log:recv()
    assert.is_true(rw:try_rlock())
    assert.is_false(rw:try_lock())
    helper.raises("holds it for reading already", rw.lock, rw)
    helper.raises("for reading", rw.unlock, rw)
    rw:runlock()
    assert.truthy(tostring(rw):find("read by " .. job.kind), tostring(rw))
    go:send(true)
    job:join()
    local err = helper.raises_kind("deadlock", rw.lock, rw)
    assert.truthy(err.message:find("runlock() by any task frees it", 1, true), err.message)
    assert.is_true(rw:try_rlock())
    rw:runlock()
    rw:runlock()
    rw:lock()
    rw:unlock()
  end)

  it("keeps readers, writers and their order when it crosses", function()
    local rw, order = weft.rwlock(), {}
    local reader = weft.go(function() rw:reading(weft.sleep, 0.005) order[#order + 1] = "reader" end)
    weft.yield()
    local writer = weft.go(function() rw:writing(function() order[#order + 1] = "writer" end) end)
    weft.yield()
    local late = weft.go(function() rw:reading(function() order[#order + 1] = "late" end) end)
    weft.yield()
    weft.thread(function(lock) lock:rlock() lock:runlock() end, rw):join()
    weft.all { reader, writer, late }
    assert.same({ "reader", "writer", "late" }, order)
  end)
end)

describe("a shared once", function()
  each("runs its function once, for all", function(start)
    local runs, gate = weft.atomic(0), weft.channel()
    local once = weft.once(function(a)
      runs:add(1, 1)
      gate:recv()
      return a, { runs = runs[1] }, nil
    end)
    local jobs, log = {}, steps()
    for i = 1, 4 do
      jobs[i] = start(function(o, ch)
        ch:send "at"
        local a, t, none = o("first")
        local again = o()
        return a, t.runs, none, again, select("#", o())
      end, once, log)
    end
    for _ = 1, 4 do log:recv() end
    local here = weft.go(function() return (once "first") end)
    gate:send(true)
    for i = 1, 4 do assert.same({ "first", 1, nil, "first", 3 }, { jobs[i]:join() }) end
    assert.equal("first", (here:join()))
    assert.equal(1, runs[1])
    assert.truthy(tostring(once):find("(done)", 1, true), tostring(once))
    assert.equal("first", (start(function(o) return (o()) end, once):join()))
  end)

  each("fails for all with one error", function(start)
    local once = weft.once(function() error { code = 5 } end)
    local function code(o)
      local ok, err = pcall(o)
      return not ok and err.code
    end
    assert.equal(5, (start(code, once):join()))
    assert.equal(5, code(once))
    assert.equal(5, (start(code, once):join()))
  end)

  each("is run anew when the run was broken off", function(start)
    local ran, log = weft.atomic(0), steps()
    local once = weft.once(function()
      if ran:add(1, 1) == 0 then
        log:send "runs"
        weft.sleep(1e6)
      end
      return "second"
    end)
    local job = start(function(o) return o() end, once)
    log:recv()
    local waiter = start(function(o) return (o()) end, once)
    local here = weft.go(function() return (once()) end)
    weft.yield()
    job:cancel()
    job:wait()
    assert.equal("second", (waiter:join()))
    assert.equal("second", (here:join()))
    assert.equal(2, ran[1])
  end)

  each("crosses while it runs, and when it has run", function(start)
    local once = weft.once(function() weft.sleep(0.003) return 1, 2 end)
    local runner = weft.go(function() return once() end)
    local waiter = weft.go(function() return once() end)
    weft.yield()
    local a, b = start(function(o) return o() end, once):join()
    assert.same({ 1, 2 }, { a, b })
    assert.same({ 1, 2 }, { runner:join() })
    assert.same({ 1, 2 }, { waiter:join() })
    local done = weft.once(function() return "x" end)
    done()
    assert.equal("x", (start(function(o) return o() end, done):join()))
    local failed = weft.once(function() error("no", 0) end)
    pcall(failed)
    assert.same({ false, "no" }, { start(function(o) return pcall(o) end, failed):join() })
  end)

  each("whose results cannot travel fails for all", function(start)
    local once = weft.once(function() return coroutine.create(print) end)
    local ok, err = start(function(o) return pcall(o) end, once):join()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "transfer"), tostring(err))
    assert.is_true(weft.is(select(2, pcall(once)), "transfer"))
  end)

  it("whose function cannot travel stays", function()
    local co = coroutine.create(print)
    local once = weft.once(function() return co end)
    helper.raises_kind("transfer", weft.thread, print, once)
    assert.equal(co, once())
  end)
end)

describe("shared locks", function()
  each("that all wait for each other are a deadlock, told with who holds what", function(start)
    local a, b, log = weft.mutex(), weft.mutex(), steps()
    a:lock()
    local job = start(function(x, y, ch)
      y:lock()
      ch:send "at"
      x:lock()
    end, a, b, log)
    log:recv()
    local err = helper.raises_kind("deadlock", b.lock, b)
    assert.truthy(err.message:find("held by " .. job.kind .. " %d+"), err.message)
    assert.truthy(err.message:find("held by the main chunk", 1, true), err.message)
    a:unlock()
    job:cancel()
    job:wait()
  end)

  each("survive time-outs, cancellations and ends in any order", function(start)
    local m, s, rw = weft.mutex(), weft.semaphore(1), weft.rwlock()
    local jobs = {}
    for i = 1, helper.scale(60, 8) do
      jobs[i] = start(function(mutex, sem, lock, no)
        for k = 1, 50 do
          local tasks = {}
          tasks[1] = weft.go(function() if mutex:try_lock(k % 3 * 1e-5) then weft.yield() mutex:unlock() end end)
          tasks[2] = weft.go(function() if sem:try_acquire(k % 2 * 1e-5) then weft.yield() sem:release() end end)
          tasks[3] = weft.go(function()
            if k % 2 == 0 then lock:reading(weft.yield) else lock:writing(weft.yield) end
          end)
          tasks[4] = weft.go(function() mutex:with(weft.yield) end)
          tasks[5] = weft.go(function() sem:with(weft.yield) end)
          weft.yield()
          tasks[k % 5 + 1]:cancel()
          for t = 1, 5 do tasks[t]:wait() end
          if no % 3 == 0 and k == 20 then weft.sleep(1e6) end
        end
      end, m, s, rw, i)
    end
    for i = 3, #jobs, 3 do
      jobs[i]:cancel()
      jobs[i]:wait()
    end
    -- Whoever was cancelled while it had a unit has given it back by with; try_acquire's are lost with their task.
    for i = 1, #jobs do
      if i % 3 ~= 0 then jobs[i]:wait(0.05) end
    end
    for i = 1, #jobs do
      jobs[i]:cancel()
      jobs[i]:wait()
    end
    if not pcall(m.try_lock, m) then
      m:unlock() -- it was left by one that was cancelled: raises unless that is so
      m:lock()
    end
    m:unlock()
    pcall(rw.unlock, rw)
    while pcall(rw.runlock, rw) do end -- luacheck: ignore 542
    rw:lock()
    rw:unlock()
  end)
end)
