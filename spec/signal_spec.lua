-- weft.signal, weft.ticker, weft.every: what is received from like from a channel, but sent to by nobody.

local helper = require "spec.helper"
local weft = require "weft"

local PID = tonumber(helper.read_file "/proc/self/stat":match "^%d+")
local function raise(name) assert(os.execute(("kill -%s %d"):format(name, PID))) end

weft.signal("SIGUSR1"):close() -- the loop stays once it is used
weft.sleep(0.001)

describe("a signal", function()
  it("is received like a value", function()
    local s <close> = weft.signal "SIGUSR1"
    raise "USR1"
    local name, ok = s:recv()
    assert.equal("SIGUSR1", name)
    assert.is_true(ok)
    local none, is, why = s:try_recv()
    assert.is_nil(none)
    assert.is_false(is)
    assert.equal("empty", why)
  end)

  it("wakes who waits", function()
    local s <close> = weft.signal "SIGUSR1"
    local job = weft.go(function() return s:recv() end)
    weft.yield()
    raise "USR1"
    assert.equal("SIGUSR1", (job:join()))
  end)

  it("can be chosen by select, beside others", function()
    local a <close>, ch = weft.signal "SIGUSR1", weft.channel()
    local b <close> = weft.signal "SIGUSR2"
    assert.same({ n = 2, nil, "timeout" }, table.pack(weft.select { { a }, { ch }, timeout = 0.001 }))
    assert.same({ n = 2, nil, "default" }, table.pack(weft.select { { a }, default = true }))
    raise "USR2"
    assert.same({ 3, "SIGUSR2", true }, { weft.select { { a }, { ch }, { b }, timeout = 10 } })
    local job = weft.go(function() return weft.select { { ch }, { a } } end)
    weft.yield()
    raise "USR1"
    assert.same({ 2, "SIGUSR1", true }, { job:join() })
    job = weft.go(function() return weft.select { { ch }, { a } } end)
    weft.yield()
    ch:send "from the channel"
    assert.same({ 1, "from the channel", true }, { job:join() })
    raise "USR1"
    assert.equal("SIGUSR1", (a:recv()))
  end)

  it("gives to a loop until it is closed", function()
    local s, n = weft.signal "SIGUSR1", 0
    raise "USR1"
    for name in s do
      assert.equal("SIGUSR1", name)
      n = n + 1
      s:close()
    end
    s:close()
    assert.equal(1, n)
    assert.same({ nil, false }, { s:recv() })
    assert.equal("closed", select(3, s:try_recv()))
    assert.same({ 1, nil, false }, { weft.select { { s } } })
    assert.truthy(tostring(s):find "SIGUSR1, closed")
  end)

  it("wakes who waits when it is closed", function()
    local s = weft.signal "SIGUSR1"
    local one = weft.go(function() return s:recv() end)
    local two = weft.go(function() return weft.select { { s } } end)
    weft.yield()
    s:close()
    assert.same({ nil, false }, { one:join() })
    assert.same({ 1, nil, false }, { two:join() })
  end)

  it("is cancelled", function()
    local s <close> = weft.signal "SIGUSR1"
    local job = weft.go(function() s:recv() end)
    weft.yield()
    job:cancel()
    assert.is_false((job:result()))
    raise "USR1"
    assert.equal("SIGUSR1", (s:recv()))
  end)

  it("goes to every watcher", function()
    local a <close> = weft.signal "SIGUSR1"
    local b <close> = weft.signal "SIGUSR1"
    raise "USR1"
    assert.equal("SIGUSR1", (a:recv()))
    assert.equal("SIGUSR1", (b:recv()))
  end)

  it("is watched in a thread", function()
    local ready = weft.channel()
    local job = weft.thread(function()
      local s <close> = weft.signal "SIGUSR2"
      ready:send(true)
      return (s:recv())
    end)
    ready:recv()
    raise "USR2"
    assert.equal("SIGUSR2", job:join())
  end)

  it("storms without a wake lost", function()
    local s <close> = weft.signal "SIGUSR1"
    local n = helper.scale(300, 20)
    local job = weft.go(function()
      local got = 0
      while weft.select { { s }, timeout = 0.3 } == 1 do got = got + 1 end
      return got
    end)
    for _ = 1, n do
      raise "USR1"
      weft.yield()
    end
    local got = job:join()
    assert.truthy(got > 0 and got <= n)
  end)

  it("that is watched is no deadlock; one that is not is", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local s = weft.signal "SIGUSR1"
      weft.go(function() weft.sleep(0.02) os.execute "kill -USR1 $PPID" end)
      print(s:recv())
      s:close()
      print(weft.is(select(2, pcall(function() weft.channel():recv() end)), "deadlock"))
    ]])
    assert.equal("SIGUSR1\ttrue\ntrue\n", out)
  end)

  it("gives the host its handler back", function()
    local _, err, code, signal = helper.run_script([[
      local weft = require "weft"
      local s = weft.signal "SIGINT"
      io.popen("kill -INT $PPID"):close() -- os.execute ignores SIGINT meanwhile
      assert(s:recv() == "SIGINT")
      s:close()
      weft.go(function() weft.sleep(0.02) io.popen("kill -INT $PPID"):close() end)
      weft.sleep(20)
    ]])
    assert.is_nil(signal)
    assert.equal(1, code)
    assert.truthy(err:find "interrupted!", err)
  end)

  it("is one that there is", function()
    helper.raises("a signal's name", weft.signal, "SIGNONSENSE")
    helper.raises("string expected", weft.signal)
    helper.raises("weft's own", weft.signal, "SIGURG")
    helper.raises("a signal's name", weft.signal, "RTMIN")
    helper.fails("EINVAL", weft.signal, "SIGKILL")
    local s <close> = weft.signal "USR2"
    assert.truthy(tostring(s):find "SIGUSR2")
  end)
end)

describe("a ticker", function()
  it("ticks on its own clock, and late receivers get one tick", function()
    local t <close> = weft.ticker(0.002)
    local first = t:recv()
    weft.sleep(0.02)
    local second = t:recv()
    assert.truthy(second > first + 1)
    local third = t:recv()
    assert.truthy(third > second)
  end)

  it("can be chosen by select, and given up", function()
    local t <close>, ch = weft.ticker(0.002), weft.channel()
    assert.equal(2, (weft.select { { ch }, { t } }))
    assert.equal("timeout", select(2, weft.select { { weft.ticker(10) }, timeout = 0.001 }))
  end)

  it("does not keep others from being a deadlock when nobody waits for it", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local t = weft.ticker(0.001)
      t:recv()
      print(weft.is(select(2, pcall(function() weft.channel():recv() end)), "deadlock"))
    ]])
    assert.equal("true\n", out)
  end)

  it("ends by close", function()
    local t = weft.ticker(10)
    local job = weft.go(function() return t:recv() end)
    weft.yield()
    t:close()
    assert.same({ nil, false }, { job:join() })
    assert.truthy(tostring(t):find "closed")
    helper.raises("period", weft.ticker, 0)
  end)
end)

describe("every", function()
  it("calls until false comes back", function()
    local n = 0
    local job = weft.every(0.001, function(step)
      n = n + step
      return n < 6
    end, 2)
    job:join()
    assert.equal(6, n)
  end)

  it("is a job: cancelled, failed", function()
    local job = weft.every(0.001, function() end)
    weft.sleep(0.005)
    job:cancel()
    assert.equal("cancelled", (job:result()) == false and job:status())
    assert.truthy(job.name:find "every")
    local bad = weft.every(0.001, function() error "in every" end)
    assert.truthy(select(2, bad:result()):find "in every")
    helper.raises("function expected", weft.every, 1, "x")
  end)
end)
