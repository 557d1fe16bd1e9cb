-- Handles of jobs in other isolates, at their edges: watched while they run, named, lost, cancelled too late; and what weft.set and
-- attributes refuse.

local core = require "weft.core"
local helper = require "spec.helper"
local weft = require "weft"

weft.thread(function() end):join()

-- f(...) in a thread, with the handle of a job of this isolate's.
local function there(f, ...) return weft.thread(f, ...) end

describe("a job of another isolate", function()
  it("is watched while it runs, by several at once", function()
    local gate, ready = weft.channel(), weft.channel()
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(function() return gate:recv() end) end
    local looker = there(function(list, ch)
      local w = require "weft"
      local again = w.go(function()
        local n = 0
        for job in w.completed(list) do
          n = n + 1
          assert(job:wait())
        end
        return n
      end)
      local first = w.go(function() return w.race(list) end)
      w.yield()
      ch:send(true)
      local index, value = first:join()
      assert(index >= 1 and index <= 3)
      return value, again:join()
    end, jobs, ready)
    ready:recv()
    for i = 1, 3 do gate:send("value " .. i) end
    local first, n = looker:join()
    assert.truthy(first:find "^value")
    assert.equal(3, n)
  end)

  it("has its name there, running or over", function()
    local gate = weft.channel()
    local running = weft.go({ name = "runs" }, function() return gate:recv() end)
    local over = weft.go({ name = "is over" }, function() end)
    local thread = weft.thread({ name = "threaded" }, function() end)
    local failed = weft.go({ name = "fails" }, function() error { 1 } end)
    over:wait()
    failed:wait()
    thread:wait()
    local got = there(function(...)
      local list = {}
      for i, job in ipairs { ... } do
        list[i] = job.name .. ": " .. tostring(job):match "weft.job (.*)"
        assert(job[1] == nil and job[true] == nil and job.nothing == nil)
        assert(type(job.on_done) == "function" and type(job.get) == "function" and type(job.set) == "function")
      end
      return list
    end, running, over, thread, failed):join()
    assert.truthy(got[1]:find "^runs: task %d+ runs %(.*, of another isolate%)$", got[1])
    assert.truthy(got[2]:find "^is over: task %d+ is over %(done, of another isolate%)$", got[2])
    assert.truthy(got[3]:find "^threaded: thread %d+ threaded %(done, of another isolate%)$", got[3])
    assert.truthy(got[4]:find "^fails: task %d+ fails %(failed, of another isolate%)$", got[4])
    gate:send(true)
    running:wait()
  end)

  it("is lost with its isolate, and says so", function()
    local ch = weft.channel(1)
    local thread = weft.thread(function(c)
      local w = require "weft"
      local job = w.go(w.sleep, 1000)
      job:detach()
      c:send(job)
      w.yield()
    end, ch)
    local job = ch:recv()
    thread:wait()
    local ok, err = job:result()
    assert.is_false(ok)
    assert.truthy(weft.is(err, "closed") or weft.is(err, "cancelled"), tostring(err))
    assert.truthy(job:traceback() == nil or job:traceback():find "cancelled")
  end)

  it("cannot be cancelled when it is over, though nobody was told yet", function()
    local ch, over = weft.channel(1), weft.buffer("i32", 1)
    local thread = weft.thread(function(c, b)
      local w = require "weft"
      local gate = w.channel()
      local job = w.go(function() return gate:recv() end)
      c:send(job)
      w.sleep(0.001)
      gate:send "done"
      job:join()
      w.sleep(0.001)
      b:store(1, 1)
    end, ch, over)
    local job = ch:recv()
    while over:load(1) == 0 do end -- no turn of the loop: the mail lies there
    assert.is_false(job:cancel())
    assert.equal("done", job:join())
    thread:join()
  end)

  it("is cancelled with a reason that can travel", function()
    local ch = weft.channel(1)
    local thread = weft.thread(function(c)
      local w = require "weft"
      local job = w.go(w.sleep, 1000)
      c:send(job)
      local ok, err = job:result()
      return ok, err.reason
    end, ch)
    local job = ch:recv()
    helper.raises("cannot cross", job.cancel, job, coroutine.create(print))
    assert.is_true(job:cancel { why = 1 })
    local ok, reason = thread:join()
    assert.same({ false, { why = 1 } }, { ok, reason })
  end)

  it("tells who asked last, and first, when both end at once", function()
    local jobs, lookers = {}, {}
    for i = 1, 20 do
      jobs[i] = weft.go(function()
        weft.sleep(i % 3 * 1e-4)
        return i
      end)
      lookers[i] = weft.spawn(function(job) return job:join() end, jobs[i])
    end
    for i = 1, 20 do assert.equal(i, lookers[i]:join()) end
  end)
end)

describe("core.watch", function()
  it("takes a job and a channel", function()
    local job = weft.go(weft.yield)
    helper.raises("weft.channel expected", core.watch, job, {}, 1)
    helper.raises("value expected", core.watch, job, weft.channel(1))
    job:wait()
    assert.is_false(core.watch(job, weft.channel(1), 1))
    helper.raises("weft.job expected", core.watch, {}, weft.channel(1), 1)
  end)
end)

describe("weft.set", function()
  it("refuses what makes no sense, and has done nothing then", function()
    local nan = 0 / 0
    for text, opts in pairs {
      ["option 'env': table expected"] = { env = 5 },
      ["option 'env': its keys are names"] = { env = { "x" } },
      ["option 'env': '' is no name"] = { env = { [""] = "x" } },
      ["option 'env': 'A=B' is no name"] = { env = { ["A=B"] = "x" } },
      ["option 'env': 'A"] = { env = { ["A\0B"] = "x" } },
      ["'WEFT_X' is a string without zeros, or false"] = { env = { WEFT_X = "a\0b" } },
      ["'WEFT_Y' is a string without zeros, or false"] = { env = { WEFT_Y = true } },
      ["'WEFT_Z' is a string without zeros, or false"] = { env = { WEFT_Z = 5 } },
      ["option 'limits': table expected, got number"] = { limits = 5 },
      ["option 'limits': its keys are names"] = { limits = { 5 } },
      ["no limit is called 'files'"] = { limits = { files = 5 } },
      ["'nofile' has no soft"] = { limits = { nofile = { hard = 5 } } },
      ["'core' is an integer >= 0, math.huge, or a table"] = { limits = { core = -1 } },
      ["'cpu' is an integer >= 0"] = { limits = { cpu = 1.5 } },
      ["'data' is an integer >= 0"] = { limits = { data = "x" } },
      ["'stack' is an integer >= 0"] = { limits = { stack = { soft = nan } } },
      ["'rss' has a soft limit above the hard one"] = { limits = { rss = { soft = 2, hard = 1 } } },
      ["option 'affinity'"] = { affinity = {} },
    } do helper.raises(text, weft.set, opts) end
    local many = {}
    for i = 1, 2000 do many[i] = i end
    helper.raises("option 'affinity'", weft.set, { affinity = many })
    for _, name in ipairs { "WEFT_X", "WEFT_Y", "WEFT_Z" } do assert.is_nil(os.getenv(name)) end
    helper.raises("option 'groups'", weft.exec, { "true", groups = 5 })
    for _, g in ipairs { -1, 2 ^ 32, 1.5, "x" } do helper.raises("item 1 is not a group", weft.exec, { "true", groups = { g } }) end
  end)

  it("sets and removes variables, sets limits", function()
    helper.run_ok [[
      local weft = require "weft"
      assert(weft.set { env = { WEFT_A = "1", WEFT_B = "2" } })
      assert(os.getenv "WEFT_A" == "1" and os.getenv "WEFT_B" == "2")
      assert(weft.set { env = { WEFT_A = false } })
      assert(os.getenv "WEFT_A" == nil)
      assert(weft.set { limits = { core = { soft = 0, hard = 0 }, cpu = math.huge } })
      assert(weft.info().limits.core.hard == 0)
      local ok, _, code = weft.set { limits = { core = { soft = 1, hard = 2 } } }
      assert(ok or code == "EPERM", code)
      assert(weft.set { policy = "batch" })
      assert(weft.set { policy = "other", priority = 0 })
    ]]
  end)
end)
