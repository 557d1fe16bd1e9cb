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
    local pids = {}
    for _, e in ipairs(json.decode(traced(1):chrome()).traceEvents) do pids[e.pid] = true end
    local n = 0
    for _ in pairs(pids) do n = n + 1 end
    assert.equal(2, n)
  end)

  it("lacks those that are killed, and leaves no file", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      local t = weft.trace(function()
        local job = weft.process(function() while true do end end)
        weft.sleep(0.05)
        job:cancel()
        job:wait()
      end)
      print(#t.tasks >= 1)
    ]]
    assert.equal("true\n", out)
  end)

  it("does not record when no trace runs", function()
    assert.is_nil(weft.process(function() return require "weft.core".trace_on() and 1 or nil end):join())
  end)
end)
