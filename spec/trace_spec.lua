-- weft.trace: start and stop over a core that records nothing, then recorded traces.

local helper = require "spec.helper"
local model = require "weft.trace_model"
local trace = require "weft.trace"
local weft = require "weft"

describe("weft.trace over a core", function()
  -- A core that records nothing, but keeps the protocol.
  local function fake()
    local core, on = { log = {} }, false
    local function log(what) table.insert(core.log, what) end
    function core.trace_start(capacity)
      log("start " .. capacity)
      if on then return nil, "a trace is running already" end
      on = true
      return true
    end
    local function raw()
      if not on then return nil, "no trace is running" end
      return { start = 0, wall = 1000, cpu = 500, lost = 0, count = 0, records = "",
        names = {}, labels = {}, marks = {}, threads = {} }
    end
    function core.trace_stop()
      log "stop"
      local r, message = raw()
      on = false
      return r, message
    end
    core.trace_snapshot = raw
    function core.trace_mark(text) log("mark " .. text) end
    function core.trace_words() return { [0] = "" }, { [0] = "" } end
    function core.trace_terminal() return false end
    return trace.new(core), core
  end

  it("traces a function and keeps its results", function()
    local weft_trace, core = fake()
    local t = weft_trace(function(...) return select("#", ...), ... end, 1, nil, nil)
    assert.same({ n = 4, 3, 1 }, t.results)
    assert.near(1e-6, t.wall, 1e-15)
    assert.same({ "start 0", "stop" }, core.log)
  end)

  it("takes options first", function()
    local weft_trace, core = fake()
    assert.same({ n = 1, "x" }, weft_trace({ capacity = 100 }, function(x) return x end, "x").results)
    assert.equal("start 100", core.log[1])
  end)

  it("stops when the function fails and raises the same error", function()
    local weft_trace, core = fake()
    local err = setmetatable({}, { __tostring = function() return "mine" end })
    local ok, raised = pcall(weft_trace, function() error(err) end)
    assert.is_false(ok)
    assert.equal(err, raised)
    assert.same({ "start 0", "stop" }, core.log)
    assert.truthy(weft_trace(function() end))
  end)

  it("may yield inside", function()
    local weft_trace = fake()
    local co = coroutine.wrap(function() return weft_trace(function() return coroutine.yield "in" end).results[1] end)
    assert.equal("in", co())
    assert.equal("out", co "out")
  end)

  it("starts, marks, snapshots and stops", function()
    local weft_trace, core = fake()
    weft_trace.start()
    weft_trace.mark "here"
    assert.near(1e-6, weft_trace.snapshot().wall, 1e-15)
    assert.near(5e-7, weft_trace.stop().cpu, 1e-15)
    assert.same({ "start 0", "mark here", "stop" }, core.log)
  end)

  it("raises what is wrong", function()
    local weft_trace = fake()
    helper.raises("weft.trace: no trace is running", weft_trace.stop)
    helper.raises("weft.trace: no trace is running", weft_trace.snapshot)
    weft_trace.start()
    helper.raises("weft.trace: a trace is running already", weft_trace.start)
    helper.raises("weft.trace: a trace is running already", weft_trace, function() end)
    weft_trace.stop()
    helper.raises("the trace was stopped inside it", weft_trace, function() weft_trace.stop() end)
    helper.raises("bad argument #1 to 'trace' (function expected, got number)", weft_trace, 5)
    helper.raises("bad argument #1 to 'trace' (function expected, got nil)", weft_trace)
    helper.raises("bad argument #1 to 'trace.start' (table expected, got number)", weft_trace.start, 5)
    helper.raises("unknown option 'size' of trace", weft_trace.start, { size = 5 })
    helper.raises("bad option 'capacity' of trace", weft_trace.start, { capacity = 0 })
    helper.raises("bad option 'capacity' of trace", weft_trace.start, { capacity = 1.5 })
    helper.raises("bad option 'capacity' of trace", weft_trace, { capacity = "big" }, function() end)
    helper.raises("bad argument #1 to 'trace.mark' (string expected, got nil)", weft_trace.mark)
  end)

  it("points at the caller", function()
    local weft_trace = fake()
    for _, f in ipairs { weft_trace.stop, function() weft_trace.start { size = 1 } end, function() weft_trace(5) end } do
      local _, err = pcall(function() f() end)
      assert.truthy(err:find("trace_spec.lua", 1, true), err)
    end
  end)
end)

describe("a recorded trace", function()
  local function task_named(t, name)
    for _, task in ipairs(t.tasks) do
      if task.name == name then return task end
    end
    error("no task named " .. name)
  end

  it("of the main chunk alone shows it running all the while", function()
    local t = weft.trace(function() end)
    assert.equal(1, #t.tasks)
    assert.equal("main", t.tasks[1].name)
    assert.same({ 0, model.RUN, nil }, { t.tasks[1].at[1], t.tasks[1].state[1], t.tasks[1].at[2] })
    assert.equal(0, t.lost)
  end)

  it("shows tasks that take turns, each run of them", function()
    local t = weft.trace(function()
      for _, name in ipairs { "one", "two" } do
        weft.go({ name = name }, function() for _ = 1, 5 do weft.yield() end end)
      end
      weft.wait()
    end)
    local one, two = task_named(t, "one"), task_named(t, "two")
    assert.same({ 6, 6 }, { one.runs, two.runs })
    assert.same({ "task", "task", "done", "done" }, { one.kind, two.kind, one.outcome, two.outcome })
    local order = {}
    for _, task in ipairs(t.model.carriers[1].task) do order[#order + 1] = task.name end
    assert.equal("main" .. (" one two"):rep(6) .. " main", table.concat(order, " "))
    assert.equal(13, t.switches)
  end)

  it("has one moment for who stops and who goes on, once tasks have switched often", function()
    local function turns(count)
      for _ = 1, 2 do
        weft.go(function() for _ = 1, count do weft.yield() end end)
      end
    end
    local shared, switches = 0, 0
    weft.go(function()
      turns(600) -- from 500 resumes on a task hands over to the next
      weft.wait()
    end):join()
    weft.trace.start()
    turns(100)
    weft.wait()
    local stopped
    for e in weft.trace.stop():events() do
      if e.ev == "run" and stopped then
        switches = switches + 1
        if e.time == stopped then shared = shared + 1 end
      end
      stopped = e.ev == "stop" and e.time or nil
    end
    assert.is_true(switches > 190 and shared > 150, shared .. " of " .. switches)
  end)

  it("tells what each task waited for", function()
    local t = weft.trace(function()
      local ch = weft.channel()
      local taker = weft.go({ name = "taker" }, function() return ch:recv() end)
      local sleeper = weft.go({ name = "sleeper" }, function() weft.sleep(0.001) end)
      local giver = weft.go({ name = "giver" }, function()
        sleeper:join()
        ch:send(1)
      end)
      taker:join()
      giver:join()
    end)
    local s = t:summary()
    assert.is_true(s.jobs.taker.waits.recv > 0)
    assert.is_true(s.jobs.sleeper.waits.sleep > 0)
    assert.is_true(s.jobs.giver.resources["join sleeper"] > 0)
    assert.is_true(s.jobs.main.resources["join taker"] > 0)
    assert.truthy(next(s.jobs.taker.resources):find "^recv channel %d+$")
  end)

  it("tells how tasks ended", function()
    local t = weft.trace(function()
      local bad = weft.go({ name = "bad" }, error, "on purpose")
      local long = weft.go({ name = "long" }, weft.sleep, 1000)
      bad:wait()
      long:cancel()
      long:wait()
    end)
    assert.equal("failed", task_named(t, "bad").outcome)
    assert.equal("cancelled", task_named(t, "long").outcome)
  end)

  it("knows the tasks that lived before it", function()
    local ch = weft.channel()
    local job = weft.go({ name = "early" }, function() return ch:recv() end)
    weft.yield()
    local t = weft.trace(function()
      ch:send(1)
      job:join()
    end)
    local early = task_named(t, "early")
    assert.equal("task", early.kind)
    assert.equal(0, early.at[1])
    assert.equal("recv", t.model.whys[early.state[1]])
    assert.equal("done", early.outcome)
  end)

  it("shows threads as carriers of their own", function()
    local t = weft.trace(function()
      local a, b = weft.thread(function() return 1 end), weft.thread(function() return 2 end)
      assert.equal(3, a:join() + b:join())
    end)
    assert.equal(3, #t.model.carriers)
    local tids, threads = {}, 0
    for _, carrier in ipairs(t.model.carriers) do tids[carrier.tid] = true end
    for _, task in ipairs(t.tasks) do
      if task.kind == "thread" then
        threads = threads + 1
        assert.equal("done", task.outcome)
        assert.is_true(task.runs >= 1)
      end
    end
    assert.equal(2, threads)
    local n = 0
    for _ in pairs(tids) do n = n + 1 end
    assert.equal(3, n)
    assert.equal(3, select(2, t:timeline { by = "carrier", print = false, ascii = true }:gsub("busy", "")))
  end)

  it("keeps the newest of what does not fit, and says what is lost", function()
    local t = weft.trace({ capacity = 16 }, function()
      weft.go({ name = "busy" }, function() for _ = 1, 100 do weft.yield() end end)
      for _ = 1, 100 do weft.yield() end
    end)
    assert.is_true(t.lost > 300)
    assert.is_true(t.count <= 32)
    assert.equal("busy", task_named(t, "busy").name)
    assert.truthy(t:timeline { print = false, width = 300 }:find(t.lost .. " of", 1, true))
  end)

  it("can be looked at while it goes on", function()
    weft.trace.start()
    weft.go({ name = "seen" }, weft.yield)
    weft.yield()
    local early = weft.trace.snapshot()
    weft.trace.mark "half way"
    weft.wait()
    local late = weft.trace.stop()
    assert.equal("seen", task_named(early, "seen").name)
    assert.is_true(late.count > early.count and late.wall >= early.wall)
    assert.equal("half way", late.model.marks[1].text)
    assert.equal("main", late.model.marks[1].task.name)
  end)

  it("is over when the function fails, and the error goes on", function()
    local err = helper.raises("oh no", weft.trace, function() error "oh no" end)
    assert.truthy(err:find("trace_spec.lua", 1, true))
    helper.raises("weft.trace: no trace is running", weft.trace.stop)
    assert.equal(0, weft.trace(function() end).lost)
  end)

  it("cannot be nested", function()
    helper.raises("weft.trace: a trace is running already", weft.trace, function() weft.trace.start() end)
    helper.raises("weft.trace: no trace is running", weft.trace.stop)
  end)

  it("costs nothing that stays: a thousand traces", function()
    local function once() weft.trace(function() weft.go(weft.yield):join() end) end
    once()
    helper.collect()
    local before = collectgarbage "count"
    for _ = 1, helper.scale(1000, 20) do once() end
    helper.collect()
    assert.is_true(collectgarbage "count" < before + 50)
  end)
end)

describe("the memory of a trace", function()
  local function rss() return tonumber(helper.read_file("/proc/self/statm"):match "^%d+ (%d+)") * 4096 end

  it("goes with it, also that of threads that live on", function()
    if helper.sanitizer then return pending "a sanitizer's own memory moves" end
    local order, done = weft.channel(), weft.channel()
    local thread = weft.thread(function(o, d)
      for n in o do
        for _ = 1, n do
          weft.go(weft.yield)
          weft.yield()
        end
        d:send(true)
      end
    end, order, done)
    local function run(n) -- luacheck: ignore 431
      order:send(n)
      done:recv()
    end
    run(1000)
    helper.collect()
    local before = rss()
    weft.trace.start { capacity = 1 << 20 }
    run(200000) -- about 32 bytes each, some for each turn
    local full = rss()
    weft.trace.stop()
    helper.collect()
    assert.is_true(full - before > 8 << 20, (full - before) .. " bytes were recorded")
    helper.eventually(function() return rss() - before < (full - before) // 4 end, "the records' memory comes back")
    weft.trace.start() -- and the thread records again
    run(10)
    local t <close> = weft.trace.stop()
    local seen = 0
    for _, task in ipairs(t.tasks) do
      if task.kind == "task" then seen = seen + 1 end
    end
    assert.is_true(seen >= 10, seen)
    order:close()
    thread:join()
  end)
end)
