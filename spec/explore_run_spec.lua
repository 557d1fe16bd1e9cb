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
    for _, name in ipairs { "thread", "spawn", "process", "signal", "ticker", "poll", "preempt" } do
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
      weft.explore(function()
        local ch, m = weft.channel(), weft.mutex()
        m:lock()
        for _ = 1, 3 do weft.go(function() ch:recv() end) end
        weft.go(function() m:lock() end)
        weft.go(function() weft.sleep(5) end)
        ch:recv()
      end)
    end, { n = 20 })
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
