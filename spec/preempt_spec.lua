-- weft.preempt: tasks that never call weft take turns all the same.

local helper = require "spec.helper"

-- TSan holds asynchronous signals back until the program calls something that it intercepts; a loop never does.
local it = helper.sanitizer == "tsan" and pending or it

local function run(source)
  return helper.run_ok([[local weft = require "weft"
    local function spin(n) local x = 0 for i = 1, n do x = x + i % 7 end return x end
  ]] .. source)
end

describe("weft.preempt", function()
  it("lets tasks that only count take turns", function()
    assert.equal("true\ttrue\n", run [[
      weft.preempt(0.001)
      local stop
      local a = weft.go(function() while not stop do end return true end)
      local b = weft.go(function() weft.sleep(0.002) stop = true return true end)
      print(a:join(), b:join())
    ]])
  end)

  it("keeps what generators, comparators, metamethods and protected calls compute", function()
    assert.equal("ok\n", run [[
      weft.preempt(0.001)
      local want, jobs = spin(2e5), {}
      for i = 1, 8 do
        jobs[i] = weft.go(function()
          local values = coroutine.wrap(function() for _ = 1, 20 do coroutine.yield(spin(2e5)) end end)
          local object = setmetatable({}, { __index = function() return spin(2e5) end })
          for _ = 1, 20 do
            assert(values() == want)
            assert(object.x == want)
            local ok, v = pcall(spin, 2e5)
            assert(ok and v == want)
          end
          local list = {}
          for k = 1, 3000 do list[k] = (k * 7919) % 3001 end
          table.sort(list, function(x, y) return x < y end)
          for k = 2, #list do assert(list[k - 1] <= list[k]) end
          assert(("x"):rep(50):gsub("x", function() return spin(2000) > 0 and "y" end) == ("y"):rep(50))
        end)
      end
      weft.all(jobs)
      print "ok"
    ]])
  end)

  it("lets a cancellation stop what spins, also where it is caught", function()
    assert.equal("plain\tcancelled\ncaught\tcancelled\ngenerator\tcancelled\nmetamethod\tcancelled\n", run [[
      weft.preempt(0.001)
      local function forever() while true do end end
      for _, case in ipairs {
        { "plain", forever },
        { "caught", function() while true do pcall(forever) end end },
        { "generator", function() coroutine.wrap(forever)() end },
        { "metamethod", function() return setmetatable({}, { __index = forever }).x end },
      } do
        local job = weft.go(case[2])
        weft.sleep(0.003)
        job:cancel()
        job:wait()
        print(case[1], job:status())
      end
    ]])
  end)

  it("can be switched off, and the script still ends while a task spins", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      print(weft.preempt(0.001), weft.preempt(false))
      weft.go(function() while true do pcall(function() while true do end end) end end)
      print "end"
    ]]
    assert.equal("true\ttrue\nend\n", out)
    assert.truthy(err:find("1 job still ran", 1, true))
    assert.equal(0, code)
  end)

  it("leaves a hook of the script's own alone", function()
    assert.equal("true\n", run [[
      weft.preempt(0.001)
      local lines = 0
      local job = weft.go(function()
        debug.sethook(function() lines = lines + 1 end, "l")
        for _ = 1, 1000 do
          spin(1000)
        end
        debug.sethook()
      end)
      job:join()
      print(lines > 1000)
    ]])
  end)

  it("works in a thread", function()
    assert.equal("true\n", run [[
      print(weft.thread(function()
        local w = require "weft"
        w.preempt(0.001)
        local stop
        w.go(function() while not stop do end end)
        w.sleep(0.002)
        stop = true
        w.wait()
        return true
      end):join())
    ]])
  end)

  it("refuses what is no slice", function()
    local weft = require "weft"
    helper.raises("#1", weft.preempt)
    helper.raises("#1", weft.preempt, 0)
    helper.raises("#1", weft.preempt, -1)
    helper.raises("#1", weft.preempt, 0 / 0)
    helper.raises("#1", weft.preempt, 61)
    helper.raises("#1", weft.preempt, "x")
  end)
end)
