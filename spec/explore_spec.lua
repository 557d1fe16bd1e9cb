local helper = require "spec.helper"
local weft = require "weft"

-- Two tasks add one to n, with `step` between reading and writing.
local function adders(step)
  return function()
    local n = 0
    local function add()
      local v = n
      step()
      n = v + 1
    end
    local a, b = weft.go(add), weft.go(add)
    a:join()
    b:join()
    return n
  end
end

local function texts(report)
  local list = {}
  for i, o in ipairs(report.outcomes) do list[i] = o.text end
  table.sort(list)
  return list
end

describe("weft.explore", function()
  it("runs every schedule and tells the outcomes", function()
    local lock = weft.mutex()
    local r = weft.explore(adders(function() lock:lock() lock:unlock() end))
    assert.is_true(r.ok)
    assert.is_true(r.complete)
    assert.same({ "1", "2" }, texts(r))
    local sum = 0
    for _, o in ipairs(r.outcomes) do sum = sum + o.count end
    assert.equal(r.schedules, sum)
  end)

  it("counts the schedules of independent tasks as mathematics does", function()
    -- Two tasks of n operations each, started together by a root that then waits: the orders of their operations are
    -- the ways to choose n of 2n places.
    for n, ways in pairs { 6, 20, 70 } do
      local r = weft.explore(function()
        local e = weft.event()
        local function steps() for _ = 1, n do e:is_set() end end
        weft.go(steps)
        weft.go(steps)
      end)
      assert.is_true(r.complete)
      -- A task of n operations has n + 1 pieces: before the first one nothing is done, so each order of the pieces.
      assert.equal(ways, r.schedules)
    end
  end)

  it("finds a failed assertion, and the token replays it", function()
    local f = adders(weft.yield)
    local function checked() assert(f() == 2, "an update was lost") end
    local r = weft.explore(checked)
    assert.is_false(r.ok)
    assert.equal("error", r.failure.kind)
    assert.truthy(r.failure.message:find("an update was lost", 1, true))
    assert.truthy(r.failure.traceback:find("explore_spec.lua", 1, true))
    local again = weft.explore(checked, { replay = r.failure.token })
    assert.equal(1, again.schedules)
    assert.equal("error", again.failure.kind)
    assert.equal(r.failure.token, again.failure.token)
    assert.equal(r.failure.interleaving, again.failure.interleaving)
    local err = helper.raises("an update was lost", function() r:assert() end)
    assert.truthy(tostring(err):find(r.failure.token, 1, true))
  end)

  it("gives each outcome a token that leads to it", function()
    local f = adders(weft.yield)
    local r = weft.explore(f, { points = "lines" })
    assert.same({ "1", "2" }, texts(r))
    for _, o in ipairs(r.outcomes) do
      assert.same({ o.text }, texts(weft.explore(f, { replay = o.token })))
    end
  end)

  it("switches between instructions where it is asked to", function()
    local function f()
      local n = 0
      local function add() n = n + 1 end
      weft.all { weft.go(add), weft.go(add) }
      assert(n == 2, "lost")
    end
    assert.is_true(weft.explore(f):assert().complete)
    assert.is_true(weft.explore(f, { points = "lines" }):assert().complete)
    local r = weft.explore(f, { points = "instructions" })
    assert.equal("error", r.failure.kind)
    assert.equal(1, r.failure.preemptions)
    assert.truthy(r.failure.interleaving:find("preempted midway", 1, true))
  end)

  it("finds the failure with the fewest preemptions by every strategy", function()
    local function f()
      local a, b = weft.mutex(), weft.mutex()
      local function both(one, other)
        one:lock()
        other:lock()
        other:unlock()
        one:unlock()
      end
      weft.go({ name = "one" }, both, a, b)
      weft.go({ name = "two" }, both, b, a)
    end
    for _, strategy in ipairs { "exhaustive", "random", "pct" } do
      local r = weft.explore(f, { strategy = strategy })
      assert.equal("deadlock", r.failure.kind, strategy)
      assert.equal(1, r.failure.preemptions, strategy)
      assert.equal("deadlock: one and two wait for each other's mutexes", r.failure.message)
      assert.equal(2, #r.failure.stuck)
      assert.truthy(r.failure.stuck[1]:find("waits in lock for weft.mutex", 1, true))
      assert.equal("deadlock", weft.explore(f, { replay = r.failure.token }).failure.kind)
    end
  end)

  it("tells the same with the same seed", function()
    local f = adders(weft.yield)
    for _, strategy in ipairs { "random", "pct" } do
      local a = weft.explore(f, { strategy = strategy, seed = 7, schedules = 50 })
      local b = weft.explore(f, { strategy = strategy, seed = 7, schedules = 50 })
      assert.equal(50, a.schedules)
      assert.is_false(a.complete)
      assert.same(a.outcomes, b.outcomes)
    end
  end)

  it("bounds the preemptions", function()
    local function f()
      local n, e = 0, weft.event()
      local function add()
        local v = n
        e:is_set()
        n = v + 1
      end
      weft.all { weft.go(add), weft.go(add), weft.go(add) }
      return n
    end
    assert.same({ "3" }, texts(weft.explore(f, { preemptions = 0 })))
    local one = weft.explore(f, { preemptions = 1 })
    assert.same({ "1", "2", "3" }, texts(one))
    assert.is_false(one.complete)
    assert.truthy(one.coverage:find("with 1 preemption", 1, true))
    local all = weft.explore(f)
    assert.same({ "1", "2", "3" }, texts(all))
    assert.is_true(all.complete)
  end)

  it("stops at its budget and says so", function()
    local function f()
      local e = weft.event()
      for _ = 1, 5 do weft.go(function() for _ = 1, 5 do e:is_set() end end) end
    end
    local r = weft.explore(f, { schedules = 100 })
    assert.equal(100, r.schedules)
    assert.is_false(r.complete)
    assert.truthy(r.coverage:find("stopped at the number of schedules", 1, true))
    r = weft.explore(f, { seconds = 0.05, schedules = math.maxinteger })
    assert.is_false(r.complete)
    assert.truthy(r.coverage:find("stopped at the time", 1, true))
  end)

  it("chooses in select as in schedules", function()
    local r = weft.explore(function()
      local a, b, c = weft.channel(1), weft.channel(1), weft.channel(1)
      a:send "a"
      b:send "b"
      return (select(2, weft.select { { a }, { b }, { c } }))
    end)
    assert.is_true(r.complete)
    assert.same({ '"a"', '"b"' }, texts(r))
  end)

  it("makes chance the same in every run", function()
    local seen = {}
    local r = weft.explore(function()
      seen[math.random(1 << 40)] = true
      weft.all { weft.go(weft.yield), weft.go(weft.yield) }
    end)
    assert.is_true(r.schedules > 1)
    assert.is_nil(next(seen, (next(seen))))
  end)

  it("says when more than the schedule decides", function()
    local calls = 0
    local r = weft.explore(function()
      calls = calls + 1
      local odd = calls % 2 == 1
      weft.all { weft.go(function() if odd then weft.yield() end end), weft.go(weft.yield) }
    end)
    assert.equal("nondeterminism", r.failure.kind)
  end)

  it("says when a token does not fit", function()
    local r = weft.explore(function() end, { replay = "o:3:0000002a" })
    assert.equal("nondeterminism", r.failure.kind)
  end)

  it("finds that outcomes differ where they must not", function()
    local function f()
      local order = {}
      local function note(x) order[#order + 1] = x end
      weft.all { weft.go(note, 1), weft.go(note, 2) }
      return order
    end
    assert.same({ "{1, 2}", "{2, 1}" }, texts(weft.explore(f)))
    local r = weft.explore(f, { same = true })
    assert.equal("outcome", r.failure.kind)
    assert.truthy(r.failure.message:find("{1, 2} and {2, 1}", 1, true))
  end)

  it("goes on after a failure when told to", function()
    local r = weft.explore(function()
      local order = {}
      local function note(x) order[#order + 1] = x end
      weft.all { weft.go(note, 1), weft.go(note, 2) }
      if order[1] == 2 then error("two was first", 0) end
      return "fine"
    end, { keep_going = true })
    assert.is_true(r.complete)
    assert.is_false(r.ok)
    assert.equal(1, #r.failures)
    assert.equal("two was first", r.failure.message)
    assert.equal(r.schedules, r.failure.count + r.outcomes[1].count)
  end)

  it("checks its arguments", function()
    local function noop() end
    helper.raises("bad argument #1 to 'explore' (function expected, got nil)", weft.explore, nil)
    helper.raises("bad argument #2 to 'explore' (table expected, got number)", weft.explore, noop, 1)
    helper.raises("unknown option 'speed'", weft.explore, noop, { speed = 1 })
    helper.raises("points: 'operations' or 'lines' or 'instructions' expected", weft.explore, noop, { points = "bytes" })
    helper.raises("schedules: integer >= 1 expected", weft.explore, noop, { schedules = 0 })
    helper.raises("seconds: number > 0 expected", weft.explore, noop, { seconds = 0 })
    helper.raises("watch: table of tables expected", weft.explore, noop, { watch = { x = 1 } })
    for _, token in ipairs { "", "o", "o:1", "x:1:00000000", "o:2,1:00000000", "o:1.999:00000000", "o:99999999999:00000000" } do
      helper.raises("not a token of weft.explore", weft.explore, noop, { replay = token })
    end
  end)
end)

describe("an explored run", function()
  it("has a clock of its own", function()
    local before = weft.now()
    local r = weft.explore(function()
      local start = weft.now()
      weft.sleep(3600)
      local ok, err = pcall(weft.timeout, 60, weft.sleep, 600)
      assert(not ok and weft.is(err, "timeout"))
      local ch = weft.channel()
      assert(select(2, weft.select { { ch }, timeout = 5 }) == "timeout")
      return weft.now() - start
    end)
    assert.equal("3665.0", r:assert().outcomes[1].text)
    assert.is_true(weft.now() - before < 1000)
  end)

  it("lets time pass at any point where asked to", function()
    local function f()
      local e = weft.event()
      local job = weft.go(function() return e:wait(1) end)
      e:set()
      return job:join()
    end
    assert.same({ "true" }, texts(weft.explore(f)))
    assert.same({ "false", "true" }, texts(weft.explore(f, { clock = "free" })))
  end)

  it("is fair to those who wait in a loop of yields", function()
    local r = weft.explore(function()
      local flag = false
      local a = weft.go(function() while not flag do weft.yield() end end)
      local b = weft.go(function()
        weft.sleep(1)
        flag = true
      end)
      a:join()
      b:join()
    end)
    assert.is_true(r:assert().complete)
  end)

  it("finds loops without an end", function()
    for _, points in ipairs { "operations", "lines", "instructions" } do
      local r = weft.explore(function() while true do end end, { points = points, steps = 200 })
      assert.equal("livelock", r.failure.kind, points)
      r = weft.explore(function() while true do pcall(function() while true do end end) end end, { points = points, steps = 200 })
      assert.equal("livelock", r.failure.kind, points)
    end
    local r = weft.explore(function()
      local never = false
      weft.go(function() while not never do weft.yield() end end):join()
    end, { steps = 200 })
    assert.equal("livelock", r.failure.kind)
  end)

  it("tells total and partial deadlocks", function()
    local r = weft.explore(function() weft.channel():recv() end)
    assert.equal("deadlock", r.failure.kind)
    assert.equal("deadlock: 1 of 1 tasks wait for ever", r.failure.message)
    r = weft.explore(function()
      local ch = weft.channel()
      weft.go({ name = "receiver" }, function() ch:recv() end)
      weft.go(weft.yield)
    end)
    assert.equal("deadlock", r.failure.kind)
    assert.equal("partial deadlock: 1 of 3 tasks wait for ever", r.failure.message)
    assert.truthy(r.failure.stuck[1]:find("receiver: waits in recv for weft.channel", 1, true))
    r = weft.explore(function()
      local a, b = weft.mutex(), weft.mutex()
      local function both(one, other) one:with(other.with, other, function() end) end
      weft.go({ name = "one" }, both, a, b)
      weft.go({ name = "two" }, both, b, a)
      weft.go(function() while true do weft.sleep(1) end end):detach()
    end, { steps = 300 })
    assert.equal("deadlock", r.failure.kind)
    assert.truthy(r.failure.message:find("^partial deadlock: one and two wait for each other's mutexes"))
  end)

  it("takes what is detached for what may be left", function()
    weft.explore(function()
      local ch = weft.channel()
      weft.go(function() for _ in ch do end end):detach()
      ch:send(1)
    end):assert()
  end)

  it("finds lost wake-ups", function()
    local r = weft.explore(function()
      local m, c, ready = weft.mutex(), weft.condition(), false
      weft.go({ name = "waiter" }, function()
        if not ready then
          m:lock()
          c:wait(m)
          m:unlock()
        end
      end)
      weft.go({ name = "setter" }, function()
        ready = true
        c:signal()
      end)
    end)
    assert.equal("lost wake-up", r.failure.kind)
    assert.truthy(r.failure.message:find("waiter began to wait for weft.condition", 1, true))
    assert.truthy(r.failure.message:find("after setter had called signal", 1, true))
    weft.explore(function() -- as it should be
      local m, c, ready = weft.mutex(), weft.condition(), false
      weft.go(function()
        m:lock()
        while not ready do c:wait(m) end
        m:unlock()
      end)
      weft.go(function()
        m:lock()
        ready = true
        c:signal()
        m:unlock()
      end)
    end):assert()
  end)

  it("fails with a task whose error nobody looks at", function()
    local r = weft.explore(function() weft.go({ name = "bad" }, error, "oops", 0) end)
    assert.equal("error", r.failure.kind)
    assert.equal("oops", r.failure.message)
    assert.truthy(tostring(r):find("in bad: oops", 1, true))
    weft.explore(function()
      local job = weft.go(error, "oops")
      assert(not pcall(job.join, job))
    end):assert()
    weft.explore(function() weft.go(error, "oops"):detach() end):assert()
  end)

  it("goes on where a wait is inside a function that cannot yield", function()
    local r = weft.explore(function()
      local a = weft.go(function()
        local t = { 3, 1, 2 }
        table.sort(t, function(x, y)
          weft.yield()
          return x < y
        end)
        return t[1] == 1 and t[2] == 2
      end)
      weft.go(function() for _ = 1, 3 do weft.sleep(1) end end):join()
      return a:join()
    end)
    assert.same({ "true" }, texts(r:assert()))
  end)

  it("switches inside generators", function()
    local r = weft.explore(function()
      local n, e = 0, weft.event()
      local function add()
        e:is_set()
        local v = n
        e:is_set()
        n = v + 1
      end
      local gen = coroutine.wrap(function()
        add()
        coroutine.yield(1)
      end)
      local job = weft.go(add)
      gen()
      job:join()
      return n
    end)
    assert.same({ "1", "2" }, texts(r:assert()))
    r = weft.explore(function()
      local log = {}
      local gen = coroutine.wrap(function()
        log[#log + 1] = 1
        log[#log + 1] = 2
      end)
      local job = weft.go(function() log[#log + 1] = 3 end)
      gen()
      job:join()
      return log
    end, { points = "lines" })
    assert.same({ "{1, 2, 3}", "{1, 3, 2}", "{3, 1, 2}" }, texts(r:assert()))
  end)

  it("knows functions that the script keeps in locals and tables", function()
    local sel, tools = weft.select, { nested = { sel = weft.select } }
    local function f(which)
      return function()
        local a, n = weft.channel(1), 0
        local function look() return (which == 1 and sel or tools.nested.sel) { { a }, default = true } end
        local function add()
          local v = n
          look()
          n = v + 1
        end
        weft.all { weft.go(add), weft.go(add) }
        return n
      end
    end
    assert.same({ "1", "2" }, texts(weft.explore(f(1))))
    assert.same({ "1", "2" }, texts(weft.explore(f(2))))
    assert.equal(weft.select, sel)
    assert.equal(weft.select, tools.nested.sel)
  end)

  it("leaves the other tasks of the script alone, and they it", function()
    local ticks, got, ch = 0, nil, weft.channel()
    local ticker = weft.go(function()
      for _ = 1, 5 do
        weft.sleep(0.001)
        ticks = ticks + 1
      end
    end)
    local waiter = weft.go(function() got = ch:recv() end)
    weft.yield()
    local r = weft.explore(function()
      local before = ticks
      weft.sleep(10)
      weft.all { weft.go(weft.yield), weft.go(weft.yield) }
      weft.wait()
      assert(ticks == before)
    end)
    r:assert()
    weft.explore(function() ch:send "hello" end, { schedules = 1 }):assert()
    waiter:join()
    ticker:join()
    assert.equal("hello", got)
    assert.equal(5, ticks)
  end)

  it("can be started by a task, and cancelled with it", function()
    local job = weft.go(function() return weft.explore(adders(weft.yield)).schedules end)
    assert.is_true(job:join() > 1)
    local started = 0
    local endless = weft.go(function()
      weft.explore(function()
        started = started + 1
        local e = weft.event()
        for _ = 1, 5 do weft.go(function() for _ = 1, 5 do e:is_set() end end) end
      end, { schedules = math.maxinteger, seconds = 1e6 })
    end)
    while started == 0 do weft.yield() end
    endless:cancel()
    helper.raises_kind("cancelled", endless.join, endless)
    weft.explore(adders(weft.yield)) -- and works again
  end)

  it("refuses what it does not control", function()
    for _, name in ipairs { "thread", "preempt" } do
      local r = weft.explore(function() weft[name](function() end) end)
      assert.truthy(r.failure.message:find("cannot use '" .. name .. "' here", 1, true))
    end
    local r = weft.explore(function() weft.explore(function() end) end)
    assert.truthy(r.failure.message:find("cannot be used inside what it explores", 1, true))
    r = weft.explore(function() for _ = 1, 201 do weft.go(function() end) end end)
    assert.truthy(r.failure.message:find("follows 200 at most", 1, true))
    weft.thread(function() end):join() -- outside as ever
  end)

  it("keeps no task, whatever the schedule does", function()
    helper.no_growth(function()
      for _ = 1, 2 do
        weft.explore(function()
          local ch, m = weft.channel(), weft.mutex()
          m:lock()
          for _ = 1, 3 do weft.go(function() ch:recv() end) end
          weft.go(function() m:lock() end)
          weft.go(function() weft.sleep(5) end)
          ch:recv()
        end)
      end
    end)
    weft.wait()
  end)

  it("hands over tasks that will not end", function()
    local stop = false
    local r = weft.explore(function()
      local ch = weft.channel()
      weft.go(function() while not stop do pcall(ch.recv, ch) end end)
      ch:recv()
    end)
    assert.equal("left", r.failure.kind)
    stop = true
    weft.wait()
  end)

  it("ends with the script in the middle of a schedule", function()
    for _, how in ipairs { "os.exit(3)", "os.exit(3, true)" } do
      local _, err, code = helper.run_script(([[
        local weft = require "weft"
        local ch = weft.channel()
        weft.go(function() ch:recv() end):detach()
        weft.yield()
        weft.explore(function()
          weft.go(function() weft.sleep(100) end)
          weft.go(function() weft.channel():recv() end)
          weft.yield()
          %s
        end)
      ]]):format(how))
      assert.equal("", err)
      assert.equal(3, code)
    end
  end)

  it("is interrupted by Ctrl-C", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      local pid = io.open("/proc/self/stat"):read "n"
      local killer = io.popen(("sleep 0.3; kill -INT %d"):format(pid))
      local ok, e = pcall(weft.explore, function()
        local e = weft.event()
        for _ = 1, 6 do weft.go(function() for _ = 1, 9 do e:is_set() end end) end
      end, { schedules = math.maxinteger, seconds = 1e6 })
      killer:close()
      print(ok, (tostring(e):gsub("^.*: ", "")))
      print(weft.explore(function() weft.sleep(1) end).ok)
    ]]
    assert.equal("false\tinterrupted!\ntrue\n", out)
  end)
end)

describe("x:watch", function()
  it("finds unsynchronised accesses to a table", function()
    local r = weft.explore(function(x)
      local account = x:watch({ balance = 100 }, "account")
      local function withdraw(n)
        if account.balance >= n then account.balance = account.balance - n end
      end
      weft.all { weft.go(withdraw, 60), weft.go(withdraw, 60) }
    end)
    assert.equal("race", r.failure.kind)
    assert.truthy(r.failure.message:find("unsynchronised accesses to account.balance", 1, true))
    assert.truthy(r.failure.message:find "explore_spec.lua:%d+.*explore_spec.lua:%d+")
  end)

  it("makes accesses switch points", function()
    local n = { 0 }
    local r = weft.explore(function(x)
      n[1] = 0
      local function add() n[1] = n[1] + 1 end
      x:watch(n, "n")
      local a, b = weft.go(add), weft.go(add)
      a:join()
      b:join()
    end)
    assert.equal("race", r.failure.kind)
  end)

  -- Ways to order two accesses to t.v by tasks; none is a race in any schedule.
  local ordered = {
    ["a mutex"] = function(t)
      local m = weft.mutex()
      local function add() m:with(function() t.v = (t.v or 0) + 1 end) end
      weft.all { weft.go(add), weft.go(add) }
      return t.v
    end,
    ["lock and unlock"] = function(t)
      local m = weft.mutex()
      local function add()
        m:lock()
        t.v = (t.v or 0) + 1
        m:unlock()
      end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a guard"] = function(t)
      local m = weft.mutex()
      local function add()
        local _ <close> = m:guard()
        t.v = (t.v or 0) + 1
      end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a channel"] = function(t)
      local ch = weft.channel()
      weft.go(function()
        t.v = 1
        ch:send(true)
      end)
      ch:recv()
      t.v = 2
    end,
    ["a buffered channel as a lock"] = function(t)
      local ch = weft.channel(1)
      local function add()
        ch:send(true)
        t.v = (t.v or 0) + 1
        ch:recv()
      end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a closed channel"] = function(t)
      local ch = weft.channel()
      weft.go(function()
        t.v = 1
        ch:close()
      end)
      for _ in ch do end
      t.v = 2
    end,
    ["select"] = function(t)
      local a, b = weft.channel(), weft.channel()
      weft.go(function()
        t.v = 1
        a:send(true)
      end)
      weft.select { { a }, { b } }
      t.v = 2
    end,
    ["a join"] = function(t)
      weft.go(function() t.v = 1 end):join()
      t.v = 2
    end,
    ["the start"] = function(t)
      t.v = 1
      weft.go(function() t.v = 2 end)
    end,
    ["a scope"] = function(t)
      weft.scope(function(s) s:go(function() t.v = 1 end) end)
      t.v = 2
    end,
    ["weft.wait"] = function(t)
      weft.go(function() t.v = 1 end)
      weft.wait()
      t.v = 2
    end,
    ["an event"] = function(t)
      local e = weft.event()
      weft.go(function()
        t.v = 1
        e:set()
      end)
      e:wait()
      t.v = 2
    end,
    ["a wait group"] = function(t)
      local g = weft.waitgroup()
      g:add()
      weft.go(function()
        t.v = 1
        g:done()
      end)
      g:wait()
      t.v = 2
    end,
    ["a barrier"] = function(t)
      local b = weft.barrier(2)
      weft.go(function()
        t.v = 1
        b:wait()
      end)
      b:wait()
      t.v = 2
    end,
    ["once"] = function(t)
      local once = weft.once(function() t.v = 1 end)
      local function use()
        once()
        return t.v
      end
      weft.all { weft.go(use), weft.go(use) }
    end,
    ["a semaphore"] = function(t)
      local s = weft.semaphore(1)
      local function add() s:with(function() t.v = (t.v or 0) + 1 end) end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a condition"] = function(t)
      local m, c, ready = weft.mutex(), weft.condition(), false
      weft.go(function()
        t.v = 1
        m:lock()
        ready = true
        c:signal()
        m:unlock()
      end)
      m:lock()
      while not ready do c:wait(m) end
      m:unlock()
      t.v = 2
    end,
    ["a read-write lock"] = function(t)
      local rw = weft.rwlock()
      weft.go(function() rw:writing(function() t.v = 1 end) end)
      rw:reading(function() return t.v end)
    end,
    ["an atomic flag"] = function(t)
      local flag = weft.atomic(0)
      weft.go(function()
        t.v = 1
        flag:store(1, 1)
      end)
      while flag:load(1) == 0 do weft.yield() end
      t.v = 2
    end,
    ["a futex"] = function(t)
      local b = weft.buffer("i32", 2)
      weft.go(function()
        t.v = 1
        b:store(2, 1)
        b:wake(2)
      end)
      while b:load(2) == 0 do b:wait(2, 0) end
      t.v = 2
    end,
    ["reading alone"] = function(t)
      t.v = 1
      local function get() return t.v end
      weft.all { weft.go(get), weft.go(get) }
      return t.v
    end,
  }
  for name, f in pairs(ordered) do
    it("is content with " .. name, function()
      local r = weft.explore(function(x) f(x:watch({}, "t")) end, { schedules = helper.scale(2000, 100) })
      r:assert()
    end)
  end

  -- What looks like an order and is none.
  local unordered = {
    ["two locks"] = function(t)
      local function add() weft.mutex():with(function() t.v = 1 end) end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a sleep"] = function(t)
      weft.go(function() t.v = 1 end)
      weft.sleep(1)
      t.v = 2
    end,
    ["a relaxed flag"] = function(t)
      local flag = weft.atomic(0)
      weft.go(function()
        t.v = 1
        flag:store(1, 1, "relaxed")
      end)
      while flag:load(1, "relaxed") == 0 do weft.yield() end
      t.v = 2
    end,
    ["two senders"] = function(t)
      local ch = weft.channel(2)
      local function f()
        t.v = 1
        ch:send(true)
      end
      weft.all { weft.go(f), weft.go(f) }
    end,
    ["two readers under a lock for reading, of which one writes"] = function(t)
      local rw = weft.rwlock()
      weft.go(function() rw:reading(function() t.v = 1 end) end)
      rw:reading(function() t.v = 2 end)
    end,
  }
  for name, f in pairs(unordered) do
    it("is not fooled by " .. name, function()
      local r = weft.explore(function(x) f(x:watch({}, "t")) end)
      assert.is_false(r.ok)
      assert.equal("race", r.failure.kind)
    end)
  end

  it("watches variables", function()
    local r = weft.explore(function(x)
      local n = 0
      local function add() n = n + 1 end
      x:watch(add, "n")
      weft.all { weft.go(add), weft.go(add) }
    end)
    assert.equal("race", r.failure.kind)
    assert.truthy(r.failure.message:find("unsynchronised accesses to n:", 1, true))
    weft.explore(function(x)
      local n, m = 0, weft.mutex()
      local function add()
        m:lock()
        n = n + 1
        m:unlock()
      end
      x:watch(add, "n")
      weft.all { weft.go(add), weft.go(add) }
    end):assert()
    r = weft.explore(function(x) -- one of many closures over it, by another name
      local n = 0
      local function set(v) n = v end
      local function get() return n end
      x:watch(get, "n")
      weft.go(set, 1)
      weft.go(set, 2)
    end)
    assert.equal("race", r.failure.kind)
  end)

  it("leaves a table as it was, with what was changed", function()
    local meta = { __index = function(_, k) return "no " .. tostring(k) end }
    local t = setmetatable({ 1, 2, a = "b" }, meta)
    weft.explore(function()
      assert(#t == 2 and t[1] == 1 and t.a == "b" and t.z == "no z")
      local keys = 0
      for _ in pairs(t) do keys = keys + 1 end
      assert(keys == 3)
      table.insert(t, 3)
      assert(table.concat(t, ",") == "1,2,3")
      table.remove(t)
      t.a = "c"
      t.a = "b"
    end, { watch = { t = t } }):assert()
    assert.equal(meta, getmetatable(t))
    assert.equal("b", rawget(t, "a"))
    assert.same({ 1, 2, a = "b" }, setmetatable(t, nil))
  end)

  it("checks its arguments", function()
    weft.explore(function(x)
      helper.raises("bad argument #1 to 'watch' (table or function expected, got number)", x.watch, x, 1)
      helper.raises("bad argument #2 to 'watch' (string expected)", x.watch, x, {}, 1)
      helper.raises("the name of an upvalue expected", x.watch, x, function() end)
      helper.raises("has no upvalue 'zzz'", x.watch, x, function() end, "zzz")
      helper.raises("call it with a colon", x.watch, {}, {})
    end, { schedules = 1 }):assert()
  end)
end)

describe("the report", function()
  local function report()
    return weft.explore(function()
      local m, c = weft.mutex(), weft.condition()
      m:lock()
      c:wait(m)
    end)
  end

  it("shows one column a task and one row a line", function()
    local text = helper.run_ok([[
      local weft = require "weft"
      local function f()
        local n, e = 0, weft.event()
        local function add()
          local v = n
          e:is_set()
          n = v + 1
        end
        local a, b = weft.go({ name = "one" }, add), weft.go({ name = "two" }, add)
        a:join()
        b:join()
        assert(n == 2)
      end
      print(weft.explore(f).failure.interleaving)
    ]], { env = { COLUMNS = "80", NO_UNICODE = "1" } })
    assert.equal([[
     task 1                                   |    one          |    two
  --------------------------------------------+-----------------+---------------
   3 local n, e = 0, weft.event()             |                 |
   8 end                                      |                 |
   9 local a, b = weft.go({ name = "one" },.. |                 |
  10 a:join()                                 |                 |
     -- waits                                 |                 |
                                              |  5 local v = n  |
                                              |    -- preempted |
                                              |                 |  5 local v = n
                                              |                 |  6 e:is_set()
                                              |                 |  7 n = v + 1
                                              |                 |  8 end
                                              |                 |    -- ends
                                              |  6 e:is_set()   |
                                              |  7 n = v + 1    |
                                              |  8 end          |
                                              |    -- ends      |
  11 b:join()                                 |                 |
  12 assert(n == 2)                           |                 |
     -- ends                                  |                 |
]], text)
  end)

  it("is text, and small enough for the terminal", function()
    local r = report()
    local text = tostring(r)
    assert.truthy(text:find("deadlock: 1 of 1 tasks wait for ever", 1, true))
    assert.truthy(text:find("covered: ", 1, true))
    assert.truthy(text:find('replay = "' .. r.failure.token .. '"', 1, true))
  end)
end)
