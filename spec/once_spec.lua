-- weft.once: one run for all, its results and its error everyone's.

local helper = require "spec.helper"
local weft = require "weft"

local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

describe("once", function()
  it("runs the function once, whoever comes first, and gives its results to all", function()
    local runs, e = 0, weft.event()
    local o = weft.once(function()
      runs = runs + 1
      e:wait()
      return nil, runs, nil
    end)
    local jobs = {}
    for i = 1, 5 do jobs[i] = start(function() return table.pack(o()) end) end
    e:set()
    for i = 1, 5 do assert.same({ n = 3, nil, 1, nil }, jobs[i]:join()) end
    assert.same({ n = 3, nil, 1, nil }, table.pack(o()))
    assert.equal(1, runs)
  end)

  for n = 0, 3 do
    it(("keeps %d results"):format(n), function()
      local list = {}
      for i = 1, n do list[i] = i end
      local o = weft.once(function() return table.unpack(list) end)
      for _ = 1, 3 do assert.same({ n = n, table.unpack(list) }, table.pack(o())) end
    end)
  end

  it("keeps many results", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    local o = weft.once(function() return table.unpack(list) end)
    for _ = 1, 2 do
      local got = table.pack(o())
      assert.equal(5000, got.n)
      assert.equal(5000, got[5000])
    end
  end)

  it("hands the arguments of the first call to the function", function()
    local o = weft.once(function(...) return select("#", ...), ... end)
    assert.same({ n = 4, 3, 1, nil, nil }, table.pack(o(1, nil, nil)))
    assert.same({ n = 4, 3, 1, nil, nil }, table.pack(o "other"))
  end)

  it("raises its error in everyone, the same value", function()
    local err, e, runs = {}, weft.event(), 0
    local o = weft.once(function()
      runs = runs + 1
      e:wait()
      error(err)
    end)
    local jobs = {}
    for i = 1, 3 do jobs[i] = start(o) end
    e:set()
    for i = 1, 3 do
      local ok, raised = jobs[i]:result()
      assert.is_false(ok)
      assert.equal(err, raised)
    end
    local ok, raised = pcall(o)
    assert.is_false(ok)
    assert.equal(err, raised)
    assert.equal(1, runs)
    assert.truthy(tostring(o):find "failed")
  end)

  it("raises its error in everyone, though it failed in a generator that nobody closed", function()
    local o = weft.once(function() error "once" end)
    local co = coroutine.create(function() o() end)
    assert.is_false(coroutine.resume(co))
    helper.raises("once", o)
    assert.is_true(coroutine.close(co) == false or coroutine.status(co) == "dead")
  end)

  it("refuses to be called by its own function", function()
    local o
    o = weft.once(function() return o() end)
    helper.raises("cannot call once %d+: its function is running in this very task", o)
    helper.raises("its function is running in this very task", o) -- everyone's
    local caught
    o = weft.once(function()
      caught = select(2, pcall(o))
      return "fine"
    end)
    assert.equal("fine", o())
    assert.truthy(caught:find "its function is running in this very task")
  end)

  it("works in generators and where a call cannot yield", function()
    for _, run in ipairs {
      function(o) return o() end,
      function(o) return coroutine.wrap(function() return o() end)() end,
      function(o) return (("x"):gsub("x", function() return o() end)) end,
      function(o) return weft.go(o):join() end,
    } do
      local e = weft.event()
      local o = weft.once(function()
        e:wait()
        return "ok"
      end)
      weft.go(function() e:set() end)
      assert.equal("ok", run(o)) -- runs it
      e:clear()
      o = weft.once(function()
        e:wait()
        return "ok"
      end)
      start(o)
      weft.go(function() e:set() end)
      assert.equal("ok", run(o)) -- waits for it
      weft.wait()
    end
  end)

  it("calls what has a __call", function()
    local o = weft.once(setmetatable({}, { __call = function(_, x) return x end }))
    assert.equal(7, o(7))
  end)

  it("says how far it is", function()
    local e = weft.event()
    local o = weft.once(e.wait)
    assert.truthy(tostring(o):find "^weft%.once %d+ %(not run yet%)$")
    local job = start(o, e)
    assert.truthy(tostring(o):find "running in task %d+")
    e:set()
    job:join()
    assert.truthy(tostring(o):find "done")
  end)

  it("keeps the traceback of the first failure", function()
    local job = weft.go(weft.once(function()
      weft.yield()
      error "here"
    end))
    job:wait()
    -- Before Lua 5.4.3 it begins where the failure was caught.
    assert.truthy(job:traceback():find(helper.close_yields and "once_spec.lua:%d+: in function" or "in "))
  end)
end)

describe("a run of once that is broken off", function()
  it("by cancelling its task does not count: the first that waits runs it anew", function()
    local runs, e = 0, weft.event()
    local o = weft.once(function()
      runs = runs + 1
      local mine = runs
      e:wait()
      return mine
    end)
    local first = start(o)
    local second, third = start(o), start(o)
    first:cancel()
    first:wait()
    assert.equal("cancelled", first:status())
    e:set()
    assert.equal(2, second:join())
    assert.equal(2, third:join())
    assert.equal(2, o())
    assert.equal(2, runs)
  end)

  it("by a time-out does not count", function()
    local runs, e = 0, weft.event()
    local o = weft.once(function()
      runs = runs + 1
      e:wait()
      return "fine"
    end)
    helper.raises_kind("timeout", weft.timeout, 0.001, o)
    e:set()
    assert.equal("fine", o())
    assert.equal(2, runs)
  end)

  it("but what it raises because of that counts", function()
    local o = weft.once(function()
      pcall(weft.sleep, 1000)
      error "given up"
    end)
    local first = start(o)
    first:cancel()
    first:wait()
    helper.raises("given up", o)
  end)

  it("by closing its generator does not count", function()
    local o = weft.once(function(f)
      f()
      return "fine"
    end)
    local co = coroutine.create(function(f) return o(f) end)
    assert(coroutine.resume(co, coroutine.yield))
    local waiter = start(o, function() end)
    helper.raises("its function is running in this very task", o)
    coroutine.close(co)
    assert.equal("fine", waiter:join())
    assert.equal("fine", o())
  end)

  it("by the end of its task does not count", function()
    local o = weft.once(function(f)
      f()
      return "fine"
    end)
    local co, go = coroutine.create(function(f) return o(f) end), weft.event()
    local runner = start(function()
      coroutine.resume(co, coroutine.yield)
      go:wait()
    end)
    local waiters = { start(o, function() end), start(o, function() end) }
    go:set()
    runner:join()
    assert.equal("fine", waiters[1]:join())
    assert.equal("fine", waiters[2]:join())
    assert.same({ true, "fine" }, { coroutine.resume(co) }) -- too late, and harmless
    assert.equal("fine", o())
  end)

  it("may fail or return later on without harm", function()
    for _, how in ipairs { "error", "return" } do
      local runs, go = 0, weft.event()
      local o = weft.once(function()
        runs = runs + 1
        if runs == 1 then
          coroutine.yield()
          if how == "error" then error "late" end
          return "late"
        end
        go:wait()
        return "fine"
      end)
      local co = coroutine.create(function() return o() end)
      start(coroutine.resume, co):join()
      local second, third = start(o), start(o)
      local ok, value = coroutine.resume(co)
      assert.equal(how == "return", ok)
      assert.truthy(value:find "late")
      assert.truthy(tostring(o):find "running in task")
      go:set()
      assert.equal("fine", second:join())
      assert.equal("fine", third:join())
      assert.equal("fine", o())
    end
  end)

  -- A task that calls o in a generator, leaves it in the middle of the run, and ends when told to.
  local function quitter(o, go)
    return start(function()
      local co = coroutine.create(function() o() end)
      coroutine.resume(co)
      go:wait()
    end)
  end

  it("by the end of one task after the other does not count", function()
    local runs, go = 0, {}
    local o = weft.once(function()
      runs = runs + 1
      if runs < 4 then coroutine.yield() end
      return "fine"
    end)
    for i = 1, 3 do
      go[i] = weft.event()
      quitter(o, go[i])
    end
    local last, more = start(o), start(o)
    for i = 1, 3 do
      go[i]:set()
      weft.yield()
      weft.yield()
    end
    assert.equal("fine", last:join())
    assert.equal("fine", more:join())
    assert.equal(4, runs)
  end)

  it("by the end of its task is told to the second when the first has given up", function()
    local runs, go = 0, weft.event()
    local o = weft.once(function()
      runs = runs + 1
      if runs == 1 then coroutine.yield() end
      return "fine"
    end)
    local runner = quitter(o, go)
    local first, second = start(o), start(o)
    first:cancel()
    first:wait()
    go:set()
    runner:join()
    assert.equal("fine", second:join())
  end)

  it("hands on through any number of cancellations", function()
    local runs = 0
    local o = weft.once(function()
      runs = runs + 1
      weft.sleep(runs < 6 and 1000 or 0)
      return runs
    end)
    local jobs = {}
    for i = 1, 10 do jobs[i] = start(o) end
    for i = 1, 5 do
      jobs[i]:cancel()
      jobs[i]:wait()
      assert.equal("cancelled", jobs[i]:status())
      weft.yield()
    end
    for i = 6, 10 do assert.equal(6, jobs[i]:join()) end
  end)
end)

describe("a task that waits for once", function()
  it("hears nothing of the runner once it has the results", function()
    local go, e, log = weft.event(), weft.event(), {}
    local o = weft.once(go.wait)
    local runner = start(function()
      o(go)
      weft.yield()
      weft.yield()
    end)
    local waiter = start(function()
      o()
      log[#log + 1] = e:wait(1000)
    end)
    go:set()
    runner:join()
    weft.yield()
    assert.same({}, log)
    e:set()
    waiter:join()
    assert.same({ true }, log)
  end)

  it("can be cancelled without harm to the others", function()
    local e = weft.event()
    local o = weft.once(function()
      e:wait()
      return "fine"
    end)
    local runner, a, b = start(o), start(o), start(o)
    a:cancel()
    a:wait()
    assert.equal("cancelled", a:status())
    e:set()
    assert.equal("fine", runner:join())
    assert.equal("fine", b:join())
  end)

  it("is named in a deadlock", function()
    local never = weft.event()
    local o = weft.once(never.wait)
    local job = start(o, never)
    local err = helper.raises_kind("deadlock", o)
    assert.truthy(err.message:find "main: waits in wait for weft%.once %d+ %(running in task %d+%)")
    never:set()
    job:join()
  end)
end)

describe("misuse of once", function()
  it("names what cannot be called", function()
    helper.raises("bad argument #1 to 'once'", function() weft.once() end)
    helper.raises("bad argument #1 to 'once'", function() weft.once(7) end)
    helper.raises("bad argument #1 to 'once'", function() weft.once {} end)
  end)

  it("leaves nothing behind", function()
    helper.no_growth(function()
      local o = weft.once(function()
        weft.yield()
        return {}, {}
      end)
      for _ = 1, 3 do weft.go(o) end
      weft.wait()
    end)
  end)
end)
