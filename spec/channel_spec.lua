-- Channels: rendezvous and bounded, closing, iterating, many at once; each test with a channel that belongs to
-- this isolate alone, and again with one that has crossed to another and only copies.

local helper = require "spec.helper"
local weft = require "weft"

-- What makes a channel cross: a thread has seen it.
local function cross(...)
  for _, ch in ipairs { ... } do assert.is_nil(weft.thread(function() end, ch):join()) end
  return ...
end

-- Lets every other task run until all wait.
local function settle()
  for _ = 1, 5 do weft.yield() end
end

local kinds = {
  { "private", function(...) return weft.channel(...) end },
  { "crossed", function(...) return (cross(weft.channel(...))) end },
}

for _, kind in ipairs(kinds) do
  local name, channel = kind[1], kind[2]
  local crossed = name == "crossed"

  describe("a " .. name .. " channel without capacity", function()
    it("hands a value from a sender to a receiver, whoever comes first", function()
      local ch = channel()
      local sender = weft.go(function() return ch:send "a" end)
      settle()
      assert.equal("waiting", sender:status())
      assert.same({ n = 2, "a", true }, table.pack(ch:recv()))
      assert.equal(0, select("#", sender:join()))
      local receiver = weft.go(function() return ch:recv() end)
      settle()
      assert.equal("waiting", receiver:status())
      ch:send "b"
      assert.same({ n = 2, "b", true }, table.pack(receiver:join()))
    end)

    it("keeps nothing", function()
      local ch = channel()
      assert.same({ false, "full" }, { ch:try_send(1) })
      assert.same({ n = 3, nil, false, "empty" }, table.pack(ch:try_recv()))
      assert.equal(0, #ch)
      assert.equal(0, ch:capacity())
      local sender = weft.go(ch.send, ch, 1)
      settle()
      assert.equal(0, #ch)
      assert.same({ 1, true }, { ch:try_recv() })
      sender:join()
    end)

    it("carries every kind of value that belongs to no isolate", function()
      local ch = channel()
      local values = table.pack(nil, false, true, 0, -1, math.mininteger, 1.5, -0.0, math.huge, "", "short", ("long"):rep(5000))
      weft.go(function()
        for i = 1, values.n do ch:send(values[i]) end
        ch:send(0 / 0)
        ch:close()
      end)
      for i = 1, values.n do
        local v, ok = ch:recv()
        assert.is_true(ok)
        assert.equal(values[i], v)
        assert.equal(math.type(values[i]), math.type(v))
      end
      local nan = ch:recv()
      assert.is_true(nan ~= nan)
      assert.same({ n = 2, nil, false }, table.pack(ch:recv()))
    end)

    it("serves senders in the order in which they came", function()
      local ch = channel()
      local order = {}
      for i = 1, 10 do
        weft.go(function()
          ch:send(i)
          order[#order + 1] = i
        end)
      end
      settle()
      for i = 1, 10 do
        assert.equal(i, (ch:recv()))
        settle()
      end
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
    end)

    it("serves receivers in the order in which they came", function()
      local ch = channel()
      local got = {}
      for i = 1, 10 do weft.go(function() got[i] = (ch:recv()) end) end
      settle()
      for i = 1, 10 do ch:send(i) end
      settle()
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, got)
    end)

    it("passes over who was cancelled or is out of time", function()
      local ch = channel()
      local gone = weft.go(function() ch:recv() end)
      local late = weft.go(function() return pcall(weft.timeout, 0.001, ch.recv, ch) end)
      local stays = weft.go(function() return (ch:recv()) end)
      settle()
      gone:cancel()
      assert.is_false((late:join()))
      ch:send "for the third"
      assert.equal("for the third", stays:join())

      local lost = weft.go(function() ch:send "lost" end)
      local kept = weft.go(function() ch:send "kept" end)
      settle()
      lost:cancel()
      assert.equal("kept", (ch:recv()))
      kept:join()
      assert.same({ n = 3, nil, false, "empty" }, table.pack(ch:try_recv()))
    end)
  end)

  describe("a " .. name .. " channel with capacity", function()
    it("keeps that many values, in order", function()
      local ch = channel(3)
      for i = 1, 3 do
        assert.is_true((ch:try_send(i)))
        assert.equal(i, #ch)
      end
      assert.same({ false, "full" }, { ch:try_send(4) })
      local sender = weft.go(ch.send, ch, 4)
      settle()
      assert.equal("waiting", sender:status())
      for i = 1, 4 do assert.same({ i, true }, { ch:try_recv() }) end
      assert.same({ n = 3, nil, false, "empty" }, table.pack(ch:try_recv()))
      sender:join()
      assert.equal(3, ch:capacity())
    end)

    it("keeps order through growth, wrapping and mixed kinds", function()
      local ch = channel(1000)
      local sent, got = 0, 0
      local function value(i)
        local k = i % 5
        return k == 0 and i or k == 1 and "s" .. i or k == 2 and { i } or k == 3 and nil or i % 2 == 0
      end
      for round = 1, 60 do
        for _ = 1, (round * 7) % 50 do
          if ch:try_send(value(sent + 1)) then sent = sent + 1 end
        end
        for _ = 1, (round * 11) % 50 do
          local v, ok = ch:try_recv()
          if not ok then break end
          got = got + 1
          assert.same(value(got), v)
        end
        assert.equal(sent - got, #ch)
      end
      for _ = got + 1, sent do
        got = got + 1
        assert.same(value(got), (ch:recv()))
      end
    end)

    it("may be endless", function()
      local ch = channel(math.maxinteger)
      for i = 1, 1000 do ch:send(i) end
      assert.equal(1000, #ch)
      assert.equal(math.maxinteger, ch:capacity())
      for i = 1, 1000 do assert.equal(i, (ch:recv())) end
    end)

    it("lets the next waiting sender in with every receive", function()
      local ch = channel(2)
      local sent = {}
      for i = 1, 6 do
        weft.go(function()
          ch:send(i)
          sent[#sent + 1] = i
        end)
      end
      settle()
      assert.same({ 1, 2 }, sent)
      for i = 1, 6 do
        assert.equal(i, (ch:recv()))
        settle()
        assert.equal(math.min(i + 2, 6), #sent)
      end
    end)

    it("does not hold on to what was received", function()
      if crossed then return end -- those hold copies
      local ch = channel(4)
      local weak = setmetatable({}, { __mode = "v" })
      for i = 1, 4 do
        weak[i] = { i }
        ch:send(weak[i])
      end
      helper.collect()
      for i = 1, 4 do assert.same({ i }, weak[i]) end
      for i = 1, 4 do assert.same({ i }, (ch:recv())) end
      helper.collect()
      assert.is_nil(next(weak))
    end)
  end)

  describe("closing a " .. name .. " channel", function()
    it("lets what was sent be received, then ends", function()
      local ch = channel(3)
      for i = 1, 3 do ch:send(i) end
      ch:close()
      assert.is_true(ch:is_closed())
      for i = 1, 3 do assert.same({ i, true }, { ch:recv() }) end
      for _ = 1, 2 do assert.same({ n = 2, nil, false }, table.pack(ch:recv())) end
      assert.same({ n = 3, nil, false, "closed" }, table.pack(ch:try_recv()))
    end)

    it("twice is harmless", function()
      local ch = channel()
      assert.is_false(ch:is_closed())
      ch:close()
      ch:close()
      assert.is_true(ch:is_closed())
    end)

    it("wakes all receivers with nothing", function()
      local ch = channel()
      local jobs = {}
      for i = 1, 5 do jobs[i] = weft.go(function() return ch:recv() end) end
      settle()
      ch:close()
      for i = 1, 5 do assert.same({ n = 2, nil, false }, table.pack(jobs[i]:join())) end
    end)

    it("raises in all who wait to send, whose values are not sent", function()
      local ch = channel(1)
      ch:send "in"
      local jobs = {}
      for i = 1, 5 do jobs[i] = weft.go(ch.send, ch, i) end
      settle()
      ch:close()
      for i = 1, 5 do helper.raises_kind("closed", jobs[i].join, jobs[i]) end
      assert.same({ "in", true }, { ch:recv() })
      assert.same({ n = 2, nil, false }, table.pack(ch:recv()))
    end)

    it("raises in who sends later", function()
      local ch = channel(1)
      ch:close()
      local err = helper.raises_kind("closed", function() ch:send(1) end)
      local line = debug.getinfo(1, "l").currentline - 1
      assert.truthy(err.where:find("channel_spec.lua:" .. line .. "$"), err.where)
      assert.equal(err.where .. ": " .. err.message, tostring(err))
      assert.same({ false, "closed" }, { ch:try_send(1) })
    end)

    it("happens at the end of a block with <close>", function()
      local ch
      do
        local c <close> = channel(1)
        ch = c
        c:send(1)
      end
      assert.is_true(ch:is_closed())
      assert.equal(1, (ch:recv()))
    end)
  end)

  describe("a for loop over a " .. name .. " channel", function()
    it("receives until it is closed", function()
      local ch = channel()
      weft.go(function()
        for i = 1, 5 do ch:send(i) end
        ch:close()
      end)
      local got = {}
      for v in ch do got[#got + 1] = v end
      assert.same({ 1, 2, 3, 4, 5 }, got)
    end)

    it("ends at a nil that was sent", function()
      local ch = channel(4)
      ch:send(1)
      ch:send(nil)
      ch:send(2)
      local got = {}
      for v in ch do got[#got + 1] = v end
      assert.same({ 1 }, got)
      assert.equal(2, (ch:recv()))
    end)

    it("gives false, too", function()
      local ch = channel(4)
      ch:send(false)
      ch:close()
      local n = 0
      for v in ch do
        n = n + 1
        assert.is_false(v)
      end
      assert.equal(1, n)
    end)
  end)

  describe("recv_many of a " .. name .. " channel", function()
    it("takes what there is, up to n", function()
      local ch = channel(10)
      for i = 1, 7 do ch:send(i) end
      assert.same({ n = 5, 1, 2, 3, 4, 5 }, ch:recv_many(5))
      assert.same({ n = 2, 6, 7 }, ch:recv_many(5))
    end)

    it("waits for one", function()
      local ch = channel(10)
      local job = weft.go(ch.recv_many, ch, 100)
      settle()
      ch:send "x"
      assert.same({ n = 1, "x" }, job:join())
    end)

    it("takes from waiting senders, too", function()
      local ch = channel()
      for i = 1, 3 do weft.go(ch.send, ch, i) end
      settle()
      local got = ch:recv_many(10)
      local n = got.n
      while n < 3 do
        local more = ch:recv_many(10)
        for i = 1, more.n do got[n + i] = more[i] end
        n = n + more.n
      end
      got.n = n
      assert.same({ n = 3, 1, 2, 3 }, got)
    end)

    it("keeps nils", function()
      local ch = channel(4)
      ch:send(nil)
      ch:send(2)
      ch:send(nil)
      assert.same({ n = 3, nil, 2, nil }, ch:recv_many(4))
    end)

    it("ends like recv", function()
      local ch = channel(4)
      ch:send(1)
      ch:close()
      assert.same({ n = 1, 1 }, ch:recv_many(4))
      assert.same({ n = 2, nil, false }, table.pack(ch:recv_many(4)))
      local waiting = channel()
      local job = weft.go(waiting.recv_many, waiting, 4)
      settle()
      waiting:close()
      assert.same({ n = 2, nil, false }, table.pack(job:join()))
    end)
  end)

  describe("a " .. name .. " channel", function()
    it("tells about itself", function()
      local ch = channel(5)
      ch:send(1)
      assert.truthy(tostring(ch):find "^weft.channel %d+ %(1 of 5%)$")
      ch:close()
      assert.truthy(tostring(ch):find "closed")
      assert.equal("weft.channel", getmetatable(ch).__name)
    end)

    it("blocks in the main chunk, in a generator and where nothing can yield", function()
      local ch = channel()
      weft.go(function() for i = 1, 30 do ch:send(i) end end)
      assert.equal(1, (ch:recv()))
      assert.equal(2, coroutine.wrap(function() return (ch:recv()) end)())
      local seen = {}
      table.sort({ 1, 2, 3 }, function(a, b)
        seen[#seen + 1] = ch:recv()
        return a < b
      end)
      assert.is_true(#seen >= 2)
      for i, v in ipairs(seen) do assert.equal(i + 2, v) end
      assert.equal(#seen + 3, (ch:recv()))
      for _ = #seen + 4, 30 do ch:recv() end
    end)

    it("carries between all the ways to block, both ways", function()
      local ways = {
        function(f) return f() end,
        function(f) return coroutine.wrap(f)() end,
        function(f)
          local out
          string.gsub("x", "x", function() out = f() end) -- luacheck: ignore
          return out
        end,
        function(f) return (select(2, coroutine.resume(coroutine.create(f)))) end,
      }
      for _, sends in ipairs(ways) do
        for _, receives in ipairs(ways) do
          for _, first in ipairs { "sender", "receiver" } do
            local ch = channel()
            local function send() sends(function() ch:send { "v" } end) end
            local function receive() return receives(function() return (ch:recv()) end) end
            local job
            -- Both are started before either runs: who waits where nothing can yield keeps the main chunk
            -- under it from going on.
            if first == "sender" then
              weft.go(send)
              job = weft.go(receive)
            else
              job = weft.go(receive)
              weft.go(send)
            end
            assert.same({ "v" }, job:join())
          end
        end
      end
    end)

    it("may have many senders and receivers at once", function()
      local ch, n = channel(3), 50
      local sum, jobs = 0, {}
      for i = 1, n do weft.go(ch.send, ch, i) end
      for i = 1, n do jobs[i] = weft.go(function() return (ch:recv()) end) end
      for i = 1, n do sum = sum + jobs[i]:join() end
      assert.equal(n * (n + 1) // 2, sum)
    end)

    it("is let go by who waits on it no more", function()
      helper.no_growth(function()
        local ch = channel(2)
        local job = weft.go(function() ch:recv() end)
        local other = weft.go(function() for i = 1, 5 do ch:send(i) end end)
        weft.yield()
        job:cancel()
        other:cancel()
        job:wait()
        other:wait()
      end, { n = crossed and helper.scale(200, 20) or helper.scale(1000, 50), lua = 64 })
    end)
  end)
end

describe("a private channel", function()
  it("passes values themselves", function()
    local ch = weft.channel(3)
    local t, f, co = {}, function() end, coroutine.create(function() end)
    for _, v in ipairs { t, f, co } do
      ch:send(v)
      assert.equal(v, (ch:recv()))
    end
    ch:send(io.stdout)
    assert.equal(io.stdout, (ch:recv()))
    ch:send(ch)
    assert.equal(ch, (ch:recv()))
  end)

  it("takes what it keeps and who waits along when it crosses", function()
    local ch = weft.channel(2)
    ch:send "kept"
    ch:send { "kept", 2 }
    local senders = {}
    for i = 1, 3 do senders[i] = weft.go(ch.send, ch, "sent " .. i) end
    settle()
    cross(ch)
    assert.equal(2, #ch)
    assert.same({ "kept", true }, { ch:recv() })
    assert.same({ "kept", 2 }, (ch:recv()))
    for i = 1, 3 do
      assert.equal("sent " .. i, (ch:recv()))
      senders[i]:join()
    end
    local other = weft.channel()
    local receivers = {}
    for i = 1, 3 do receivers[i] = weft.go(function() return (other:recv()) end) end
    settle()
    cross(other)
    for i = 1, 3 do other:send(i) end
    for i = 1, 3 do assert.equal(i, receivers[i]:join()) end
  end)

  it("stays private when what it keeps cannot cross", function()
    local ch = weft.channel(2)
    local co = coroutine.create(function() end)
    ch:send(co)
    helper.raises("coroutine", weft.thread, function() end, ch)
    assert.equal(co, (ch:recv()))
    local sender = weft.go(ch.send, ch, co)
    ch:send(1)
    ch:send(2)
    settle()
    helper.raises("coroutine", weft.thread, function() end, ch)
    assert.equal(1, (ch:recv()))
    assert.equal(2, (ch:recv()))
    assert.equal(co, (ch:recv()))
    sender:join()
  end)
end)

describe("a channel's room", function()
  it("may be used up by finalisers while it grows", function()
    for _, first in ipairs { 1, { 1 } } do -- a number, or a value that needs a reference
      local ch = weft.channel(math.maxinteger >> 20)
      local sent, busy = 0, true
      local function send(v)
        sent = sent + 1
        ch:send(v)
      end
      local function garbage()
        setmetatable({}, { __gc = function()
          if not busy then return end
          sent = sent + 1
          ch:try_send {}
        end })
      end
      local pause = collectgarbage("incremental", 1, 1000, 8)
      send(first)
      for i = 1, 3000 do
        garbage()
        send(i % 3 == 0 and { i } or i)
      end
      busy = false
      collectgarbage(pause)
      assert.equal(sent, #ch)
      local last, n = 0, 0
      for _ = 1, sent do
        local v = ch:recv()
        n = n + 1
        local number = n > 1 and (math.tointeger(v) or type(v) == "table" and v[1])
        if number then -- those of the loop come in order
          assert.equal(last + 1, number)
          last = number
        end
      end
      assert.equal(3000, last)
    end
  end)

  it("keeps light userdata as they are, here and to another isolate", function()
    local up = debug.upvalueid(function() return weft end, 1)
    local ch = weft.channel(2)
    ch:send(up)
    assert.equal(up, (ch:recv()))
    weft.go(function() ch:send(up) end)
    assert.equal(up, (ch:recv()))
    ch:send(up)
    assert.is_true(weft.thread(function(c, x) return c:recv() == x end, ch, up):join())
  end)

  it("takes many values of a channel that others fill, from the first that comes", function()
    local ch = weft.channel(4)
    local job = weft.thread(function(c)
      for i = 1, 400 do c:send(i) end
      c:close()
    end, ch)
    local sum, n = 0, 0
    while true do
      local list = ch:recv_many(7)
      if not list then break end
      assert.truthy(list.n >= 1 and list.n <= 7)
      n = n + list.n
      for i = 1, list.n do sum = sum + list[i] end
    end
    job:join()
    assert.same({ 400, 80200 }, { n, sum })
  end)
end)
