-- Time: sleep, yield, now, nanotime; the order of timers; times that are none.

local helper = require "spec.helper"
local weft = require "weft"

describe("weft.sleep", function()
  it("never ends early", function()
    for _, s in ipairs { 0, 0.0001, 0.001, 0.01 } do
      local start = weft.now()
      weft.sleep(s)
      assert.is_true(weft.now() - start >= s)
    end
  end)

  it("lets others run meanwhile", function()
    local log = {}
    local job = weft.go(function()
      log[#log + 1] = "other"
      weft.yield()
      log[#log + 1] = "other again"
    end)
    weft.sleep(0.1) -- so that a machine which stalls for a moment changes nothing
    log[#log + 1] = "main"
    job:join()
    assert.same({ "other", "other again", "main" }, log)
  end)

  it("wakes sleepers in the order of their times", function()
    local began, ends, woken = {}, {}, {}
    for i = 1, 100 do
      weft.go(function()
        began[i] = weft.now()
        ends[i] = i * 37 % 101 * 0.0005
        weft.sleep(ends[i])
        woken[#woken + 1] = i
      end)
    end
    weft.wait()
    -- Sleeper i began after began[i], but before the next one.
    local latest = 0
    for _, i in ipairs(woken) do
      if i < 100 then assert.is_true(latest <= began[i + 1] + ends[i]) end
      latest = math.max(latest, began[i] + ends[i])
    end
    assert.equal(100, #woken)
  end)

  it("returns nothing", function()
    assert.equal(0, select("#", weft.sleep(0)))
    assert.equal(0, select("#", weft.sleep(0.0001)))
    assert.equal(0, weft.go(function() return select("#", weft.sleep(0.0001)) end):join())
  end)

  it("of zero lets the others have their turn", function()
    local ran
    weft.go(function() ran = true end)
    weft.sleep(0)
    assert.is_true(ran)
  end)

  it("refuses times that are none", function()
    for _, time in ipairs { -1, -1e-9, -math.huge, 0 / 0, "soon", {}, true, math.mininteger } do
      helper.raises("bad argument #1 to 'sleep'", function() weft.sleep(time) end)
      local ok, err = weft.go(function() weft.sleep(time) end):result()
      assert.is_false(ok)
      assert.truthy(err:find("bad argument #1 to 'sleep'", 1, true))
    end
    helper.raises("bad argument #1 to 'sleep'", function() weft.sleep() end)
    helper.raises("bad argument #1 to 'sleep'", function() weft.sleep(nil) end)
  end)

  it("takes numbers as Lua does", function()
    weft.sleep "0"
    weft.sleep(0)
    weft.sleep(-0.0)
    weft.sleep(5e-324)
  end)

  for _, time in ipairs { 1e9, 4.6e9, 9.3e9, 1.9e10, 1e300, math.huge, math.maxinteger } do
    it(("can be as long as %s seconds"):format(time), function()
      local job = weft.go(weft.sleep, time)
      local near = weft.go(weft.sleep, 0.001)
      near:join()
      assert.equal("waiting", job:status())
      job:cancel()
      job:wait()
      assert.equal("cancelled", job:status())
    end)
  end

  it("holds many sleepers", function()
    local n, woken = helper.scale(100000, 1000), 0
    for i = 1, n do
      weft.go(function()
        weft.sleep(i % 100 * 0.0001)
        woken = woken + 1
      end)
    end
    weft.wait()
    assert.equal(n, woken)
  end)

  it("is over for all whose time has passed while nobody looked", function()
    local jobs = {}
    for i = 1, 50 do jobs[i] = weft.go(weft.sleep, i * 0.00002) end
    weft.yield()
    local start = weft.now()
    repeat until weft.now() - start > 0.002 -- a long turn without a blocking call
    weft.sleep(0.0001)
    weft.yield() -- on a slow machine it was over when they were; then they are ready
    for _, job in ipairs(jobs) do assert.equal("done", job:status()) end
  end)
end)

describe("weft.yield", function()
  it("takes turns in a fixed order", function()
    local log = {}
    for _, name in ipairs { "a", "b", "c" } do
      weft.go(function()
        for _ = 1, 3 do
          log[#log + 1] = name
          weft.yield()
        end
      end)
    end
    weft.wait()
    assert.equal("abcabcabc", table.concat(log))
  end)

  it("comes back at once when nobody else is ready", function()
    assert.equal(0, select("#", weft.yield()))
    weft.go(function() for _ = 1, 1000 do weft.yield() end end):join()
  end)

  it("does not starve sleepers", function()
    local slept
    weft.go(function()
      weft.sleep(0.0005)
      slept = true
    end)
    while not slept do weft.yield() end
  end)
end)

describe("weft.now and weft.nanotime", function()
  it("are one clock, in seconds and in nanoseconds, that never goes back", function()
    local last = weft.nanotime()
    assert.equal("integer", math.type(last))
    assert.equal("float", math.type(weft.now()))
    for _ = 1, 1000 do
      local a, b = weft.now(), weft.nanotime()
      assert.is_true(b >= last)
      assert.is_true(a <= b * 1e-9 + 1e-6)
      last = b
    end
  end)
end)

describe("weft.cpus", function()
  it("is a whole number from 1", function()
    assert.equal("integer", math.type(weft.cpus()))
    assert.is_true(weft.cpus() >= 1)
  end)
end)

describe("weft.wait", function()
  it("returns when every task has finished, those that tasks start too", function()
    local n = 0
    local function chain(k)
      weft.sleep(0.0001)
      n = n + 1
      if k > 1 then weft.go(chain, k - 1) end
    end
    weft.go(chain, 20)
    weft.wait()
    assert.equal(20, n)
    weft.wait()
  end)

  it("does not wait for the task that calls it", function()
    local done = {}
    local job = weft.go(function()
      weft.go(function()
        weft.yield()
        done[1] = "child"
      end)
      weft.wait()
      done[2] = "waiter"
    end)
    job:join()
    assert.same({ "child", "waiter" }, done)
  end)

  it("raises nothing when tasks fail", function()
    local job = weft.go(error, "bad")
    weft.wait()
    assert.equal("failed", job:status())
    job:wait()
  end)
end)
