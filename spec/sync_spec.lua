-- Events, wait groups, barriers; and what all locks have in common.

local helper = require "spec.helper"
local weft = require "weft"

local function start(f, ...)
  local job = weft.go(f, ...)
  weft.yield()
  return job
end

describe("an event", function()
  it("keeps tasks waiting until it is set, then lets all pass", function()
    local e, log = weft.event(), {}
    for i = 1, 3 do
      start(function()
        assert(e:wait() == true)
        log[#log + 1] = i
      end)
    end
    assert.same({}, log)
    assert.is_false(e:is_set())
    e:set()
    assert.is_true(e:is_set())
    weft.wait()
    assert.same({ 1, 2, 3 }, log)
    assert.is_true(e:wait())
    e:set()
    e:clear()
    e:clear()
    assert.is_false(e:is_set())
    assert.is_false(e:wait(0))
  end)

  it("lets those pass who waited when it was set, though it is cleared at once", function()
    local e = weft.event()
    local job = start(e.wait, e)
    e:set()
    e:clear()
    assert.is_true(job:join())
    assert.is_false(e:wait(0.001))
  end)

  it("says false when the time is over", function()
    local e = weft.event()
    local began = weft.now()
    assert.is_false(e:wait(0.005))
    assert.is_true(weft.now() - began >= 0.005)
    weft.go(e.set, e)
    assert.is_true(e:wait(1000))
    assert.is_true(e:wait(0))
    assert.is_true(e:wait(math.huge))
  end)

  it("shows its state", function()
    local e = weft.event()
    local job = start(e.wait, e)
    assert.truthy(tostring(e):find "^weft%.event %d+ %(clear, 1 waiting%)$")
    e:set()
    assert.truthy(tostring(e):find "%(set%)$")
    job:join()
  end)
end)

describe("a wait group", function()
  it("waits until all are done", function()
    local g, done = weft.waitgroup(), 0
    assert.is_true(g:wait())
    for i = 1, 5 do
      g:add()
      weft.go(function()
        for _ = 1, i do weft.yield() end
        done = done + 1
        g:done()
      end)
    end
    assert.equal(5, g:count())
    local other = weft.go(g.wait, g)
    assert.is_true(g:wait())
    assert.equal(5, done)
    assert.is_true(other:join())
    assert.equal(0, g:count())
  end)

  it("counts by any number, also while others wait", function()
    local g = weft.waitgroup()
    g:add(3)
    local job = start(g.wait, g)
    g:add(2)
    g:add(0)
    g:add(-4)
    weft.yield()
    assert.equal("waiting", job:status())
    g:done()
    g:add() -- the next round: those of the last are let go
    assert.is_true(job:join())
    assert.is_false(g:wait(0))
    assert.is_false(g:wait(0.001))
    weft.go(g.done, g)
    assert.is_true(g:wait(1000))
  end)

  it("never counts below zero", function()
    local g = weft.waitgroup()
    helper.raises("waitgroup %d+ would count below zero: 0 are left and 1 would be done", function() g:done() end)
    g:add(2)
    helper.raises("would count below zero: 2 are left and 3 would be done", function() g:add(-3) end)
    assert.equal(2, g:count())
    helper.raises("would count beyond math.maxinteger", function() g:add(math.maxinteger) end)
    helper.raises("bad argument #1 to 'add' (out of range)", function() g:add(math.mininteger) end)
    assert.equal(2, g:count())
    assert.truthy(tostring(g):find "^weft%.waitgroup %d+ %(2 left, 0 waiting%)$")
  end)

  it("names what is no number of tasks", function()
    local g = weft.waitgroup()
    helper.raises("bad argument #1 to 'add' (number expected, got string)", function() g:add "x" end)
    helper.raises("number has no integer representation", function() g:add(0.5) end)
    helper.raises("bad argument #1 to 'done' (no argument expected", function() g:done(2) end)
  end)
end)

describe("a barrier", function()
  it("lets nobody pass until all are there; one of them leads; again and again", function()
    for n = 1, 5 do
      local b, arrived, passed, leaders = weft.barrier(n), 0, 0, 0
      local function party()
        for round = 1, 4 do
          arrived = arrived + 1
          local leads = b:wait()
          assert(arrived >= round * n, "let through too early")
          assert(leads == true or leads == false)
          if leads then leaders = leaders + 1 end
          passed = passed + 1
          if leads then weft.yield() end
        end
      end
      for _ = 1, n do weft.go(party) end
      weft.wait()
      assert.equal(4 * n, passed)
      assert.equal(4, leaders)
    end
  end)

  it("counts the main chunk in", function()
    local b = weft.barrier(2)
    local job = start(b.wait, b)
    assert.is_true(b:wait())
    assert.is_false(job:join())
  end)

  it("does not count who was cancelled", function()
    local b = weft.barrier(3)
    local a, c = start(b.wait, b), start(b.wait, b)
    assert.truthy(tostring(b):find "^weft%.barrier %d+ %(2 of 3 have come%)$")
    a:cancel()
    local d = start(b.wait, b)
    assert.equal("waiting", d:status())
    assert.truthy(tostring(b):find "2 of 3 have come")
    assert.is_true(b:wait())
    assert.is_false(c:join())
    assert.is_false(d:join())
    assert.equal("cancelled", a:status())
  end)

  it("does not count who was cancelled and has not run since", function()
    local b = weft.barrier(2)
    local a = start(b.wait, b)
    a:cancel()
    local c = weft.go(b.wait, b)
    helper.raises_kind("timeout", weft.timeout, 0.001, function()
      c:join()
    end)
    assert.is_true(b:wait())
    assert.is_false(c:join())
  end)

  it("keeps its counts whatever is cancelled", function()
    for seed = 1, helper.scale(50, 3) do
      math.randomseed(seed)
      local n = math.random(2, 6)
      local b, jobs, through, leads = weft.barrier(n), {}, 0, 0
      for i = 1, 60 do
        jobs[i] = weft.go(function()
          for _ = 1, math.random(3) do weft.yield() end
          if b:wait() then leads = leads + 1 end
          through = through + 1
        end)
        if i % 5 == 0 then
          weft.yield()
          jobs[math.random(i)]:cancel()
        end
      end
      for _ = 1, 10 do weft.yield() end
      local waiting = tonumber(tostring(b):match "%((%d+) of")
      assert.equal(leads * n, through)
      assert.is_true(waiting < n)
      local finished = 0
      for i = 1, 60 do
        local status = jobs[i]:status()
        if status == "done" or status == "cancelled" then finished = finished + 1 end
        jobs[i]:cancel()
      end
      assert.equal(60, finished + waiting)
      weft.wait()
    end
  end)

  it("names what is no number of tasks", function()
    helper.raises("bad argument #1 to 'barrier' (number expected, got no value)", function() weft.barrier() end)
    for _, n in ipairs { 0, -1, 1 << 31, math.mininteger, math.maxinteger } do
      helper.raises("bad argument #1 to 'barrier' (a number of tasks from 1 to 2^31 - 1 expected)", function() weft.barrier(n) end)
    end
    helper.raises("number has no integer representation", function() weft.barrier(2.5) end)
    helper.raises("bad argument #1 to 'wait' (no argument expected", function() weft.barrier(1):wait(1) end)
    assert.truthy(tostring(weft.barrier((1 << 31) - 1)):find "0 of 2147483647")
  end)
end)

-- What all have in common ------------------------------------------------------------------------

-- How to make one, how another task keeps its users waiting (until `pause` returns), how to wait for it.
local kinds = {
  mutex = {
    new = weft.mutex,
    keep = function(m, pause)
      m:lock()
      pause()
      m:unlock()
    end,
    wait = function(m)
      m:lock()
      m:unlock()
    end,
  },
  rwlock = {
    new = weft.rwlock,
    keep = function(rw, pause)
      rw:lock()
      pause()
      rw:unlock()
    end,
    wait = function(rw)
      rw:rlock()
      rw:runlock()
    end,
  },
  semaphore = {
    new = function() return weft.semaphore(0) end,
    keep = function(s, pause)
      pause()
      s:release()
    end,
    wait = function(s) s:acquire() end,
  },
  event = {
    new = weft.event,
    keep = function(e, pause)
      pause()
      e:set()
    end,
    wait = function(e) e:wait() end,
  },
  waitgroup = {
    new = weft.waitgroup,
    keep = function(g, pause)
      g:add()
      pause()
      g:done()
    end,
    wait = function(g) g:wait() end,
  },
  barrier = {
    new = function() return weft.barrier(2) end,
    keep = function(b, pause)
      pause()
      b:wait()
    end,
    wait = function(b) b:wait() end,
  },
  condition = {
    new = weft.condition,
    keep = function(c, pause)
      pause()
      c:signal()
    end,
    wait = function(c)
      local m = weft.mutex()
      m:with(c.wait, c, m)
    end,
  },
}

local function pause()
  for _ = 1, 3 do weft.yield() end
end

for name, kind in pairs(kinds) do
  describe("every lock: a " .. name, function()
    it("can be waited for in the main chunk, in tasks, in generators and where a call cannot yield", function()
      local ways = {
        kind.wait,
        function(x) coroutine.wrap(kind.wait)(x) end,
        function(x) return ("x"):gsub("x", function() kind.wait(x) end) end,
        function(x)
          table.sort({ 2, 1 }, function(a, b)
            if x then kind.wait(x) end
            x = nil
            return a < b
          end)
        end,
        function(x) coroutine.wrap(function() return ("x"):gsub("x", function() kind.wait(x) end) end)() end,
      }
      for _, way in ipairs(ways) do
        local x = kind.new()
        start(kind.keep, x, pause)
        way(x)
        weft.wait()
        x = kind.new()
        start(kind.keep, x, pause)
        weft.go(way, x):join()
        weft.wait()
      end
    end)

    it("lets go a task that is cancelled, and stays usable", function()
      local x, go_on = kind.new(), weft.event()
      local keeper = start(kind.keep, x, function() go_on:wait() end)
      local job = start(kind.wait, x)
      job:cancel "why"
      job:wait()
      assert.equal("cancelled", job:status())
      job = start(kind.wait, x)
      go_on:set()
      job:join()
      keeper:join()
    end)

    it("has a name, a tostring and a __close, and nothing to be collected", function()
      local x = kind.new()
      local mt = getmetatable(x)
      assert.equal("weft." .. name, mt.__name)
      assert.truthy(tostring(x):find("^weft%." .. name .. " %d+ %("))
      assert.is_function(mt.__close)
      assert.is_nil(mt.__gc)
      do local _ <close> = x end
    end)

    it("is released with its waiters when a script ends", function()
      local out, err, code = helper.run_script(([[
        local weft = require "weft"
        local x = weft.%s(...)
        if x.lock then x:lock() end
        if x.add then x:add() end
        for _ = 1, 3 do
          weft.go(function()
            if x.lock then x:lock()
            elseif x.acquire then x:acquire()
            elseif x.signal then
              local m = weft.mutex()
              m:with(function() x:wait(m) end)
            else x:wait() end
          end):detach()
        end
        weft.yield()
        print "end"
      ]]):format(name), { args = { "7" } })
      if name == "semaphore" then out = out:gsub("^$", "end\n") end
      assert.equal("end\n", out)
      assert.equal("", err)
      assert.equal(0, code)
    end)
  end)
end

describe("times of locks", function()
  it("are checked by every wait", function()
    local m = weft.mutex()
    local waits = {
      event = { weft.event(), "wait" }, waitgroup = { weft.waitgroup(), "wait" },
      mutex = { m, "try_lock" }, semaphore = { weft.semaphore(0), "try_acquire" },
    }
    for _, w in pairs(waits) do
      local x, method = w[1], w[2]
      helper.raises("seconds >= 0 expected, got -0.5", x[method], x, -0.5)
      helper.raises("seconds >= 0 expected", x[method], x, -math.huge)
      helper.raises("seconds >= 0 expected", x[method], x, 0 / 0)
      helper.raises("number expected, got table", x[method], x, {})
      helper.raises("number expected, got string", x[method], x, "soon")
    end
  end)
end)

describe("methods of locks", function()
  it("name what they got instead of one", function()
    for name, methods in pairs {
      event = { "set", "clear", "is_set", "wait" }, waitgroup = { "add", "done", "wait", "count" }, barrier = { "wait" },
    } do
      local x = weft[name](1)
      for _, method in ipairs(methods) do
        helper.raises("weft." .. name .. " expected, got weft.mutex", x[method], weft.mutex())
        helper.raises("weft." .. name .. " expected, got number", x[method], 7)
        helper.raises("weft." .. name .. " expected, got no value", x[method])
      end
    end
  end)

  it("refuse to wait in a finaliser of the task that waits already, or just do it", function()
    -- A finaliser may run in the middle of anything: it must never hang the script.
    local m, results = weft.mutex(), {}
    m:lock()
    do
      local _ = setmetatable({}, { __gc = function() results[1] = pcall(m.lock, m) end })
    end
    collectgarbage()
    collectgarbage()
    assert.same({ false }, results) -- it is ours already
    m:unlock()
  end)
end)

describe("a trace of locks", function()
  it("names what was waited for", function()
    local t = weft.trace(function()
      local m, e = weft.mutex(), weft.event()
      m:lock()
      weft.go({ name = "locker" }, function() m:with(function() end) end)
      weft.go({ name = "watcher" }, function() e:wait() end)
      weft.sleep(0.002)
      m:unlock()
      e:set()
      weft.wait()
    end)
    local text = t:timeline { print = false, width = 120, color = false }
    assert.truthy(text:find "locker.*lock mutex %d+")
    assert.truthy(text:find "watcher.*wait event %d+")
  end)
end)
