-- Groups of jobs: scope, timeout, all, race, completed, shield.

local helper = require "spec.helper"
local weft = require "weft"

local function sleeper() weft.sleep(1e6) end
local function give(...) return ... end

-- A task that returns `value` once it was told to.
local function told(value)
  local ch = weft.channel(1)
  return ch, weft.go(function()
    ch:recv()
    return value
  end)
end

describe("weft.scope", function()
  it("waits for all that was started through it, and gives the body's results", function()
    local done = 0
    local results = table.pack(weft.scope(function(s, ...)
      for i = 1, 10 do
        s:go(function()
          weft.sleep(i * 0.0001)
          done = done + 1
        end)
      end
      return ..., nil
    end, "a", "b"))
    assert.equal(10, done)
    assert.same({ n = 2, "a", nil }, results)
  end)

  it("waits for what its jobs start in it", function()
    local done = 0
    weft.scope(function(s)
      local function more(k)
        weft.yield()
        done = done + 1
        if k > 1 then s:go(more, k - 1) end
      end
      s:go(more, 20)
    end)
    assert.equal(20, done)
  end)

  it("gives jobs", function()
    weft.scope(function(s)
      local job = s:go({ name = "n" }, give, 1, nil, 3)
      assert.equal("task", job.kind)
      assert.equal("n", job.name)
      assert.same({ n = 3, 1, nil, 3 }, table.pack(job:join()))
    end)
  end)

  it("raises a child's failure, as it is, after all have ended", function()
    local reason, other = {}, nil
    local ok, err = pcall(weft.scope, function(s)
      other = s:go(sleeper)
      s:go(error, reason)
      sleeper() -- the body is cancelled too
    end)
    assert.is_false(ok)
    assert.equal(reason, err)
    assert.equal("cancelled", other:status())
  end)

  it("raises the body's own error, after its children were cancelled", function()
    local child, cleaned
    local ok, err = pcall(weft.scope, function(s)
      child = s:go(function()
        local _ <close> = setmetatable({}, { __close = function()
          weft.yield()
          cleaned = true
        end })
        sleeper()
      end)
      weft.yield()
      error("body", 0)
    end)
    assert.same({ false, "body" }, { ok, err })
    assert.equal("cancelled", child:status())
    assert.is_true(cleaned)
  end)

  it("keeps the first failure", function()
    local ok, err = pcall(weft.scope, function(s)
      s:go(function()
        local _ <close> = setmetatable({}, { __close = function() error("second", 0) end })
        sleeper()
      end)
      weft.yield()
      s:go(error, "first")
    end)
    assert.same({ false, "first" }, { ok, err })
  end)

  it("is not failed by a child that was cancelled on its own", function()
    local result = weft.scope(function(s)
      local child = s:go(sleeper)
      weft.yield()
      child:cancel()
      child:wait()
      return "fine"
    end)
    assert.equal("fine", result)
  end)

  it("does not report what it raises", function()
    local out, err = helper.run_ok [[
      local weft = require "weft"
      print(pcall(weft.scope, function(s) s:go(error, "seen") s:go(error, "too late") end))
      collectgarbage()
    ]]
    assert.equal("false\tseen\n", out)
    assert.is_nil(err:find("seen", 1, true))
  end)

  it("cancels from outside what is in it", function()
    local children = {}
    local job = weft.go(weft.scope, function(s)
      for i = 1, 5 do children[i] = s:go(sleeper) end
      sleeper()
    end)
    weft.yield()
    weft.yield()
    job:cancel "enough"
    local ok, err = job:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"))
    assert.equal("enough", err.reason)
    for i = 1, 5 do assert.equal("cancelled", children[i]:status()) end
  end)

  it("cancels while it waits at its end", function()
    local child
    local job = weft.go(weft.scope, function(s) child = s:go(sleeper) end)
    weft.sleep(0.0001)
    job:cancel()
    assert.is_true(weft.is(select(2, job:result()), "cancelled"))
    assert.equal("cancelled", child:status())
  end)

  it("can be cancelled by hand", function()
    local child
    local err = helper.raises_kind("cancelled", weft.scope, function(s)
      child = s:go(sleeper)
      weft.yield()
      s:cancel "done with it"
      sleeper()
    end)
    assert.equal("done with it", err.reason)
    assert.equal("cancelled", child:status())
  end)

  it("leaves the task usable after a failure", function()
    pcall(weft.scope, function(s)
      s:go(error, "x")
      sleeper()
    end)
    weft.sleep(0.0001)
    assert.equal(1, weft.go(give, 1):join())
  end)

  it("nests: the inner one's failure ends the inner one alone when it is caught", function()
    local outer_child
    local got = weft.scope(function(s)
      outer_child = s:go(function()
        weft.sleep(0.001)
        return "outer"
      end)
      local ok, err = pcall(weft.scope, function(inner)
        inner:go(error, "inner")
        sleeper()
      end)
      assert.same({ false, "inner" }, { ok, err })
      weft.yield()
      return outer_child:join()
    end)
    assert.equal("outer", got)
  end)

  it("nests: the outer one's failure ends the inner one", function()
    local inner_child
    local ok, err = pcall(weft.scope, function(s)
      s:go(function()
        weft.yield()
        error("outer", 0)
      end)
      weft.scope(function(inner)
        inner_child = inner:go(sleeper)
        sleeper()
      end)
    end)
    assert.same({ false, "outer" }, { ok, err })
    assert.equal("cancelled", inner_child:status())
  end)

  it("starts nothing after its end", function()
    local kept
    weft.scope(function(s) kept = s end)
    helper.raises("ended", kept.go, kept, sleeper)
    helper.raises("ended", kept.cancel, kept)
  end)

  it("names what is wrong with its arguments", function()
    helper.raises("bad argument #1 to 'scope'", function() weft.scope() end)
    helper.raises("bad argument #1 to 'scope'", function() weft.scope(42) end)
    weft.scope(function(s)
      helper.raises("scope", function() s.go(sleeper) end)
      helper.raises("bad argument", s.go, s)
      helper.raises("bad argument", s.go, s, 42)
      assert.truthy(tostring(s):find "^weft%.scope")
    end)
  end)

  it("holds many jobs", function()
    local n, done = helper.scale(20000, 500), 0
    weft.scope(function(s)
      for _ = 1, n do
        s:go(function()
          weft.yield()
          done = done + 1
        end)
      end
    end)
    assert.equal(n, done)
  end)
end)

describe("a job of a scope", function()
  it("was started where the script says so", function()
    local here = debug.getinfo(1, "l").currentline
    weft.scope(function(s)
      local a = s:go(weft.yield)
      local b = select(2, pcall(s.go, s, weft.yield))
      for i, job in ipairs { a, b } do
        local line = job:traceback():match "started at [^\n]*scope_spec%.lua:(%d+)$"
        assert.equal(here + 1 + i, tonumber(line), job:traceback())
      end
    end)
    local every = weft.every(1, function() end)
    assert.truthy(every:traceback():find("scope_spec.lua:" .. here + 9, 1, true), every:traceback())
    every:cancel()
    every:wait()
  end)
end)

describe("weft.timeout", function()
  it("gives the function's results when it is in time", function()
    assert.same({ n = 4, 1, nil, 3, nil }, table.pack(weft.timeout(1e6, give, 1, nil, 3, nil)))
    assert.same({ n = 2, "a", "b" }, table.pack(weft.timeout(1e6, function(...)
      weft.sleep(0.0001)
      return ...
    end, "a", "b")))
    assert.same({ n = 0 }, table.pack(weft.timeout(math.huge, give)))
  end)

  it("raises a timeout error when it is not", function()
    local err = helper.raises_kind("timeout", weft.timeout, 0.001, sleeper)
    assert.truthy(tostring(err):find "timeout")
    assert.equal("string", type(err.message))
  end)

  it("passes the function's error on", function()
    local reason = {}
    assert.same({ false, reason }, { pcall(weft.timeout, 1e6, error, reason) })
  end)

  it("waits until the function has really ended", function()
    local ended
    helper.raises_kind("timeout", weft.timeout, 0.001, function()
      local _ <close> = setmetatable({}, { __close = function()
        weft.sleep(0.002)
        ended = true
      end })
      sleeper()
    end)
    assert.is_true(ended)
  end)

  it("cannot be swallowed by a pcall", function()
    local rounds = 0
    helper.raises_kind("timeout", weft.timeout, 0.001, function()
      for _ = 1, 3 do
        rounds = rounds + 1
        pcall(sleeper)
      end
      sleeper()
    end)
    assert.equal(3, rounds)
  end)

  it("takes results that were ready before the cancel", function()
    assert.equal("late but there", weft.timeout(0.0005, function()
      local start = weft.now()
      repeat until weft.now() - start > 0.001
      return "late but there"
    end))
    assert.equal("caught", weft.timeout(0.0005, function()
      pcall(sleeper)
      return "caught"
    end))
  end)

  it("of zero lets a function that does not block finish", function()
    assert.equal(1, weft.timeout(0, give, 1))
    helper.raises_kind("timeout", weft.timeout, 0, sleeper)
  end)

  it("nests, the shorter one first, whichever is outside", function()
    local outer_alive
    helper.raises_kind("timeout", weft.timeout, 0.001, function() weft.timeout(1e6, sleeper) end)
    weft.timeout(1e6, function()
      helper.raises_kind("timeout", weft.timeout, 0.001, sleeper)
      weft.sleep(0.0001)
      outer_alive = true
    end)
    assert.is_true(outer_alive)
  end)

  it("tells an inner time-out from the outer one's", function()
    local inner
    local ok, outer = pcall(weft.timeout, 0.001, function()
      local _, err = pcall(weft.timeout, 1e6, sleeper)
      inner = err
      error(err, 0)
    end)
    assert.is_false(ok)
    assert.equal(inner, outer) -- the outer one's error went through the inner one
  end)

  it("ends what it waits for, whatever that is", function()
    local ch = weft.channel()
    local job = weft.go(sleeper)
    helper.raises_kind("timeout", weft.timeout, 0.0005, function() ch:recv() end)
    helper.raises_kind("timeout", weft.timeout, 0.0005, function() ch:send(1) end)
    helper.raises_kind("timeout", weft.timeout, 0.0005, function() job:join() end)
    helper.raises_kind("timeout", weft.timeout, 0.0005, function() weft.select { { ch }, { job } } end)
    helper.raises_kind("timeout", weft.timeout, 0.0005, function() weft.scope(function(s) s:go(sleeper) end) end)
    helper.raises_kind("timeout", weft.timeout, 0.0005, function() while true do weft.yield() end end)
    assert.same({ false, "full" }, { ch:try_send(1) }) -- nobody is left in its queues
    job:cancel()
    job:wait()
  end)

  it("refuses times that are none, and what is no function", function()
    for _, time in ipairs { -1, 0 / 0, "soon", {} } do
      helper.raises("bad argument #1 to 'timeout'", function() weft.timeout(time, give) end)
    end
    helper.raises("bad argument #2 to 'timeout'", function() weft.timeout(1) end)
    helper.raises("bad argument #2 to 'timeout'", function() weft.timeout(1, 42) end)
  end)
end)

describe("weft.all", function()
  it("gives the first results in the order of the list", function()
    local a_go, a = told "a"
    local b_go, b = told "b"
    local waiter = weft.go(weft.all, { a, b, weft.go(give, nil, 2), weft.go(give, 3, 4) })
    b_go:send(1)
    a_go:send(1)
    assert.same({ n = 4, "a", "b", nil, 3 }, (waiter:join()))
    assert.same({ n = 0 }, weft.all {})
  end)

  it("cancels the rest at the first failure and raises it", function()
    local reason, slow = {}, weft.go(sleeper)
    local ok, err = pcall(weft.all, { slow, weft.go(error, reason) })
    assert.same({ false, reason }, { ok, err })
    assert.equal("cancelled", slow:status())
  end)

  it("takes the failure that came first, not the first in the list", function()
    local go, late = told "late"
    local failing = weft.go(function()
      late:wait()
      error("late", 0)
    end)
    local ok, err = pcall(weft.all, { failing, weft.go(error, "early") })
    go:send(1)
    assert.same({ false, "early" }, { ok, err })
  end)

  it("takes finished jobs, and one job twice", function()
    local job = weft.go(give, "x")
    job:join()
    assert.same({ n = 2, "x", "x" }, weft.all { job, job })
  end)

  it("names what is wrong with the list", function()
    helper.raises("bad argument #1 to 'all'", function() weft.all() end)
    helper.raises("bad argument #1 to 'all'", function() weft.all(42) end)
    helper.raises("item 1", function() weft.all { 42 } end)
  end)
end)

describe("weft.race", function()
  it("gives index and results of the first to end, and cancels the others", function()
    local slow = weft.go(sleeper)
    local go, quick = told "quick"
    go:send(1)
    assert.same({ 2, "quick" }, { weft.race { slow, quick } })
    assert.equal("cancelled", slow:status())
  end)

  it("raises the error of the first when that is a failure", function()
    local slow = weft.go(sleeper)
    assert.same({ false, "bad" }, { pcall(weft.race, { slow, weft.go(error, "bad") }) })
    assert.equal("cancelled", slow:status())
  end)

  it("needs somebody to race", function()
    helper.raises("bad argument #1 to 'race'", function() weft.race {} end)
    helper.raises("item 2", function() weft.race { weft.go(give), "x" } end)
    weft.wait()
  end)
end)

describe("weft.completed", function()
  it("gives the jobs in the order in which they end", function()
    local gates, jobs, order = {}, {}, {}
    for i = 1, 5 do gates[i], jobs[i] = told(i) end
    weft.go(function()
      for _, i in ipairs { 3, 1, 5, 2, 4 } do
        gates[i]:send(1)
        jobs[i]:wait()
      end
    end)
    for job in weft.completed(jobs) do order[#order + 1] = job:join() end
    assert.same({ 3, 1, 5, 2, 4 }, order)
  end)

  it("gives each job once, failed ones too", function()
    local jobs = { weft.go(error, "x"), weft.go(give, 1), weft.go(sleeper) }
    weft.yield()
    jobs[3]:cancel()
    local seen = {}
    for job in weft.completed(jobs) do seen[job] = (seen[job] or 0) + 1 end
    assert.same({ [jobs[1]] = 1, [jobs[2]] = 1, [jobs[3]] = 1 }, seen)
    for _ in weft.completed {} do error "nothing to give" end
  end)
end)

describe("weft.shield", function()
  it("gives the function's results and raises its error", function()
    assert.same({ n = 3, 1, nil, 3 }, table.pack(weft.shield(give, 1, nil, 3)))
    assert.same({ false, "bad" }, { pcall(weft.shield, error, "bad") })
    assert.equal("slept", weft.shield(function()
      weft.sleep(0.0001)
      return "slept"
    end))
  end)

  it("puts a cancellation off until its end", function()
    local log = {}
    local job = weft.go(function()
      weft.shield(function()
        weft.sleep(0.002)
        log[#log + 1] = "slept"
      end)
      log[#log + 1] = "after"
      weft.yield()
      log[#log + 1] = "never"
    end)
    weft.yield()
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.same({ "slept", "after" }, log)
  end)

  it("needs a function", function()
    helper.raises("bad argument #1 to 'shield'", function() weft.shield() end)
    helper.raises("bad argument #1 to 'shield'", function() weft.shield(42) end)
  end)
end)

describe("a scope that is to be closed", function()
  it("ends what runs in it when the block is left, and goes on", function()
    local first, second
    assert.equal("value", weft.scope(function(s)
      do
        local part <close> = s
        first = part:go(weft.sleep, 1e6)
        weft.yield()
      end
      assert.equal("cancelled", first:status())
      second = s:go(weft.yield)
      return "value"
    end))
    assert.equal("done", second:status())
  end)

  it("may be left by one of its own", function()
    local other
    weft.scope(function(s)
      other = s:go(weft.sleep, 1e6)
      s:go(function() local _ <close> = s end)
    end)
    assert.equal("cancelled", other:status())
  end)
end)

describe("a deadlock under a group", function()
  it("names the group and the script's own line", function()
    local function stuck() weft.channel():recv() end
    local function text(f)
      local err = helper.raises_kind("deadlock", function() weft.go(f):join() end)
      return err.message
    end
    assert.truthy(text(function() weft.all { weft.go(stuck) } end):find "waits in weft%.all at spec/scope_spec%.lua:%d+")
    assert.truthy(text(function() weft.race { weft.go(stuck) } end):find "waits in weft%.race at spec/scope_spec%.lua:%d+")
    assert.truthy(text(function()
      for _ in weft.completed { weft.go(stuck) } do end -- luacheck: ignore 542
    end):find "waits in weft%.completed at spec/scope_spec%.lua:%d+")
    local of_scope = text(function() weft.scope(function(s) s:go(stuck) end) end)
    assert.truthy(of_scope:find "waits in weft%.scope for the end of its jobs", of_scope)
    assert.falsy(of_scope:match("main:[^\n]*"):find("groups.lua", 1, true), of_scope)
    local unbounded = text(function() weft.channel(math.maxinteger):recv() end)
    assert.truthy(unbounded:find("(0 of any number)", 1, true), unbounded)
  end)
end)
