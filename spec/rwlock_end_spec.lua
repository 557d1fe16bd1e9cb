-- Rwlocks when things end: waiters cancelled, holders gone, deadlocks, many at once, misuse.

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
