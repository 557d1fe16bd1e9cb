-- The flight recorder, and traces as data: saved, loaded, cut, merged.

local helper = require "spec.helper"
local trace = require "weft.trace"
local weft = require "weft"

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.remove_dir(dir) end)

local function names(t)
  local out = {}
  for _, task in ipairs(t.tasks) do out[#out + 1] = task.name end
  table.sort(out)
  return table.concat(out, " ")
end

-- Runs a script that begins with a recorder whose file is PATH; returns its results and the trace that was written.
local function record(script, opts)
  local path = dir .. "/r.trace"
  opts = opts or {}
  opts.env = { WEFT_RECORD = path }
  script = 'local weft = require "weft"\nlocal PATH = os.getenv "WEFT_RECORD"\n' .. script
  local out, err, code, signal = helper.run_script(script, opts)
  return weft.trace.load(path), out, err, code or signal
end

describe("a recorder", function()
  it("gives the last moments, and goes on", function()
    local rec <close> = weft.trace.recorder { path = dir .. "/r", stall = false, signal = false }
    weft.go({ name = "early" }, weft.sleep, 0.001):join()
    local first = rec:snapshot()
    weft.go({ name = "late" }, weft.sleep, 0.001):join()
    local last = rec:stop()
    assert.equal("early main", names(first))
    assert.equal("early late main", names(last))
    assert.is_nil(rec:stop())
    assert.truthy(tostring(rec):find("stopped", 1, true))
    assert.is_nil(io.open(dir .. "/r"))
  end)

  it("writes its file when asked", function()
    local rec <close> = weft.trace.recorder { path = dir .. "/r", signal = false }
    weft.go({ name = "napper" }, weft.sleep, 0.001):join()
    assert.equal(dir .. "/r", rec:dump())
    assert.equal(dir .. "/other", rec:dump(dir .. "/other"))
    for _, name in ipairs { "/r", "/other" } do
      local t = weft.trace.load(dir .. name)
      assert.same({ "asked", "main napper" }, { t.reason, names(t) })
    end
    helper.fails("ENOENT", rec.dump, rec, dir .. "/none/r")
    helper.fails("EISDIR", rec.dump, rec, dir)
    assert.is_nil(io.open(dir .. "/other.part"))
  end)

  it("is alone: no second one, no other trace", function()
    local rec <close> = weft.trace.recorder { path = dir .. "/r" }
    helper.raises("weft.trace.recorder: a trace is running already", weft.trace.recorder)
    helper.raises("a trace is running already", weft.trace, function() end)
    rec:stop()
    weft.trace(function() helper.raises("weft.trace.recorder: a trace is running already", weft.trace.recorder) end)
    helper.raises("it is stopped", rec.dump, rec)
    helper.raises("it is stopped", rec.snapshot, rec)
  end)

  it("that nobody stops ends with the script, or when it is collected", function()
    helper.run_ok [[
      local weft = require "weft"
      weft.trace.recorder { path = "/dev/null" }
      collectgarbage() collectgarbage()
      local rec = weft.trace.recorder { path = "/dev/null" }
      weft.sleep(0.001)
    ]]
  end)

  it("writes when a task does not give way while others are there", function()
    local t, _, err, code = record [[
      local rec <close> = weft.trace.recorder { path = PATH, stall = 0.02, signal = false }
      weft.go({ name = "patient" }, weft.sleep, 60)
      weft.yield()
      local hog = weft.go({ name = "hog" }, function()
        repeat until io.open(PATH) -- written while this goes on
      end)
      hog:join()
      os.exit(0)
    ]]
    assert.equal(0, code)
    assert.truthy(err:find "^weft: stall: hog has not given way for [%d.]+ s: the last moments are in .*r%.trace\n$", err)
    assert.truthy(t.reason:find("stall: hog", 1, true))
    assert.equal("hog main patient", names(t))
  end)

  it("leaves a task alone that has nobody to give way to", function()
    local t, _, err, code = record [[
      local rec <close> = weft.trace.recorder { path = PATH, stall = 0.01, signal = false }
      weft.go({ name = "over" }, function() end):join()
      local from = weft.now()
      repeat until weft.now() - from > 0.1
    ]]
    assert.same({ 0, "" }, { code, err })
    assert.is_nil(t)
  end)

  it("writes at a deadlock", function()
    local t, out, err, code = record [[
      local rec <close> = weft.trace.recorder { path = PATH, signal = false }
      weft.go({ name = "stuck" }, function() weft.channel():recv() end)
      print(pcall(function() weft.channel():recv() end))
    ]]
    assert.equal(0, code)
    assert.truthy(out:find("deadlock: all 2 tasks are asleep", 1, true))
    assert.truthy(err:find("weft: deadlock: the last moments are in", 1, true))
    assert.same({ "deadlock", "main stuck" }, { t.reason, names(t) })
  end)

  it("writes at a signal, and gives the signal back afterwards", function()
    local t, _, err, code = record [[
      local rec = weft.trace.recorder { path = PATH }
      os.execute "kill -USR2 $PPID"
      repeat weft.sleep(0.001) until io.open(PATH)
      rec:stop()
      os.execute "kill -USR2 $PPID"
      weft.sleep(10)
    ]]
    assert.equal("SIGUSR2", code)
    assert.truthy(err:find("weft: asked by a signal: the last moments are in", 1, true))
    assert.equal("signal", t.reason)
  end)

  it("gives the signal back to who had it before", function()
    local t, _, err, code = record [[
      local mine = weft.signal "SIGUSR2"
      local rec = weft.trace.recorder { path = PATH }
      os.execute "kill -USR2 $PPID"
      repeat weft.sleep(0.001) until io.open(PATH)
      rec:stop()
      os.execute "kill -USR2 $PPID"
      assert(mine:recv())
    ]]
    assert.equal(0, code, err)
    assert.equal("signal", t.reason)
  end)

  it("tells a stall once, by its task's number if it has no name, and then not another for a while", function()
    local _, _, err, code = record [[
      local rec <close> = weft.trace.recorder { path = PATH, stall = 0.01, signal = false }
      weft.go(weft.sleep, 60)
      weft.yield()
      local function hog()
        repeat until io.open(PATH)
        local from = weft.now()
        repeat until weft.now() - from > 0.05 -- it is looked at again
      end
      weft.go(hog):join()
      weft.go(hog):join()
      os.exit(0)
    ]]
    assert.equal(0, code)
    assert.truthy(err:find "^weft: stall: task %d+ has not given way for [^\n]*\n$", err)
  end)

  it("does nothing any more once it has been stopped", function()
    local rec = weft.trace.recorder { path = dir .. "/r", signal = false }
    assert.is_nil((rec:dump("/none/such/file")))
    rec:stop()
    helper.raises("it is stopped", rec.dump, rec)
    local core = require "weft.core"
    helper.raises("not a signal for this", core.recorder_start, dir .. "/r", 0, 0, "SIGKILL", 10)
    local handle = assert(core.recorder_start(dir .. "/r", 0, 0, nil, 10))
    local second, message = core.recorder_start(dir .. "/r", 0, 0, nil, 10)
    assert.same({ nil, "a trace is running already" }, { second, message })
    assert.truthy(core.recorder_dump(handle, nil, "why"))
    assert.truthy(core.recorder_stop(handle))
    assert.is_nil((core.recorder_stop(handle)))
    assert.is_nil((core.recorder_dump(handle, nil, "why")))
    getmetatable(handle).__gc {}
    getmetatable(handle).__gc(handle)
  end)

  it("says when it cannot write", function()
    local _, err = helper.run_script [[
      local weft = require "weft"
      local rec <close> = weft.trace.recorder { path = "/none/such/r", signal = false }
      pcall(function() weft.channel():recv() end)
    ]]
    assert.truthy(err:find("weft: deadlock, but /none/such/r cannot be written: No such file or directory", 1, true), err)
  end)

  it("checks its options", function()
    local new = weft.trace.recorder
    helper.raises("bad argument #1 to 'trace.recorder' (table expected, got number)", new, 5)
    helper.raises("unknown option 'size' of trace.recorder", new, { size = 1 })
    helper.raises("bad option 'seconds' of trace.recorder (seconds above 0 expected, got 0)", new, { seconds = 0 })
    helper.raises("bad option 'stall' of trace.recorder (seconds above 0 expected, got true)", new, { stall = true })
    helper.raises("bad option 'path' of trace.recorder", new, { path = "" })
    helper.raises("bad option 'signal' of trace.recorder", new, { signal = "SIGKILL" })
    helper.raises("bad option 'capacity' of trace.recorder", new, { capacity = 0 })
  end)
end)

describe("a saved trace", function()
  it("is loaded as it was", function()
    local t = weft.trace(function()
      local ch = weft.trace.label(weft.channel(1), "letters")
      weft.go({ name = "reader" }, function() for _ in ch do weft.region("read", weft.yield) end end)
      for i = 1, 3 do ch:send(i) end
      weft.mark "sent"
      ch:close()
      weft.thread({ name = "far" }, function() end):join()
    end)
    assert.is_true(t:save(dir .. "/t"))
    local u = weft.trace.load(dir .. "/t")
    local width = { print = false, width = 90, ascii = true }
    assert.equal(t:timeline(width), u:timeline(width))
    assert.equal(tostring(t:summary()), tostring(u:summary()))
    assert.equal(t:chrome(), u:chrome())
    assert.is_nil(u.reason)
  end)

  it("is a picture when the path ends as one", function()
    local t = weft.trace(function() weft.go({ name = "napper" }, weft.sleep, 0.001):join() end)
    for ending, kind in pairs { html = "html", svg = "svg", json = "chrome" } do
      assert.is_true(t:save(dir .. "/p." .. ending))
      assert.equal(t[kind](t), helper.read_file(dir .. "/p." .. ending))
    end
    assert.is_true(t:save(dir .. "/p.txt"))
    assert.equal(t.count, weft.trace.load(dir .. "/p.txt").count)
  end)

  it("that is none, or damaged, is refused", function()
    local path = dir .. "/t"
    weft.trace(function() weft.sleep(0.001) end):save(path)
    local good = helper.read_file(path)
    local function refused(text, why)
      helper.write_file(path, text)
      local t, message = weft.trace.load(path)
      assert.is_nil(t)
      assert.truthy(message:find(why, 1, true), message)
    end
    refused("", "not a trace of weft")
    refused(("x"):rep(500), "not a trace of weft")
    for n = 8, #good - 1, 7 do
      helper.write_file(path, good:sub(1, n))
      assert.is_nil((weft.trace.load(path)))
    end
    refused(good .. "x", "a damaged trace")
    for pos = 73, 137 do -- the numbers of the head
      for _, byte in ipairs { "\0", "\x7f", "\xff" } do
        helper.write_file(path, good:sub(1, pos - 1) .. byte .. good:sub(pos + 1))
        local t = weft.trace.load(path)
        if t then t:timeline { print = false } end
      end
    end
  end)

  it("needs a path that can be read or written", function()
    local t = trace.from_records { wall = 1 }
    helper.fails("ENOENT", t.save, t, dir .. "/none/t")
    helper.fails("ENOENT", weft.trace.load, dir .. "/none")
    helper.raises("bad argument #1 to 'save' (string expected, got nil)", t.save, t)
    helper.raises("bad argument #1 to 'trace.load' (string expected, got nil)", weft.trace.load)
    helper.raises("bad argument #2 to 'trace.load'", weft.trace.load, "x", 0)
  end)
end)

describe("the last seconds of a trace", function()
  local function cut_of(t, seconds)
    t:save(dir .. "/t")
    return weft.trace.load(dir .. "/t", seconds)
  end

  it("begin with the state that each task was in, without those that had ended", function()
    local t = trace.from_records { wall = 20, names = { [2] = "over", [3] = "sleeper", [4] = "fresh", [5] = "runner" },
      { 0, "live", 1, "main" }, { 0, "run", 1 }, { 1, "new", 2, "task", 1 }, { 1, "new", 3, "task", 1 }, { 1, "new", 4, "task", 1 },
      { 1, "new", 5, "task", 1 }, { 2, "stop", 1, "join", 5 }, { 2, "run", 2 }, { 3, "stop", 2, "done" }, { 3, "run", 3 },
      { 4, "stop", 3, "sleep" }, { 4, "run", 5 }, { 15, "ready", 3 }, { 16, "stop", 5, "done" } }
    local u = cut_of(t, 10)
    assert.equal("fresh main runner sleeper", names(u))
    assert.equal(10, u.wall)
    local jobs = u:summary().jobs
    assert.same({ 6, 5, 5, 10 }, { jobs.runner.running, jobs.sleeper.waits.sleep, jobs.sleeper.ready, jobs.main.waits.join })
    assert.equal(6, u.cpu) -- as far as it is known: who ran
  end)

  it("are all of it when it was shorter", function()
    local t = trace.from_records { wall = 5, { 1, "run", 2 } }
    assert.equal(1, cut_of(t, 10).count)
  end)
end)

describe("weft.trace.merge", function()
  it("puts traces beside each other, each at its time", function()
    local function one(name)
      return weft.trace(function()
        weft.mark(name)
        weft.go({ name = name }, function() weft.region(name, weft.sleep, 0.001) end):join()
      end)
    end
    local a, b = one "first", one "second"
    local t = weft.trace.merge(b, a) -- the first begins at 0 whatever the order
    assert.equal(4, #t.tasks)
    local at = {}
    for _, mark in ipairs(t.model.marks) do at[mark.text] = mark.at end
    assert(at.first < at.second)
    local regions = {}
    for _, r in ipairs(t.model.regions) do regions[r.name] = r.task.name end
    assert.same({ first = "first", second = "second" }, regions)
    assert.equal(a.count + b.count, t.count)
    assert.near(a.cpu + b.cpu, t.cpu, 1e-6)
    assert(t.wall >= a.wall + b.wall)
    t:svg(dir .. "/x.svg")
    assert.equal(0, weft.trace.merge(a, trace.from_records { wall = 1 }).lost)
  end)

  it("takes traces", function()
    helper.raises("bad argument #1 to 'trace.merge' (trace expected, got no value)", weft.trace.merge)
    helper.raises("bad argument #2 to 'trace.merge' (trace expected, got table)", weft.trace.merge,
      trace.from_records { wall = 1 }, {})
  end)
end)
