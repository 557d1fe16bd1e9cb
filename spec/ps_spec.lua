-- weft.ps: what lives now, here and in other isolates, and where it waits.

local helper = require "spec.helper"
local weft = require "weft"

local function find(list, key, value)
  for _, row in ipairs(list) do
    if row[key] == value then return row end
  end
end

local function line_of(level) return debug.getinfo(level or 2, "l").currentline end

describe("weft.ps", function()
  it("has the main chunk and its tasks", function()
    local ch = weft.channel()
    local job = weft.go({ name = "waiter" }, function() ch:recv() end)
    local sleeper = weft.go(weft.sleep, 1e6)
    weft.yield()
    local fresh = weft.go(print)
    local list = weft.ps()
    local main = list[1]
    assert.same({ "main", "running", "main" }, { main.kind, main.state, main.name })
    assert.is_true(main.memory > 1000 and main.cpu > 0 and main.tid > 0 and main.tasks >= 3)
    local row = find(list, "id", job.id)
    assert.same({ "task", "waiter", "waiting", "recv", main.isolate }, { row.kind, row.name, row.state, row.wait, row.isolate })
    assert.truthy(row.on:find "^weft%.channel %d+")
    assert.equal("recv for " .. row.on, row.waits)
    assert.truthy(row.at:find("ps_spec.lua:", 1, true))
    assert.truthy(row.started:find("ps_spec.lua:", 1, true))
    row = find(list, "id", sleeper.id)
    assert.same({ "waiting", "sleep" }, { row.state, row.wait })
    row = find(list, "id", fresh.id)
    assert.equal("ready", row.state)
    assert.is_nil(row.wait)
    fresh:cancel()
    fresh:wait()
    sleeper:cancel()
    ch:close()
    job:join()
    assert.is_nil(find(weft.ps(), "id", job.id))
  end)

  for verb, kind in pairs { spawn = "isolate", thread = "thread" } do
    it("has what other isolates of kind " .. kind .. " do", function()
      local ch, ready = weft.channel(), weft.channel()
      local line = line_of()
      local job = weft[verb]({ name = "other" }, function(c, r)
        weft.go({ name = "inner" }, function()
          r:send(true)
          c:recv()
        end)
        c:recv()
      end, ch, ready)
      ready:recv()
      local row, inner
      helper.eventually(function()
        local list = weft.ps { timeout = 10 }
        row, inner = find(list, "id", job.id), find(list, "name", "inner")
        return row and inner and row.state == "waiting" and inner.wait == "recv"
      end, "both wait")
      assert.same({ kind, "other", "recv", 1 }, { row.kind, row.name, row.wait, row.tasks })
      assert.truthy(row.at:find("ps_spec.lua:" .. line + 6, 1, true), row.at)
      assert.truthy(inner.at:find("ps_spec.lua:" .. line + 4, 1, true), inner.at)
      assert.is_true(row.memory > 1000)
      assert.equal(row.isolate, inner.isolate)
      assert.not_equal(weft.ps()[1].isolate, row.isolate)
      ch:close()
      job:join()
    end)
  end

  it("is the same from inside another isolate", function()
    local kinds = weft.spawn(function()
      local seen = {}
      for _, row in ipairs(weft.ps { timeout = 10 }) do seen[row.kind] = row.state end
      return seen
    end):join()
    assert.equal("waiting", kinds.main)
    assert.equal("running", kinds.isolate)
    assert.truthy(kinds.worker)
  end)

  it("does not wait for those who compute longer than it was told", function()
    local ch = weft.channel(1)
    local job = weft.thread({ name = "busy" }, function(c)
      c:send(true)
      while true do local _ = {} end
    end, ch)
    ch:recv()
    local row = find(weft.ps { timeout = 0 }, "id", job.id)
    assert.same({ "thread", "busy", "running" }, { row.kind, row.name, row.state })
    row = find(weft.ps { timeout = 0.001 }, "id", job.id)
    assert.equal("running", row.state)
    job:cancel()
    job:wait()
  end)

  it("has the workers", function()
    weft.spawn(function() end):join()
    local row = find(weft.ps(), "kind", "worker")
    assert.is_true(row.id >= 1 and row.cpu >= 0 and row.slices >= 0 and row.stolen >= 0)
    assert.truthy(row.state == "awake" or row.state == "asleep" or row.state == "blocked")
  end)

  it("is a table that prints itself", function()
    local job = weft.go({ name = "näme" }, weft.sleep, 1e6)
    weft.yield()
    local text = tostring(weft.ps())
    assert.truthy(text:find "^id +kind +state +cpu +memory +name +waits\n")
    assert.truthy(text:find("näme", 1, true))
    assert.truthy(text:find "main +running")
    job:cancel()
    job:wait()
  end)

  it("copes with odd names", function()
    local job = weft.go({ name = "a: b at c:1 (started at \27[31m" }, weft.sleep, 60)
    weft.yield()
    local list = weft.ps()
    assert.equal("sleep", find(list, "id", job.id).waits)
    assert.is_nil(tostring(list):find "\27")
    job:cancel()
    job:wait()
  end)

  it("has processes that were started here", function()
    assert.equal("process\tfar\trunning\ntrue\n", (helper.run_ok [[
      local weft = require "weft"
      local job = weft.process({ name = "far" }, function() require("weft").sleep(60) end)
      for _, row in ipairs(weft.ps()) do
        if row.id == job.id then print(row.kind, row.name, row.state) end
      end
      local number = tostring(job):match "process (%d+) far"
      print(tostring(weft.ps()):find("\n" .. number .. " +process ") ~= nil)
      job:cancel()
      job:wait()
    ]]))
  end)

  it("works where it cannot park, and in many tasks at once", function()
    local lists = {}
    table.sort({ 2, 1 }, function() lists[#lists + 1] = weft.ps() end)
    local jobs, go_on = {}, weft.channel()
    for i = 1, 5 do jobs[i] = weft.spawn(function(c) c:recv() end, go_on) end
    local asking = {}
    for i = 1, 10 do asking[i] = weft.go(weft.ps) end
    for i = 1, 10 do lists[#lists + 1] = asking[i]:join() end
    go_on:close()
    weft.all(jobs)
    for _, list in ipairs(lists) do assert.equal("main", list[1].kind) end
  end)

  it("may be cancelled, and does not end a later wait then", function()
    local begun = weft.channel(1)
    local busy = weft.thread(function(c)
      c:send(true)
      while true do local _ = {} end
    end, begun)
    begun:recv()
    local ok, err = pcall(weft.timeout, 0.002, weft.ps, { timeout = 1e6 })
    assert.is_false(ok)
    assert.is_true(weft.is(err, "timeout"))
    busy:cancel()
    assert.is_true(busy:wait(60))
    assert.same({ nil, "timeout" }, { weft.select { { weft.channel() }, timeout = 0.01 } })
  end)

  it("is asked while isolates come and go", function()
    local stop = false
    local storm = weft.go(function()
      while not stop do
        local jobs = {}
        for i = 1, 10 do jobs[i] = weft[i % 5 == 0 and "thread" or "spawn"](weft.sleep, i * 1e-5) end
        for _, job in ipairs(jobs) do job:join() end
      end
    end)
    for _ = 1, helper.scale(200, 10) do assert.equal("main", weft.ps { timeout = 1 }[1].kind) end
    stop = true
    storm:join()
  end)

  it("refuses what it does not know", function()
    helper.raises("unknown option 'x'", weft.ps, { x = 1 })
    helper.raises("seconds >= 0 expected", weft.ps, { timeout = -1 })
    helper.raises("seconds >= 0 expected", weft.ps, { timeout = "x" })
    helper.raises("table of options expected", weft.ps, 1)
  end)
end)
