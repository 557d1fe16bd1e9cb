-- Handles of threads: what was wrong with them as long as a handle could be collected before its thread had
-- ended, and with threads that are cancelled at an unlucky moment.

local helper = require "spec.helper"
local weft = require "weft"

describe("the handle of a thread", function()
  it("may be used by a finaliser that runs after its own", function()
    assert.equal("end\n", helper.run_ok [[
      local weft = require "weft"
      do
        local t = setmetatable({}, { __gc = function(t)
          pcall(t.job.status, t.job) pcall(t.job.join, t.job) pcall(t.job.wait, t.job, 0) pcall(t.job.cancel, t.job)
          pcall(t.job.detach, t.job) pcall(t.job.traceback, t.job) pcall(function() return t.job.name, t.job.id end)
          pcall(weft.select, { { t.job } })
          assert(tostring(t.job):find "^weft.job thread")
        end })
        t.job = weft.thread(function() return 1 end)
        t.job:wait()
      end
      collectgarbage() collectgarbage()
      print "end"
    ]])
  end)

  it("is good in <close> handlers while the state closes", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      weft.go(function()
        local job <close> = weft.thread(function() weft.sleep(1000) end)
        local _ <close> = setmetatable({}, { __close = function()
          print(job:status(), job:cancel "why", (job:result()), job:status())
        end })
        weft.sleep(1000)
      end):detach()
      weft.yield()
    ]]
    assert.equal(0, code, err)
    assert.equal("running\ttrue\tfalse\tcancelled\n", out)
  end)

  it("reports a failure after the state has begun to close", function()
    local dir = helper.tmpdir()
    local _, err, code = helper.run_script([[
      local weft = require "weft"
      weft.thread({ name = "sour" }, function(file)
        local _ <close> = setmetatable({}, { __close = function() error "while cleaning up" end })
        io.open(file, "w"):close()
        weft.sleep(1000)
      end, arg[1])
      while not io.open(arg[1]) do weft.sleep(0.001) end
    ]], { args = { dir .. "/begun" } })
    helper.remove_dir(dir)
    assert.equal(0, code)
    if helper.close_yields then assert.truthy(err:find("while cleaning up", 1, true), err) end
    assert.truthy(err:find("sour", 1, true), err)
  end)

  it("wakes weft.all, weft.completed and weft.race", function()
    local function threads() return { weft.thread(function() return 1 end), weft.thread(function() return 2 end) } end
    assert.same({ 1, 2, n = 2 }, weft.all(threads()))
    local sum = 0
    for job in weft.completed(threads()) do sum = sum + job:join() end
    assert.equal(3, sum)
    local i, v = weft.race(threads())
    assert.equal(i, v)
  end)

  it("of a thread that nobody holds is kept until the end", function()
    local ended = 0
    for _ = 1, 5 do
      weft.thread(function() return "x" end):on_done(function(ok, v)
        if ok and v == "x" then ended = ended + 1 end
      end)
    end
    helper.collect()
    weft.wait()
    assert.equal(5, ended)
  end)
end)

describe("a thread cancelled", function()
  it("before its function begins is cancelled, not failed", function()
    for i = 1, helper.scale(100, 10) do
      local job = weft.thread(function() weft.sleep(1000) end)
      job:cancel(i)
      local ok, err = job:result()
      assert.is_false(ok)
      assert.equal("cancelled", job:status())
      assert.equal("cancelled", err.kind)
      assert.equal(i, err.reason)
    end
  end)

  it("stops its tasks, too, those that swallow it and spin", function()
    local job = weft.thread(function()
      weft.go(function()
        pcall(weft.sleep, 1000)
        while true do end
      end)
      weft.sleep(1000)
    end)
    weft.sleep(0.01)
    job:cancel()
    assert.is_true(job:wait(60))
    assert.equal("cancelled", job:status())
  end)

  it("while it waits, swallows it and spins", function()
    local job = weft.thread(function()
      weft.go(function() weft.yield() end):join() -- another coroutine was the last to run
      pcall(weft.sleep, 1000)
      while true do pcall(error) end
    end)
    weft.sleep(0.01)
    job:cancel()
    assert.is_true(job:wait(60))
    assert.equal("cancelled", job:status())
  end)

  it("under waits that lie one on the other on its stack", function()
    local job = weft.thread(function()
      for _ = 1, 3 do
        weft.go(table.sort, { 1, 2, 3 }, function(a, b)
          weft.sleep(1000)
          return a < b
        end)
      end
      weft.sleep(1000)
    end)
    weft.sleep(0.01)
    job:cancel()
    assert.is_true(job:wait(60))
    assert.equal("cancelled", job:status())
  end)

  it("with a reason that its state cannot make is cancelled without", function()
    weft.register("spec.only_here", { __name = "spec.only_here" })
    local meta = {}
    weft.register("spec.only_here_too", meta)
    local job = weft.thread(function() weft.sleep(1000) end)
    job:cancel(setmetatable({}, meta))
    local _, err = job:result()
    assert.equal("cancelled", err.kind)
    assert.is_nil(err.reason)
  end)
end)

describe("an error of a thread that cannot travel", function()
  it("is told by its text and by what kept it back", function()
    local _, err = weft.thread(function() error(setmetatable({}, { __tostring = function() return "my text" end })) end):result()
    assert.truthy(tostring(err):find("my text", 1, true))
    assert.truthy(tostring(err):find("not registered", 1, true))
    _, err = weft.thread(function() error(coroutine.create(print)) end):result()
    assert.truthy(tostring(err):find("thread: ", 1, true))
    assert.truthy(tostring(err):find("a coroutine cannot cross", 1, true))
  end)
end)

describe("os.exit of a thread", function()
  local function exits(script)
    local _, err, code = helper.run_script("local weft = require 'weft'\n" .. script)
    assert.equal(3, code, err)
  end

  it("ends a main chunk that waits", function() exits "weft.thread(function() os.exit(3) end) weft.sleep(1000)" end)
  it("ends a main chunk that spins", function() exits "weft.thread(function() os.exit(3) end) while true do end" end)
  it("ends a main chunk that is in a C function", function()
    exits "weft.thread(function() os.exit(3) end) local s = ('x'):rep(300) s:find(('.-'):rep(20) .. 'y')"
  end)
  it("ends from a thread of a thread", function()
    exits "weft.thread(function() weft.thread(function() os.exit(3) end) weft.sleep(1000) end) weft.sleep(1000)"
  end)
  it("ends although caught", function()
    exits "weft.thread(function() while true do pcall(os.exit, 3) end end) weft.sleep(1000)"
  end)
end)
