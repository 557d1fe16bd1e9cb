-- Conditions: waiting releases the mutex and has it again afterwards, whatever ended the wait.

local helper = require "spec.helper"
local weft = require "weft"

local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

local function running(job) return job:status() == "waiting" or job:status() == "ready" end
local function free(m) return tostring(m):find "%(free%)$" ~= nil end
local function mine(m) return not pcall(m.lock, m) and not m:try_lock() and pcall(m.unlock, m) and m:try_lock() end

describe("a condition", function()
  it("releases the mutex while it waits, and has it again after", function()
    local m, c, seen = weft.mutex(), weft.condition(), nil
    local job = start(function()
      m:lock()
      local woken = c:wait(m)
      seen = mine(m)
      m:unlock()
      return woken
    end)
    assert.is_true(free(m))
    m:lock()
    c:signal()
    weft.yield()
    assert.is_nil(seen) -- signalled, but the mutex is ours
    m:unlock()
    assert.is_true(job:join())
    assert.is_true(seen)
    assert.is_true(free(m))
  end)

  it("carries a queue from producers to consumers", function()
    local m, c, queue, sum = weft.mutex(), weft.condition(), {}, 0
    local consumers = {}
    for i = 1, 3 do
      consumers[i] = weft.go(function()
        while true do
          m:lock()
          while #queue == 0 do c:wait(m) end
          local v = table.remove(queue, 1)
          m:unlock()
          if v == "end" then return end
          sum = sum + v
        end
      end)
    end
    for i = 1, 100 do
      m:with(function() queue[#queue + 1] = i end)
      c:signal()
      if i % 7 == 0 then weft.yield() end
    end
    for _ = 1, 3 do
      m:with(function() queue[#queue + 1] = "end" end)
      c:signal()
    end
    for i = 1, 3 do consumers[i]:join() end
    assert.equal(5050, sum)
  end)

  it("wakes one by signal, in the order of waiting, and all by broadcast", function()
    local m, c, log = weft.mutex(), weft.condition(), {}
    for i = 1, 5 do
      start(function()
        m:lock()
        c:wait(m)
        log[#log + 1] = i
        weft.yield()
        m:unlock()
      end)
    end
    assert.truthy(tostring(c):find "^weft%.condition %d+ %(5 waiting%)$")
    c:signal()
    for _ = 1, 5 do weft.yield() end
    assert.same({ 1 }, log)
    c:broadcast()
    weft.wait()
    assert.same({ 1, 2, 3, 4, 5 }, log)
    assert.truthy(tostring(c):find "0 waiting")
    c:signal()
    c:broadcast() -- nobody is there: nothing is kept
    m:lock()
    assert.is_false(c:wait(m, 0.001))
    m:unlock()
  end)

  it("says false when the time is over, with the mutex locked", function()
    local m, c = weft.mutex(), weft.condition()
    for _, seconds in ipairs { 0, 0.001 } do
      m:lock()
      assert.is_false(c:wait(m, seconds))
      assert.is_true(mine(m))
      m:unlock()
    end
    weft.go(function()
      m:lock()
      c:signal()
      m:unlock()
    end)
    m:lock()
    assert.is_true(c:wait(m, 1000))
    m:unlock()
  end)

  it("waits for the mutex after its time, however long that takes", function()
    local m, c, release = weft.mutex(), weft.condition(), weft.event()
    local job = start(function()
      m:lock()
      local woken = c:wait(m, 0.001)
      local held = mine(m)
      m:unlock()
      return woken, held
    end)
    start(function()
      m:lock()
      release:wait()
      m:unlock()
    end)
    weft.sleep(0.005)
    assert.is_true(running(job))
    release:set()
    assert.same({ false, true }, { job:join() })
  end)

  it("works in the main chunk, in generators and where a call cannot yield", function()
    local m, c = weft.mutex(), weft.condition()
    local function soon() weft.go(c.signal, c) end
    local function once()
      soon()
      return m:with(function() return c:wait(m) end)
    end
    assert.is_true(once())
    assert.is_true(weft.go(once):join())
    local gen = coroutine.wrap(function() while true do coroutine.yield(once()) end end)
    assert.is_true(gen())
    assert.is_true(weft.go(gen):join())
    assert.equal("true", (("x"):gsub("x", function() return tostring(once()) end)))
    assert.is_true(free(m))
  end)

  it("serves waiters with different mutexes", function()
    local c, log = weft.condition(), {}
    for i = 1, 3 do
      start(function()
        local m = weft.mutex()
        m:with(c.wait, c, m)
        log[#log + 1] = i
      end)
    end
    c:broadcast()
    weft.wait()
    assert.same({ 1, 2, 3 }, log)
  end)
end)

describe("cancelling a task that waits for a condition", function()
  it("is raised with the mutex locked", function()
    local m, c, held = weft.mutex(), weft.condition(), nil
    local job = start(function()
      m:lock()
      local ok, err = pcall(c.wait, c, m)
      held = mine(m)
      m:unlock()
      if not ok then error(err, 0) end
    end)
    job:cancel "enough"
    job:wait()
    assert.equal("cancelled", job:status())
    assert.is_true(held)
    assert.is_true(free(m))
  end)

  it("waits for the mutex first, and cannot be hurried", function()
    local m, c, release, held = weft.mutex(), weft.condition(), weft.event(), nil
    local job = start(function()
      m:with(function()
        local _ <close> = setmetatable({}, { __close = function() held = mine(m) end })
        c:wait(m)
      end)
    end)
    local other = start(function()
      m:lock()
      release:wait()
      m:unlock()
    end)
    job:cancel()
    for _ = 1, 5 do
      weft.yield()
      job:cancel()
      assert.is_true(running(job))
    end
    release:set()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.is_true(held)
    other:join()
    assert.is_true(free(m))
  end)

  it("comes too late when it was signalled: the signal is not lost", function()
    local m, c, after = weft.mutex(), weft.condition(), nil
    local job = start(function()
      m:lock()
      local woken = c:wait(m)
      after = woken
      m:unlock()
      weft.sleep(1000)
    end)
    c:signal()
    job:cancel()
    job:wait()
    assert.is_true(after)
    assert.equal("cancelled", job:status())
    assert.is_true(free(m))
  end)

  it("does not take the signal of the next", function()
    local m, c, log = weft.mutex(), weft.condition(), {}
    local first = start(m.with, m, c.wait, c, m)
    start(function()
      log[#log + 1] = m:with(c.wait, c, m)
    end)
    first:cancel()
    c:signal()
    weft.wait()
    assert.same({ true }, log)
    assert.is_true(free(m))
  end)

  it("is raised before the wait when it is due already, and the mutex stays locked", function()
    local m, c, held = weft.mutex(), weft.condition(), nil
    local job = start(function()
      m:lock()
      pcall(weft.sleep, 1000)
      pcall(c.wait, c, m)
      held = mine(m)
      m:unlock()
      weft.yield()
    end)
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.is_true(held)
    assert.is_true(free(m))
  end)

  it("by a time-out of the whole has the mutex again too", function()
    local m, c, held = weft.mutex(), weft.condition(), nil
    helper.raises_kind("timeout", weft.timeout, 0.001, function()
      m:with(function()
        local ok, err = pcall(c.wait, c, m)
        held = mine(m)
        if not ok then error(err, 0) end
      end)
    end)
    assert.is_true(held)
    assert.is_true(free(m))
  end)

  it("in a shield waits until the shield ends", function()
    local m, c, log = weft.mutex(), weft.condition(), {}
    local job = start(function()
      weft.shield(function()
        m:with(function() log[#log + 1] = tostring(c:wait(m)) end)
      end)
      weft.yield()
      log[#log + 1] = "never"
    end)
    job:cancel()
    weft.yield()
    assert.is_true(running(job))
    c:signal()
    job:wait()
    assert.same({ "true" }, log)
    assert.equal("cancelled", job:status())
  end)
end)

describe("a condition whose mutex is lost", function()
  it("raises when its holder has ended", function()
    local m, c = weft.mutex(), weft.condition()
    local job = start(function()
      m:lock()
      c:wait(m)
    end)
    start(function() m:lock() end):join()
    c:signal()
    helper.raises_kind("deadlock", job.join, job)
    m:unlock()
  end)

  it("raises when its holder ends while it waits for the mutex", function()
    local m, c, go = weft.mutex(), weft.condition(), weft.event()
    local job = start(function()
      m:lock()
      c:wait(m)
    end)
    start(function()
      m:lock()
      go:wait()
    end)
    c:signal()
    weft.yield()
    go:set()
    helper.raises_kind("deadlock", job.join, job)
    m:unlock()
  end)
end)

describe("a deadlock over a condition", function()
  it("is raised in the main chunk with the mutex locked", function()
    local m, c = weft.mutex(), weft.condition()
    m:lock()
    local err = helper.raises_kind("deadlock", c.wait, c, m)
    assert.truthy(err.message:find "main: waits in wait for weft.condition %d+ %(1 waiting%)")
    assert.is_true(mine(m))
    m:unlock()
  end)

  it("is raised even when the mutex cannot be had", function()
    local m, c, never = weft.mutex(), weft.condition(), weft.event()
    local job = weft.go(function()
      m:lock()
      never:wait()
      m:unlock()
    end)
    m:lock()
    local err = helper.raises_kind("deadlock", c.wait, c, m)
    assert.truthy(err.message:find "main: waits in wait for weft.condition")
    assert.is_false(pcall(m.unlock, m))
    never:set()
    job:join()
    assert.is_true(free(m))
  end)
end)

describe("misuse of a condition", function()
  local c, m = weft.condition(), weft.mutex()

  it("names the mutex that is none, or not held", function()
    helper.raises("bad argument #1 to 'wait' (weft.mutex expected, got no value)", function() c:wait() end)
    helper.raises("bad argument #1 to 'wait' (weft.mutex expected, got number)", function() c:wait(1) end)
    helper.raises("weft.mutex expected, got weft.rwlock", function() c:wait(weft.rwlock()) end)
    helper.raises("bad argument #1 to 'wait' (this task does not hold the mutex", function() c:wait(m) end)
    weft.go(function()
      m:lock()
      weft.yield()
      m:unlock()
    end)
    weft.yield()
    helper.raises("this task does not hold the mutex", function() c:wait(m) end)
    weft.wait()
  end)

  it("refuses what is no time, and keeps the mutex", function()
    m:lock()
    helper.raises("bad argument #2 to 'wait' (seconds >= 0 expected, got -1", function() c:wait(m, -1) end)
    helper.raises("seconds >= 0 expected", function() c:wait(m, 0 / 0) end)
    helper.raises("bad argument #2 to 'wait' (number expected, got table)", function() c:wait(m, {}) end)
    assert.is_true(mine(m))
    m:unlock()
  end)

  it("names what is no condition", function()
    for _, name in ipairs { "wait", "signal", "broadcast" } do
      helper.raises("weft.condition expected, got number", c[name], 1)
      helper.raises("weft.condition expected, got weft.mutex", c[name], m, m)
      helper.raises("weft.condition expected, got no value", c[name])
    end
  end)
end)

describe("many waiters of conditions", function()
  it("are all served, whatever is cancelled and times out", function()
    for seed = 1, helper.scale(40, 2) do
      math.randomseed(seed)
      local m, c, tokens, taken, n = weft.mutex(), weft.condition(), 0, 0, 30
      local jobs, given = {}, 0
      for i = 1, n do
        jobs[i] = weft.go(function()
          m:with(function()
            while tokens == 0 do
              if math.random(3) == 1 then c:wait(m, math.random() * 1e-3) else c:wait(m) end
              if math.random(2) == 1 then weft.yield() end
            end
            tokens, taken = tokens - 1, taken + 1
          end)
        end)
      end
      for _ = 1, 10 do
        weft.yield()
        jobs[math.random(n)]:cancel()
      end
      local live = 0
      for i = 1, n do
        if jobs[i]:status() ~= "cancelled" then live = live + 1 end
      end
      while taken < live and given < 2 * n do
        m:with(function() tokens = tokens + 1 end)
        given = given + 1
        c:signal()
        if math.random(2) == 1 then weft.yield() end
        live = 0
        for i = 1, n do
          if jobs[i]:status() ~= "cancelled" then live = live + 1 end
        end
      end
      for i = 1, n do
        jobs[i]:wait()
        assert(jobs[i]:status() ~= "failed", jobs[i]:traceback())
      end
      assert.equal(given, taken + tokens)
      assert.is_true(free(m))
    end
  end)
end)
