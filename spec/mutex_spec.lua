-- Mutexes and their guards: exclusion, order, hand-over, time-outs, cancellation, holders that end.

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

describe("a mutex", function()
  it("lets one task in at a time", function()
    local m, inside, most, total = weft.mutex(), 0, 0, 0
    for _ = 1, 10 do
      weft.go(function()
        for _ = 1, 20 do
          m:lock()
          inside = inside + 1
          most = math.max(most, inside)
          local seen = total
          weft.yield()
          total = seen + 1
          inside = inside - 1
          m:unlock()
        end
      end)
    end
    weft.wait()
    assert.equal(1, most)
    assert.equal(200, total)
  end)

  it("serves those who wait in the order in which they came", function()
    local m, log = weft.mutex(), {}
    m:lock()
    for i = 1, 20 do
      start(function()
        m:lock()
        log[#log + 1] = i
        if i % 2 == 0 then weft.yield() end
        m:unlock()
      end)
    end
    m:unlock()
    weft.wait()
    for i = 1, 20 do assert.equal(i, log[i]) end
  end)

  it("is handed over: nobody comes in between", function()
    local m, log = weft.mutex(), {}
    m:lock()
    start(function()
      m:lock()
      log[#log + 1] = "first"
      m:unlock()
    end)
    m:unlock()
    assert.is_false(m:try_lock())
    m:lock()
    log[#log + 1] = "main"
    m:unlock()
    assert.same({ "first", "main" }, log)
  end)

  it("lock and unlock return nothing and take nothing", function()
    local m = weft.mutex()
    assert.equal(0, select("#", m:lock()))
    assert.equal(0, select("#", m:unlock()))
    m:lock(nil)
    m:unlock()
    helper.raises("bad argument #1 to 'lock' (no argument expected: try_lock(seconds)", function() m:lock(1) end)
    helper.raises("no argument expected", function() m:lock(nil, 1) end)
    assert.is_true(m:try_lock())
  end)

  it("is not recursive", function()
    local m = weft.mutex()
    m:lock()
    helper.raises("cannot lock mutex %d+: this task holds it already", function() m:lock() end)
    helper.raises("this task holds it already", function() m:try_lock(1) end)
    helper.raises("this task holds it already", function() m:with(noop) end)
    helper.raises("this task holds it already", function() m:guard() end)
    assert.is_false(m:try_lock())
    m:unlock()
    assert.is_true(m:try_lock())
  end)

  it("is the task's, whichever of its coroutines locks and unlocks", function()
    local m = weft.mutex()
    coroutine.wrap(function() m:lock() end)()
    helper.raises("this task holds it already", m.lock, m)
    m:unlock()
    m:lock()
    coroutine.wrap(function() m:unlock() end)()
    assert.equal("free", tostring(m):match "%((.*)%)")
  end)

  it("is unlocked by its holder alone", function()
    local m, release = weft.mutex(), weft.event()
    helper.raises("cannot unlock mutex %d+: nobody holds it", function() m:unlock() end)
    local job = keeper(m, release)
    helper.raises("cannot unlock mutex %d+: task %d+ holds it, not this task", function() m:unlock() end)
    release:set()
    job:join()
    m:lock()
    local ok, err = weft.go(function() m:unlock() end):result()
    assert.is_false(ok)
    assert.truthy(err:find "main holds it, not this task")
    m:unlock()
  end)

  it("can be waited for wherever a call cannot yield", function()
    local m = weft.mutex()
    local function hold()
      return weft.go(function()
        m:lock()
        weft.yield()
        m:unlock()
      end)
    end
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      hold()
      weft.yield()
      m:lock()
      m:unlock()
      return a < b
    end)
    assert.same({ 1, 2, 3 }, list)
    assert.equal("a-b-", (("ab"):gsub(".", function(c)
      hold()
      weft.yield()
      return m:with(function() return c .. "-" end)
    end)))
    weft.go(function()
      table.sort(list, function(a, b)
        hold()
        weft.yield()
        return m:with(function() return a > b end)
      end)
    end):join()
    assert.same({ 3, 2, 1 }, list)
    weft.wait()
  end)

  it("can be waited for inside generators", function()
    local m, release = weft.mutex(), weft.event()
    local function values()
      return coroutine.wrap(function()
        for i = 1, 3 do
          m:lock()
          m:unlock()
          coroutine.yield(i)
        end
      end)
    end
    for _, run in ipairs { function(f) f() end, function(f) weft.go(f):join() end } do
      run(function()
        release:clear()
        keeper(m, release)
        weft.go(function() release:set() end)
        local seen = {}
        for i in values() do seen[#seen + 1] = i end
        assert.same({ 1, 2, 3 }, seen)
      end)
    end
  end)

  it("says who holds it", function()
    local m, release = weft.mutex(), weft.event()
    assert.truthy(tostring(m):find "^weft%.mutex %d+ %(free%)$")
    m:lock()
    assert.truthy(tostring(m):find "%(held by main%)$")
    m:unlock()
    local job = keeper(m, release)
    assert.truthy(tostring(m):find "%(held by task %d+%)$")
    release:set()
    job:join()
    weft.go({ name = "miller" }, function()
      m:lock()
      assert.truthy(tostring(m):find "%(held by miller%)$")
      m:unlock()
    end):join()
  end)

  it("leaving a block with it as <close> variable does not keep it", function()
    local m = weft.mutex()
    do
      local same <close> = m
      same:lock()
    end
    assert.is_true(m:try_lock())
    weft.go(function() local _ <close> = m end):join() -- not this one's
    assert.truthy(tostring(m):find "held by main")
    m:unlock()
    do local _ <close> = m end
    assert.truthy(tostring(m):find "free")
  end)
end)

describe("try_lock", function()
  it("does not wait without a time", function()
    local m, release = weft.mutex(), weft.event()
    assert.is_true(m:try_lock())
    m:unlock()
    local job = keeper(m, release)
    assert.is_false(m:try_lock())
    assert.is_false(m:try_lock(nil))
    assert.is_false(m:try_lock(0))
    release:set()
    job:join()
    assert.is_true(m:try_lock(0))
  end)

  it("waits as long as it is told", function()
    local m, release = weft.mutex(), weft.event()
    local job = keeper(m, release)
    local began = weft.now()
    assert.is_false(m:try_lock(0.01))
    assert.is_true(weft.now() - began >= 0.01)
    weft.go(function() release:set() end)
    assert.is_true(m:try_lock(1000))
    assert.truthy(tostring(m):find "main")
    m:unlock()
    job:join()
    release:clear()
    job = keeper(m, release)
    weft.go(function() release:set() end)
    assert.is_true(m:try_lock(math.huge))
    job:join()
  end)

  it("that gives up leaves the others their places", function()
    local m, release, log = weft.mutex(), weft.event(), {}
    keeper(m, release)
    local function impatient(name)
      local mine = m:try_lock(0.005)
      log[#log + 1] = name .. tostring(mine)
    end
    start(impatient, "1 ")
    start(function()
      m:lock()
      log[#log + 1] = "2"
      m:unlock()
    end)
    start(impatient, "3 ")
    start(function()
      m:lock()
      log[#log + 1] = "4"
      m:unlock()
    end)
    weft.sleep(0.01)
    release:set()
    weft.wait()
    assert.same({ "1 false", "3 false", "2", "4" }, log)
  end)

  it("refuses what is no time", function()
    local m = weft.mutex()
    helper.raises("bad argument #1 to 'try_lock' (seconds >= 0 expected, got -1", function() m:try_lock(-1) end)
    helper.raises("seconds >= 0 expected", function() m:try_lock(0 / 0) end)
    helper.raises("bad argument #1 to 'try_lock' (number expected, got string)", function() m:try_lock "soon" end)
    assert.truthy(tostring(m):find "free")
  end)
end)

describe("with", function()
  it("calls the function with the mutex locked, and passes everything through", function()
    local m = weft.mutex()
    local got = table.pack(m:with(function(...)
      assert.truthy(tostring(m):find "held by main")
      return select("#", ...), ...
    end, nil, 2, nil))
    assert.same({ n = 4, 3, nil, 2, nil }, got)
    assert.equal(0, select("#", m:with(noop)))
    local many = {}
    for i = 1, 5000 do many[i] = i end
    assert.equal(5000, select("#", m:with(function(...) return ... end, table.unpack(many))))
    assert.truthy(tostring(m):find "free")
  end)

  it("unlocks when the function fails, and raises the same error", function()
    local m, err = weft.mutex(), {}
    local ok, raised = pcall(m.with, m, function() error(err) end)
    assert.is_false(ok)
    assert.equal(err, raised)
    assert.truthy(tostring(m):find "free")
    ok, raised = pcall(m.with, m, function()
      weft.yield()
      error()
    end)
    assert.same({ false, nil }, { ok, raised })
    assert.truthy(tostring(m):find "free")
  end)

  it("keeps the traceback of a failure", function()
    local m = weft.mutex()
    local function culprit()
      weft.yield()
      error "here"
    end
    local job = weft.go(function() m:with(culprit) end)
    job:wait()
    local line = debug.getinfo(culprit, "S").linedefined + 2
    -- Before Lua 5.4.3 the lock is released by who has caught the failure: it is told from `with` on.
    if helper.close_yields then assert.truthy(job:traceback():find(":" .. line .. ": in function", 1, true)) end
    assert.truthy(job:traceback():find "in method 'with'")
  end)

  it("may wait, before and inside", function()
    local m, log = weft.mutex(), {}
    for i = 1, 5 do
      weft.go(function()
        local value = m:with(function(x)
          weft.yield()
          weft.sleep(0)
          return x
        end, i)
        log[#log + 1] = value
      end)
    end
    weft.wait()
    assert.same({ 1, 2, 3, 4, 5 }, log)
  end)

  it("lets the function unlock, and lock again", function()
    local m, other = weft.mutex(), weft.event()
    m:with(function() m:unlock() end)
    assert.truthy(tostring(m):find "free")
    m:with(function()
      m:unlock()
      m:lock()
    end)
    assert.truthy(tostring(m):find "free")
    m:with(function()
      m:unlock()
      keeper(m, other)
    end)
    assert.truthy(tostring(m):find "held by task") -- not ours to unlock
    other:set()
    weft.wait()
    assert.truthy(tostring(m):find "free")
  end)

  it("unlocks when the generator around it is closed, or its task is cancelled", function()
    local m = weft.mutex()
    local co = coroutine.create(function() m:with(coroutine.yield) end)
    coroutine.resume(co)
    assert.truthy(tostring(m):find "held by main")
    weft.go(function() coroutine.close(co) end):join()
    assert.truthy(tostring(m):find "free")
    local job = start(m.with, m, weft.sleep, 1000)
    assert.truthy(tostring(m):find "held by task")
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.truthy(tostring(m):find "free")
  end)

  it("unlocks when the function fails in a generator that nobody closes", function()
    local m = weft.mutex()
    for _, f in ipairs { function() error "x" end, function() coroutine.yield() weft.yield() error "x" end } do -- luacheck: ignore
      local co = coroutine.create(function() m:with(f) end)
      repeat local more = coroutine.resume(co) until not more
      assert.truthy(tostring(m):find "free")
      coroutine.close(co)
      weft.go(function()
        co = coroutine.create(function() m:with(f) end)
        repeat local more = coroutine.resume(co) until not more
      end):join()
      assert.truthy(tostring(m):find "free")
    end
    local co = coroutine.wrap(function(...) return m:with(function(...) return coroutine.yield(...) end, ...) end)
    assert.same({ 1, nil, 3 }, { co(1, nil, 3) })
    assert.same({ 4, 5 }, { co(4, 5) })
    assert.truthy(tostring(m):find "free")
  end)

  it("calls nothing when cancelled before it has the mutex", function()
    local m, called = weft.mutex(), false
    m:lock()
    local job = start(m.with, m, function() called = true end)
    job:cancel()
    job:wait()
    assert.truthy(tostring(m):find "held by main")
    assert.is_false(called)
    m:unlock()
  end)

  it("refuses what cannot be called, and does not keep the mutex then", function()
    local m = weft.mutex()
    helper.raises("bad argument #1 to 'with'", function() m:with() end)
    helper.raises("bad argument #1 to 'with'", function() m:with(7) end)
    assert.truthy(tostring(m):find "free")
    assert.equal(7, m:with(setmetatable({}, { __call = function(_, x) return x end }), 7))
  end)
end)

describe("a guard", function()
  it("unlocks at the end of its block, however that is left", function()
    local m = weft.mutex()
    do
      local g <close> = m:guard()
      assert.truthy(tostring(m):find "held by main")
      assert.truthy(tostring(g):find "weft.guard %(armed%) of weft.mutex %d+")
    end
    assert.truthy(tostring(m):find "free")
    assert.is_false(pcall(function()
      local _ <close> = m:guard()
      weft.yield()
      error "x"
    end))
    assert.truthy(tostring(m):find "free")
    repeat local _ <close> = m:guard() until true
    assert.truthy(tostring(m):find "free")
  end)

  it("waits for the mutex", function()
    local m, release, log = weft.mutex(), weft.event(), {}
    keeper(m, release)
    start(function()
      local _ <close> = m:guard()
      log[#log + 1] = "guarded"
    end)
    assert.same({}, log)
    release:set()
    weft.wait()
    assert.same({ "guarded" }, log)
    assert.truthy(tostring(m):find "free")
  end)

  it("can be let go early, once", function()
    local m = weft.mutex()
    do
      local g <close> = m:guard()
      g:unlock()
      assert.truthy(tostring(m):find "free")
      assert.truthy(tostring(g):find "released")
      helper.raises("released its lock already", function() g:unlock() end)
      m:lock()
    end
    assert.truthy(tostring(m):find "held by main")
  end)

  it("does not unlock what somebody else has locked since", function()
    local m, release = weft.mutex(), weft.event()
    do
      local _ <close> = m:guard()
      m:unlock()
      keeper(m, release)
    end
    assert.truthy(tostring(m):find "held by task")
    release:set()
    weft.wait()
  end)

  it("is closed with its generator by another task", function()
    local m = weft.mutex()
    local co = coroutine.create(function()
      local _ <close> = m:guard()
      coroutine.yield()
    end)
    coroutine.resume(co)
    weft.go(function() assert(coroutine.close(co)) end):join()
    assert.truthy(tostring(m):find "free")
  end)

  it("takes no argument", function()
    helper.raises("bad argument #1 to 'guard'", function() weft.mutex():guard(1) end)
  end)
end)
