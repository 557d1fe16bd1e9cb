-- Read-write locks: who may be in together, order, time-outs, cancellation, holders that end.

local helper = require "spec.helper"
local weft = require "weft"

local function noop() end

local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

local function state(rw) return tostring(rw):match "%((.*)%)$" end

-- Starts tasks from a plan such as "R1 W2 R3", in that order; each logs its name when it is in and stays in
-- until its turn to leave. Returns the log and a function that lets the named one leave.
local function enter(rw, plan)
  local log, leave, jobs = {}, {}, {}
  for name in plan:gmatch "%S+" do
    leave[name] = weft.event()
    jobs[name] = start(function()
      local function body()
        log[#log + 1] = name
        leave[name]:wait()
      end
      if name:sub(1, 1) == "R" then rw:reading(body) else rw:writing(body) end
    end)
  end
  return log, function(name)
    leave[name]:set()
    jobs[name]:wait()
    weft.yield()
  end, jobs
end

describe("a rwlock", function()
  it("lets readers in together and writers alone", function()
    local rw, readers, writers, most = weft.rwlock(), 0, 0, 0
    for i = 1, 20 do
      weft.go(function()
        for _ = 1, 10 do
          if i % 4 == 0 then
            rw:lock()
            writers = writers + 1
            assert(writers == 1 and readers == 0)
            weft.yield()
            writers = writers - 1
            rw:unlock()
          else
            rw:rlock()
            readers = readers + 1
            most = math.max(most, readers)
            assert(writers == 0)
            weft.yield()
            readers = readers - 1
            rw:runlock()
          end
        end
      end)
    end
    weft.wait()
    assert.is_true(most > 1)
    assert.equal("free", state(rw))
  end)

  it("serves first come, first served; readers side by side enter together", function()
    local rw = weft.rwlock()
    local log, leave = enter(rw, "R1 R2 W3 W4 R5 R6 W7 R8")
    assert.same({ "R1", "R2" }, log)
    leave "R1"
    assert.same({ "R1", "R2" }, log)
    leave "R2"
    assert.same({ "R1", "R2", "W3" }, log)
    leave "W3"
    assert.same({ "R1", "R2", "W3", "W4" }, log)
    leave "W4"
    assert.same({ "R1", "R2", "W3", "W4", "R5", "R6" }, log)
    leave "R6"
    leave "R5"
    assert.equal("W7", log[7])
    leave "W7"
    assert.equal("R8", log[8])
    leave "R8"
    assert.equal("free", state(rw))
  end)

  it("does not let readers pass a writer that waits, nor writers pass readers", function()
    local rw = weft.rwlock()
    local log, leave = enter(rw, "R1 W2")
    assert.is_false(rw:try_rlock())
    leave "R1"
    local more, go_on = enter(rw, "R3")
    assert.is_false(rw:try_lock())
    leave "W2"
    assert.same({ "R1", "W2" }, log)
    assert.same({ "R3" }, more)
    assert.is_false(rw:try_lock())
    assert.is_true(rw:try_rlock())
    rw:runlock()
    go_on "R3"
  end)

  it("is handed over: nobody comes in between", function()
    local rw = weft.rwlock()
    rw:lock()
    local log, leave = enter(rw, "W1 R2 R3")
    rw:unlock()
    assert.is_false(rw:try_lock())
    assert.is_false(rw:try_rlock())
    weft.yield()
    assert.same({ "W1" }, log)
    leave "W1"
    assert.same({ "W1", "R2", "R3" }, log)
    leave "R2"
    leave "R3"
  end)

  it("never starves a writer among readers that overlap, nor a reader among writers", function()
    local rw, done, turns = weft.rwlock(), false, 0
    local function crowd(enter_it, leave_it)
      for _ = 1, 3 do
        weft.go(function()
          while not done do
            enter_it(rw)
            turns = turns + 1
            weft.yield()
            leave_it(rw)
            assert(turns < 1000, "starved")
          end
        end)
      end
      weft.yield()
    end
    crowd(rw.rlock, rw.runlock)
    rw:lock()
    done = true
    rw:unlock()
    weft.wait()
    done, turns = false, 0
    crowd(rw.lock, rw.unlock)
    rw:rlock()
    done = true
    rw:runlock()
    weft.wait()
  end)

  it("knows its readers, however many", function()
    local rw, n, leave = weft.rwlock(), helper.scale(2000, 100), weft.event()
    local order = {}
    for i = 1, n do
      order[i] = weft.event()
      weft.go(function()
        rw:rlock()
        order[i]:wait()
        rw:runlock()
      end)
    end
    weft.yield()
    helper.raises("this task does not hold it for reading", function() rw:runlock() end)
    assert.is_false(rw:try_lock())
    assert.is_true(rw:try_rlock())
    rw:runlock()
    local writer = start(function()
      rw:lock()
      leave:wait()
      rw:unlock()
    end)
    for i = 1, n do -- in an order of its own
      local k = i * 997 % n + 1
      while order[k]:is_set() do k = k % n + 1 end
      order[k]:set()
      if i % 100 == 0 then weft.yield() end
      if i < n then assert.is_false(rw:try_lock()) end
    end
    weft.yield()
    weft.yield()
    assert.truthy(state(rw):find "^written by task")
    leave:set()
    writer:join()
    assert.equal("free", state(rw))
  end)

  it("is not recursive, either way", function()
    local rw = weft.rwlock()
    rw:rlock()
    helper.raises("cannot lock rwlock %d+ for reading: this task holds it for reading already", rw.rlock, rw)
    helper.raises("cannot lock rwlock %d+ for writing: this task holds it for reading already", rw.lock, rw)
    helper.raises("holds it for reading already", rw.try_rlock, rw, 1)
    helper.raises("holds it for reading already", rw.try_lock, rw, 1)
    helper.raises("holds it for reading already", rw.reading, rw, noop)
    helper.raises("holds it for reading already", rw.writing, rw, noop)
    assert.is_false(rw:try_rlock())
    assert.is_false(rw:try_lock())
    rw:runlock()
    rw:lock()
    helper.raises("cannot lock rwlock %d+ for reading: this task holds it for writing already", rw.rlock, rw)
    helper.raises("cannot lock rwlock %d+ for writing: this task holds it for writing already", rw.lock, rw)
    assert.is_false(rw:try_rlock())
    assert.is_false(rw:try_lock())
    rw:unlock()
    assert.equal("free", state(rw))
  end)

  it("is unlocked by its holders alone, in the way they locked it", function()
    local rw = weft.rwlock()
    helper.raises("cannot unlock rwlock %d+: nobody holds it for writing", rw.unlock, rw)
    helper.raises("cannot runlock rwlock %d+: this task does not hold it for reading", rw.runlock, rw)
    rw:rlock()
    helper.raises("this task holds it for reading, runlock() ends that", rw.unlock, rw)
    rw:runlock()
    helper.raises("does not hold it for reading", rw.runlock, rw)
    rw:lock()
    helper.raises("this task holds it for writing, unlock() ends that", rw.runlock, rw)
    rw:unlock()
    local _, leave = enter(rw, "W1")
    helper.raises("cannot unlock rwlock %d+: task %d+ holds it, not this task", rw.unlock, rw)
    helper.raises("does not hold it for reading", rw.runlock, rw)
    leave "W1"
    _, leave = enter(rw, "R1")
    helper.raises("nobody holds it for writing", rw.unlock, rw)
    helper.raises("does not hold it for reading", rw.runlock, rw)
    leave "R1"
  end)

  it("says who holds it", function()
    local rw = weft.rwlock()
    assert.truthy(tostring(rw):find "^weft%.rwlock %d+ %(free%)$")
    rw:lock()
    assert.equal("written by main", state(rw))
    rw:unlock()
    local _, leave = enter(rw, "R1")
    rw:rlock()
    assert.truthy(state(rw):find "^read by .*main")
    assert.truthy(state(rw):find "task %d+")
    rw:runlock()
    leave "R1"
    local names = "R1 R2 R3 R4 R5 R6"
    _, leave = enter(rw, names)
    assert.truthy(state(rw):find " and 2 more$")
    for name in names:gmatch "%S+" do leave(name) end
  end)

  it("can be waited for in generators and wherever a call cannot yield", function()
    local rw = weft.rwlock()
    local function both()
      local release = weft.event()
      start(function() rw:writing(release.wait, release) end)
      weft.go(function() release:set() end)
      rw:rlock()
      rw:runlock()
      release:clear()
      start(function() rw:reading(release.wait, release) end)
      weft.go(function() release:set() end)
      return rw:writing(function(x) return x end, "ok")
    end
    assert.equal("ok", both())
    assert.equal("ok", (("x"):gsub("x", both)))
    assert.equal("ok", coroutine.wrap(both)())
    assert.equal("ok", weft.go(function() return coroutine.wrap(both)() end):join())
    assert.equal("ok", weft.go(function() return (("x"):gsub("x", both)) end):join())
    weft.wait()
    assert.equal("free", state(rw))
  end)

  it("leaving a block with it as <close> variable does not keep it", function()
    local rw = weft.rwlock()
    do
      local same <close> = rw
      same:lock()
    end
    assert.equal("free", state(rw))
    do
      local same <close> = rw
      same:rlock()
    end
    assert.equal("free", state(rw))
    do local _ <close> = rw end
  end)
end)

describe("try_lock and try_rlock", function()
  it("give up after their time", function()
    local rw = weft.rwlock()
    local _, leave = enter(rw, "R1")
    assert.is_false(rw:try_lock())
    assert.is_false(rw:try_lock(0))
    assert.is_false(rw:try_lock(0.002))
    assert.is_true(rw:try_rlock(0.002))
    rw:runlock()
    leave "R1"
    _, leave = enter(rw, "W1")
    assert.is_false(rw:try_rlock())
    assert.is_false(rw:try_rlock(0.002))
    assert.is_false(rw:try_lock(0.002))
    weft.go(leave, "W1")
    assert.is_true(rw:try_rlock(1000))
    rw:runlock()
    assert.is_true(rw:try_lock())
    rw:unlock()
    weft.wait()
  end)

  it("of a writer that gives up lets the readers behind it in", function()
    local rw = weft.rwlock()
    local _, leave = enter(rw, "R1")
    local writer = start(rw.try_lock, rw, 0.005)
    local log, go_on = enter(rw, "R2 R3")
    assert.same({}, log)
    assert.is_false(writer:join())
    weft.yield()
    assert.same({ "R2", "R3" }, log)
    for _, f in ipairs { go_on, go_on } do f(_ == 1 and "R2" or "R3") end
    leave "R1"
    assert.equal("free", state(rw))
  end)

  it("refuse what is no time", function()
    local rw = weft.rwlock()
    for _, name in ipairs { "try_lock", "try_rlock" } do
      helper.raises(("bad argument #1 to '%s' (seconds >= 0 expected, got -1"):format(name),
        load("local rw = ... rw:" .. name .. "(-1)"), rw)
      helper.raises("seconds >= 0 expected", rw[name], rw, 0 / 0)
      helper.raises("number expected, got table", rw[name], rw, {})
    end
    assert.equal("free", state(rw))
  end)
end)

describe("reading and writing", function()
  it("pass arguments and results through, and errors", function()
    local rw, err = weft.rwlock(), {}
    for name, pattern in pairs { reading = "^read by main$", writing = "^written by main$" } do
      local got = table.pack(rw[name](rw, function(...)
        assert.truthy(state(rw):find(pattern))
        weft.yield()
        return ...
      end, nil, 2, nil))
      assert.same({ n = 3, nil, 2, nil }, got)
      local ok, raised = pcall(rw[name], rw, function() error(err) end)
      assert.is_false(ok)
      assert.equal(err, raised)
      assert.equal("free", state(rw))
      helper.raises("bad argument", rw[name], rw)
      helper.raises("bad argument", rw[name], rw, 7)
      assert.equal("free", state(rw))
    end
  end)

  it("unlock when their generator is closed or their task is cancelled", function()
    local rw = weft.rwlock()
    for _, name in ipairs { "reading", "writing" } do
      local co = coroutine.create(function() rw[name](rw, coroutine.yield) end)
      coroutine.resume(co)
      assert.truthy(state(rw):find "main")
      weft.go(function() coroutine.close(co) end):join()
      assert.equal("free", state(rw))
      local job = start(rw[name], rw, weft.sleep, 1000)
      assert.truthy(state(rw):find "task")
      job:cancel()
      job:wait()
      assert.equal("free", state(rw))
    end
  end)

  it("let the function unlock by hand", function()
    local rw = weft.rwlock()
    rw:reading(function() rw:runlock() end)
    rw:writing(function() rw:unlock() end)
    assert.equal("free", state(rw))
    local log, leave
    rw:writing(function()
      rw:unlock()
      log, leave = enter(rw, "W1")
    end)
    assert.same({ "W1" }, log)
    assert.truthy(state(rw):find "^written by task")
    leave "W1"
  end)
end)
