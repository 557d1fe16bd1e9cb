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

describe("cancelling a task that waits for a rwlock", function()
  it("lets those behind it in", function()
    local rw = weft.rwlock()
    local log, leave, jobs = enter(rw, "R1 W2 R3 R4 W5")
    jobs.W2:cancel()
    jobs.W2:wait()
    weft.yield()
    assert.same({ "R1", "R3", "R4" }, log)
    jobs.R4:cancel()
    leave "R1"
    leave "R3"
    assert.same({ "R1", "R3", "R4", "W5" }, log)
    leave "W5"
    assert.equal("free", state(rw))
  end)

  it("makes who comes at the same moment wait behind them", function()
    local rw = weft.rwlock()
    local log, leave, jobs = enter(rw, "R1 W2 R3")
    jobs.W2:cancel()
    assert.is_true(rw:try_rlock()) -- R3 is in by now
    assert.truthy(state(rw):find ".*,.*,")
    rw:runlock()
    weft.yield()
    assert.same({ "R1", "R3" }, log)
    leave "R1"
    leave "R3"
    assert.equal("free", state(rw))
  end)

  it("that has just been handed it leaves it the lock", function()
    local rw, seen = weft.rwlock(), {}
    for _, want in ipairs { "rlock", "lock" } do
      local undo = want == "lock" and "unlock" or "runlock"
      rw:lock()
      local job = start(function()
        rw[want](rw)
        seen[#seen + 1] = want
        rw[undo](rw)
        weft.yield()
        seen[#seen + 1] = "never"
      end)
      rw:unlock()
      job:cancel()
      job:wait()
      assert.equal("cancelled", job:status())
      assert.equal("free", state(rw))
    end
    assert.same({ "rlock", "lock" }, seen)
  end)
end)

describe("a rwlock whose holder ended", function()
  it("tells who wants it, and can be freed", function()
    local rw = weft.rwlock()
    start(rw.lock, rw):join()
    local err = helper.raises_kind("deadlock", rw.lock, rw)
    assert.truthy(err.message:find "^cannot lock rwlock %d+: it was left locked by task %d+, which has ended %(unlock%(%) by")
    helper.raises_kind("deadlock", rw.rlock, rw)
    helper.raises_kind("deadlock", rw.try_lock, rw)
    helper.raises_kind("deadlock", rw.try_rlock, rw, 1)
    helper.raises_kind("deadlock", rw.reading, rw, noop)
    rw:unlock()
    start(rw.rlock, rw):join()
    err = helper.raises_kind("deadlock", rw.lock, rw)
    assert.truthy(err.message:find "which has ended %(runlock%(%) by any task")
    helper.raises_kind("deadlock", rw.try_lock, rw)
    rw:rlock() -- readers are not in the way of readers
    rw:runlock()
    rw:runlock() -- that of the task that ended
    rw:lock()
    rw:unlock()
    assert.equal("free", state(rw))
  end)

  it("tells all who wait for a writer that ends", function()
    local rw, go, seen = weft.rwlock(), weft.event(), {}
    start(function()
      rw:lock()
      go:wait()
    end)
    for i, want in ipairs { "rlock", "lock", "rlock", "lock" } do
      start(function() seen[i] = select(2, pcall(rw[want], rw)) end)
    end
    go:set()
    weft.wait()
    for i = 1, 4 do assert.is_true(weft.is(seen[i], "deadlock")) end
    rw:unlock()
    assert.equal("free", state(rw))
  end)

  it("tells the writers that wait for a reader that ends, and lets the readers in", function()
    local rw, go, seen = weft.rwlock(), weft.event(), {}
    for i = 1, 3 do -- the last of them does not runlock
      start(function()
        rw:rlock()
        go:wait()
        if i < 3 then rw:runlock() end
      end)
    end
    for i, want in ipairs { "lock", "rlock", "lock", "lock", "rlock" } do
      start(function()
        local ok, err = pcall(rw[want], rw)
        seen[i] = ok and "in" or err.kind
        if ok then rw:runlock() end
      end)
    end
    go:set()
    weft.wait()
    assert.same({ "deadlock", "in", "deadlock", "deadlock", "in" }, seen)
    rw:runlock()
    assert.equal("free", state(rw))
  end)

  it("does not disturb who got it in time", function()
    for _, how in ipairs { "reading", "writing" } do
      local rw, go, e, log = weft.rwlock(), weft.event(), weft.event(), {}
      local holder = start(function()
        rw[how](rw, go.wait, go)
        weft.yield()
        weft.yield()
      end)
      local heir = start(rw.writing, rw, function() log[#log + 1] = e:wait(1000) end)
      go:set()
      holder:join()
      weft.yield()
      assert.same({}, log)
      e:set()
      heir:join()
      assert.same({ true }, log)
    end
  end)

  it("tells the next when the first gives up", function()
    for _, how in ipairs { "R", "W" } do
      local rw, go, err = weft.rwlock(), weft.event(), nil
      start(function()
        if how == "R" then rw:rlock() else rw:lock() end
        go:wait()
      end)
      local first = start(rw.lock, rw)
      start(function() err = select(2, pcall(rw.lock, rw)) end)
      first:cancel()
      first:wait()
      go:set()
      weft.wait()
      assert.is_true(weft.is(err, "deadlock"))
    end
  end)
end)

describe("a deadlock over a rwlock", function()
  it("names the holders", function()
    local rw = weft.rwlock()
    local _, leave = enter(rw, "R1")
    local err = helper.raises_kind("deadlock", rw.lock, rw)
    assert.truthy(err.message:find "main: waits in lock for weft%.rwlock %d+ %(read by task %d+%) at ")
    helper.raises_kind("deadlock", rw.writing, rw, noop)
    leave "R1"
    rw:lock()
    rw:unlock()
  end)
end)

describe("many readers and writers", function()
  it("exclude each other whatever is cancelled and times out", function()
    for seed = 1, helper.scale(40, 2) do
      math.randomseed(seed)
      local rw, readers, writers, jobs, n = weft.rwlock(), 0, 0, {}, 40
      local function read()
        readers = readers + 1
        local _ <close> = setmetatable({}, { __close = function() readers = readers - 1 end })
        assert(writers == 0)
        if math.random(2) == 1 then weft.yield() elseif math.random(2) == 1 then weft.sleep(math.random() * 1e-4) end
        assert(writers == 0)
      end
      local function write()
        writers = writers + 1
        local _ <close> = setmetatable({}, { __close = function() writers = writers - 1 end })
        assert(writers == 1 and readers == 0)
        if math.random(2) == 1 then weft.yield() elseif math.random(2) == 1 then weft.sleep(math.random() * 1e-4) end
        assert(writers == 1 and readers == 0)
      end
      for i = 1, n do
        jobs[i] = weft.go(function()
          for _ = 1, 10 do
            local what = math.random(6)
            if what == 1 then
              rw:writing(write)
            elseif what == 2 and rw:try_lock(math.random() * 1e-4) then
              local _ <close> = rw
              write()
            elseif what == 3 and rw:try_rlock(math.random() * 1e-4) then
              local _ <close> = rw
              read()
            elseif what == 4 then
              pcall(weft.timeout, math.random() * 1e-4, rw.writing, rw, write)
            elseif what == 5 then
              pcall(weft.timeout, math.random() * 1e-4, rw.reading, rw, read)
            else
              rw:reading(read)
            end
          end
        end)
      end
      for _ = 1, 10 do
        weft.yield()
        jobs[math.random(n)]:cancel()
      end
      for i = 1, n do
        jobs[i]:wait()
        assert(jobs[i]:status() ~= "failed", jobs[i]:traceback())
      end
      assert.equal("free", state(rw))
    end
  end)

  it("leave nothing behind", function()
    helper.no_growth(function()
      local rw = weft.rwlock()
      rw:lock()
      for i = 1, 20 do weft.go(i % 5 == 0 and rw.writing or rw.reading, rw, weft.yield) end
      weft.yield()
      rw:unlock()
      weft.wait()
    end, { n = 1000 })
    local rw = weft.rwlock()
    rw:lock()
    helper.no_growth(function() -- readers that give up
      local job = start(rw.rlock, rw)
      job:cancel()
      job:wait()
    end, { n = helper.scale(20000, 1000), lua = 4 })
    rw:unlock()
    weft.wait()
  end)
end)

describe("misuse of a rwlock", function()
  for _, name in ipairs { "rlock", "runlock", "lock", "unlock", "try_rlock", "try_lock", "reading", "writing" } do
    it(name .. " names what it got instead of one", function()
      local f = weft.rwlock()[name]
      helper.raises("weft.rwlock expected, got number", f, 7)
      helper.raises("weft.rwlock expected, got weft.mutex", f, weft.mutex())
      helper.raises("weft.rwlock expected, got no value", f)
    end)
  end

  it("lock and rlock take no time", function()
    local rw = weft.rwlock()
    helper.raises("bad argument #1 to 'rlock' (no argument expected: try_rlock(seconds)", function() rw:rlock(1) end)
    helper.raises("bad argument #1 to 'lock' (no argument expected: try_lock(seconds)", function() rw:lock(1) end)
    assert.equal("free", state(rw))
  end)
end)
