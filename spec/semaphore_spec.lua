-- Semaphores: counting, order, hand-over, time-outs, cancellation.

local helper = require "spec.helper"
local weft = require "weft"

local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

describe("a semaphore", function()
  it("lets as many in as it has units", function()
    for units = 1, 4 do
      local s, inside, most, turns = weft.semaphore(units), 0, 0, 0
      for _ = 1, 10 do
        weft.go(function()
          for _ = 1, 5 do
            s:acquire()
            inside, turns = inside + 1, turns + 1
            most = math.max(most, inside)
            weft.yield()
            inside = inside - 1
            s:release()
          end
        end)
      end
      weft.wait()
      assert.equal(units, most)
      assert.equal(50, turns)
      assert.equal(units, s:count())
    end
  end)

  it("serves those who wait in the order in which they came", function()
    local s, log = weft.semaphore(0), {}
    for i = 1, 10 do
      start(function()
        s:acquire()
        log[#log + 1] = i
      end)
    end
    s:release(3)
    assert.is_false(s:try_acquire()) -- they are theirs already
    weft.yield()
    assert.same({ 1, 2, 3 }, log)
    s:release(10)
    assert.equal(3, s:count())
    weft.wait()
    for i = 1, 10 do assert.equal(i, log[i]) end
  end)

  it("has no owners: anybody may release", function()
    local s = weft.semaphore(0)
    weft.go(s.release, s, 2)
    s:acquire()
    s:acquire()
    assert.is_false(s:try_acquire())
    s:release(5)
    assert.equal(5, s:count())
  end)

  it("acquire and release return nothing", function()
    local s = weft.semaphore(1)
    assert.equal(0, select("#", s:acquire()))
    assert.equal(0, select("#", s:release()))
    s:acquire(nil)
    s:release(nil)
    assert.equal(1, s:count())
  end)

  it("tries without waiting, and for a while", function()
    local s = weft.semaphore(1)
    assert.is_true(s:try_acquire())
    assert.is_false(s:try_acquire())
    assert.is_false(s:try_acquire(nil))
    assert.is_false(s:try_acquire(0))
    local began = weft.now()
    assert.is_false(s:try_acquire(0.005))
    assert.is_true(weft.now() - began >= 0.005)
    weft.go(s.release, s)
    assert.is_true(s:try_acquire(1000))
    weft.go(s.release, s)
    assert.is_true(s:try_acquire(math.huge))
    s:release()
    assert.is_true(s:try_acquire(1000))
    assert.equal(0, s:count())
  end)

  it("says what is free and who waits", function()
    local s = weft.semaphore(2)
    assert.truthy(tostring(s):find "^weft%.semaphore %d+ %(2 free, 0 waiting%)$")
    s:acquire()
    s:acquire()
    local job = start(s.acquire, s)
    assert.truthy(tostring(s):find "0 free, 1 waiting")
    s:release()
    job:join()
  end)

  it("can be waited for in generators and wherever a call cannot yield", function()
    local s = weft.semaphore(0)
    local function once()
      weft.go(s.release, s)
      s:acquire()
      return "ok"
    end
    assert.equal("ok", once())
    assert.equal("ok", coroutine.wrap(once)())
    assert.equal("ok", (("x"):gsub("x", once)))
    assert.equal("ok", weft.go(function() return coroutine.wrap(once)() end):join())
    assert.equal("ok", weft.go(function() return (("x"):gsub("x", once)) end):join())
    assert.equal(0, s:count())
  end)

  it("with(f) holds one unit while f runs, however it ends", function()
    local s, err = weft.semaphore(1), {}
    local got = table.pack(s:with(function(...)
      assert.equal(0, s:count())
      weft.yield()
      return ...
    end, nil, 2, nil))
    assert.same({ n = 3, nil, 2, nil }, got)
    local ok, raised = pcall(s.with, s, function() error(err) end)
    assert.is_false(ok)
    assert.equal(err, raised)
    assert.equal(1, s:count())
    local co = coroutine.create(function() s:with(coroutine.yield) end)
    coroutine.resume(co)
    assert.equal(0, s:count())
    coroutine.close(co)
    assert.equal(1, s:count())
    local job = start(s.with, s, weft.sleep, 1000)
    local behind = start(s.with, s, function() return "mine" end)
    job:cancel()
    assert.equal("mine", behind:join())
    assert.equal(1, s:count())
    helper.raises("bad argument #1 to 'with'", function() s:with() end)
    helper.raises("bad argument #1 to 'with'", function() s:with {} end)
    assert.equal(1, s:count())
  end)

  it("with(f) in several tasks at once", function()
    local s, inside, most = weft.semaphore(3), 0, 0
    for _ = 1, 20 do
      weft.go(s.with, s, function()
        inside = inside + 1
        most = math.max(most, inside)
        weft.yield()
        inside = inside - 1
      end)
    end
    weft.wait()
    assert.equal(3, most)
    assert.equal(3, s:count())
  end)
end)

describe("cancelling a task that waits for a semaphore", function()
  it("leaves the unit to the next", function()
    local s, log = weft.semaphore(0), {}
    local first = start(s.acquire, s)
    start(function()
      s:acquire()
      log[#log + 1] = "second"
    end)
    first:cancel()
    s:release()
    weft.wait()
    assert.same({ "second" }, log)
    assert.equal("cancelled", first:status())
    assert.equal(0, s:count())
  end)

  it("that has just been given a unit leaves it to it", function()
    local s, log = weft.semaphore(0), {}
    local job = start(function()
      s:acquire()
      log[#log + 1] = "acquired"
      s:release()
      weft.yield()
      log[#log + 1] = "never"
    end)
    s:release()
    job:cancel()
    job:wait()
    assert.same({ "acquired" }, log)
    assert.equal("cancelled", job:status())
    assert.equal(1, s:count())
  end)

  it("is raised by acquire when it is due, even when units are free", function()
    local s = weft.semaphore(1)
    local job = start(function()
      pcall(weft.sleep, 1000)
      s:acquire()
    end)
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.equal(1, s:count())
  end)
end)

describe("a deadlock over a semaphore", function()
  it("is reported", function()
    local s = weft.semaphore(0)
    local err = helper.raises_kind("deadlock", s.acquire, s)
    assert.truthy(err.message:find "main: waits in lock for weft%.semaphore %d+ %(0 free, 1 waiting%) at ")
    s:release()
    assert.equal(1, s:count())
  end)
end)

describe("many tasks at a semaphore", function()
  it("neither lose nor make units, whatever is cancelled and times out", function()
    for seed = 1, helper.scale(40, 2) do
      math.randomseed(seed)
      local units, n, jobs, inside = math.random(5), 40, {}, 0
      local s = weft.semaphore(units)
      local function body()
        inside = inside + 1
        local _ <close> = setmetatable({}, { __close = function() inside = inside - 1 end })
        assert(inside <= units)
        if math.random(2) == 1 then weft.yield() elseif math.random(2) == 1 then weft.sleep(math.random() * 1e-4) end
      end
      for i = 1, n do
        jobs[i] = weft.go(function()
          for _ = 1, 10 do
            local what = math.random(3)
            if what == 1 then
              pcall(weft.timeout, math.random() * 1e-4, s.with, s, body)
            elseif what == 2 and s:try_acquire(math.random() * 1e-4) then
              local _ <close> = setmetatable({}, { __close = function() s:release() end })
              body()
            else
              s:with(body)
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
      assert.equal(units, s:count())
    end
  end)
end)

describe("misuse of a semaphore", function()
  it("names the count that is none", function()
    helper.raises("bad argument #1 to 'semaphore' (number expected, got no value)", function() weft.semaphore() end)
    helper.raises("bad argument #1 to 'semaphore' (a number of free units >= 0 expected)", function() weft.semaphore(-1) end)
    helper.raises("bad argument #1 to 'semaphore' (number has no integer representation)", function() weft.semaphore(1.5) end)
    helper.raises("bad argument #1 to 'semaphore' (number expected, got string)", function() weft.semaphore "many" end)
    assert.equal(math.maxinteger, weft.semaphore(math.maxinteger):count())
  end)

  it("names the units that cannot be released", function()
    local s = weft.semaphore(1)
    helper.raises("bad argument #1 to 'release' (a number of units >= 1 expected)", function() s:release(0) end)
    helper.raises("a number of units >= 1 expected", function() s:release(-1) end)
    helper.raises("number has no integer representation", function() s:release(0.5) end)
    helper.raises("would have more than math.maxinteger units", function() s:release(math.maxinteger) end)
    assert.equal(1, s:count())
    s:release(math.maxinteger - 1)
    assert.equal(math.maxinteger, s:count())
    helper.raises("would have more than math.maxinteger units", function() s:release() end)
    s:with(function() s:release() end) -- what with gives back would be one too many
    assert.equal(math.maxinteger, s:count())
  end)

  it("acquire takes no argument, try_acquire a time", function()
    local s = weft.semaphore(1)
    helper.raises("bad argument #1 to 'acquire' (no argument expected", function() s:acquire(2) end)
    helper.raises("bad argument #1 to 'try_acquire' (seconds >= 0 expected", function() s:try_acquire(-1) end)
    helper.raises("seconds >= 0 expected", function() s:try_acquire(0 / 0) end)
    helper.raises("number expected, got boolean", function() s:try_acquire(true) end)
    assert.equal(1, s:count())
  end)

  it("names what is no semaphore", function()
    local s = weft.semaphore(1)
    for _, name in ipairs { "acquire", "try_acquire", "release", "with", "count" } do
      helper.raises("weft.semaphore expected, got number", s[name], 7)
      helper.raises("weft.semaphore expected, got weft.mutex", s[name], weft.mutex())
      helper.raises("weft.semaphore expected, got no value", s[name])
    end
  end)
end)
