-- The workers that run isolates: how many there are, what they do for each other, what keeps them busy. Most of it in
-- programs of their own, with as many workers as the case needs.

local helper = require "spec.helper"
local weft = require "weft"

local core = require "weft.core"

-- A loop without an end, and one that ends. The thread sanitizer delivers signals in calls of the C library only.
local prelude = [[
local weft = require "weft"
local core = require "weft.core"
local function spin() while true do local _ = {} end end
local function spin_for(s)
  local t = os.clock() + s
  while os.clock() < t do local _ = {} end
end
]]

local function run(workers, script)
  return (helper.run_ok(prelude .. ("weft.workers(%d)\n"):format(workers) .. script))
end

describe("weft.workers", function()
  it("says how many there are to be", function()
    assert.equal("2 2 3 3\n", (helper.run_ok [[
      local weft = require "weft"
      local before = weft.workers(2)
      weft.spawn(function() end):join()
      print(before .. " " .. weft.workers() .. " " .. weft.workers(3) .. " " .. weft.spawn(weft.workers):join())
    ]]))
    assert.equal(helper.run_ok "print(require 'weft'.cpus())", (helper.run_ok "print(require 'weft'.workers())"))
  end)

  it("only grows once they run", function()
    local out = run(2, [[
      weft.workers(1) weft.workers(4) weft.workers(2)
      weft.spawn(function() end):join()
      print(select(2, pcall(weft.workers, 1)))
      weft.workers(4)
      print(weft.workers(4), #core.worker_facts())
      print(select(2, pcall(weft.workers, 3)))
    ]])
    assert.equal("(2 workers run, and the pool can only grow)\n4\t4\n(4 workers run, and the pool can only grow)\n",
      (out:gsub("[^\n]- to '%S-workers' ", "")))
  end)

  it("takes sensible numbers only", function()
    for _, bad in ipairs { 0, -1, 513, 1.5, "x", {} } do helper.raises("bad argument #1", weft.workers, bad) end
  end)

  it("grows while isolates run", function()
    assert.equal("200\n", run(1, [[
      local jobs, sum = {}, 0
      for i = 1, 200 do
        jobs[i] = weft.spawn(function() for _ = 1, 20 do weft.yield() end return 1 end)
        if i % 40 == 0 then weft.workers(1 + i // 40) end
      end
      for i = 1, 200 do sum = sum + jobs[i]:join() end
      print(sum)
    ]]))
  end)
end)

describe("a worker", function()
  it("is not needed for what does not run there", function()
    assert.is_nil(core.worker())
    assert.is_nil(weft.thread(function() return (require("weft.core").worker()) end):join())
    assert.equal("integer", math.type(weft.spawn(function() return (require("weft.core").worker()) end):join()))
  end)

  it("runs many isolates, alone", function()
    assert.equal("1\t5050\n", run(1, [[
      local seen, ch, jobs = {}, weft.channel(), {}
      for i = 1, 100 do jobs[i] = weft.spawn(function(c, k) c:send(k) return (require("weft.core").worker()) end, ch, i) end
      local sum, n = 0, 0
      for _ = 1, 100 do sum = sum + ch:recv() end
      for i = 1, 100 do
        local w = jobs[i]:join()
        if not seen[w] then seen[w], n = true, n + 1 end
      end
      print(n, sum)
    ]]))
  end)

  it("hands an isolate on to another worker", function()
    -- The isolate counts where it wakes; two workers have work for a while.
    assert.equal("moved\n", run(2, [[
      local jobs = {}
      for i = 1, 8 do
        jobs[i] = weft.spawn(function()
          local worker = require("weft.core").worker
          local first = worker()
          for _ = 1, 100000 do
            weft.sleep(1e-5)
            if worker() ~= first then return true end
          end
        end)
      end
      local busy = weft.spawn(function() while true do spin_for(0.001) weft.sleep(1e-4) end end)
      local i = weft.race(jobs)
      busy:cancel()
      print(i and "moved")
    ]]))
  end)

  for what, spin in pairs {
    ["in a loop"] = "spin()",
    ["in pcall"] = "while true do pcall(spin) end",
    ["in a generator"] = "coroutine.wrap(function() coroutine.wrap(spin)() end)()",
    ["in a metamethod"] = "local _ = setmetatable({}, { __index = spin }).x",
    ["in table.sort"] = "table.sort({ 1, 2, 3 }, spin)",
    ["in string.gsub"] = "('abc'):gsub('.', spin)",
    ["in a task"] = "weft.go(spin):join()",
    ["in tasks that take turns"] = "for _ = 1, 3 do weft.go(function() while true do weft.yield() end end) end weft.yield() spin()",
    ["in a <close> handler"] = "local _ <close> = setmetatable({}, { __close = spin })",
  } do
    local stoppable = helper.close_yields or what ~= "in a <close> handler"
    ;(stoppable and it or pending)("is shared with an isolate that spins " .. what, function()
      assert.equal("5\n5\ncancelled\n", run(1, ([[
        local ch, tick = weft.channel(), weft.channel()
        local spinner = weft.spawn(function(c) c:send(true); %s end, ch)
        ch:recv()
        local others = weft.spawn(function(c)
          for i = 1, 5 do c:send(i) end
          return 5
        end, tick)
        local n = 0
        for _ = 1, 5 do n = n + 1 tick:recv() end
        print(n)
        print(others:join())
        spinner:cancel()
        spinner:wait()
        print(spinner:status())
      ]]):format(spin)))
    end)
  end

  it("wakes sleepers while an isolate spins on it", function()
    for _, busy in ipairs { "spin()", "table.sort({ 1, 2, 3 }, spin)" } do
      assert.equal("woken\t30\n", run(1, ([[
        local sleepers = {}
        for i = 1, 30 do sleepers[i] = weft.spawn(weft.sleep, 0.02 + i * 1e-4) end
        local spinner = weft.spawn(function() %s end)
        for _, job in ipairs(sleepers) do job:join() end
        spinner:cancel()
        spinner:wait()
        print("woken", #sleepers)
      ]]):format(busy)))
    end
  end)

  it("is replaced while an isolate waits where it cannot leave it", function()
    -- One waits inline for another, which needs a worker too, and so on.
    assert.equal("6\n", run(1, [[
      local function f(n)
        if n == 0 then return 1 end
        local result
        table.sort({ 1, 2 }, function() result = result or weft.spawn(f, n - 1):join() end)
        return result + 1
      end
      print(weft.spawn(f, 5):join())
    ]]))
    -- All wait inline at once, for one that comes last.
    for workers = 1, 3 do
      assert.equal("100\n", run(workers, [[
        local ch, jobs = weft.channel(), {}
        for i = 1, 100 do
          jobs[i] = weft.spawn(function(c)
            local got
            table.sort({ 1, 2 }, function() got = got or c:recv() end)
            return got
          end, ch)
        end
        weft.spawn(function(c) for _ = 1, 100 do c:send(1) end end, ch):join()
        local sum = 0
        for i = 1, 100 do sum = sum + jobs[i]:join() end
        print(sum)
      ]]))
    end
  end)

  it("that cannot be replaced any more raises", function()
    local out = run(2, [[
      local ch, jobs = weft.channel(), {}
      for i = 1, 520 do
        jobs[i] = weft.spawn(function(c)
          local ok, err = pcall(table.sort, { 1, 2 }, function() c:recv() end)
          return ok or err.kind .. ": " .. err.message
        end, ch)
      end
      -- Those that can wait do; the others have raised.
      local count, raised = 0, {}
      for job in weft.completed(jobs) do
        raised[#raised + 1] = job:join()
        count = count + 1
        if count == 9 then ch:close() end
      end
      print(count, raised[1])
    ]])
    assert.truthy(out:find("^520\tdeadlock: cannot wait inside a function that cannot yield: no other worker is left"), out)
  end)

  -- Handlers that cannot yield keep their worker.
  ;(helper.close_yields and it or pending)("waits for no isolate's end", function()
    -- Many that end while others that they started clean up.
    assert.equal("end\n", run(1, [[
      local function f(n)
        local _ <close> = setmetatable({}, { __close = function() weft.sleep(0.01) end })
        if n > 0 then weft.spawn(f, n - 1) end
        weft.sleep(n > 0 and 0.01 or 1e6)
      end
      local jobs = {}
      for i = 1, 50 do jobs[i] = weft.spawn(f, 4) end
      for i = 1, 50 do jobs[i]:wait() end
      assert(#core.worker_facts() < 20)
      print "end"
    ]]))
  end)

  it("tells what it has done", function()
    assert.equal("ok\n", run(2, [[
      for _ = 1, 200 do weft.spawn(weft.yield):join() end
      local slices = 0
      for i, f in ipairs(core.worker_facts()) do
        slices = slices + f.slices
        for _, name in ipairs { "slices", "stolen", "injected", "sleeps", "tid" } do assert(math.type(f[name]) == "integer") end
        assert(f.state == "awake" or f.state == "asleep" or f.state == "blocked")
      end
      assert(slices >= 200)
      print "ok"
    ]]))
  end)
end)

describe("a process", function()
  it("that has no more threads is told so, or goes on with those that it has", function()
    if helper.sanitizer then return pending "the sanitizers need threads of their own" end
    local out = helper.run_ok([[
      local weft = require "weft"
      local job, message, code = weft.spawn(function() return 1 end)
      if job then print(job:join()) else print(job, message, code) end
      print(weft.go(function() return "alive" end):join())
    ]], { shell = "prlimit --as=" .. (20 << 20) })
    assert.truthy(out == "1\nalive\n" or out:find "^nil\t%u+: [^\n]+\t%u+\nalive\n$", out)
  end)

  it("made by fork is told that weft does not work in it", function()
    -- There is no fork in Lua; a child state's own fork is in spec/c. Here: the pool of the parent is not disturbed.
    assert.equal("child\n1\n", (helper.run_ok [[
      local weft = require "weft"
      weft.spawn(function() end):join()
      io.popen("echo child"):close()
      local f = io.popen("echo child")
      io.write(f:read "a")
      f:close()
      print(weft.spawn(function() return 1 end):join())
    ]]))
  end)
end)

describe("random programs of isolates, threads and tasks", function()
  -- A watchdog ends what hangs; a deadlock that is told must be one: here are none.
  local seed = tonumber(os.getenv "SEED") or os.time()

  it("end", function()
    for round = 1, helper.scale(100, 4) do
      local out, err, code = helper.run_script(([[
        local weft = require "weft"
        math.randomseed(%d)
        local SEED = math.random(1 << 30)
        weft.workers(math.random(1, 4))
        local out = weft.channel(3)
        local function part(depth, seed, c)
          math.randomseed(seed)
          local verbs, jobs, sum = { "go", "spawn", "thread", "spawn", "spawn" }, {}, 1
          for _ = 1, math.random(0, depth) do
            local verb = verbs[math.random(#verbs)]
            jobs[#jobs + 1] = weft[verb](part, depth - 1, math.random(1 << 30), c)
          end
          for _ = 1, math.random(0, 3) do
            local k = math.random(6)
            if k == 1 then weft.sleep(math.random() * 1e-3)
            elseif k == 2 then weft.yield()
            elseif k == 3 then c:send(1) sum = sum + 0
            elseif k == 4 then table.sort({ 2, 1 }, function() weft.sleep(1e-4) end)
            elseif k == 5 then weft.select { { c, send = 1 }, timeout = 10 }
            else for _ = 1, 1000 do end end
          end
          for _, job in ipairs(jobs) do
            if math.random(10) == 1 then job:wait(0) end
            sum = sum + job:join()
          end
          return sum
        end
        local drain = weft.go(function() for _ in out do end end)
        local total = 0
        for i = 1, 3 do total = total + weft.spawn(part, 4, SEED + i, out):join() end
        out:close()
        drain:join()
        print(total > 0)
      ]]):format(seed + round))
      if out ~= "true\n" or code ~= 0 then error(("SEED=%d: %s\n%s"):format(seed + round, tostring(code), err)) end
    end
  end)
end)

describe("a trace of isolates", function()
  it("has a row for each worker, and says who moved and who gave way", function()
    local out = run(2, [[
      local t = weft.trace(function()
        local jobs = {}
        for i = 1, 4 do jobs[i] = weft.spawn({ name = "spinner " .. i }, spin_for, 0.05) end
        for i = 5, 8 do
          jobs[i] = weft.spawn({ name = "sleeper " .. i }, function() for _ = 1, 30 do weft.sleep(1e-3) end end)
        end
        weft.all(jobs)
      end)
      local s = t:summary()
      local workers, moved, preempted = 0, 0, 0
      for _, c in ipairs(s.carriers) do if c.name:find "^weft worker %d" then workers = workers + 1 end end
      for _, j in ipairs(s.jobs) do moved, preempted = moved + j.migrations, preempted + j.preemptions end
      assert(s.migrations == moved and s.preemptions == preempted)
      print(workers >= 1, preempted > 0, s.jobs["spinner 1"].kind, s.jobs["spinner 1"].outcome)
      local text = t:timeline { by = "carrier", print = false }
      print((text:find("weft worker 1", 1, true)) ~= nil, (tostring(s):find("preemptions %d")) ~= nil)
    ]])
    assert.equal("true\ttrue\tisolate\tdone\ntrue\ttrue\n", out)
  end)
end)
