-- Traces of worker processes: each records on its own, and the starter's trace has them all.

local json = require "dkjson"
local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop of this thread stays: no test is to be blamed for it

-- Under a sanitizer the interpreter of a worker is found all the same, but starts slowly.
describe("a trace with worker processes", function()
  local function traced(n)
    return weft.trace(function()
      local jobs = {}
      for i = 1, n do
        jobs[i] = weft.process({ name = "worker " .. i }, function(k)
          local w = require "weft"
          w.mark("mark " .. k)
          w.go({ name = "inner " .. k }, function() w.region("work", w.sleep, 0.001) end):join()
        end, i)
      end
      for _, job in ipairs(jobs) do job:join() end
    end)
  end

  it("shows their tasks at their time", function()
    local t = traced(2)
    local names = {}
    for _, task in ipairs(t.tasks) do names[task.name] = task end
    assert(names["inner 1"] and names["inner 2"] and names.main)
    -- The functions themselves, by the names of their jobs; each begins and ends within the trace.
    for i = 1, 2 do
      local worker, inner = names["worker " .. i], names["inner " .. i]
      assert.same({ "process", "done" }, { worker.kind, worker.outcome })
      assert(worker.at[1] > 0 and worker.at[1] < inner.at[1] and inner.ended <= worker.ended)
    end
    assert.same({}, (function()
      local late = {}
      for _, r in ipairs(t.model.regions) do
        if r.name ~= "work" or r.at < 0 or r.till > t._raw.wall or r.till - r.at < 1e6 then late[#late + 1] = r end
      end
      return late
    end)())
    assert.equal(2, #t.model.regions)
    assert.equal(2, #t.model.marks)
    -- Within the time in which the starter waited for them.
    for i = 1, 2 do assert(names["inner " .. i].at[1] > 0 and names["inner " .. i].ended < t._raw.wall) end
    assert.truthy(t:timeline { print = false, width = 100 }:find "inner 1")
  end)

  it("has a process for each in the trace events", function()
    local pids, names = {}, {}
    for _, e in ipairs(json.decode(traced(1):chrome()).traceEvents) do
      pids[e.pid] = true
      if e.name == "process_name" then names[#names + 1] = e.args.name end
    end
    local n = 0
    for _ in pairs(pids) do n = n + 1 end
    assert.equal(2, n)
    assert.same({ "weft", "worker 1" }, names)
  end)

  it("ends their tasks when they end, and begins them when they begin", function()
    local t = weft.trace(function()
      weft.sleep(0.005)
      weft.process({ name = "worker" }, function() end):join()
      weft.sleep(0.005)
    end)
    for _, task in ipairs(t.tasks) do
      if task.name == "worker" then
        assert(task.at[1] >= 5e6 and task.ended <= t._raw.wall - 5e6, ("%d to %d"):format(task.at[1], task.ended))
        assert.equal("done", task.outcome)
        return
      end
    end
    error "no worker"
  end)

  it("lacks those that are killed, and leaves no file", function()
    local out = helper.run_ok(([[
      local weft = require "weft"
      local t = weft.trace(function()
        local job = weft.process(function() %s end)
        weft.sleep(0.05)
        job:cancel()
        job:wait()
      end)
      print(#t.tasks >= 1)
    ]]):format(helper.SPIN))
    assert.equal("true\n", out)
  end)

  it("lacks those that still run, which leave no file when they end", function()
    local dir, tmpname = helper.tmpdir(), os.tmpname
    os.tmpname = function() -- luacheck: ignore 122
      helper.write_file(dir .. "/t", "")
      return dir .. "/t"
    end
    local gate, job = weft.channel(), nil
    local t = weft.trace(function()
      job = weft.process({ name = "late" }, function(g) g:recv() end, gate)
      weft.sleep(0.02)
    end)
    os.tmpname = tmpname -- luacheck: ignore 122
    assert.equal("main", t.tasks[1].name)
    gate:send "go"
    job:join()
    assert.is_true(os.remove(dir)) -- nothing is in it
  end)

  it("does not record when no trace runs", function()
    assert.is_nil(weft.process(function() return require "weft.core".trace_on() and 1 or nil end):join())
  end)
end)

---------------------------------------------------------------------- arrows

describe("an arrow between processes", function()
  local function count(t)
    local seen = {}
    for _, f in ipairs(t.flows) do
      local from, to = t.model.by_id[f.from], t.model.by_id[f.to]
      assert(f.at <= f.till and f.at >= 0 and f.till <= t._raw.wall)
      local key = ("%s %s -> %s"):format(f.kind, from.name, to.name)
      seen[key] = (seen[key] or 0) + 1
    end
    return seen
  end

  for _, capacity in ipairs { 0, 1, 4, 300 } do
    local n = helper.scale(200)

    it(("goes from each send to its receive, capacity %d"):format(capacity), function()
      local t = weft.trace(function()
        local questions, answers = weft.channel(capacity), weft.channel(capacity)
        local job = weft.process({ name = "squares" }, function(q, a)
          for x in q do a:send(x * x) end
          a:close()
        end, questions, answers)
        weft.go({ name = "asker" }, function()
          for i = 1, n do questions:send(i) end
          questions:close()
        end)
        local sum = 0
        for v in answers do sum = sum + v end
        assert.equal(n * (n + 1) * (2 * n + 1) // 6, sum)
        job:join()
      end)
      local seen = count(t)
      assert.equal(n, seen["message asker -> squares"])
      assert.equal(n, seen["message squares -> main"])
      assert.equal(1, seen["start main -> squares"])
    end)

    it(("goes from one worker to another, capacity %d"):format(capacity), function()
      local t = weft.trace(function()
        local ch = weft.trace.label(weft.channel(capacity), "pipe")
        local maker = weft.process({ name = "maker" }, function(c, k)
          for i = 1, k do c:send(i) end
          c:close()
        end, ch, n)
        local eater = weft.process({ name = "eater" }, function(c)
          local sum = 0
          for v in c do sum = sum + v end
          return sum
        end, ch)
        maker:join()
        assert.equal(n * (n + 1) // 2, eater:join())
      end)
      local seen = count(t)
      assert.equal(n, seen["message maker -> eater"])
      -- It has one name in all three processes.
      local m, waits = t.model, {}
      for _, f in ipairs(t.flows) do
        if f.kind == "message" then assert.equal("pipe", require "weft.trace_model".resource_name(m, f.what)) end
      end
      for _, task in ipairs(t.tasks) do
        for i = 1, task.n do
          if task.state[i] < 256 and task.by[i] ~= 0 then
            waits[require "weft.trace_model".wait_text(m, task.state[i], task.by[i])] = true
          end
        end
      end
      assert.is_true(waits["recv pipe"] or waits["send pipe"])
      for text in pairs(waits) do assert(not text:find "channel", text) end
    end)
  end

  it("is not lost when values come back that nobody there took", function()
    local t = weft.trace(function()
      local ch, gate = weft.channel(100), weft.channel()
      local job = weft.process({ name = "picky" }, function(c, g)
        for _ = 1, 40 do c:recv() end -- it gets more than it takes
        g:send "enough"
        g:recv()
      end, ch, gate)
      weft.go({ name = "giver" }, function() for i = 1, 100 do ch:send(i) end end)
      gate:recv()
      helper.eventually(function()
        weft.sleep(0.001)
        return #ch == 60
      end) -- they come back after a while
      local last = 40
      for _ = 1, 60 do
        local v = ch:recv()
        assert.equal(last + 1, v)
        last = v
      end
      gate:send "end"
      job:join()
    end)
    local seen = count(t)
    assert.equal(40, seen["message giver -> picky"])
    assert.equal(60, seen["message giver -> main"])
  end)

  it("is in the page, the picture and the trace events", function()
    local t = weft.trace(function()
      local ch = weft.channel()
      local job = weft.process({ name = "far" }, function(c) c:recv() end, ch)
      weft.go({ name = "near" }, function() ch:send "x" end)
      job:join()
    end)
    local from, to
    for _, e in ipairs(json.decode(t:chrome()).traceEvents) do
      if (e.name or ""):find "^message" then
        if e.ph == "s" then from = e.pid elseif e.ph == "f" then to = e.pid end
      end
    end
    assert(from and to and from ~= to)
    local data = json.decode(t:html():match '<script type="application/json" id="data">(.-)</script>')
    assert.equal(#t.flows, #data.flows // 6)
    assert(t:svg():find 'class="fl m"', "no arrow of a message in the SVG")
  end)

  it("goes from a worker's end to who waits for it", function()
    local t = weft.trace(function()
      weft.process({ name = "slow" }, function() require "weft".sleep(0.02) end):join()
    end)
    assert.same({ ["start main -> slow"] = 1, ["join slow -> main"] = 1 }, count(t))
  end)

  it("is followed by the critical path", function()
    local t = weft.trace(function()
      local ch = weft.channel()
      local job = weft.process({ name = "slow" }, function(c)
        require "weft".sleep(0.05)
        c:send "done"
      end, ch)
      ch:recv()
      job:join()
    end)
    local slept
    for _, step in ipairs(t.path) do
      if step.task.name == "slow" and step.kind == "wait" and step.what == "sleep" then slept = step.to - step.from end
    end
    assert(slept and slept >= 0.05e9, tostring(slept))
  end)
end)
