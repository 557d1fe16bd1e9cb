-- Whatever waits keeps what it waits for: handles that nobody else has are dropped while an operation on them is pending, at
-- every step of it, and everything is collected then. The operation ends as ever. (Files: fs_fault_spec; connections:
-- net_fault_spec.)

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop of this thread stays
weft.signal("SIGUSR1"):close()
weft.process(function() end):join()
weft.blocking(function() end)

after_each(function() weft.wait() end)

-- Each starts something that waits, in tasks that alone have the handle, and returns what lets it go on; a task sends what
-- came of it to `out`.
local cases = {
  ["a receive"] = function(out)
    local ch = weft.channel()
    weft.go(function() out:send((ch:recv())) end)
    return function() ch:send "value" end, "value"
  end,
  ["a send"] = function(out)
    local ch = weft.channel()
    weft.go(function()
      ch:send { "value" }
      out:send "sent"
    end)
    return function() assert.equal("value", ch:recv()[1]) end, "sent"
  end,
  ["a send to a channel that nobody else has"] = function(out)
    weft.go(function()
      local ch = weft.channel()
      weft.go(function() out:send((ch:recv())[1]) end)
      weft.yield()
      ch:send { "value" }
    end)
    return nil, "value"
  end,
  ["a select"] = function(out)
    local a = weft.channel()
    weft.go(function()
      local job = weft.go(weft.sleep, 60)
      local index, value = weft.select { { weft.channel() }, { a }, { weft.channel(), send = {} }, { job } }
      job:cancel()
      out:send(index .. value)
    end)
    return function() a:send "value" end, "2value"
  end,
  ["a join of a task"] = function(out)
    local ch = weft.channel()
    weft.go(function() out:send(weft.go(function() return ch:recv() end):join()) end)
    return function() ch:send "value" end, "value"
  end,
  ["a join of an isolate"] = function(out)
    local ch = weft.channel()
    weft.go(function() out:send(weft.spawn(function(c) return c:recv() end, ch):join()) end)
    return function() ch:send "value" end, "value"
  end,
  ["a join of a thread"] = function(out)
    local ch = weft.channel()
    weft.go(function() out:send(weft.thread(function(c) return c:recv() end, ch):join()) end)
    return function() ch:send "value" end, "value"
  end,
  ["a worker process"] = function(out)
    weft.go(function() out:send(weft.process(function(v) return v end, "value"):join()) end)
    return nil, "value"
  end,
  ["a thread that nobody has"] = function(out)
    local ch = weft.channel()
    weft.thread(function(c, o) o:send((c:recv())) end, ch, out):detach()
    return function() ch:send "value" end, "value"
  end,
  ["a lock"] = function(out)
    local go = weft.channel()
    weft.go(function()
      local m = weft.mutex()
      m:lock()
      weft.go(function() m:with(function() out:send "locked" end) end)
      go:recv()
      m:unlock()
    end)
    return function() go:send(true) end, "locked"
  end,
  ["a condition"] = function(out)
    local go = weft.channel()
    weft.go(function()
      local m = weft.mutex()
      local c = weft.condition()
      weft.go(function()
        m:lock()
        c:wait(m)
        m:unlock()
        out:send "signalled"
      end)
      go:recv()
      c:broadcast()
    end)
    return function() go:send(true) end, "signalled"
  end,
  ["an event"] = function(out)
    local go = weft.channel()
    weft.go(function()
      local e = weft.event()
      weft.go(function()
        e:wait()
        out:send "set"
      end)
      go:recv()
      e:set()
    end)
    return function() go:send(true) end, "set"
  end,
  ["an element of a buffer"] = function(out)
    local go = weft.channel()
    weft.go(function()
      local b = weft.buffer("i64", 100)
      weft.go(function() out:send(b:slice(7, 7):wait(1, 0) and "woken") end)
      go:recv()
      b:wake(7)
    end)
    return function() go:send(true) end, "woken"
  end,
  ["a ticker"] = function(out)
    weft.go(function() out:send(weft.ticker(0.001):recv() and "tick") end)
    return nil, "tick"
  end,
  ["a signal"] = function(out)
    local watched = weft.channel(1)
    weft.go(function()
      local s <close> = weft.signal "SIGUSR1"
      watched:send(true)
      out:send(s:recv() and "signal")
    end)
    return function()
      watched:recv()
      weft.exec({ "kill", "-USR1", tostring(weft.info().pid) }):wait()
    end, "signal"
  end,
  ["a time-out"] = function(out)
    weft.go(function() out:send(select(2, pcall(weft.timeout, 0.001, weft.sleep, 60)).kind) end)
    return nil, "timeout"
  end,
  ["a child"] = function(out)
    weft.go(function() out:send(weft.exec({ "sh", "-c", "exit 7" }):wait().code) end)
    return nil, 7
  end,
  ["the output of a child"] = function(out)
    weft.go(function()
      local stdout
      do
        local c = weft.exec { "sh", "-c", "echo text", stdout = "pipe" }
        stdout = c.stdout
        weft.go(function() c:wait() end)
      end
      out:send(stdout:read "a")
    end)
    return nil, "text\n"
  end,
  ["the input of a child"] = function(out)
    weft.go(function()
      local stdin, stdout
      do
        local c = weft.exec { "cat", stdin = "pipe", stdout = "pipe" }
        stdin, stdout = c.stdin, c.stdout
        weft.go(function() c:wait() end)
      end
      weft.go(function()
        stdin:write(("x"):rep(300000))
        stdin:close()
      end)
      out:send(#stdout:read "a")
    end)
    return nil, 300000
  end,
  ["a connection"] = function(out)
    weft.go(function()
      local server = weft.net.listen("127.0.0.1", 0)
      weft.go(function()
        local conn <close> = server:accept()
        server:close()
        conn:write(conn:read "L")
      end)
      local conn <close> = weft.net.connect(server:sockname())
      conn:write "text\n"
      out:send(conn:read "l")
    end)
    return nil, "text"
  end,
  ["a look-up of a name"] = function(out)
    weft.go(function() out:send(weft.dns.resolve("127.0.0.1")[1].address) end)
    return nil, "127.0.0.1"
  end,
  ["a blocking call"] = function(out)
    weft.go(function() out:send(weft.blocking(function(v) return v end, "value")) end)
    return nil, "value"
  end,
  ["a generator"] = function(out)
    local ch = weft.channel()
    weft.go(function() out:send(coroutine.wrap(function() coroutine.yield((ch:recv())) end)()) end)
    return function() ch:send "value" end, "value"
  end,
  ["a scope"] = function(out)
    local ch = weft.channel()
    weft.go(function()
      out:send(weft.scope(function(s)
        local job = s:go(function() return ch:recv() end)
        s:go(weft.yield)
        return job:join()
      end))
    end)
    return function() ch:send "value" end, "value"
  end,
}

describe("an operation whose handle is dropped at any step ends as ever:", function()
  for name, start in pairs(cases) do
    it(name, function()
      local rounds = helper.scale(60, 6)
      for step = 0, rounds - 1 do
        local out = weft.channel(1)
        local finish, wanted = start(out)
        for _ = 1, step do
          weft.yield()
          if step % 2 == 0 then collectgarbage "step" end
        end
        collectgarbage()
        if finish then weft.go(finish) end
        finish = nil -- luacheck: ignore 311 (dropped)
        collectgarbage()
        local got = weft.timeout(60, out.recv, out)
        assert.equal(wanted, got)
      end
      helper.injected(rounds)
    end)
  end
end)
