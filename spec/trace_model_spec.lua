-- The model behind every picture and the numbers of a trace, from records made by hand.

local helper = require "spec.helper"
local model = require "weft.trace_model"
local trace = require "weft.trace"

-- A task's history as text: "run 0-4, join 4-18", in the units of the records.
local function history(t, name)
  for _, task in ipairs(t.tasks) do
    if task.name == name then
      local out = {}
      model.each_state(task, 0, t._raw.wall, function(a, b, state, by)
        local what = state == model.RUN and "run" .. by or state == model.READY and "ready" or state == model.GONE and "gone"
          or model.wait_text(t.model, state, by)
        out[#out + 1] = ("%s %g-%g"):format(what, a * 1e-9, b * 1e-9)
      end)
      return table.concat(out, ", ")
    end
  end
  return "no such task"
end

describe("the model", function()
  it("follows a task from birth to end", function()
    local t = trace.from_records { wall = 10, names = { [2] = "a" }, labels = { [9] = "jobs" },
      { 1, "new", 2, "task", 1 }, { 2, "run", 2 }, { 3, "stop", 2, "recv", 9 }, { 5, "ready", 2, nil, 1 },
      { 6, "run", 2 }, { 7, "stop", 2, "yield" }, { 8, "run", 2 }, { 9, "stop", 2, "done" } }
    assert.equal("ready 1-2, run1 2-3, recv jobs 3-5, ready 5-6, run1 6-7, ready 7-8, run1 8-9, gone 9-10", history(t, "a"))
    local task = t.tasks[1]
    assert.same({ "task", 1, "done", 3 }, { task.kind, task.parent, task.outcome, task.runs })
  end)

  it("lets tasks that lived before begin with the trace, in whatever state", function()
    local t = trace.from_records { wall = 10, names = { [2] = "p", [3] = "r", [4] = "x" },
      { 0.5, "live", 1, "main" }, { 0.5, "run", 1 },
      { 0.6, "live", 2, "task" }, { 0.6, "stop", 2, "sleep" },
      { 0.7, "live", 3, "task" }, { 0.7, "ready", 3 },
      { 5, "ready", 2 } }
    assert.equal("run1 0-10", history(t, "main"))
    assert.equal("sleep 0-5, ready 5-10", history(t, "p"))
    assert.equal("ready 0-10", history(t, "r"))
  end)

  it("copes with tasks that nobody announced", function()
    local t = trace.from_records { wall = 10, threads = { "a", "b", "c" },
      { 3, "run", 7 }, -- unknown before
      { 4, "stop", 8, "recv", 0, thread = 2 }, -- must have run since the start
      { 5, "ready", 9, thread = 3 } } -- must have waited since the start
    assert.equal("run1 3-10", history(t, "task 7"))
    assert.equal("run2 0-4, recv 4-10", history(t, "task 8"))
    assert.equal("wait 0-5, ready 5-10", history(t, "task 9"))
    assert.same({ 0, 4e9 }, { t.model.carriers[2].at[1], t.model.carriers[2].till[1] })
  end)

  it("invents nothing before the first record when some are lost", function()
    local t = trace.from_records { wall = 10, lost = 3, threads = { "a", "b" },
      { 4, "stop", 8, "recv" }, { 5, "ready", 9, thread = 2 } }
    assert.equal("recv 4-10", history(t, "task 8"))
    assert.equal("ready 5-10", history(t, "task 9"))
  end)

  it("takes a wake-up that overtook its park for what it is", function()
    local t = trace.from_records { wall = 10, threads = { "a", "b" },
      { 0, "new", 2, "task" }, { 0, "run", 2 }, { 3, "ready", 2, thread = 2 }, { 3.5, "stop", 2, "recv" }, { 5, "run", 2 },
      { 6, "stop", 2, "recv" } }
    assert.equal("run1 0-3.5, ready 3.5-5, run1 5-6, recv 6-10", history(t, "task 2"))
  end)

  it("lets time stand still rather than go back", function()
    local t = trace.from_records { wall = 10, threads = { "a", "b" },
      { 2, "run", 2 }, { 5, "stop", 2, "yield" }, { 4.9, "run", 2, thread = 2 }, { 6, "stop", 2, "done", thread = 2 } }
    assert.equal("run1 2-5, run2 5-6, gone 6-10", history(t, "task 2"))
  end)

  it("ends a run whose stop is missing when its carrier goes on", function()
    local t = trace.from_records { wall = 10, { 0, "run", 1 }, { 4, "run", 2 }, { 6, "run", 1 } }
    assert.equal("run1 0-4, ready 4-6, run1 6-10", history(t, "task 1"))
    assert.equal("run1 4-6, ready 6-10", history(t, "task 2"))
    assert.same({ 4e9, 6e9, 10e9 }, t.model.carriers[1].till)
  end)

  it("moves a task that is seen on another carrier", function()
    local t = trace.from_records { wall = 10, threads = { "a", "b" }, { 0, "run", 1 }, { 4, "run", 1, thread = 2 } }
    assert.equal("run1 0-4, run2 4-10", history(t, "task 1"))
    assert.same({ 4e9 }, t.model.carriers[1].till)
  end)

  it("names tasks by what is known of them", function()
    local t = trace.from_records { wall = 1, threads = { "a", "b" }, names = { [1 << 32 | 3] = "mine", [1 << 32 | 4] = "" },
      { 0, "live", 1 << 32 | 1, "main" }, { 0, "new", 1 << 32 | 2, "task" }, { 0, "new", 1 << 32 | 3, "task" },
      { 0, "new", 1 << 32 | 4, "task" }, { 0, "new", 2 << 32 | 1, "thread", iso = 2 },
      { 0, "run", 2 << 32 | 2, iso = 2, thread = 2 } }
    local names = {}
    for i, task in ipairs(t.tasks) do names[i] = task.name end
    assert.same({ "main", "task 2", "mine", "task 4", "thread 2", "task 2.2" }, names)
  end)

  it("says what is waited for as well as it can", function()
    local t = trace.from_records { wall = 1, labels = { [1 << 63 | 7] = "jobs" }, names = { [5] = "p1" },
      { 0, "new", 5, "task" } }
    local function text(why, by) return model.wait_text(t.model, t.model.whys and t.why[why], by) end
    t.why = {}
    for code = 0, #t.model.whys do t.why[t.model.whys[code]] = code end
    assert.equal("recv jobs", text("recv", 1 << 63 | 7))
    assert.equal("recv channel 8", text("recv", 1 << 63 | 8))
    assert.equal("lock #8", text("lock", 1 << 63 | 8))
    assert.equal("join p1", text("join", 5))
    assert.equal("join #6", text("join", 1 << 32 | 6))
    assert.equal("sleep", text("sleep", 0))
    assert.equal("wait", text("", 0))
  end)
end)

describe("events", function()
  it("come one by one, in order, in words", function()
    local t = trace.from_records { wall = 10, threads = { "a", "b" },
      { 1, "new", 2, "thread", 1 }, { 2, "run", 2, thread = 2, iso = 2 }, { 2.5, "mark", text = "half" },
      { 3, "stop", 2, "join", 9, thread = 2 } }
    local list = {}
    for e in t:events() do list[#list + 1] = e end
    assert.same({
      { time = 1, ev = "new", why = "thread", task = 2, arg = 1, thread = 1, iso = 1 },
      { time = 2, ev = "run", task = 2, arg = 0, thread = 2, iso = 2 },
      { time = 2.5, ev = "mark", text = "half", thread = 1 },
      { time = 3, ev = "stop", why = "join", task = 2, arg = 9, thread = 2, iso = 1 },
    }, list)
    assert.equal(4, t.count)
  end)

  it("made by hand must have names that exist", function()
    helper.raises("no such event: jump", trace.from_records, { wall = 1, { 0, "jump", 1 } })
    helper.raises("no such reason: tired", trace.from_records, { wall = 1, { 0, "stop", 1, "tired" } })
  end)
end)

describe("summary", function()
  -- One carrier: a hogs it from 1 to 7 while b, woken at 2, waits.
  local function hogged()
    return trace.from_records { wall = 10, cpu = 9, names = { [1] = "a", [2] = "b" }, labels = { [5] = "jobs" },
      { 0, "new", 1, "task" }, { 0, "new", 2, "task" },
      { 0, "run", 2 }, { 1, "stop", 2, "recv", 5 },
      { 1, "run", 1 }, { 2, "ready", 2 }, { 7, "stop", 1, "sleep" },
      { 7, "run", 2 }, { 8, "stop", 2, "lock", 6 }, { 9, "ready", 1 }, { 9, "run", 1 } }
  end

  it("tells wall, cpu, parallelism, switches", function()
    local s = hogged():summary()
    assert.same({ 10, 9, 0.9, 3 }, { s.wall, s.cpu, s.parallelism, s.switches })
    assert.same({ 11, 0 }, { s.events, s.lost })
  end)

  it("tells the longest stall, whose, and who ran meanwhile", function()
    local s = hogged():summary()
    assert.near(5, s.longest_stall, 1e-9)
    assert.same({ id = 2, name = "b", at = 2, by = "a" }, s.stalled)
  end)

  it("tells each job's running, ready and parked time and what it waited for", function()
    local s = hogged():summary()
    local a, b = s.jobs[1], s.jobs.b
    assert.same({ "a", "task", 2 }, { a.name, a.kind, a.runs })
    assert.near(7, a.running, 1e-9)
    assert.near(1, a.ready, 1e-9)
    assert.near(2, a.waits.sleep, 1e-9)
    assert.near(2, b.running, 1e-9)
    assert.near(5, b.ready, 1e-9)
    assert.near(3, b.parked, 1e-9)
    assert.near(1, b.waits.recv, 1e-9)
    assert.near(2, b.waits.lock, 1e-9)
    assert.near(1, b.resources["recv jobs"], 1e-9)
    assert.near(9, s.carriers[1].running, 1e-9)
    assert.equal(2, s.carriers[1].tasks)
  end)

  it("counts a switch only when a carrier goes over to another task", function()
    local t = { wall = 10, threads = { "a", "b" }, { 0, "run", 1 }, { 0, "run", 5, thread = 2 } }
    for i = 1, 9 do
      t[#t + 1] = { i, "stop", 1, "yield" }
      t[#t + 1] = { i, "run", 1 }
    end
    assert.equal(0, trace.from_records(t):summary().switches)
    t[#t + 1] = { 9.5, "stop", 1, "yield" }
    t[#t + 1] = { 9.5, "run", 2 }
    assert.equal(1, trace.from_records(t):summary().switches)
  end)

  it("prints itself", function()
    local text = tostring(hogged():summary())
    for _, part in ipairs {
      "task  kind  runs  running   ready  parked  waited for\n",
      "a     task     2   7.00 s  1.00 s  2.00 s  sleep 2.00 s\n",
      "b     task     2   2.00 s  5.00 s  3.00 s  lock #6 2.00 s, recv jobs 1.00 s\n",
      "carrier  thread  tasks  running\n",
      "main          1      2   9.00 s\n",
      "wall 10.0 s  cpu 9.00 s  parallelism 0.90  switches 3  longest stall 5.00 s (b, while a ran)",
    } do assert.truthy(text:find(part, 1, true), part .. "\nin\n" .. text) end
  end)

  it("has an answer for an empty trace", function()
    local s = trace.from_records { wall = 0, cpu = 0 }:summary()
    assert.same({ 0, 0, 0 }, { s.parallelism, s.longest_stall, s.switches })
    assert.truthy(tostring(s))
  end)

  it("elides jobs in print, not in the table", function()
    local t = { wall = 1 }
    for i = 1, 100 do t[i] = { 0, "new", i, "task" } end
    local s = trace.from_records(t):summary()
    assert.equal(100, #s.jobs)
    assert.truthy(tostring(s):find("and 60 more", 1, true))
  end)
end)
