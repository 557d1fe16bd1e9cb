-- weft.pool of every kind: map, submit, init, close; weft.map. (pool_imap_spec.lua: imap; pool_crew_spec.lua: what is
-- particular to workers that are isolates.)

local helper = require "spec.helper"
local lfs = require "lfs"
local weft = require "weft"

local function double(x) return x * 2 end

local function fail_at(x)
  if x == 3 then error("no luck", 0) end
  return x
end

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

local function count_threads()
  local n = 0
  for name in lfs.dir "/proc/self/task" do
    if name:match "%d" then n = n + 1 end
  end
  return n
end

local METHODS = { "join", "result", "wait", "cancel", "on_done", "status", "detach", "traceback" }

for _, kind in ipairs { "inline", "task", "thread" } do
  describe("a pool of kind " .. kind, function()
    local pool

    before_each(function() pool = weft.pool { kind = kind, size = 2 } end)
    after_each(function() pool:close() end)

    it("says what it is", function()
      assert.equal(kind, pool.kind)
      assert.equal(kind == "inline" and 1 or 2, pool.size)
      assert.truthy(tostring(pool):match("^weft%.pool %d+ %(" .. kind .. ", %d workers?%)$"))
    end)

    describe("maps", function()
      it("in order", function()
        local n = helper.scale(3000, 100)
        local results = pool:map(double, range(n))
        assert.equal(n, results.n)
        assert.equal(n, #results)
        for i = 1, n do assert.equal(i * 2, results[i]) end
      end)

      it("with chunks of any size", function()
        for _, chunk in ipairs { 1, 2, 7, 10, 1000 } do
          assert.same({ n = 10, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 }, pool:map(double, range(10), { chunk = chunk }))
        end
      end)

      it("nothing", function() assert.same({ n = 0 }, pool:map(error, {})) end)

      it("to nil, false and the first of several results", function()
        local function f(x)
          if x == 1 then return nil end
          if x == 2 then return false, "more" end
          if x == 3 then return end
          return "a", "b"
        end
        assert.same({ n = 4, nil, false, nil, "a" }, pool:map(f, range(4)))
      end)

      it("lists with holes that have n, such as results", function()
        local list = pool:map(function(x) if x ~= 2 then return x end end, range(4))
        local results = pool:map(function(x) return x == nil and "none" or x end, list)
        assert.same({ n = 4, 1, "none", 3, 4 }, results)
      end)

      it("with the item alone as argument", function()
        assert.same({ n = 2, 1, 1 }, pool:map(function(...) return select("#", ...) end, { "a", "b" }))
      end)

      it("library functions", function() assert.same({ n = 2, "A", "B" }, pool:map(string.upper, { "a", "b" })) end)

      it("what looks like a list", function()
        local list = setmetatable({}, { __len = function() return 3 end, __index = function(_, i) return i * 10 end })
        assert.same({ n = 3, 20, 40, 60 }, pool:map(double, list))
      end)

      it("in turn for several tasks", function()
        local jobs = {}
        for k = 1, 5 do
          jobs[k] = weft.go(function()
            local results = pool:map(function(x) return x + k end, range(40))
            for i = 1, 40 do assert(results[i] == i + k) end
            return k
          end)
        end
        assert.same({ n = 5, 1, 2, 3, 4, 5 }, weft.all(jobs))
      end)

      it("where Lua cannot yield", function()
        local list = { 3, 1, 2 }
        table.sort(list, function(a, b)
          local r = pool:map(double, { a, b })
          return r[1] < r[2]
        end)
        assert.same({ 1, 2, 3 }, list)
      end)
    end)

    describe("raises the error of an item", function()
      it("with its index, cause and traceback", function()
        local ok, err = pcall(pool.map, pool, fail_at, range(5))
        assert.is_false(ok)
        assert.is_true(weft.is(err, "item"))
        assert.equal(3, err.index)
        assert.equal("no luck", err.cause)
        assert.equal("item 3: no luck", tostring(err))
        assert.truthy(err.traceback:find("pool_spec.lua", 1, true))
      end)

      it("whatever its value is", function()
        for _, case in ipairs { { { code = 7 }, 7 }, { false }, { 42 } } do
          local value = case[1]
          local err = helper.raises_kind("item", pool.map, pool, function() error(value) end, { 1 })
          if case[2] then assert.equal(case[2], err.cause.code) else assert.equal(value, err.cause) end
        end
        assert.is_nil(helper.raises_kind("item", pool.map, pool, function() error() end, { 1 }).cause)
      end)

      it("and starts nothing more", function()
        local seen = weft.channel(1000)
        local function f(x)
          seen:send(x)
          if x == 1 then error "stop" end
          require("weft").sleep(0.0001)
        end
        helper.raises_kind("item", pool.map, pool, f, range(500), { chunk = 1 })
        local started = #seen
        assert.is_true(started < 500)
        pool:map(double, range(10))
        assert.equal(started, #seen)
      end)

      it("and goes on", function()
        for _ = 1, 5 do
          helper.raises_kind("item", pool.map, pool, fail_at, range(10))
          assert.same({ n = 2, 2, 4 }, pool:map(double, range(2)))
        end
      end)
    end)

    describe("submits", function()
      it("and gives a job", function()
        local job = pool:submit(function(...) return select("#", ...), ... end, 1, nil, 3, nil)
        assert.same({ n = 5, 4, 1, nil, 3, nil }, table.pack(job:join()))
        assert.same({ n = 5, 4, 1, nil, 3, nil }, table.pack(job:join()))
        assert.equal("done", job:status())
        for _, name in ipairs(METHODS) do assert.is_function(job[name]) end
        assert.equal("integer", math.type(job.id))
        assert.equal(kind == "inline" and "task" or kind, job.kind)
        assert.is_nil(job.name)
      end)

      it("under a name", function() assert.equal("n", pool:submit({ name = "n" }, double, 1).name) end)

      it("and keeps the error and where it arose", function()
        local job = pool:submit(function() error { code = 7 } end)
        local line = debug.getinfo(1, "l").currentline - 1
        local ok, err = job:result()
        assert.is_false(ok)
        assert.equal(7, err.code)
        assert.equal("failed", job:status())
        local traceback = job:traceback()
        assert.truthy(traceback:find(("pool_spec.lua:%d: in function <"):format(line), 1, true), traceback)
        assert.truthy(traceback:find(("started at [^\n]*pool_spec%%.lua:%d$"):format(line)), traceback)
        assert.equal(err, select(2, pcall(job.join, job)))
      end)

      it("what can be waited for with others", function()
        local jobs = {}
        for i = 1, 20 do jobs[i] = pool:submit(double, i) end
        local results = weft.all(jobs)
        for i = 1, 20 do assert.equal(i * 2, results[i]) end
        local job = pool:submit(double, 4)
        assert.same({ 1, true, 8 }, { weft.select { { job } } })
        local told
        pool:submit(double, 5):on_done(function(...) told = { ... } end)
        weft.wait()
        assert.same({ true, 10 }, told)
      end)

      it("at once", function()
        local out = weft.channel(1)
        local job = pool:submit(function() out:send "began" end)
        if kind == "task" then weft.yield() end
        assert.equal("began", out:recv())
        job:join()
      end)
    end)

    it("refuses what it cannot do, and says what", function()
      local function refuses(message, verb, ...)
        local err = helper.raises(message, pool[verb], pool, ...)
        assert.is_string(err)
      end
      refuses("bad argument #1 to 'map' (function expected, got nil)", "map")
      refuses("bad argument #2 to 'map' (list expected, got number)", "map", print, 5)
      refuses("bad argument #3 to 'map' (unknown option 'size': one of chunk", "map", print, {}, { size = 1 })
      refuses("bad argument #3 to 'map' (option 'chunk': an integer from 1 to 2^20 expected, got 0)", "map", print, {},
        { chunk = 0 })
      refuses("bad argument #3 to 'map' (option 'progress': a boolean expected, got 'x')", "map", print, {}, { progress = "x" })
      refuses("bad argument #3 to 'map' (option names are strings, got a number)", "map", print, {}, { 1 })
      refuses("bad argument #1 to 'imap' (function expected, got string)", "imap", "print", {})
      refuses("bad argument #2 to 'imap' (list or iterator expected, got nil)", "imap", print)
      refuses("bad argument #3 to 'imap' (option 'ordered': a boolean expected, got 1)", "imap", print, {}, { ordered = 1 })
      refuses("bad argument #1 to 'submit' (function expected, got nil)", "submit")
      refuses("bad argument #2 to 'submit' (function expected, got nil)", "submit", { name = "x" })
      refuses("bad argument #1 to 'submit' (unknown option 'nice': one of name", "submit", { nice = 5 }, print)
      for _, verb in ipairs { "map", "imap", "submit", "close", "cancel" } do
        helper.raises(("bad argument #1 to '%s' (weft.pool expected: call it with a colon)"):format(verb), pool[verb], {}, print)
      end
      local _, err = pcall(function() pool:map() end)
      assert.truthy(err:match "^[^\n]*pool_spec%.lua:%d+: bad argument", err)
    end)

    describe("closed", function()
      it("takes nothing more", function()
        pool:close()
        pool:close()
        helper.raises("cannot map: the pool is closed", pool.map, pool, double, { 1 })
        helper.raises("cannot imap: the pool is closed", pool.imap, pool, double, { 1 })
        helper.raises("cannot submit: the pool is closed", pool.submit, pool, double, 1)
        assert.truthy(tostring(pool):find ", closed%)$")
      end)

      it("has done all that it was asked for", function()
        local jobs = {}
        for i = 1, 20 do
          jobs[i] = pool:submit(function(x)
            require("weft").sleep(0.0005)
            return x
          end, i)
        end
        local mapper = weft.go(pool.map, pool, double, range(20))
        weft.yield()
        pool:close()
        for i, job in ipairs(jobs) do assert.equal(i, job:join()) end
        assert.equal(40, mapper:join()[20])
      end)

      it("by leaving a block, the same", function()
        local job
        do
          local p <close> = weft.pool { kind = kind, size = 1 }
          job = p:submit(double, 21)
        end
        assert.equal(42, job:join())
        helper.raises("cannot map", function()
          local p <close> = weft.pool { kind = kind, size = 1 }
          p:close()
          p:map(double, { 1 })
        end)
      end)

      it("leaves nothing to wait for", function()
        weft.wait() -- an idle pool does not count
        pool:close()
        weft.wait()
      end)
    end)

    describe("with init", function()
      it("calls it once in each worker, with the worker's number", function()
        local calls = weft.channel(100)
        local p <close> = weft.pool { kind = kind, size = 3, init = function(slot) calls:send(slot) end }
        local seen = {}
        for _ = 1, #calls do table.insert(seen, (calls:recv())) end
        table.sort(seen)
        assert.same(kind == "inline" and { 1 } or { 1, 2, 3 }, seen)
        p:map(double, range(20), { chunk = 1 })
        p:map(double, range(20), { chunk = 1 })
        assert.equal(0, #calls)
      end)

      it("has what it made", function()
        local p <close> = weft.pool { kind = kind, size = 2, init = function() _G.made_by_init = 7 end }
        assert.same({ n = 2, 8, 9 }, p:map(function(x) return x + _G.made_by_init end, { 1, 2 }))
        _G.made_by_init = nil
      end)

      it("raises its error", function()
        local ok, err = pcall(weft.pool, { kind = kind, size = 2, init = function() error("no luck", 0) end })
        assert.is_false(ok)
        if kind == "inline" then return assert.equal("no luck", err) end
        assert.is_true(weft.is(err, "init"))
        assert.truthy(tostring(err):match "^init failed in worker [12]: no luck$")
        assert.equal("no luck", err.cause)
        assert.truthy(err.traceback:find("pool_spec.lua", 1, true))
      end)
    end)
  end)
end

describe("a pool", function()
  it("refuses options", function()
    helper.raises("bad argument #1 to 'pool' (option 'kind': 'inline', 'task', 'isolate', 'thread' or 'process' expected, got 'x')",
      weft.pool, { kind = "x" })
    helper.raises("expected, got 'mpi')", weft.pool, { kind = "mpi" })
    helper.raises("bad argument #1 to 'pool' (option 'size': an integer from 1 to 10000 expected, got 0)", weft.pool, { size = 0 })
    helper.raises("option 'size': an integer from 1 to 10000 expected, got 1.5)", weft.pool, { size = 1.5 })
    helper.raises("bad argument #1 to 'pool' (option 'init': a function expected, got 'x')", weft.pool, { init = "x" })
    helper.raises("bad argument #1 to 'pool' (unknown option 'sise': one of init", weft.pool, { sise = 2 })
    helper.raises("bad argument #1 to 'pool' (table of options expected, got number)", weft.pool, 2)
    local _, err = pcall(function() return (weft.pool { sise = 2 }) end)
    assert.truthy(err:match "^[^\n]*pool_spec%.lua:%d+: bad argument", err)
  end)

  it("has as many workers as there are CPUs", function()
    local pool <close> = weft.pool()
    assert.equal(weft.cpus(), pool.size)
    assert.equal("isolate", pool.kind)
  end)

  it("may be cancelled again and again", function()
    local pool = weft.pool { kind = "task" }
    pool:cancel "enough"
    pool:cancel()
    pool:close()
    helper.raises("cannot map: the pool is closed", pool.map, pool, double, {})
  end)

  for _, kind in ipairs { "task", "thread" } do
    describe("of kind " .. kind .. ", left by an error,", function()
      local function forever(out)
        out:send "here"
        require("weft").sleep(1e6)
      end

      it("cancels what runs and what waits", function()
        local jobs, out = {}, weft.channel(10)
        local ok, err = pcall(function()
          local pool <close> = weft.pool { kind = kind, size = 2 }
          for i = 1, 5 do jobs[i] = pool:submit(forever, out) end
          out:recv()
          error("trouble", 0)
        end)
        assert.same({ false, "trouble" }, { ok, err })
        for _, job in ipairs(jobs) do assert.equal("cancelled", job:status()) end
      end)

      it("cancels the map of another task", function()
        local out, mapper = weft.channel(10), nil
        pcall(function()
          local pool <close> = weft.pool { kind = kind, size = 2 }
          mapper = weft.go(pool.map, pool, forever, { out, out, out })
          out:recv()
          error "trouble"
        end)
        local ok, err = mapper:result()
        assert.is_false(ok)
        assert.is_true(weft.is(err, "cancelled"))
      end)
    end)

    describe("of kind " .. kind, function()
      it("is cancelled with a reason", function()
        local pool, out = weft.pool { kind = kind, size = 1 }, weft.channel(10)
        local job = pool:submit(function(o)
          o:send "here"
          require("weft").sleep(1e6)
        end, out)
        out:recv()
        pool:cancel "enough"
        local _, err = job:result()
        assert.equal("enough", err.reason)
      end)

      it("is collected when nobody has it any more", function()
        local before = count_threads()
        local held = setmetatable({}, { __mode = "v" })
        held[1] = weft.pool { kind = kind, size = 2 }
        held[1]:map(double, { 1, 2 })
        weft.yield()
        helper.collect()
        assert.is_nil(held[1])
        helper.eventually(function()
          weft.yield()
          return count_threads() == before
        end, "its workers end")
      end)

      it("keeps a report for a failure that nobody looked at", function()
        local _, err = helper.run_ok(([[
          local weft = require "weft"
          local pool <close> = weft.pool { kind = %q, size = 1 }
          local faulty = pool:submit({ name = "faulty" }, function() error("unseen", 0) end)
          pool:submit({ name = "cancelled" }, function() require("weft").sleep(1e6) end):cancel()
          repeat weft.sleep(0.001) until faulty:status() == "failed" -- a look at the status is none at the failure
          faulty = nil
          collectgarbage()
        ]]):format(kind))
        assert.truthy(err:find("faulty failed and nobody looked: unseen", 1, true), err)
        assert.truthy(err:find("script.lua:3: in function", 1, true), err)
        assert.is_nil(err:find("cancelled", 1, true))
      end)

      it("may be left open at the end of a script", function()
        local out, err = helper.run_ok(([[
          local weft = require "weft"
          local pool = weft.pool { kind = %q, size = 2 }
          print(table.concat(pool:map(function(x) return x + 1 end, { 1, 2, 3 }), " "))
          weft.wait()
          print "end"
        ]]):format(kind))
        assert.same({ "2 3 4\nend\n", "" }, { out, err })
      end)
    end)
  end

  it("of tasks passes references", function()
    local pool <close> = weft.pool { kind = "task", size = 2 }
    local list = { {}, {} }
    local results = pool:map(function(x) return x end, list)
    assert.equal(list[1], results[1])
    local problem = {}
    assert.equal(problem, helper.raises_kind("item", pool.map, pool, function() error(problem) end, { 1 }).cause)
  end)

  it("of tasks serves its own workers", function()
    local pool <close> = weft.pool { kind = "task", size = 2 }
    local results = pool:map(function(x)
      local inner = pool:map(double, { x, x + 1 })
      local sum = pool:submit(double, 100):join()
      for _, r in pool:imap(double, inner) do sum = sum + r end
      return sum
    end, { 1, 10 })
    assert.same({ n = 2, 200 + 4 + 8, 200 + 40 + 44 }, results)
    helper.raises("a worker would wait for itself", pool.map, pool, function() pool:close() end, { 1 })
  end)

  it("of tasks runs as many at a time as it has workers", function()
    local pool <close> = weft.pool { kind = "task", size = 3 }
    local now, most = 0, 0
    pool:map(function()
      now = now + 1
      most = math.max(most, now)
      weft.yield()
      weft.yield()
      now = now - 1
    end, range(20), { chunk = 1 })
    assert.equal(3, most)
  end)
end)

describe("weft.map", function()
  it("is a map on a pool of its own", function()
    assert.same({ n = 3, 2, 4, 6 }, weft.map(double, { 1, 2, 3 }))
    assert.same({ n = 3, 2, 4, 6 }, weft.map(double, { 1, 2, 3 }, { kind = "task", size = 2, chunk = 2, progress = true }))
    assert.same({ n = 0 }, weft.map(error, {}))
    local list = { 1, 2 }
    weft.map(double, list)
    assert.is_nil(list.n)
  end)

  it("calls init", function()
    local r = weft.map(function(x) return _G.made + x end, { 1, 2 }, { init = function() _G.made = 10 end })
    assert.same({ n = 2, 11, 12 }, r)
  end)

  it("raises the error of an item", function()
    local err = helper.raises_kind("item", weft.map, fail_at, range(5))
    assert.equal(3, err.index)
  end)

  it("refuses what it cannot do", function()
    helper.raises("bad argument #1 to 'map' (function expected, got nil)", weft.map)
    helper.raises("bad argument #2 to 'map' (list expected, got function)", weft.map, print, print)
    helper.raises("bad argument #3 to 'map' (unknown option 'ordered': one of chunk", weft.map, print, { 1 }, { ordered = true })
    helper.raises("bad argument #3 to 'map' (option 'kind': 'inline', 'task', 'isolate', 'thread' or 'process' expected, got 'x')",
      weft.map, print,
      { 1 }, { kind = "x" })
  end)

  it("writes nothing where stderr is no terminal", function()
    local out, err = helper.run_ok [[
      local weft = require "weft"
      print(#weft.map(function(x) return x end, { 1, 2, 3 }, { progress = true }))
    ]]
    assert.same({ "3\n", "" }, { out, err })
  end)

  it("is not loaded until it is used", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      print(package.loaded["weft.pool"])
      assert(weft.map and weft.pool and package.loaded["weft.pool"])
      print(package.loaded["weft.progress"])
    ]]
    assert.equal("nil\nnil\n", out)
  end)
end)
