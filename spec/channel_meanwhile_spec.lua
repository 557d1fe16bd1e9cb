-- Channels while something else happens in the midst: waits that are won elsewhere and whose tasks have not run yet, channels
-- that cross meanwhile, finalisers that run inside an operation, hooks on a frame that waits.

local helper = require "spec.helper"
local weft = require "weft"
local core = require "weft.core"

-- The channels become shared, as by crossing.
local function share(...) core.unseal(core.seal("channels", ...), true) end

-- Calls f(...) so that the collector runs a whole cycle at its first chance in it, and that calls `finaliser`.
local function with_finaliser(finaliser, f, ...)
  collectgarbage "stop"
  setmetatable({}, { __gc = finaliser })
  local mode = collectgarbage("incremental", 100, 1000, 40)
  collectgarbage "restart"
  f(...)
  collectgarbage(mode, 200, 100, 13)
end

describe("a select that has been served but has not run yet", function()
  it("is no receiver and no sender of its other channels any more", function()
    local a, b = weft.channel(), weft.channel()
    local got = weft.go(function() return weft.select { { a }, { b } } end)
    weft.yield()
    b:send(1)
    local receiver = weft.go(function() return a:recv() end)
    local sender = weft.go(function() a:send "later" end)
    assert.equal("later", receiver:join())
    sender:join()
    assert.equal(2, got:join())
    local sent = weft.go(function() return weft.select { { a, send = "no" }, { b } } end)
    weft.yield()
    b:send(2)
    sender = weft.go(function() a:send "yes" end)
    assert.equal("yes", a:recv())
    assert.equal(2, sent:join())
    sender:join()
    got = weft.go(function() return weft.select { { a }, { b } } end)
    weft.yield()
    b:send(3)
    assert.same({ false, "full" }, { a:try_send "no" })
    receiver = weft.go(function() return a:recv() end)
    a:send "through"
    assert.equal("through", receiver:join())
    assert.equal(2, got:join())
  end)

  it("stays served when its other channel crosses", function()
    local a, b = weft.channel(), weft.channel()
    local got = weft.go(function() return weft.select { { a }, { b } } end)
    weft.yield()
    b:send(1)
    share(a)
    assert.same({ false, "full" }, { a:try_send "no" })
    assert.equal(2, got:join())
  end)

  it("is served once, by a channel that has crossed or by one that has not", function()
    for _, first in ipairs { 1, 2 } do
      local both = { weft.channel(), weft.channel() }
      share(both[1])
      local got = weft.go(function() return weft.select { { both[1] }, { both[2] } } end)
      weft.yield()
      assert.is_true(both[first]:try_send "yes")
      assert.same({ false, "full" }, { both[3 - first]:try_send "no" })
      assert.same({ first, "yes", true }, { got:join() })
    end
  end)

  it("does not notice that another of its channels is closed", function()
    for _, crossed in ipairs { 0, 1, 2 } do
      local a, b = weft.channel(), weft.channel()
      if crossed > 0 then share(b) end
      if crossed > 1 then share(a) end
      local got = weft.go(function() return weft.select { { a }, { b } } end)
      weft.yield()
      b:send "yes"
      a:close()
      assert.same({ 2, "yes", true }, { got:join() })
    end
  end)

  it("says which part of a case it does not know", function()
    local ch = weft.channel()
    helper.raises("unknown field 'boolean'", weft.select, { { ch, [true] = 1 }, default = true })
    helper.raises("unknown field 'sned'", weft.select, { { ch, sned = 1 }, default = true })
    helper.raises("unknown option 'boolean'", weft.select, { { ch }, [true] = 1, default = true })
  end)

  it("has a finaliser that does nothing to what is no select", function()
    local found = 0
    for _, v in pairs(debug.getregistry()) do
      if type(v) == "table" and rawget(v, "__name") == "weft.select" then
        found = found + 1
        for _, other in ipairs { {}, io.stdout, weft.channel() } do v.__gc(other) end
      end
    end
    assert.equal(1, found)
  end)
end)

describe("channels that cross while a task waits for them", function()
  it("both keep it", function()
    for way = 1, 2 do
      local a, b = weft.channel(), weft.channel()
      local got = weft.go(function() return weft.select { { a }, { b } } end)
      local sent = weft.go(function() return weft.select { { a, send = { 1 } }, { b, send = { 2 } } } end)
      if way == 1 then weft.yield() end
      weft.yield()
      share(a, b)
      if sent:status() == "waiting" then assert.same({ 2 }, b:recv()) end
      b:try_send "x"
      weft.all { got, sent }
    end
    local a, b = weft.channel(), weft.channel()
    local got = weft.go(function() return weft.select { { a }, { b } } end)
    weft.yield()
    share(a, b)
    b:send "x"
    assert.same({ 2, "x", true }, { got:join() })
    local sent = weft.go(function() return weft.select { { a, send = "to a" }, { b, send = "to b" } } end)
    weft.yield()
    assert.equal("to b", b:recv())
    assert.same({ 2, true }, { sent:join() })
  end)

  it("refuses to cross with a value that cannot, and all is as before", function()
    local a = weft.channel()
    local file = io.tmpfile()
    local good = weft.go(function() a:send { 1 } end)
    local bad = weft.go(function() a:send(file) end)
    weft.yield()
    local err = helper.raises_kind("transfer", function() share(a) end)
    assert.matches("FILE", tostring(err))
    assert.same({ 1 }, a:recv())
    assert.equal(file, a:recv())
    weft.all { good, bad }
    file:close()
  end)
end)

describe("a channel that is full", function()
  it("keeps a table after numbers, from a sender that waits", function()
    local ch = weft.channel(8)
    for i = 1, 8 do ch:send(i) end
    local sender = weft.go(function() ch:send { 9 } end)
    weft.yield()
    for i = 1, 8 do assert.equal(i, ch:recv()) end
    assert.same({ 9 }, ch:recv())
    sender:join()
    ch = weft.channel(1)
    ch:send(1)
    local chosen = weft.go(function() return weft.select { { ch, send = { 2 } } } end)
    weft.yield()
    assert.equal(1, ch:recv())
    assert.same({ 2 }, ch:recv())
    assert.same({ 1, true }, { chosen:join() })
  end)
end)

describe("a finaliser in the midst of a send", function()
  -- By how much room there is before, what is sent, and what the finaliser does.
  local steps = {
    ["takes a number and puts a table in its place"] = function(ch) ch:recv() ch:try_send { "f" } end,
    ["puts a number there"] = function(ch) ch:try_send(-1) end,
    ["puts a table there"] = function(ch) ch:try_send { "f" } end,
    ["fills it"] = function(ch) for i = 1, 40 do ch:try_send(-i) end end,
    ["empties it"] = function(ch) for _ = 1, #ch do ch:recv() end end,
    ["lets it cross"] = function(ch) share(ch) end,
  }
  for what, step in pairs(steps) do
    it(what .. ": each value arrives once and in order", function()
      for kept = 0, 9 do
        for _, value in ipairs { 77, { 77 } } do
          local ch, ran = weft.channel(20), 0
          for i = 1, kept do ch:send(i) end
          with_finaliser(function() ran = ran + 1 step(ch) end, function() ch:try_send(value) end)
          collectgarbage()
          assert.equal(1, ran)
          local last, found = 0, false
          for v in function() return (ch:try_recv()) end do
            if type(v) == "table" then v = v[1] end
            if v == 77 then found = true
            elseif type(v) == "number" and v > 0 then
              assert.is_true(v > last)
              last = v
            end
          end
          assert.is_true(found or what == "fills it" or what == "empties it")
        end
      end
    end)
  end

  it("cancels the task that sends: nothing is sent, when the channel is full", function()
    local ch = weft.channel(1)
    share(ch)
    ch:send "kept"
    local sender
    sender = weft.go(function()
      with_finaliser(function() sender:cancel "from a finaliser" end, ch.send, ch, function() end)
    end)
    local ok, err = sender:result()
    collectgarbage("incremental", 200, 100, 13)
    assert.is_false(ok)
    assert.equal("from a finaliser", err.reason)
    assert.equal("kept", ch:recv())
    assert.equal(0, #ch)
  end)
end)

describe("a hook on a frame that waits", function()
  it("cannot serve its own wait, nor wait itself; others do", function()
    local script = [[
      local weft = require "weft"
      local main, ch, said = coroutine.running(), weft.channel(), {}
      weft.go(function()
        debug.sethook(main, function()
          debug.sethook()
          said[1], said[2] = ch:try_send "from the hook"
          said[3], said[4] = pcall(weft.sleep, 0)
        end, "c")
        weft.sleep(0.001)
        ch:send "from a task"
      end)
      local value = ch:recv()
      print(value, said[1], said[2], said[3], said[4])
    ]]
    assert.matches("^from a task\tfalse\tfull\tfalse\t.*cannot wait here: the task waits already", helper.run_ok(script))
  end)

  it("that is set while the frame lets others run, waits until it goes on", function()
    local main, ran = coroutine.running(), 0
    local n = 0
    for i = 1, 200 do
      weft.go(function()
        n = n + 1
        if i == 3 then debug.sethook(main, function() ran = n debug.sethook() end, "c") end
      end)
    end
    weft.yield()
    debug.sethook()
    assert.is_true(ran >= 3)
    weft.wait()
    assert.equal(200, n)
  end)
end)

describe("what crosses by a shared channel", function()
  local ch = weft.channel(4)
  share(ch)

  it("is a file of io by its name, and no other userdata", function()
    ch:send(io.stdout)
    assert.equal(io.stdout, ch:recv())
    local odd = io.tmpfile()
    odd:close()
    for _, meta in ipairs { { __name = "odd" }, { __name = "odd", __weft_transfer = true } } do
      debug.setmetatable(odd, meta)
      local err = helper.raises_kind("transfer", ch.send, ch, odd)
      assert.matches("an odd cannot cross isolates", tostring(err))
    end
    debug.setmetatable(odd, nil)
    assert.matches("a userdata cannot cross isolates", tostring(helper.raises_kind("transfer", ch.send, ch, odd)))
    assert.equal(0, #ch)
  end)

  it("is nothing that was discarded", function()
    local sealed = core.seal("value", 1)
    core.unseal(sealed, true)
    local err = helper.raises_kind("transfer", ch.send, ch, sealed)
    assert.matches("a sealed value that was discarded cannot cross isolates", tostring(err))
  end)

  it("is not offered once it is closed", function()
    local gone = weft.channel(1)
    local job = weft.go(function() weft.yield() end)
    core.watch(job, gone, "token")
    share(gone)
    gone:close()
    job:join()
    assert.same({ n = 3, nil, false, "closed" }, table.pack(gone:try_recv()))
  end)
end)
