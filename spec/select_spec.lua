-- weft.select: which case is served, what it gives, and that the other cases are as if it had not been.

local helper = require "spec.helper"
local weft = require "weft"

local function cross(ch)
  weft.thread(function() end, ch):join()
  return ch
end

local function settle()
  for _ = 1, 5 do weft.yield() end
end

-- Channels of this isolate alone, channels that have crossed, and one of each in turn.
local mixes = {
  private = function() return weft.channel end,
  crossed = function() return function(...) return cross(weft.channel(...)) end end,
  mixed = function()
    local n = 0
    return function(...)
      n = n + 1
      return n % 2 == 0 and cross(weft.channel(...)) or weft.channel(...)
    end
  end,
}

for mix, maker in pairs(mixes) do
  describe("select on " .. mix .. " channels", function()
    local channel = maker()

    it("receives from the one that has something", function()
      local a, b = channel(1), channel(1)
      b:send "x"
      assert.same({ n = 3, 2, "x", true }, table.pack(weft.select { { a }, { b } }))
      a:send(nil)
      assert.same({ n = 3, 1, nil, true }, table.pack(weft.select { { a }, { b } }))
    end)

    it("sends to the one that has room", function()
      local a, b = channel(), channel(1)
      assert.same({ n = 2, 2, true }, table.pack(weft.select { { a, send = 1 }, { b, send = "v" } }))
      assert.same({ "v", true }, { b:try_recv() })
      assert.same({ n = 2, 1, true }, table.pack(weft.select { { b, "send", nil } }))
      assert.same({ n = 2, nil, true }, table.pack(b:try_recv()))
      assert.same({ n = 2, 1, true }, table.pack(weft.select { { b, send = false } }))
      assert.same({ false, true }, { b:try_recv() })
    end)

    it("waits until a sender comes", function()
      local a, b = channel(), channel()
      local job = weft.go(function() return weft.select { { a }, { b } } end)
      settle()
      assert.equal("waiting", job:status())
      b:send { "v" }
      assert.same({ n = 3, 2, { "v" }, true }, table.pack(job:join()))
      assert.same({ false, "full" }, { a:try_send(1) }) -- nobody waits there any more
    end)

    it("waits until a receiver comes", function()
      local a, b = channel(), channel()
      local job = weft.go(function() return weft.select { { a, send = "to a" }, { b, send = "to b" } } end)
      settle()
      assert.same({ "to b", true }, { b:recv() })
      assert.same({ n = 2, 2, true }, table.pack(job:join()))
      assert.same({ n = 3, nil, false, "empty" }, table.pack(a:try_recv()))
    end)

    it("waits until there is room", function()
      local a, b = channel(1), channel(1)
      a:send "full"
      b:send "full"
      local job = weft.go(function() return weft.select { { a, send = "a" }, { b, send = { "b" } } } end)
      settle()
      assert.equal("full", (b:recv()))
      assert.same({ 2, true }, { job:join() })
      assert.same({ "b" }, (b:recv()))
      assert.equal("full", (a:recv()))
      assert.same({ n = 3, nil, false, "empty" }, table.pack(a:try_recv()))
    end)

    it("meets another select, either way", function()
      for _ = 1, 10 do
        local a, b = channel(), channel()
        local sender = weft.go(function() return weft.select { { a, send = "x" }, { b, send = "y" } } end)
        local receiver = weft.go(function() return weft.select { { b }, { a } } end)
        local i = sender:join()
        local k, v = receiver:join()
        assert.equal(i == 1 and 2 or 1, k)
        assert.equal(i == 1 and "x" or "y", v)
      end
    end)

    it("does not meet itself", function()
      local ch = channel()
      local job = weft.go(function() return weft.select { { ch, send = "own" }, { ch } } end)
      settle()
      assert.equal("waiting", job:status())
      assert.equal("own", (ch:recv()))
      assert.same({ n = 2, 1, true }, table.pack(job:join()))
      job = weft.go(function() return weft.select { { ch, send = "own" }, { ch } } end)
      settle()
      ch:send "other's"
      assert.same({ n = 3, 2, "other's", true }, table.pack(job:join()))
    end)

    it("may name a channel more than once", function()
      local ch = channel()
      local job = weft.go(function() return weft.select { { ch }, { ch }, { ch } } end)
      settle()
      ch:send "v"
      local i, v, ok = job:join()
      assert.is_true(i >= 1 and i <= 3)
      assert.same({ "v", true }, { v, ok })
      assert.same({ false, "full" }, { ch:try_send(1) })
    end)

    it("picks any of those that are ready, sooner or later", function()
      local seen = {}
      local a, b, c = channel(1), channel(1), channel(1)
      for _ = 1, 300 do
        a:try_send(1)
        b:try_send(1)
        c:try_recv()
        seen[weft.select { { a }, { b }, { c, send = 1 } }] = true
      end
      assert.same({ true, true, true }, seen)
    end)

    it("learns of a closed channel at once, and while it waits", function()
      local a, b = channel(), channel()
      b:close()
      assert.same({ n = 3, 2, nil, false }, table.pack(weft.select { { a }, { b } }))
      helper.raises_kind("closed", weft.select, { { a }, { b, send = 1 } })
      local c = channel()
      local receiver = weft.go(function() return weft.select { { a }, { c } } end)
      local sender = weft.go(function() return weft.select { { a }, { c, send = 1 } } end)
      settle()
      if receiver:status() == "waiting" then -- else the two have met
        c:close()
        assert.same({ n = 3, 2, nil, false }, table.pack(receiver:join()))
        helper.raises_kind("closed", sender.join, sender)
      end
      local d = channel()
      receiver = weft.go(function() return weft.select { { a }, { d } } end)
      settle()
      d:close()
      assert.same({ n = 3, 2, nil, false }, table.pack(receiver:join()))
      local e = channel()
      sender = weft.go(function() return weft.select { { a }, { e, send = { 1 } } } end)
      settle()
      e:close()
      local err = helper.raises_kind("closed", sender.join, sender)
      assert.truthy(tostring(err):find("case 2", 1, true))
    end)

    it("gives up at its time-out, and nothing is left of it", function()
      local a, b = channel(), channel()
      assert.same({ n = 2, nil, "timeout" }, table.pack(weft.select { { a }, { b, send = 1 }, timeout = 0.002 }))
      assert.same({ n = 2, nil, "timeout" }, table.pack(weft.select { { a }, { b, send = 1 }, timeout = 0 }))
      assert.same({ false, "full" }, { a:try_send(1) })
      assert.same({ n = 3, nil, false, "empty" }, table.pack(b:try_recv()))
    end)

    it("never waits with a default", function()
      local a, b = channel(), channel(1)
      assert.same({ n = 2, nil, "default" }, table.pack(weft.select { { a }, { a, send = 1 }, default = true }))
      assert.same({ n = 2, 2, true }, table.pack(weft.select { { a }, { b, send = 1 }, default = true }))
      assert.same({ n = 3, 2, 1, true }, table.pack(weft.select { { a }, { b }, default = true, timeout = 5 }))
    end)

    it("does not take a value that it is too late for", function()
      local a, b = channel(1), channel(1)
      local job = weft.go(function() return pcall(weft.timeout, 0.001, weft.select, { { a }, { b } }) end)
      assert.is_false((job:join()))
      a:send "still there"
      b:send "too"
      assert.equal("still there", (a:recv()))
      assert.equal("too", (b:recv()))
    end)

    it("is cancelled in the middle, and leaves its channels alone", function()
      local a, b = channel(), channel()
      local job = weft.go(function() weft.select { { a }, { b, send = { 1 } } } end)
      settle()
      job:cancel()
      job:wait()
      assert.equal("cancelled", job:status())
      assert.same({ false, "full" }, { a:try_send(1) })
      assert.same({ n = 3, nil, false, "empty" }, table.pack(b:try_recv()))
    end)

    it("waits for jobs and channels together", function()
      local ch = channel()
      local quick = weft.go(function()
        weft.sleep(0.001)
        return "a", nil, "c"
      end)
      assert.same({ n = 5, 2, true, "a", nil, "c" }, table.pack(weft.select { { ch }, { quick } }))
      assert.same({ n = 5, 1, true, "a", nil, "c" }, table.pack(weft.select { { quick }, { ch } }))
      local slow = weft.go(weft.sleep, 1e6)
      weft.go(ch.send, ch, "v")
      assert.same({ n = 3, 2, "v", true }, table.pack(weft.select { { slow }, { ch } }))
      slow:cancel()
    end)

    it("takes many cases", function()
      -- TSan knows 64 locks at once at the most; a select holds those of all its channels.
      local n, cases = helper.sanitizer == "tsan" and 50 or 300, {}
      for i = 1, n do cases[i] = { channel(i % 2) } end
      local middle = n // 2
      cases[middle][1]:close()
      assert.same({ n = 3, middle, nil, false }, table.pack(weft.select(cases)))
      cases[middle] = { channel() }
      local job = weft.go(weft.select, cases)
      settle()
      cases[n][1]:send "last"
      assert.same({ n = 3, n, "last", true }, table.pack(job:join()))
    end)

    it("works in the main chunk, in a generator and where nothing can yield", function()
      local a, b = channel(), channel()
      local function receive() return (select(2, weft.select { { a }, { b } })) end
      for i = 1, 6 do weft.go((i % 2 == 0 and a or b).send, i % 2 == 0 and a or b, i) end
      local sum = receive() + coroutine.wrap(receive)()
      table.sort({ 1, 2 }, function(x, y)
        sum = sum + receive()
        return x < y
      end)
      local left = 21 - sum
      while left > 0 do left = left - receive() end
      assert.equal(0, left)
    end)

    it("leaves no memory behind", function()
      local a, b = channel(), channel(1)
      helper.no_growth(function()
        weft.select { { a }, { b, send = { 1 } }, default = true }
        local job = weft.go(function() weft.select { { a }, { b, send = { 2 } } } end)
        weft.yield()
        job:cancel()
        job:wait()
        b:try_recv()
        weft.select { { a }, { b }, timeout = 0 }
      end, { n = helper.scale(1000, 50), lua = 64 })
    end)
  end)
end

describe("select on jobs", function()
  it("gives what result gives", function()
    local ok = weft.go(function() return 1, nil end)
    assert.same({ n = 4, 1, true, 1, nil }, table.pack(weft.select { { ok } }))
    local bad = weft.go(error, { "e" })
    assert.same({ n = 3, 1, false, { "e" } }, table.pack(weft.select { { bad } }))
    local gone = weft.go(weft.sleep, 1e6)
    gone:cancel "why"
    local i, yes, err = weft.select { { gone } }
    assert.same({ 1, false, "why" }, { i, yes, err.reason })
  end)

  it("waits for the first of several, of any kind", function()
    local ch = weft.channel()
    local jobs = { weft.go(weft.sleep, 1e6), weft.thread(function(c) return (c:recv()) end, ch), weft.go(weft.sleep, 1e6) }
    local waits = weft.go(function() return weft.select { { jobs[1] }, { jobs[2] }, { jobs[3] } } end)
    settle()
    ch:send "from the thread"
    assert.same({ 2, true, "from the thread" }, { waits:join() })
    jobs[1]:cancel()
    jobs[3]:cancel()
  end)

  it("counts as a look at the failure", function()
    local out, err = helper.run_ok [[
      local weft = require "weft"
      local bad = weft.go(error, "looked at")
      weft.select { { bad } }
      bad = nil
      collectgarbage() collectgarbage()
    ]]
    assert.equal("", out .. err)
  end)

  it("leaves a job that it did not wait for to the end alone", function()
    helper.no_growth(function()
      local long = weft.go(weft.sleep, 1e6)
      for _ = 1, 5 do weft.select { { long }, timeout = 0 } end
      weft.select { { long }, { weft.go(function() end) } }
      long:cancel()
      long:wait()
    end, { n = helper.scale(500, 20), lua = 64 })
  end)
end)

describe("select without a case", function()
  it("waits out its time", function()
    assert.same({ n = 2, nil, "timeout" }, table.pack(weft.select { timeout = 0.001 }))
    assert.same({ n = 2, nil, "default" }, table.pack(weft.select { default = true }))
  end)

  it("names in a deadlock all that it waits for", function()
    local a, b = weft.channel(), weft.channel(1)
    b:send(1)
    local lone = weft.go(function() weft.select { { a }, { b, send = 2 } } end)
    local many = weft.go(function() weft.select { { a }, { a }, { a }, { a }, { a }, { a } } end)
    local _, err = pcall(weft.all, { lone, many })
    local text, name, other = tostring(err), "weft." .. tostring(a):match "channel %d+", "weft." .. tostring(b):match "channel %d+"
    local first = name .. " (0 of 0), "
    assert.truthy(text:find("waits in select for " .. first .. "to send to " .. other .. " (1 of 1) at ", 1, true), text)
    assert.truthy(text:find("waits in select for " .. first:rep(3) .. name .. " (0 of 0) and 2 more at ", 1, true), text)
    lone:cancel()
    many:cancel()
  end)

  it("is a deadlock else", function()
    helper.raises_kind("deadlock", weft.select, {})
  end)
end)

describe("select", function()
  it("may run code of the list's own meanwhile", function()
    local a, b = weft.channel(1), weft.channel(1)
    local list = setmetatable({ { a }, setmetatable({ b }, {
      __index = function(_, key)
        if key == "send" then
          weft.sleep(0) -- where it cannot yield
          a:try_send "meanwhile"
        end
      end,
    }) }, { __index = function() weft.sleep(0) end })
    assert.same({ n = 3, 1, "meanwhile", true }, table.pack(weft.select(list)))
  end)
end)

describe("the list of select", function()
  it("has no holes and no end of its own making", function()
    local ch = weft.channel(1)
    helper.raises("case 2: a table", weft.select, { { ch }, nil, { ch } })
    helper.raises("without holes", weft.select, { { ch }, [4] = { ch } })
    helper.raises("without holes", weft.select, { { ch }, [0] = { ch } })
    local many = {}
    for i = 1, 30001 do many[i] = { ch } end
    helper.raises("too many cases", weft.select, many)
    many[30001] = nil
    ch:send "one of 30000"
    assert.equal("one of 30000", select(2, weft.select(many)))
  end)

  it("may close or cross a channel of its own while it is read", function()
    for _, what in ipairs { "close", "cross" } do
      local a, b = weft.channel(1), weft.channel(1)
      local value = setmetatable({}, { __index = function() end })
      local list = { { a }, setmetatable({ b }, { __index = function(_, key)
        if key ~= "send" then return nil end
        if what == "close" then a:close() else weft.thread(function() end, a):join() end
      end }) }
      b:send(value)
      local i, v, ok = weft.select(list)
      if what == "close" and i == 1 then assert.same({ nil, false }, { v, ok })
      else assert.same({ 2, value, true }, { i, v, ok }) end
    end
  end)
end)
