-- weft.spawn: what it has in common with other children (child_cases.lua), its options, and what is particular to
-- isolates that share workers: thousands at once, families of them, waits, hooks, ends.
-- The workers themselves are in workers_spec.lua, what stops an isolate in spawn_stop_spec.lua.

local helper = require "spec.helper"
local weft = require "weft"

require "spec.child_cases" ("spawn", "isolate")

describe("the options of an isolate:", function()
  it("a name", function()
    local job = weft.spawn({ name = "seven" }, function() return weft.current().name end)
    assert.equal("seven", job.name)
    assert.equal("seven", job:join())
  end)

  it("none that only a thread has", function()
    for _, option in ipairs { "stack", "nice", "policy", "priority", "affinity", "uid", "whatever" } do
      helper.raises("(unknown option '" .. option .. "')", weft.spawn, { [option] = 1 }, print)
    end
    helper.raises("option 'memory'", weft.spawn, { memory = 0 }, print)
    helper.raises("option 'name'", weft.spawn, { name = 1 }, print)
    helper.raises("bad argument #2", weft.spawn, {})
    helper.raises("bad argument #1", weft.spawn)
    helper.raises("arg 2.x: a coroutine cannot cross isolates", weft.spawn, print, { x = coroutine.create(print) })
  end)
end)

describe("isolates", function()
  it("are there by the thousand, all at once, and all answered", function()
    local n = helper.scale(20000, 300)
    local ask, answer, jobs = weft.channel(), weft.channel(100), {}
    for i = 1, n do
      jobs[i] = weft.spawn(function(k, a, b)
        local x = a:recv()
        b:send(x + k)
      end, i, ask, answer)
    end
    weft.go(function() for _ = 1, n do ask:send(1) end end)
    local sum = 0
    for _ = 1, n do sum = sum + answer:recv() end
    assert.equal(n * (n + 1) // 2 + n, sum)
    weft.all(jobs)
  end)

  it("start each other, deep", function()
    local function nest(n) return n == 0 and 0 or 1 + weft.spawn(nest, n - 1):join() end
    local depth = helper.scale(2000, 60)
    assert.equal(depth, weft.spawn(nest, depth):join())
  end)

  it("start each other, wide", function()
    local width = helper.scale(1000, 20)
    local function leaves(n)
      local jobs, sum = {}, 0
      for i = 1, n do jobs[i] = weft.spawn(function(k) return k end, i) end
      for _, job in ipairs(jobs) do sum = sum + job:join() end
      return sum
    end
    local jobs = {}
    for i = 1, 10 do jobs[i] = weft.spawn(leaves, width // 10) end
    for i = 1, 10 do assert.equal((width // 10) * (width // 10 + 1) // 2, jobs[i]:join()) end
  end)

  it("start threads and tasks, and are started by them", function()
    local function chain(verbs, i)
      local verb = verbs[i]
      if not verb then return { weft.current().kind } end
      local kinds = weft[verb](chain, verbs, i + 1):join()
      table.insert(kinds, 1, weft.current().kind)
      return kinds
    end
    assert.same({ "isolate", "thread", "task", "isolate", "isolate", "task", "thread", "isolate" },
      weft.spawn(chain, { "thread", "go", "spawn", "spawn", "go", "thread", "spawn" }, 1):join())
  end)

  it("wait as everyone does", function()
    assert.same({ 1, "timeout", 6, "ab", "default", 3, "leader", true }, weft.spawn(function()
      local log = {}
      weft.sleep(0.001)
      log[1] = weft.go(function() weft.yield() return 1 end):join()
      log[2] = select(2, weft.select { { weft.channel() }, timeout = 0.001 })
      local sum = 0
      for v in coroutine.wrap(function()
        for i = 1, 3 do
          weft.sleep(1e-4)
          coroutine.yield(i)
        end
      end) do sum = sum + v end
      log[3] = sum
      local m, text = weft.mutex(), ""
      m:lock()
      local second = weft.go(m.with, m, function() text = text .. "b" end)
      weft.yield()
      text = text .. "a"
      m:unlock()
      second:join()
      log[4] = text
      log[5] = select(2, weft.select { { weft.channel() }, default = true })
      local g, n = weft.waitgroup(), 0
      for _ = 1, 3 do
        g:add()
        weft.go(function()
          weft.sleep(1e-4)
          n = n + 1
          g:done()
        end)
      end
      g:wait()
      log[6] = n
      local b = weft.barrier(2)
      local other = weft.go(b.wait, b)
      local mine = b:wait()
      log[7] = mine ~= other:join() and "leader"
      log[8] = (pcall(weft.timeout, 10, function() table.sort({ 2, 1 }, function(x, y) weft.sleep(1e-4) return x < y end) end))
      return log
    end):join())
  end)

  it("sleep in the order of their times", function()
    local ch = weft.channel(100)
    local jobs = {}
    for i = 10, 1, -1 do
      jobs[#jobs + 1] = weft.spawn(function(at, k, c)
        while weft.now() < at do weft.sleep(at - weft.now()) end
        c:send(k)
      end, weft.now() + 0.05 + i * 0.02, i, ch)
    end
    weft.all(jobs)
    local seen = {}
    for i = 1, 10 do seen[i] = ch:recv() end
    table.sort(seen)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, seen)
  end)

  it("see themselves as a main chunk does", function()
    local ok, message, status, is_main, yieldable, resumed, why = weft.spawn(function()
      local co, main = coroutine.running()
      local yielded, text = pcall(coroutine.yield, 1)
      local results
      weft.go(function() results = table.pack(coroutine.resume(co)) end)
      weft.sleep(0.002)
      return yielded, text, coroutine.status(co), main, coroutine.isyieldable(), results[1], results[2]
    end):join()
    assert.is_false(ok)
    assert.truthy(message:find("outside a coroutine", 1, true))
    assert.same({ "running", true, false }, { status, is_main, yieldable })
    assert.same({ false, "cannot resume non-suspended coroutine" }, { resumed, why })
  end)

  it("keep a hook of the script", function()
    local lines, counts, set = weft.spawn(function()
      local lines, counts = 0, 0
      debug.sethook(function() lines = lines + 1 end, "l")
      local x = 0
      for i = 1, 1000 do
        x = x + i
        if i % 100 == 0 then weft.sleep(0) end
      end
      local set = debug.gethook() ~= nil
      debug.sethook(function() counts = counts + 1 end, "", 100)
      local until_ = os.clock() + 0.05 -- several slices
      while os.clock() < until_ do end
      debug.sethook()
      return lines, counts, set
    end):join()
    assert.is_true(lines >= 1000, lines)
    assert.is_true(counts > 0)
    assert.is_true(set)
  end)

  it("cannot be given slices of their own", function()
    local err = weft.spawn(function()
      local ok, e = pcall(weft.preempt, 0.01)
      local off, e2 = pcall(weft.preempt, false)
      return not ok and not off and e == e2 and e
    end):join()
    assert.truthy(tostring(err):find("time-sliced by its worker", 1, true), err)
  end)

  it("have a traceback, a status and watchers as jobs have", function()
    local ch = weft.channel()
    local job = weft.spawn(function(c)
      local function inner() error((c:recv())) end
      inner()
    end, ch)
    assert.equal("running", job:status())
    local told = {}
    job:on_done(function(...) told = table.pack(...) end)
    weft.yield()
    ch:send "the end"
    assert.is_true(job:wait(60))
    weft.wait()
    assert.is_false(told[1])
    assert.truthy(told[2]:find("the end", 1, true))
    assert.truthy(job:traceback():find("inner", 1, true))
    local i, ok, err = weft.select { { job } }
    assert.same({ 1, false }, { i, ok })
    assert.truthy(err:find("the end", 1, true))
  end)

  it("are joined from several isolates' tasks at once, and never by themselves", function()
    local job = weft.spawn(function()
      local me = weft.current()
      return pcall(function() return me:join() end)
    end)
    local ok = job:join()
    assert.is_false(ok)
  end)

  it("belong to scopes", function()
    local log = weft.channel(10)
    local ok, err = pcall(weft.scope, function(s)
      s:spawn(function(c)
        local _ <close> = setmetatable({}, { __close = function() c:send "closed" end })
        weft.sleep(1e6)
      end, log)
      s:spawn(function() error("the failure", 0) end)
    end)
    assert.is_false(ok)
    assert.equal("the failure", err)
    local seen = #log == 0 or (log:recv()) == "closed" -- it may not have begun
    assert.is_true(seen)
  end)

  it("end by os.exit, everywhere", function()
    for _, where in ipairs {
      "os.exit(7)", "weft.go(os.exit, 7) weft.sleep(1e6)", "table.sort({ 2, 1 }, function() os.exit(7) end)",
      "pcall(os.exit, 7) weft.sleep(1e6)", "coroutine.wrap(function() weft.yield() os.exit(7) end)()",
      "weft.spawn(function() os.exit(7) end):join()", "weft.thread(function() os.exit(7) end):join()",
      "setmetatable({}, { __gc = function() os.exit(7) end }) collectgarbage()",
      "local _ <close> = setmetatable({}, { __close = function() os.exit(7) end })",
    } do
      local _, err, code = helper.run_script(([[
        local weft = require "weft"
        weft.spawn(function() %s end)
        weft.sleep(1e6)
      ]]):format(where))
      assert.same({ 7, "" }, { code, err }, where)
    end
  end)
end)

describe("a deadlock", function()
  local function deadlock(script)
    local _, err, code = helper.run_script("local weft = require 'weft'\n" .. script)
    assert.equal(1, code, err)
    return err
  end

  it("of isolates, threads, tasks and the main chunk names all, line by line", function()
    local err = deadlock [[
      local a, b = weft.channel(), weft.channel()
      local function wait(c) weft.sleep(0.001) c:recv() end
      weft.spawn(wait, a)
      weft.spawn({ name = "iso" }, wait, b)
      weft.thread(wait, a)
      weft.spawn(function(c)
        weft.go({ name = "inner" }, wait, c)
        weft.spawn(wait, c)
        table.sort({ 2, 1 }, function() c:recv() end)
      end, a)
      weft.go(wait, b)
      a:recv()
    ]]
    assert.truthy(err:find("deadlock: all 8 tasks are asleep", 1, true), err)
    local lines, isolates, threads = 0, 0, 0
    for line in err:gmatch "\n  ([^\n]*waits in recv[^\n]*)" do
      lines = lines + 1
      assert.truthy(line:find "weft%.channel %d+" and line:find "script%.lua:%d+", line)
      if line:find "^isolate %d+" then isolates = isolates + 1 end
      if line:find "^thread %d+" then threads = threads + 1 end
    end
    assert.same({ 8, 5, 1 }, { lines, isolates, threads }, err)
    assert.truthy(err:find("inner", 1, true), err)
  end)

  it("within an isolate is its own failure", function()
    local ok, err = weft.spawn(function() weft.channel():recv() end):result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "deadlock"))
    ok, err = weft.spawn(function() table.sort({ 2, 1 }, function() weft.channel():recv() end) end):result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "deadlock"))
    -- It may catch it.
    assert.same({ false, "deadlock" }, { weft.spawn(function()
      local caught, e = pcall(function() weft.channel():recv() end)
      weft.sleep(0)
      return caught, e.kind
    end):join() })
  end)

  it("is not told while somebody sleeps, computes, or is on the way", function()
    for _, other in ipairs {
      "weft.spawn(function(c) weft.sleep(0.3) c:send(1) end, ch)",
      "weft.thread(function(c) weft.sleep(0.3) c:send(1) end, ch)",
      "weft.spawn(function(c) local t = os.clock() + 0.2 while os.clock() < t do end c:send(1) end, ch)",
      "weft.spawn(function(c) weft.spawn(function(d) weft.sleep(0.1) d:send(1) end, c):join() end, ch) weft.sleep(0)",
      "for i = 1, 100 do weft.spawn(function(c, k) if k == 100 then c:send(1) end end, ch, i) end",
    } do
      assert.equal("1\n", (helper.run_ok(([[
        local weft = require "weft"
        local ch = weft.channel()
        for _ = 1, 3 do weft.spawn(function(c) c:recv() end, weft.channel(1)):detach() end
        local job = weft.spawn(function(c) return (c:recv()) end, ch)
        %s
        print(job:join())
        os.exit(0)
      ]]):format(other))))
    end
  end)

  it("can be caught, and all goes on", function()
    assert.equal("deadlock\n5\n", (helper.run_ok [[
      local weft = require "weft"
      local ch = weft.channel()
      local job = weft.spawn(function(c) return (c:recv()) end, ch)
      local ok, err = pcall(job.join, job)
      print(err.kind)
      ch:send(5)
      print(job:join())
    ]]))
  end)
end)

describe("a script that ends while isolates", function()
  for what, script in pairs {
    ["wait"] = "for _ = 1, 100 do weft.spawn(weft.sleep, 1e6):detach() end weft.sleep(0.005)",
    ["have not begun"] = "for _ = 1, 100 do weft.spawn(weft.sleep, 1e6):detach() end",
    ["spin"] = "for _ = 1, 4 do weft.spawn(function() while true do local _ = {} end end):detach() end weft.sleep(0.005)",
    ["wait inline"] = [[
      for _ = 1, 4 do weft.spawn(table.sort, { 2, 1 }, function() weft.sleep(1e6) end):detach() end
      weft.sleep(0.005)
    ]],
    ["send and receive"] = [[
      local ch = weft.channel(2)
      for _ = 1, 4 do
        weft.spawn(function(c) for i = 1, math.huge do c:send { i } end end, ch):detach()
        weft.spawn(function(c) for _ in c do end end, ch):detach()
      end
      weft.sleep(0.005)
    ]],
    ["start others"] = [[
      local function tree(n) while true do weft.spawn(tree, n + 1):wait(n * 1e-3) end end
      weft.spawn(tree, 1):detach()
      weft.sleep(0.005)
    ]],
  } do
    it(what .. " ends them", function()
      local out, err, code = helper.run_script("local weft = require 'weft'\n" .. script .. "\nprint 'end'")
      assert.same({ "end\n", 0 }, { out, code })
      for line in err:gmatch "[^\n]+" do assert.truthy(line:find "^weft: the script ended while", line) end
    end)
  end

  it("says which task does not end when it is cancelled, and leaves it behind", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      print(weft.spawn(function()
        local weft = require "weft"
        weft.go(weft.shield, weft.sleep, 1e6):detach()
        weft.yield()
        return "the function has ended"
      end):join())
    ]]
    assert.same({ "the function has ended\n", 0 }, { out, code })
    assert.truthy(err:find "^weft: task %d+ %(started at .*script.lua:4%) does not end and is left behind\n$", err)
  end)

  it("says of whom it has cancelled", function()
    local _, err, code = helper.run_script [[
      local weft = require "weft"
      weft.spawn({ name = "sleeper" }, weft.sleep, 1e6)
      weft.sleep(0.001)
    ]]
    assert.equal(0, code)
    local line = "^weft: the script ended while 1 job still ran, now cancelled: isolate sleeper started at .*script.lua:2\n$"
    assert.truthy(err:find(line), err)
  end)
end)
