-- weft.blocking: functions on threads for calls that block.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.net.connect("127.0.0.1", 1) == nil) -- the loop stays once it is used,
assert(weft.fs.exists "/") -- and libuv's pool, which is there before a thread takes another identity

-- A gate that a blocking C call waits at: a FIFO. open() lets one reader through.
local function new_gate()
  local dir = helper.tmpdir()
  local path = dir .. "/gate"
  assert(os.execute("mkfifo " .. helper.quote(path)))
  return {
    path = path,
    open = function()
      local f = assert(io.open(path, "w"))
      f:write "x\n"
      f:close()
    end,
    remove = function() helper.remove_dir(dir) end,
  }
end

-- Blocks in open(2) until somebody writes.
local function wait_at(path)
  local f = assert(io.open(path, "r"))
  local line = f:read "l"
  f:close()
  return line
end

local function tid() return (select(2, require("weft.core").own_ids())) end

after_each(function()
  weft.wait()
  weft.blocking.pool { limit = 64, idle = 5 }
end)

describe("weft.blocking", function()
  it("gives the function's results", function()
    assert.same({ 3, nil, "x", n = 3 }, table.pack(weft.blocking(function(a, b) return a + b, nil, "x" end, 1, 2)))
    assert.equal(0, select("#", weft.blocking(function() end)))
  end)

  it("copies arguments, results and upvalues, as a thread does", function()
    local t = { list = { 1, 2 } }
    local got = weft.blocking(function(arg)
      t.list[1] = 5
      arg[1] = 6
      return arg, t
    end, t.list)
    assert.same({ 6, 2 }, got)
    assert.same({ 1, 2 }, t.list)
  end)

  it("begins each time with fresh globals", function()
    weft.blocking(function() left = "over" end) -- luacheck: ignore 111
    assert.is_nil((weft.blocking(function() return rawget(_G, "left") end)))
  end)

  it("raises the function's error, the same value", function()
    local ok, err = pcall(weft.blocking, function() error "a string" end)
    assert.is_false(ok)
    assert.truthy(err:find "a string")
    ok, err = pcall(weft.blocking, function() error { code = 7 } end)
    assert.same({ false, 7 }, { ok, err.code })
    ok, err = pcall(weft.blocking, function() error() end)
    assert.same({ false }, { ok, err })
  end)

  it("brings the traceback along", function()
    local job = weft.go(function()
      return (weft.blocking(function()
        local function deep_inside() error "here" end
        deep_inside()
      end))
    end)
    assert.is_false((job:result()))
    assert.truthy(job:traceback():find "deep_inside", job:traceback())
  end)

  it("keeps the tracebacks of other errors apart", function()
    local job = weft.go(function()
      pcall(weft.blocking, function()
        local function deep_inside() error "caught" end
        deep_inside()
      end)
      error "another"
    end)
    assert.is_false((job:result()))
    assert.is_nil(job:traceback():find "deep_inside")
    local survivor = weft.go(function()
      pcall(weft.blocking, function() error "caught" end)
      return true
    end)
    assert.is_true(survivor:join())
  end)

  it("says where it was called", function()
    local here = debug.getinfo(1, "l").currentline
    local err = select(2, pcall(function() weft.blocking(5) end))
    assert.truthy(err:find(("blocking_spec.lua:%d: bad argument #1 to "):format(here + 1)), err)
    local job = weft.blocking.submit(function() error "seen" end)
    assert.is_false((job:result()))
    assert.truthy(job:traceback():find("started at .*blocking_spec.lua:" .. here + 3), job:traceback())
    job = weft.go(function() weft.blocking(function() error "seen" end) end)
    assert.is_false((job:result()))
    assert.truthy(job:traceback():find("started at .*blocking_spec.lua:" .. here + 6), job:traceback())
  end)

  it("refuses what cannot be", function()
    for _, bad in ipairs {
      { "function expected", 5 }, { "function expected" }, { "unknown option 'nme'", { nme = 1 }, print },
      { "option 'name'", { name = 5 }, print }, { "option 'memory'", { memory = 0 }, print },
    } do
      helper.raises(bad[1], weft.blocking, table.unpack(bad, 2, 3))
      helper.raises(bad[1], weft.blocking.submit, table.unpack(bad, 2, 3))
    end
    helper.raises("arg 3", weft.blocking, print, 1, coroutine.create(print))
    for _, bad in ipairs {
      { limit = 0 }, { limit = 1e6 }, { limit = "x" }, { idle = 0 }, { idle = -1 }, { idle = 0 / 0 }, { idle = "x" }, { size = 1 },
    } do
      helper.raises("option", weft.blocking.pool, bad)
    end
  end)

  it("is bounded by the memory that is allowed", function()
    helper.raises_kind("memory", weft.blocking, { memory = 1 << 20 }, function() return #("x"):rep(1 << 22) end)
  end)

  it("takes a name", function()
    local job = weft.blocking.submit({ name = "driver" }, function() return 1 end)
    assert.same({ "driver", "thread" }, { job.name, job.kind })
    assert.equal(1, job:join())
  end)

  it("has task-locals of its caller", function()
    local got = weft.go(function()
      weft.current():set("who", "me")
      return weft.blocking(function() return require("weft").current():get "who" end)
    end):join()
    assert.equal("me", got)
  end)

  it("works where Lua cannot yield, and in every kind of isolate", function()
    local n = 0
    table.sort({ 2, 1 }, function(a, b)
      n = n + weft.blocking(function() return 1 end)
      return a < b
    end)
    assert.truthy(n > 0)
    local function inside() return require("weft").blocking(function() return "deep" end) end
    assert.equal("deep", weft.spawn(inside):join())
    assert.equal("deep", weft.thread(inside):join())
    assert.equal("deep", weft.blocking(inside))
    assert.equal("deep", weft.process(inside):join())
  end)

  it("calls back", function()
    local box = weft.channel(1)
    weft.blocking.submit(function() return "done" end):on_done(function(ok, what) box:send { ok, what } end)
    assert.same({ true, "done" }, box:recv())
  end)
end)

describe("what blocks", function()
  it("stops neither tasks nor workers", function()
    local gate = new_gate()
    local job = weft.go(weft.blocking, wait_at, gate.path)
    local sum = 0
    for _ = 1, 10 do sum = sum + weft.spawn(function() return 1 end):join() end
    assert.equal(10, sum)
    assert.equal("waiting", job:status())
    gate.open()
    assert.equal("x", job:join())
    gate.remove()
  end)

  it("is no deadlock", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      local function f() os.execute "sleep 0.2" return "woke" end
      local job = weft.spawn(function(g) return require("weft").blocking(g) end, f)
      print(weft.blocking(f), job:join())
      print(pcall(function() weft.channel():recv() end))
    ]]
    assert.truthy(out:find "^woke\twoke\nfalse\tdeadlock", out)
  end)

  it("is a deadlock when it waits for those who wait for it", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      local ch = weft.channel()
      local ok, err = pcall(weft.blocking, function() return ch:recv() end)
      print(ok, err)
    ]]
    assert.truthy(out:find "^false\tdeadlock", out)
  end)
end)

describe("the threads", function()
  it("are used again", function()
    local seen, n = {}, 0
    for _ = 1, 100 do
      local id = weft.blocking(tid)
      assert.not_equal(tid(), id)
      if not seen[id] then n = n + 1 end
      seen[id] = true
    end
    assert.truthy(n < 10, n) -- a thread has told its result a little before it is free again
  end)

  it("come on demand, up to the limit, and calls beyond it wait in turn", function()
    weft.blocking.pool { limit = 2 }
    helper.eventually(function() return weft.blocking.pool().threads <= 2 end)
    local gates, jobs, order = {}, {}, weft.channel(10)
    for i = 1, 2 do
      gates[i] = new_gate()
      jobs[i] = weft.blocking.submit(wait_at, gates[i].path)
    end
    for i = 3, 6 do jobs[i] = weft.blocking.submit(function(ch) ch:send(i) end, order) end
    local facts = weft.blocking.pool()
    assert.same({ 2, 2, 4 }, { facts.threads, facts.busy, facts.queued })
    local states = {}
    helper.eventually(function()
      states = {}
      for _, row in ipairs(weft.ps()) do states[row.state] = (states[row.state] or 0) + (row.kind == "thread" and 1 or 0) end
      return states.running == 2
    end)
    assert.equal(4, states.ready)
    gates[1].open() -- one thread is free: it takes them one by one
    for i = 3, 6 do assert.equal(i, (order:recv())) end
    gates[2].open()
    weft.all(jobs)
    for i = 1, 2 do gates[i].remove() end
  end)

  it("become more when the limit is raised", function()
    weft.blocking.pool { limit = 1 }
    helper.eventually(function() return weft.blocking.pool().threads <= 1 end)
    local gate = new_gate()
    local first = weft.blocking.submit(wait_at, gate.path)
    local second = weft.blocking.submit(function() return 2 end)
    assert.equal(1, weft.blocking.pool().queued)
    weft.blocking.pool { limit = 2 }
    assert.equal(2, second:join())
    gate.open()
    first:join()
    gate.remove()
  end)

  it("are enough for calls in calls, whatever the limit", function()
    weft.blocking.pool { limit = 1 }
    local function nest(n, again) -- luacheck: ignore
      if n == 0 then return 0 end
      return 1 + require("weft").blocking(again, n - 1, again)
    end
    assert.equal(4, weft.blocking(nest, 4, nest))
  end)

  it("end when they have nothing to do", function()
    for i = 1, 3 do weft.go(weft.blocking, function() return i end) end
    weft.wait()
    weft.blocking.pool { idle = 1e-3 }
    helper.eventually(function() return weft.blocking.pool().threads == 0 end, "no threads")
    assert.equal("again", weft.blocking(function() return "again" end))
  end)

  it("are as the process's, not as the thread's that asked first", function()
    helper.run_ok [[
      local weft = require "weft"
      local function mine()
        local info, tid = require("weft").info(), select(2, require("weft.core").own_ids())
        for _, t in ipairs(info.threads) do
          if t.tid == tid then return t.nice, table.concat(t.affinity, " ") end
        end
      end
      local nice, affinity = mine()
      local job = weft.thread({ nice = nice + 3, affinity = { weft.info().affinity[1] } }, function(f)
        return require("weft").blocking(f)
      end, mine)
      local got_nice, got_affinity = job:join()
      assert(got_nice == nice and got_affinity == affinity, got_nice)
    ]]
  end)

  it("are refused to a thread that has another identity", function()
    if weft.info().euid ~= 0 then return pending "needs root" end
    local _, message, code = weft.thread({ uid = 65534, gid = 65534 }, function()
      return require("weft").blocking(print)
    end):join()
    assert.equal("EPERM", code)
    assert.truthy(message:find "blocking", message)
  end)
end)

describe("cancelling", function()
  it("stops Lua code", function()
    local job = weft.blocking.submit(function() while true do local _ = {} end end)
    helper.eventually(function() return weft.blocking.pool().busy > 0 end)
    job:cancel "enough"
    local ok, err = job:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"))
    assert.same({ "cancelled", "enough" }, { job:status(), err.reason })
    assert.equal(1, weft.blocking(function() return 1 end)) -- the thread is good for others
  end)

  it("takes a call out of the queue", function()
    weft.blocking.pool { limit = 1 }
    helper.eventually(function() return weft.blocking.pool().threads <= 1 end)
    local gate = new_gate()
    local first = weft.blocking.submit(wait_at, gate.path)
    local queued = weft.blocking.submit(function() error "never runs" end)
    local other = weft.go(weft.blocking, function() error "never runs" end)
    weft.yield()
    assert.equal(2, weft.blocking.pool().queued)
    local seen = weft.channel(1)
    queued:on_done(function(ok, err) seen:send { ok, weft.is(err, "cancelled") } end)
    queued:cancel { "a", "table" }
    local ok, err = queued:result()
    assert.is_false(ok)
    assert.same({ "a", "table" }, err.reason)
    assert.equal("cancelled", queued:status())
    assert.same({ false, true }, seen:recv())
    other:cancel()
    helper.raises_kind("cancelled", other.join, other)
    assert.equal(0, weft.blocking.pool().queued)
    gate.open()
    assert.equal("x", first:join())
    gate.remove()
  end)

  it("tells other isolates of a queued call that never ran", function()
    weft.blocking.pool { limit = 1 }
    helper.eventually(function() return weft.blocking.pool().threads <= 1 end)
    local gate = new_gate()
    local first = weft.blocking.submit(wait_at, gate.path)
    local queued = weft.blocking.submit(function() end)
    local watcher = weft.spawn(function(job)
      local ok, err = job:result()
      return ok, err.kind, err.reason
    end, queued)
    queued:cancel "why"
    assert.same({ false, "cancelled", "why" }, { watcher:join() })
    gate.open()
    first:join()
    gate.remove()
  end)

  it("by weft.timeout waits for the end of the function", function()
    local ended = weft.channel(1)
    helper.raises_kind("timeout", weft.timeout, 0.02, weft.blocking, function(ch)
      local _ <close> = setmetatable({}, { __close = function() ch:send "ended" end })
      while true do local _ = {} end
    end, ended)
    assert.equal("ended", (ended:try_recv()))
  end)

  -- Under the thread sanitizer a signal ends the C call.
  local test = helper.sanitizer == "tsan" and pending or it
  test("leaves a C call behind and says so", function()
    local gate = new_gate()
    local _, err = helper.run_ok([[
      local weft = require "weft"
      local ok, err = pcall(weft.timeout, 0.3, weft.blocking, function(path) io.open(path) end, arg[1])
      assert(not ok and weft.is(err, "timeout"))
    ]], { args = { gate.path } })
    gate.remove()
    assert.truthy(err:find "the function of a cancelled weft.blocking does not end %(in a C call%?%) and is left behind", err)
    assert.truthy(err:find "thread %d+ does not end", err)
  end)
end)

describe("the end of the script", function()
  local start = [[
    local weft = require "weft"
    weft.blocking.pool { limit = 2 }
    for i = 1, 3 do weft.go(weft.blocking, function() while true do local _ = {} end end) end
    for i = 1, 3 do weft.blocking.submit(function() while true do local _ = {} end end) end
    weft.spawn(function() require("weft").blocking(function() while true do local _ = {} end end) end)
    weft.sleep(0.01)
  ]]
  for _, ending in ipairs { "", "os.exit(0)", "os.exit(0, true)", "weft.blocking.pool{limit = 10}" } do
    it(("cancels calls that run and that wait: %q"):format(ending), function()
      local _, err, code = helper.run_script(start .. ending)
      assert.equal(0, code, err)
      assert.is_nil(err:find "left behind", err)
    end)
  end

  it("waits for them by weft.wait", function()
    assert.equal("1\n", helper.run_ok [[
      local weft = require "weft"
      weft.blocking.submit(function() os.execute "sleep 0.05" print(1) end)
      weft.wait()
    ]])
  end)
end)

describe("many calls", function()
  it("from several isolates at once all come back", function()
    local n = helper.scale(2000, 40)
    weft.blocking.pool { limit = 8 }
    local function many(count)
      local w = require "weft"
      local sum, left = 0, w.waitgroup()
      left:add(count)
      for i = 1, count do
        w.go(function()
          local got = w.blocking(function(x) return x end, i)
          sum = sum + got
          left:done()
        end)
      end
      left:wait()
      return sum
    end
    local jobs = {}
    for i = 1, 4 do jobs[i] = weft.spawn(many, n) end
    for _, sum in ipairs(weft.all(jobs)) do assert.equal(n * (n + 1) // 2, sum) end
  end)

  it("leave nothing", function()
    helper.no_growth(function()
      weft.blocking(function() return 1 end)
      pcall(weft.blocking, function() error "x" end)
    end, { n = helper.scale(1000, 20) })
  end)

  it("show in a trace", function()
    local t = weft.trace(function()
      weft.go({ name = "asker" }, weft.blocking, { name = "driver" }, function() os.execute "sleep 0.01" end):join()
    end)
    local picture = t:timeline { print = false, width = 60 }
    assert.truthy(picture:find "driver", picture)
  end)
end)
