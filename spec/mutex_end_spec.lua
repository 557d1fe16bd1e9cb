-- Mutexes when things end: waiters cancelled, holders gone, deadlocks, many at once, misuse.

local helper = require "spec.helper"
local weft = require "weft"

local function noop() end

-- Starts f as a task and lets it run until it waits.
local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

-- A task that has locked m and keeps it until `release` is set.
local function keeper(m, release)
  return start(function()
    m:lock()
    release:wait()
    m:unlock()
  end)
end

describe("cancelling a task that waits for a mutex", function()
  it("takes it out of the queue", function()
    local m, log = weft.mutex(), {}
    m:lock()
    local jobs = {}
    for i = 1, 3 do
      jobs[i] = start(function()
        m:lock()
        log[#log + 1] = i
        m:unlock()
      end)
    end
    jobs[1]:cancel "why"
    m:unlock()
    weft.wait()
    assert.same({ 2, 3 }, log)
    local ok, err = jobs[1]:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"))
    assert.equal("why", err.reason)
  end)

  it("that has just been handed it leaves it the mutex", function()
    local m, log = weft.mutex(), {}
    m:lock()
    local job = start(function()
      m:lock()
      log[#log + 1] = tostring(m):match "held by task" or "?"
      m:unlock()
      log[#log + 1] = "unlocked"
      weft.sleep(0)
      log[#log + 1] = "never"
    end)
    m:unlock()
    job:cancel()
    job:wait()
    assert.same({ "held by task", "unlocked" }, log)
    assert.equal("cancelled", job:status())
    assert.truthy(tostring(m):find "free")
  end)

  it("is raised by lock when it is due, even when the mutex is free", function()
    local m = weft.mutex()
    local job = start(function()
      pcall(weft.sleep, 1000)
      m:lock()
    end)
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.truthy(tostring(m):find "free")
  end)

  it("does not keep it from unlocking", function()
    local m = weft.mutex()
    local job = start(function()
      m:lock()
      pcall(weft.sleep, 1000)
      assert(m:try_lock() == false)
      m:unlock()
      return "unlocked"
    end)
    job:cancel()
    assert.equal("unlocked", job:join())
    assert.truthy(tostring(m):find "free")
  end)

  it("by weft.timeout ends the wait", function()
    local m = weft.mutex()
    m:lock()
    weft.go(function() helper.raises_kind("timeout", weft.timeout, 0.001, m.lock, m) end):join()
    m:unlock()
  end)
end)

describe("a mutex whose holder ended", function()
  local function lost(m)
    start(function() m:lock() end):join()
    return m
  end

  it("raises instead of making anybody wait", function()
    local m = lost(weft.mutex())
    assert.truthy(tostring(m):find "held by task %d+, which has ended")
    local err = helper.raises_kind("deadlock", m.lock, m)
    assert.truthy(err.message:find "^cannot lock mutex %d+: it was left locked by task %d+, which has ended")
    helper.raises_kind("deadlock", m.try_lock, m)
    helper.raises_kind("deadlock", m.try_lock, m, 1)
    helper.raises_kind("deadlock", m.with, m, noop)
    helper.raises_kind("deadlock", m.guard, m)
  end)

  it("can be freed by anybody", function()
    local m = lost(weft.mutex())
    m:unlock()
    assert.equal(7, m:with(function() return 7 end))
  end)

  for _, how in ipairs { "returns", "fails", "is cancelled" } do
    it(("tells those who wait already: it %s"):format(how), function()
      local m, go, seen = weft.mutex(), weft.event(), {}
      local holder = start(function()
        m:lock()
        go:wait()
        if how == "fails" then error "x" end
      end)
      for i = 1, 3 do start(function() seen[i] = select(2, pcall(m.lock, m)) end) end
      if how == "is cancelled" then holder:cancel() else go:set() end
      holder:wait()
      weft.wait()
      for i = 1, 3 do assert.is_true(weft.is(seen[i], "deadlock")) end
    end)
  end

  it("tells them when it was handed the mutex", function()
    local m, err = weft.mutex(), nil
    m:lock()
    start(function() m:lock() end)
    start(function() err = select(2, pcall(m.lock, m)) end)
    m:unlock()
    weft.wait()
    assert.is_true(weft.is(err, "deadlock"))
  end)

  it("tells the second when the first has given up", function()
    for _, how in ipairs { "times out", "is cancelled", "is cancelled at that moment" } do
      local m, go, second = weft.mutex(), weft.event(), nil
      start(function()
        m:lock()
        go:wait()
      end)
      local first = start(function() m:try_lock(how == "times out" and 0.001 or 1000) end)
      start(function() second = select(2, pcall(m.lock, m)) end)
      if how == "times out" then first:join() end
      if how == "is cancelled" then
        first:cancel()
        first:wait()
      end
      go:set()
      if how == "is cancelled at that moment" then first:cancel() end
      weft.wait()
      assert.is_true(weft.is(second, "deadlock"), how)
    end
  end)

  it("that is freed at once serves the second when the first was told", function()
    local m, go, first, second = weft.mutex(), weft.event(), nil, nil
    local holder = start(function()
      m:lock()
      go:wait()
    end)
    start(function() -- looks at the holder's end before the waiters do
      holder:join()
      m:unlock()
    end)
    start(function() first = select(2, pcall(m.lock, m)) end)
    start(function()
      m:lock()
      second = "locked"
      m:unlock()
    end)
    go:set()
    weft.wait()
    assert.is_true(weft.is(first, "deadlock"))
    assert.truthy(first.message:find "left locked by a task that has ended")
    assert.equal("locked", second)
    assert.truthy(tostring(m):find "free")
  end)

  it("does not disturb who got the mutex from it in time", function()
    local m, go, e, log = weft.mutex(), weft.event(), weft.event(), {}
    local holder = start(function()
      m:lock()
      go:wait()
      m:unlock()
      weft.yield()
      weft.yield()
    end)
    local heir = start(function()
      m:lock()
      log[#log + 1] = e:wait(1000)
      m:unlock()
    end)
    go:set()
    holder:join()
    weft.yield()
    assert.same({}, log)
    e:set()
    heir:join()
    assert.same({ true }, log)
  end)

  it("knows nothing of a mutex that is gone", function()
    start(function()
      do
        local m = weft.mutex()
        m:lock()
        start(m.try_lock, m, 0.001):join()
      end
      collectgarbage()
    end):join()
  end)

  it("is not mistaken for the task that got its memory", function()
    local m = lost(weft.mutex())
    for _ = 1, 50 do
      weft.go(function()
        assert(not pcall(m.lock, m))
        assert(not pcall(m.try_lock, m))
      end):join()
      collectgarbage()
    end
    m:unlock()
  end)
end)

describe("a deadlock over mutexes", function()
  it("is reported with holders and places", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      local a, b = weft.mutex(), weft.mutex()
      weft.go({ name = "left" }, function() a:lock() weft.yield() b:lock() end)
      weft.go({ name = "right" }, function() b:lock() weft.yield() a:lock() end)
      weft.yield()
      a:lock()
    ]]
    assert.equal("", out)
    assert.equal(1, code)
    assert.truthy(err:find "deadlock: all 3 tasks are asleep")
    assert.truthy(err:find "main: waits in lock for weft%.mutex 1 %(held by left%) at .-script%.lua:6")
    assert.truthy(err:find "left: waits in lock for weft%.mutex 2 %(held by right%) at .-script%.lua:3")
    assert.truthy(err:find "right: waits in lock for weft%.mutex 1 %(held by left%) at .-script%.lua:4")
  end)

  it("leaves the main chunk out of the queue, and the mutex usable", function()
    local m, release = weft.mutex(), weft.event()
    local job = keeper(m, release)
    helper.raises_kind("deadlock", m.lock, m)
    helper.raises_kind("deadlock", m.with, m, noop)
    release:set()
    job:join()
    assert.is_true(m:try_lock())
  end)
end)

describe("many mutexes and tasks", function()
  it("exclude each other whatever is cancelled and times out", function()
    local rounds = helper.scale(40, 2)
    for seed = 1, rounds do
      math.randomseed(seed)
      local n, jobs, mutexes, owner, got = 40, {}, {}, {}, 0
      for i = 1, 3 do mutexes[i] = weft.mutex() end
      local function critical(k, me)
        assert(owner[k] == nil)
        owner[k] = me
        got = got + 1
        local left <close> = setmetatable({}, { __close = function() owner[k] = nil end }) -- luacheck: ignore
        if math.random(3) == 1 then weft.sleep(math.random() * 1e-4) elseif math.random(2) == 1 then weft.yield() end
      end
      for i = 1, n do
        jobs[i] = weft.go(function()
          for _ = 1, 10 do
            local k, what = math.random(#mutexes), math.random(4)
            local m = mutexes[k]
            if what == 1 then
              m:with(critical, k, i)
            elseif what == 2 then
              local _ <close> = m:guard()
              critical(k, i)
            elseif what == 3 and m:try_lock(math.random() * 1e-4) then
              local _ <close> = m
              critical(k, i)
            elseif what == 4 then
              pcall(weft.timeout, math.random() * 1e-4, m.with, m, critical, k, i)
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
      assert.is_true(got > 0)
      for _, m in ipairs(mutexes) do assert.is_true(m:try_lock()) end
    end
  end)

  it("leave nothing behind", function()
    helper.no_growth(function()
      local m = weft.mutex()
      m:lock()
      for _ = 1, 5 do weft.go(m.with, m, weft.yield) end
      weft.yield()
      m:unlock()
      weft.wait()
      local _ <close> = m:guard()
    end)
  end)
end)

describe("misuse of a mutex", function()
  local methods = { "lock", "try_lock", "unlock", "with", "guard" }
  for _, name in ipairs(methods) do
    it(name .. " names what it got instead of one", function()
      local f = weft.mutex()[name]
      for what, value in pairs { number = 7, string = "m", table = {}, ["weft.channel"] = weft.channel(),
        ["weft.rwlock"] = weft.rwlock(), ["weft.semaphore"] = weft.semaphore(1), ["FILE*"] = io.stdout } do
        helper.raises(("bad argument #1 to '%s' (weft.mutex expected, got %s)"):format("?", what), f, value)
      end
      helper.raises("weft.mutex expected, got no value", f)
    end)
  end
end)
