-- Locks that have crossed, at their edges: holders that have ended, what tostring says of them, misuse, once in all its states.

local core = require "weft.core"
local helper = require "spec.helper"
local weft = require "weft"

weft.thread(function() end):join()

-- Another isolate has the lock from now on; it is shared.
local function share(...)
  weft.thread(function() end, ...):join()
  return ...
end

-- tostring of it, as another isolate says it.
local function seen_by_others(object)
  return weft.thread(function(o) return tostring(o):match "%((.*)%)$" end, object):join()
end

-- Take it, within so many seconds if there is a limit.
local function take(lock, how, limit)
  if limit then return lock["try_" .. how](lock, limit) end
  lock[how](lock)
  return true
end

local function seen(object) return tostring(object):match "%((.*)%)$" end

describe("a shared lock whose holder has ended", function()
  it("before it was shared, is said to be left", function()
    local m, rw, rr = weft.mutex(), weft.rwlock(), weft.rwlock()
    weft.go(function() m:lock() end):join()
    weft.go(function() rw:lock() end):join()
    for _ = 1, 2 do weft.go(function() rr:rlock() end):join() end
    share(m, rw, rr)
    for _, lock in ipairs { m, rw, rr } do
      assert.truthy(seen(lock):find "which has ended", seen(lock))
      assert.truthy(seen_by_others(lock):find "task %d+ of the main isolate, which has ended", seen_by_others(lock))
      helper.raises_kind("deadlock", lock.lock, lock)
    end
    assert.truthy(seen(rr):find "^read by .* and 1 more")
    assert.truthy(tostring(helper.raises_kind("deadlock", rr.lock, rr)):find("runlock() by any task frees it", 1, true))
    m:unlock()
    rw:unlock()
    rr:runlock()
    rr:runlock()
    for _, lock in ipairs { m, rw, rr } do
      assert.equal("free", seen(lock))
      lock:lock()
      lock:unlock()
    end
  end)

  it("while others wait, tells them", function()
    local m = share(weft.mutex())
    local ready = weft.channel(1)
    local thread = weft.thread(function(mutex, ch)
      local w = require "weft"
      mutex:lock()
      ch:send(true)
      local _ = w.sleep(0.005)
    end, m, ready)
    ready:recv()
    local err = helper.raises_kind("deadlock", m.lock, m)
    assert.truthy(tostring(err):find "left locked by")
    thread:join()
    m:unlock()
    assert.equal("free", seen(m))
  end)
end)

describe("a shared lock", function()
  it("says who has it, here and there", function()
    local m, rw = share(weft.mutex(), weft.rwlock())
    assert.equal("free", seen(m))
    m:lock()
    assert.equal("held by the main chunk", seen(m))
    assert.equal("held by the main chunk", seen_by_others(m))
    m:unlock()
    local hold = weft.event()
    local job = weft.go(function()
      m:lock()
      rw:lock()
      hold:wait()
      m:unlock()
      rw:unlock()
    end)
    weft.yield()
    assert.truthy(seen(m):find "^held by task %d+$")
    assert.truthy(seen_by_others(m):find "^held by task %d+ of the main isolate$")
    assert.truthy(seen(rw):find "^written by task %d+$")
    hold:set()
    job:join()
    local readers = {}
    hold:clear()
    for i = 1, 3 do
      readers[i] = weft.go(function()
        rw:rlock()
        hold:wait()
        rw:runlock()
      end)
    end
    weft.yield()
    assert.truthy(seen(rw):find "^read by task %d+ and 2 more$")
    hold:set()
    weft.all(readers)
  end)

  it("is not freed by who does not hold it so", function()
    local m, rw = share(weft.mutex(), weft.rwlock())
    helper.raises("nobody holds it", m.unlock, m)
    helper.raises("nobody holds it", rw.unlock, rw)
    helper.raises("does not hold it for reading", rw.runlock, rw)
    rw:lock()
    helper.raises("holds it for writing, unlock%(%) ends that", rw.runlock, rw)
    helper.raises("locks are not recursive", rw.rlock, rw)
    rw:unlock()
    rw:rlock()
    helper.raises("holds it for reading, runlock%(%) ends that", rw.unlock, rw)
    helper.raises("locks are not recursive", rw.lock, rw)
    weft.go(function() helper.raises("does not hold it for reading", rw.runlock, rw) end):join()
    rw:runlock()
    m:lock()
    weft.go(function() helper.raises("the main chunk holds it, not this task", m.unlock, m) end):join()
    m:unlock()
  end)

  it("is left alone by a finaliser that a script calls", function()
    local m = share(weft.mutex())
    local gc = getmetatable(m).__gc
    gc {}
    gc(weft.channel())
    m:lock()
    m:unlock()
    local brought_back
    do
      local lost = setmetatable({ share(weft.mutex()) }, { __gc = function(t) brought_back = t[1] end })
      assert.truthy(lost)
    end
    helper.collect()
    gc(brought_back)
    gc(brought_back)
    assert.equal("boolean", type(pcall(brought_back.lock, brought_back)))
  end)

  it("ends waits of all kinds in time, and by cancellation", function()
    local m, rw, s, e, wg, c, b = share(weft.mutex(), weft.rwlock(), weft.semaphore(0), weft.event(), weft.waitgroup(),
      weft.condition(), weft.barrier(2))
    m:lock()
    rw:lock()
    wg:add(1)
    local waits = {
      function(t) return take(m, "lock", t) end, function(t) return take(rw, "lock", t) end,
      function(t) return take(rw, "rlock", t) end, function(t) return take(s, "acquire", t) end,
      function(t) return e:wait(t) end, function(t) return wg:wait(t) end,
      function(t) return b:wait(t) end,
      function(t)
        local own = weft.mutex()
        share(own)
        own:lock()
        local got = c:wait(own, t)
        own:unlock()
        return got
      end,
    }
    for i, wait in ipairs(waits) do
      if i ~= 7 then assert.is_false((weft.go(wait, 0.001):join()), i) end
      local job = weft.go(wait)
      weft.yield()
      job:cancel()
      local ok, err = job:result()
      assert.is_false(ok)
      assert.is_true(weft.is(err, "cancelled"))
    end
    m:unlock()
    rw:unlock()
    wg:done()
    s:release(2)
    e:set()
    for i = 1, 6 do
      assert.is_true((weft.go(waits[i], 10):join()), i)
      if i == 1 then assert.truthy(seen(m):find "ended") m:unlock() end
      if i == 2 then rw:unlock() end
      if i == 3 then rw:runlock() end
    end
  end)

  it("counts up to where it can", function()
    local s, wg = share(weft.semaphore(1), weft.waitgroup())
    helper.raises("", s.release, s, math.maxinteger)
    helper.raises("", wg.add, wg, -1)
    assert.is_true(s:try_acquire())
    assert.is_false(s:try_acquire())
    s:release()
  end)

  it("moves with who waits for it, in their order", function()
    local m, order = weft.mutex(), {}
    m:lock()
    local jobs = {}
    for i = 1, 3 do
      jobs[i] = weft.go(function()
        m:lock()
        order[#order + 1] = i
        m:unlock()
      end)
    end
    local late = weft.go(function() return m:try_lock(0.001) end)
    local gone = weft.go(function() m:lock() end)
    weft.yield()
    gone:cancel()
    share(m)
    assert.is_false((late:join()))
    m:unlock()
    weft.all(jobs)
    assert.same({ 1, 2, 3 }, order)
    assert.is_false((gone:result()))
  end)
end)

describe("a once that has crossed", function()
  it("has all results, whoever ran it", function()
    for n = 0, 3 do
      local list = {}
      for i = 1, n do list[i] = "r" .. i end
      local o = weft.once(function() return table.unpack(list, 1, n) end)
      o()
      local expected = { n = n, table.unpack(list, 1, n) }
      for _ = 1, 2 do assert.same(expected, weft.thread(function(x) return table.pack(x()) end, o):join()) end
      assert.same(expected, table.pack(o()))
      local other = weft.once(function(k)
        local t = {}
        for i = 1, k do t[i] = "r" .. i end
        return table.unpack(t, 1, k)
      end)
      assert.same(expected, weft.thread(function(x, k) return table.pack(x(k)) end, other, n):join())
      assert.same(expected, table.pack(other()))
      assert.same(expected, table.pack(other()))
    end
  end)

  it("says how far it is", function()
    local go_on = weft.channel()
    local o = weft.once(function(ch) return ch:recv() end)
    share(o)
    assert.equal("not run yet", seen(o))
    local thread = weft.thread(function(x, ch) return x(ch) end, o, go_on)
    helper.eventually(function() return seen(o):find "^running in thread %d+$" end)
    go_on:send "result"
    assert.equal("result", thread:join())
    assert.equal("result", o())
    assert.equal("done", seen(o))
    local fails = share(weft.once(function() error("why", 0) end))
    assert.is_false((pcall(fails)))
    assert.equal("failed", seen(fails))
    assert.equal("failed", seen_by_others(fails))
  end)

  it("refuses to be called by its own function", function()
    local holder = {}
    local o = weft.once(function(call) return pcall(call) end)
    holder[1] = share(o)
    local ok, err = o(function() return holder[1]() end)
    assert.is_false(ok)
    assert.truthy(tostring(err):find "its function is running in this very task")
  end)

  it("gives all the same error, also one that cannot travel", function()
    local o = share(weft.once(function(value) error(value, 0) end))
    local ok, err = pcall(o, { code = 7 })
    assert.is_false(ok)
    assert.equal(7, err.code)
    ok, err = weft.thread(function(x) return pcall(x) end, o):join()
    assert.same({ false, 7 }, { ok, err.code })
    local odd = share(weft.once(function() error(coroutine.create(print)) end))
    ok, err = pcall(odd)
    assert.is_false(ok)
    assert.equal("thread", type(err))
    ok, err = weft.thread(function(x)
      local fine, e = pcall(x)
      return fine, tostring(e)
    end, odd):join()
    assert.is_false(ok)
    assert.truthy(err:find "cannot", err)
    local result = share(weft.once(function() return coroutine.create(print) end))
    assert.is_false((pcall(result)))
  end)

  it("is run anew when a run was broken off", function()
    local runs = 0
    local o
    o = weft.once(function()
      runs = runs + 1
      if runs < 4 then weft.sleep(100) end
      return runs
    end)
    local kept = o
    local function cross(x) -- functions with upvalues travel as copies: this handle has its own
      weft.thread(function() end, x):join()
      return x
    end
    cross(kept)
    local job = weft.go(o)
    weft.yield()
    job:cancel()
    assert.is_false((job:result()))
    assert.is_false((pcall(weft.timeout, 0.001, weft.timeout, 100, o)))
    local co = coroutine.create(function() o() end)
    local generator = weft.go(function() coroutine.resume(co) end)
    weft.yield()
    generator:cancel()
    generator:wait()
    coroutine.close(co)
    assert.equal("number", type(o()))
  end)

  it("is run anew when the isolate that ran it has ended", function()
    local started = weft.channel(1)
    local o = weft.once(function(ch, first)
      if first then
        ch:send(true)
        require "weft".sleep(1000)
      end
      return "second"
    end)
    local thread = weft.thread(function(x, ch)
      require "weft".go(x, ch, true):detach()
      ch:send(true)
      require "weft".yield()
    end, share(o), started)
    started:recv()
    thread:cancel()
    thread:wait()
    assert.equal("second", o())
  end)

  it("moves while it runs, with who waits for it", function()
    local e = weft.event()
    local o = weft.once(function()
      require "weft".yield()
      return "once"
    end)
    local hold = weft.once(function(x) return x end)
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(o) end
    share(o, hold)
    for i = 1, 3 do assert.equal("once", jobs[i]:join()) end
    assert.equal(e, hold(e))
  end)
end)

describe("the C half of locks", function()
  it("is given no others' objects", function()
    local m = share(weft.mutex())
    for _, name in ipairs { "lock", "unlock", "try_lock" } do
      helper.raises("weft.mutex expected", m[name], {})
      helper.raises("weft.mutex expected", m[name], weft.channel())
    end
    assert.equal("function", type(core.mutex))
  end)
end)
