-- Tasks and their handles: weft.go, the job's methods, reports of failures, task-locals, names.

local helper = require "spec.helper"
local weft = require "weft"

local function noop() end

-- A task that waits until it is cancelled.
local function sleeper() weft.sleep(1e6) end

describe("weft.go", function()
  it("begins tasks in the order of starting with all their arguments, however many wait", function()
    local n, begun, jobs = helper.scale(30000, 6000), {}, {}
    local function body(i, ...)
      begun[#begun + 1] = i
      if i % 7 == 0 then weft.yield() end
      return select("#", ...), (select(-1, i, ...))
    end
    local function start(i)
      local extra = i % 1000 == 0 and 300 or i % 13
      local args = {}
      for k = 1, extra do args[k] = i + k end
      jobs[i] = weft.go(body, i, table.unpack(args, 1, extra))
      if i % 17 == 0 then jobs[i]:cancel() end
    end
    for i = 1, n // 2 do start(i) end
    weft.go(function() for i = n // 2 + 1, n do start(i) end end):wait() -- half of them while others begin
    weft.wait()
    local expected = {}
    for i = 1, n do
      if i % 17 ~= 0 then
        expected[#expected + 1] = i
        local extra = i % 1000 == 0 and 300 or i % 13
        local count, last = jobs[i]:join()
        assert(count == extra and last == i + extra, i)
      else
        assert(jobs[i]:status() == "cancelled", i)
      end
    end
    assert.equal(table.concat(expected, " "), table.concat(begun, " "))
  end)

  it("may be started by finalisers in the middle of a burst", function()
    local late, ran = 0, 0
    local function count() ran = ran + 1 end
    local function litter()
      setmetatable({}, { __gc = function() late = late + 1 weft.go(count):detach() end })
    end
    local n = helper.scale(50000, 5000)
    for i = 1, n do
      weft.go(count, i, i)
      if i % 10 == 0 then litter() end
    end
    weft.wait()
    collectgarbage()
    weft.wait()
    assert.is_true(late > 0)
    assert.equal(n + late, ran)
  end)

  it("starts the task at its starter's next blocking call, in the order of starting", function()
    local log = {}
    local a = weft.go(function() log[#log + 1] = "a" end)
    local b = weft.go(function() log[#log + 1] = "b" end)
    log[#log + 1] = "main"
    weft.yield()
    assert.same({ "main", "a", "b" }, log)
    assert.equal("done", a:status())
    b:join()
  end)

  it("hands over every argument and every result, nils among them", function()
    local got
    local job = weft.go(function(...)
      got = table.pack(...)
      return ...
    end, nil, 1, nil, "x", nil)
    local back = table.pack(job:join())
    assert.same({ n = 5, nil, 1, nil, "x", nil }, got)
    assert.same({ n = 5, nil, 1, nil, "x", nil }, back)
  end)

  for _, n in ipairs { 0, 1, 2, 9, 10, 11, 255, 10000 } do
    it(("carries %d arguments and results"):format(n), function()
      local list = {}
      for i = 1, n do list[i] = i end
      local back = table.pack(weft.go(function(...)
        weft.yield()
        return ...
      end, table.unpack(list)):join())
      assert.equal(n, back.n)
      for i = 1, n do assert.equal(i, back[i]) end
    end)
  end

  it("calls what has a __call", function()
    local callable = setmetatable({}, { __call = function(self, x) return self, x end })
    local self, x = weft.go(callable, 7):join()
    assert.equal(callable, self)
    assert.equal(7, x)
  end)

  it("takes options before the function", function()
    local job = weft.go({ name = "walker" }, function(...) return weft.current().name, ... end, 1, 2)
    assert.equal("walker", job.name)
    assert.same({ "walker", 1, 2 }, { job:join() })
    assert.equal("walker", job.name)
    assert.truthy(tostring(job):find "walker")
  end)

  it("names what is wrong with its arguments", function()
    helper.raises("bad argument #1 to 'go' (function expected, got no value)", function() weft.go() end)
    helper.raises("bad argument #1 to 'go' (function expected, got number)", function() weft.go(42) end)
    helper.raises("bad argument #1 to 'go'", function() weft.go "print" end)
    helper.raises("bad argument #1 to 'go'", function() weft.go(nil) end)
    helper.raises("bad argument #2 to 'go'", function() weft.go {} end)
    helper.raises("bad argument #2 to 'go'", function() weft.go({}, 42) end)
    helper.raises("colour", weft.go, { colour = "red" }, noop)
    helper.raises("affinity", weft.go, { affinity = { 0 } }, noop)
    helper.raises("name", weft.go, { name = {} }, noop)
  end)

  it("starts nothing when an argument is wrong", function()
    local ran = false
    pcall(weft.go, { colour = "red" }, function() ran = true end)
    weft.yield()
    assert.is_false(ran)
  end)

  it("runs a task whose handle nobody keeps", function()
    local n = 0
    for _ = 1, 100 do
      weft.go(function()
        weft.yield()
        n = n + 1
      end)
    end
    helper.collect()
    weft.wait()
    assert.equal(100, n)
  end)

  it("keeps many tasks apart", function()
    local n, jobs, sum = helper.scale(100000, 1000), {}, 0
    for i = 1, n do
      jobs[i] = weft.go(function(x)
        weft.yield()
        return x
      end, i)
    end
    for i = 1, n do sum = sum + jobs[i]:join() end
    assert.equal(n * (n + 1) // 2, sum)
  end)

  it("frees what tasks used", function()
    helper.no_growth(function()
      local jobs = {}
      for i = 1, 1000 do jobs[i] = weft.go({ name = "n" .. i }, function(t) return t end, { i }) end
      for i = 1, 1000 do jobs[i]:join() end
    end)
  end)

  it("lets tasks start tasks", function()
    local function tree(depth)
      if depth == 0 then return 1 end
      local left, right = weft.go(tree, depth - 1), weft.go(tree, depth - 1)
      return left:join() + right:join()
    end
    assert.equal(256, tree(8))
  end)
end)

describe("a job", function()
  it("has an id of its own, a kind, and no name unless given one", function()
    local a, b = weft.go(noop), weft.go(noop)
    assert.equal("integer", math.type(a.id))
    assert.not_equal(a.id, b.id)
    assert.equal("task", a.kind)
    assert.is_nil(a.name)
    weft.wait()
  end)

  it("tells its type", function()
    local job = weft.go(noop)
    assert.equal("weft.job", getmetatable(job).__name)
    assert.truthy(tostring(job):find "^weft%.job")
    assert.is_nil(job.no_such_field)
    assert.has_error(function() job.name = "x" end)
    job:join()
  end)

  it("gives the same results to all who join, as often as they ask", function()
    local value = {}
    local job = weft.go(function()
      weft.yield()
      return value, nil, 3
    end)
    local seen = {}
    for i = 1, 8 do
      weft.go(function() seen[i] = table.pack(job:join()) end)
    end
    weft.wait()
    for i = 1, 8 do
      assert.equal(3, seen[i].n)
      assert.equal(value, seen[i][1])
    end
    assert.equal(value, (job:join()))
    assert.same({ n = 4, true, value, nil, 3 }, table.pack(job:result()))
  end)

  local values = {
    { "a string", "no position: here" }, { "a table", {} }, { "a number", 42 }, { "false", false }, { "nil", nil },
    { "a function", print }, { "a userdata", io.stdout }, { "a coroutine", coroutine.create(noop) },
  }
  for _, case in ipairs(values) do
    it("raises the very error of its function: " .. case[1], function()
      local job = weft.go(function()
        weft.yield()
        error(case[2], 0)
      end)
      for _ = 1, 2 do
        assert.same({ n = 2, false, case[2] }, table.pack(pcall(job.join, job)))
        assert.is_true(rawequal(select(2, pcall(job.join, job)), case[2]))
      end
      assert.same({ n = 2, false, case[2] }, table.pack(job:result()))
      assert.equal("failed", job:status())
    end)
  end

  it("leaves the position that error gave", function()
    local job = weft.go(function() error "oops" end)
    local _, err = job:result()
    assert.truthy(err:find "^spec/task_spec.lua:%d+: oops$" or err:find "task_spec.lua:%d+: oops$")
  end)

  it("survives a stack overflow in another", function()
    local function deeper() return 1 + deeper() end
    local bad, good = weft.go(deeper), weft.go(function()
      weft.yield()
      return "fine"
    end)
    local ok, err = bad:result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find "stack overflow")
    assert.equal("fine", good:join())
  end)

  it("cannot wait for itself", function()
    for _, method in ipairs { "join", "result", "wait" } do
      local job
      job = weft.go(function() return job[method](job) end)
      local ok, err = job:result()
      assert.is_false(ok)
      assert.truthy(tostring(err):find "itself", 1, true)
    end
  end)

  it("is found missing by every method", function()
    local job = weft.go(noop)
    for _, method in ipairs { "join", "result", "wait", "cancel", "status", "detach", "traceback", "on_done" } do
      for _, value in ipairs { false, 42, io.stdout, weft.channel(), {} } do
        local call = load("local job, value = ... job." .. method .. "(value, print)")
        helper.raises("bad argument #1 to '" .. method .. "' (", call, job, value)
      end
      helper.raises("job expected", job[method])
    end
    job:join()
  end)
end)

describe("job:wait", function()
  it("says whether the job has finished", function()
    local go_on = weft.channel()
    local job = weft.go(function() go_on:recv() end)
    assert.is_false(job:wait(0))
    assert.is_false(job:wait(0.001))
    go_on:send(1)
    assert.is_true(job:wait())
    assert.is_true(job:wait(0))
    assert.is_true(job:wait(math.huge))
  end)

  it("does not raise the job's error", function()
    local job = weft.go(error, "bad")
    assert.is_true(job:wait())
    assert.equal("failed", job:status())
  end)

  it("lets the waiter go on after a time-out, and wait again", function()
    local job = weft.go(sleeper)
    for _ = 1, 3 do assert.is_false(job:wait(0.0001)) end
    job:cancel()
    assert.is_true(job:wait(1e6))
  end)

  it("refuses times that are none", function()
    local job = weft.go(noop)
    for _ = 1, 2 do
      for _, time in ipairs { -1, 0 / 0, -math.huge, "soon", {}, true } do
        helper.raises("bad argument #1 to 'wait'", function() job:wait(time) end)
      end
      job:wait()
    end
  end)
end)

describe("job:status", function()
  it("follows the task's life", function()
    local ch = weft.channel()
    local inside
    local job
    job = weft.go(function()
      inside = job:status()
      ch:recv()
    end)
    assert.equal("ready", job:status())
    weft.yield()
    assert.equal("running", inside)
    assert.equal("waiting", job:status())
    ch:send(1)
    job:join()
    assert.equal("done", job:status())
  end)

  it("tells failed, cancelled and done apart", function()
    local failed, cancelled, stubborn = weft.go(error, "x"), weft.go(sleeper), weft.go(function() pcall(sleeper) end)
    weft.yield()
    cancelled:cancel()
    stubborn:cancel()
    for _, job in ipairs { failed, cancelled, stubborn } do job:wait() end
    assert.equal("failed", failed:status())
    assert.equal("cancelled", cancelled:status())
    assert.equal("done", stubborn:status())
  end)
end)

describe("job:on_done", function()
  it("runs a task with what the job ended with", function()
    local got, caller = weft.channel(8), nil
    local job = weft.go(function() return 1, nil, 3 end)
    job:on_done(function(...)
      caller = weft.current()
      got:send(table.pack(...))
    end)
    assert.same({ n = 4, true, 1, nil, 3 }, (got:recv()))
    assert.not_equal(job, caller)
    assert.equal("task", caller.kind)
  end)

  it("comes also when the job has ended, and every time it was asked for", function()
    local got = weft.channel(8)
    local job = weft.go(error, "bad")
    job:wait()
    for i = 1, 3 do job:on_done(function(ok, err) got:send { i, ok, err } end) end
    assert.same({ { 1, false, "bad" }, { 2, false, "bad" }, { 3, false, "bad" } },
      { (got:recv()), (got:recv()), (got:recv()) })
  end)

  it("may block", function()
    local got = weft.channel()
    weft.go(noop):on_done(function()
      weft.sleep(0.0001)
      got:send "slept"
    end)
    assert.equal("slept", (got:recv()))
  end)

  it("needs a function", function()
    local job = weft.go(noop)
    helper.raises("on_done", job.on_done, job)
    helper.raises("on_done", job.on_done, job, 42)
    job:join()
  end)
end)

describe("job:traceback", function()
  it("shows where a task waits and where it was started", function()
    local ch = weft.channel()
    local function waits_here() ch:recv() end
    local job = weft.go(function()
      waits_here()
      return 1
    end)
    weft.yield()
    local text = job:traceback()
    assert.truthy(text:find "waits_here")
    assert.truthy(text:find "started at .-task_spec%.lua:%d+")
    ch:send(1)
    job:join()
  end)

  it("shows where it failed", function()
    local function fails_here() error "bad" end
    local job = weft.go(function()
      fails_here()
      return 1
    end)
    job:wait()
    local text = job:traceback()
    assert.truthy(text:find "fails_here")
    assert.truthy(text:find "started at .-task_spec%.lua:%d+")
  end)

  it("works on a task that is new, runs, or is over", function()
    local job
    job = weft.go(function() return job:traceback() end)
    assert.equal("string", type(job:traceback()))
    assert.truthy(job:join():find "task_spec.lua")
    assert.equal("string", type(job:traceback()))
  end)
end)

describe("local job <close>", function()
  it("cancels and joins when the block is left", function()
    local ended
    do
      local job <close> = weft.go(function()
        local _ <close> = setmetatable({}, { __close = function()
          weft.yield()
          ended = true
        end })
        sleeper()
      end)
      weft.yield()
      assert.equal("waiting", job:status())
    end
    assert.is_true(ended)
  end)

  it("does so too when an error leaves it, and keeps that error", function()
    local kept
    local ok, err = pcall(function()
      local job <close> = weft.go(sleeper)
      kept = job
      weft.yield()
      error("mine", 0)
    end)
    assert.same({ false, "mine" }, { ok, err })
    assert.equal("cancelled", kept:status())
  end)

  it("leaves a finished job as it is, and does not raise its error", function()
    local kept
    do
      local job <close> = weft.go(error, "bad")
      kept = job
      job:wait()
    end
    assert.equal("failed", kept:status())
  end)
end)

describe("a failure that nobody looks at", function()
  local function report_of(body, opts)
    local out, err, code = helper.run_script("local weft = require 'weft'\n" .. body, opts)
    return err, code, out
  end

  it("is told on stderr with both tracebacks, and changes no exit status", function()
    local err, code = report_of [[
      local function fails_here() error "the reason" end
      local function starts_here() weft.go(function() fails_here() return 1 end) end
      starts_here()
      weft.sleep(0.001)
    ]]
    assert.equal(0, code)
    assert.truthy(err:find("the reason", 1, true))
    assert.truthy(err:find("fails_here", 1, true))
    assert.truthy(err:find "started at .-script%.lua:3")
  end)

  it("is told when the script ends with the handle in hand", function()
    local err, code = report_of "job = weft.go(error, 'the reason')  weft.sleep(0.001)"
    assert.equal(0, code)
    local _, times = err:gsub("the reason", "")
    assert.equal(1, times)
  end)

  for _, look in ipairs {
    "pcall(job.join, job)", "job:result()", "job:wait()", "job:on_done(function() end) weft.sleep(0.001)",
    "weft.select { { job } }", "job:detach() weft.sleep(0.001)", "pcall(weft.all, { job })", "pcall(weft.race, { job })",
    "for _ in weft.completed { job } do end", "do local j <close> = job end",
  } do
    it("is not told after " .. look, function()
      local err, code = report_of("local job = weft.go(error, 'the reason') " .. look .. " job = nil collectgarbage()")
      assert.equal("", err)
      assert.equal(0, code)
    end)
  end

  it("is not told of a job that was cancelled", function()
    assert.equal("", (report_of "weft.go(weft.sleep, 1e6):cancel() weft.sleep(0.001)"))
  end)

  it("goes to weft.on_unhandled", function()
    local err, code, out = report_of [[
      local was = weft.on_unhandled(function(job, err, traceback)
        print(job.kind, job:status(), err.code, type(traceback), traceback:find("started at", 1, true) ~= nil)
      end)
      print(was)
      weft.go(function() error { code = 7 } end)
      weft.sleep(0.001)
    ]]
    assert.same({ "", 0, "nil\ntask\tfailed\t7\tstring\ttrue\n" }, { err, code, out })
  end)

  it("goes to stderr when the handler itself fails", function()
    local err, code = report_of "weft.on_unhandled(function() error 'handler' end) weft.go(error, 'x') weft.sleep(0.001)"
    assert.equal(0, code)
    assert.truthy(err:find("handler", 1, true))
  end)

  it("is told for values that have no text of their own", function()
    local err = report_of [[
      weft.go(error) weft.go(error, {}) weft.go(error, setmetatable({}, { __tostring = function() return "my text" end }))
      weft.go(error, setmetatable({}, { __tostring = function() error "no text" end }))
      weft.sleep(0.001)
    ]]
    local _, times = err:gsub("failed and nobody looked", "")
    assert.equal(4, times)
    assert.truthy(err:find("my text", 1, true))
  end)

  it("is not lost when on_unhandled gets no function", function()
    helper.raises("bad argument #1 to 'on_unhandled'", function() weft.on_unhandled(42) end)
    assert.is_nil(weft.on_unhandled(nil))
  end)
end)

describe("task-locals", function()
  it("are inherited as they were at the start", function()
    weft.current():set("user", "ann")
    local job = weft.go(function()
      local before = weft.current():get "user"
      weft.yield()
      local inner = weft.go(function() return weft.current():get "user" end)
      weft.current():set("user", "eve")
      return before, weft.current():get "user", inner:join()
    end)
    weft.current():set("user", "bob")
    assert.same({ "ann", "eve", "ann" }, { job:join() })
    assert.equal("bob", weft.current():get "user")
    weft.current():set("user", nil)
    assert.is_nil(weft.current():get "user")
  end)

  it("have any key and value", function()
    local key = {}
    weft.go(function()
      local me = weft.current()
      me:set(key, false)
      me:set(1.5, key)
      assert(me:get(key) == false and me:get(1.5) == key and me:get "none" == nil)
    end):join()
    helper.raises("set", function() weft.current():set(nil, 1) end)
    helper.raises("set", function() weft.current():set(0 / 0, 1) end)
    assert.is_nil(weft.current():get(key))
  end)

  it("belong to the task that runs", function()
    local other = weft.go(sleeper)
    helper.raises("set", other.set, other, "k", 1)
    helper.raises("get", other.get, other, "k")
    other:cancel()
    other:wait()
  end)
end)

describe("weft.current", function()
  it("is the job of the task that runs", function()
    local job
    job = weft.go(function()
      local co = coroutine.wrap(function() return weft.current() end)
      return weft.current() == job, co() == job
    end)
    assert.same({ true, true }, { job:join() })
  end)

  it("stands for the main chunk outside tasks", function()
    local main = weft.current()
    assert.equal("main", main.kind)
    assert.equal("main", main.name)
    assert.equal("integer", math.type(main.id))
    assert.equal(main, weft.current())
  end)
end)
