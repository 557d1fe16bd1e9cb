-- Channels and buffers between processes: every value once and in order, whoever waits, however many take part, and whoever
-- dies in the middle.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait()

local CAPACITIES = { 0, 1, 7, 64, 5000 }

describe("a channel between processes", function()
  it("carries no addresses", function()
    local ch = weft.channel(1)
    weft.process(function() end, ch):join()
    local err = helper.raises_kind("transfer", ch.send, ch, debug.upvalueid(function() return ch end, 1))
    assert.matches("a light userdata cannot leave the process", tostring(err))
    assert.equal(0, #ch)
  end)

  it("that holds a token is a lock; a worker that dies with it takes it along", function()
    local token, sum, n = weft.channel(1), weft.buffer("i64", 1), helper.scale(200, 20)
    token:send(true)
    local function add(times)
      for _ = 1, times do
        token:recv()
        local before = sum[1]
        require("weft").yield()
        sum[1] = before + 1
        token:send(true)
      end
    end
    weft.all { weft.process(add, n), weft.process(add, n), weft.thread(add, n), weft.go(add, n) }
    assert.equal(4 * n, sum[1])
    local job = weft.process(function()
      token:recv()
      os.exit(3)
    end)
    assert.is_false((job:result()))
    assert.same({ nil, false, "empty" }, { token:try_recv() })
    token:send(true)
    assert.is_true(weft.process(function() return token:recv() end):join())
  end)

  for _, capacity in ipairs(CAPACITIES) do
    local n = helper.scale(capacity < 64 and 2000 or 20000, 50)

    it("carries all there, in order, with room for " .. capacity, function()
      local ch = weft.channel(capacity)
      local job = weft.process(function()
        local last = 0
        for v in ch do
          if v ~= last + 1 then error(("%s after %s"):format(v, last)) end
          last = v
        end
        return last
      end)
      for i = 1, n do ch:send(i) end
      ch:close()
      assert.equal(n, job:join())
    end)

    it("carries all back, in order, with room for " .. capacity, function()
      local ch = weft.channel(capacity)
      local job = weft.process(function()
        for i = 1, n do ch:send(i) end
        ch:close()
        return "sent"
      end)
      local last = 0
      for v in ch do
        assert.equal(last + 1, v)
        last = v
      end
      assert.equal(n, last)
      assert.equal("sent", job:join())
    end)

    it("shares out among processes, threads and tasks, with room for " .. capacity, function()
      local ch, back = weft.channel(capacity), weft.channel(capacity)
      local function take()
        local count = 0
        for v in ch do
          back:send(v)
          count = count + 1
        end
        return count
      end
      local jobs = { weft.process(take), weft.process(take), weft.thread(take), weft.go(take) }
      local sum, total = 0, helper.scale(1000, 40)
      local collector = weft.go(function()
        for _ = 1, total do sum = sum + back:recv() end
      end)
      for i = 1, total do ch:send(i) end
      ch:close()
      collector:join()
      local taken = 0
      for _, job in ipairs(jobs) do taken = taken + job:join() end
      assert.same({ total * (total + 1) // 2, total }, { sum, taken })
    end)
  end

  it("carries values of all kinds", function()
    local there, back = weft.channel(4), weft.channel(4)
    local job = weft.process(function()
      for v in there do back:send(type(v) == "function" and v() or v) end
    end)
    local deep = { 1, "two", { three = 3.5 }, [false] = true }
    deep.self = deep
    for _, v in ipairs { 1, -1.5, true, "short", ("long"):rep(10000), { a = { b = 1 } }, math.maxinteger } do
      there:send(v)
      assert.same(v, back:recv())
    end
    there:send(deep)
    local got = back:recv()
    assert.equal(got, got.self)
    assert.equal(3.5, got[3].three)
    there:send(function() return 42 end)
    assert.equal(42, back:recv())
    helper.raises_kind("transfer", there.send, there, weft.mutex())
    helper.raises_kind("transfer", there.try_send, there, io.stdout == nil and 1 or coroutine.create(print))
    there:close()
    job:join()
  end)

  it("carries channels, from either side, and knows them again", function()
    local ch = weft.channel(2)
    local job = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local mine = weft.channel(3)
      ch:send(mine)
      ch:send(ch)
      local same = mine:recv()
      return same == mine, mine:capacity()
    end)
    local theirs = ch:recv()
    assert.equal(ch, ch:recv())
    assert.equal(3, theirs:capacity())
    theirs:send(theirs)
    assert.same({ true, 3 }, { job:join() })
  end)

  it("reaches the process of a process", function()
    local ch, back = weft.channel(), weft.channel()
    local job = weft.process(function()
      return require("weft").process(function()
        for v in ch do back:send(v * 2) end
        return "grandchild"
      end):join()
    end)
    for i = 1, 20 do
      ch:send(i)
      assert.equal(2 * i, back:recv())
    end
    ch:close()
    assert.equal("grandchild", job:join())
  end)

  it("tells the end to both sides", function()
    local ch = weft.channel(2)
    local job = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local ok, err = pcall(function() while true do ch:send "x" weft.sleep(0.001) end end)
      return ok, weft.is(err, "closed")
    end)
    assert.equal("x", (ch:recv()))
    ch:close()
    while select(2, ch:recv()) do end
    assert.same({ false, true }, { job:join() })
    local other = weft.channel(2)
    weft.process(function()
      other:send(1)
      other:close()
    end):join()
    assert.same({ 1, true }, { other:recv() })
    assert.same({ nil, false }, { other:recv() })
    helper.raises_kind("closed", other.send, other, 1)
  end)

  it("can be tried", function()
    local ch, go = weft.channel(2), weft.channel()
    local job = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local _, _, why = ch:try_recv()
      go:recv()
      local v
      repeat
        v = ch:try_recv()
        weft.sleep(0.001)
      until v
      local n = 0
      while ch:try_send(n + 1) do n = n + 1 end
      return why, v, n
    end)
    go:send(true)
    ch:send "found"
    local why, v, n = job:join()
    assert.same({ "empty", "found" }, { why, v })
    assert.is_true(n >= 2 and n <= 6) -- the room of both sides, and what is on its way
    for i = 1, n do assert.equal(i, (ch:recv())) end
  end)

  it("is a case of select on both sides, and takes one", function()
    local a, b, c = weft.channel(), weft.channel(1), weft.channel()
    local n = helper.scale(300, 20)
    local job = weft.process(function()
      local weft, got, sent = require "weft", 0, 0 -- luacheck: ignore 431
      local own = weft.channel(1)
      while got < 2 * n do
        local i, v = weft.select { { a }, { b }, { own }, { c, send = "s" } }
        if i == 4 then
          sent = sent + 1
        elseif i == 3 then
          error "nobody sends there"
        elseif v then
          got = got + 1
        end
      end
      return got, sent
    end)
    local took = 0
    local taker = weft.go(function()
      while true do
        local _, ok = c:recv()
        if not ok then return end
        took = took + 1
      end
    end)
    for i = 1, n do weft.select { { a, send = i }, { weft.channel() } } b:send(i) end
    local got, sent = job:join()
    c:close()
    taker:join()
    assert.same({ 2 * n, sent }, { got, took })
  end)

  it("keeps what a select's time-out leaves", function()
    local ch, go = weft.channel(), weft.channel()
    local job = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local misses = 0
      for _ = 1, 20 do
        if not weft.select { { ch }, timeout = 0.0005 } then misses = misses + 1 else misses = -1000 end
      end
      go:send(true)
      return misses, ch:recv()
    end)
    go:recv()
    ch:send "there all the time"
    assert.same({ 20, "there all the time", true }, { job:join() })
  end)

  it("loses nothing to time-outs that race with values", function()
    local ch, back = weft.channel(), weft.channel(10)
    local n = helper.scale(400, 30)
    local job = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local got, last = 0, 0
      while got < n do
        local i, v = weft.select { { ch }, timeout = 0.0002 }
        if i then
          got = got + 1
          if v ~= last + 1 then error(v .. " after " .. last) end
          last = v
        end
      end
      back:send(got)
    end)
    for i = 1, n do
      while not weft.select { { ch, send = i }, timeout = 0.0003 } do end
    end
    assert.equal(n, back:recv())
    job:join()
  end)

  it("gives back what a worker has not taken when it ends", function()
    local ch, go = weft.channel(1000), weft.channel()
    for i = 1, 500 do ch:send(i) end
    local job = weft.process(function()
      local list = {}
      for i = 1, 10 do list[i] = ch:recv() end
      go:recv()
      return list
    end)
    go:send(true)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, job:join())
    for i = 11, 500 do assert.equal(i, (ch:recv())) end
  end)

  it("gives back what nobody takes for a while", function()
    local ch, go = weft.channel(1000), weft.channel()
    for i = 1, 200 do ch:send(i) end
    local job = weft.process(function()
      local sum = 0
      for _ = 1, 20 do sum = sum + ch:recv() end
      go:recv() -- alive, but not interested any more
      return sum
    end)
    local sum = 0
    for _ = 1, 180 do sum = sum + ch:recv() end
    go:send(true)
    assert.equal(200 * 201 // 2, sum + job:join())
  end)

  it("delivers what a worker had sent when it was killed afterwards", function()
    local ch, go = weft.channel(1000), weft.channel()
    local job = weft.process(function()
      for i = 1, 100 do ch:send(i) end
      go:send(true)
      require("weft").sleep(1000)
    end)
    go:recv()
    os.execute("kill -9 " .. weft.info(job).pid)
    job:wait()
    for i = 1, 100 do assert.equal(i, (ch:recv())) end
    job:result()
  end)

  it("survives workers that are killed in the middle of messages", function()
    for _ = 1, helper.scale(20, 2) do
      local ch, back = weft.channel(5), weft.channel(5)
      local job = weft.process(function()
        local big = ("x"):rep(100000)
        while true do
          back:send(big)
          ch:recv()
        end
      end)
      for _ = 1, 3 do
        assert.equal(100000, #back:recv())
        ch:send(("y"):rep(70000))
      end
      os.execute("kill -9 " .. weft.info(job).pid)
      assert.is_false((job:result()))
      ch:close()
    end
  end)

  it("is let go of when nobody has it there", function()
    local ch = weft.channel(8)
    local n = helper.scale(2000, 100)
    local job = weft.process(function()
      for reply in ch do reply:send(1) end
    end)
    for _ = 1, n do
      local reply = weft.channel(1)
      ch:send(reply)
      assert.equal(1, (reply:recv()))
    end
    ch:close()
    job:join()
  end)
end)

describe("a buffer between processes", function()
  it("is the same memory", function()
    local b, go, back = weft.buffer("i64", 1000), weft.channel(), weft.channel()
    for i = 1, 1000 do b[i] = i end
    local job = weft.process(function()
      go:recv()
      local sum = b:sum()
      b[1] = -1
      back:send(sum)
      go:recv()
      return b[2], #b
    end)
    b[1000] = 0
    go:send(1)
    assert.equal(499500, back:recv())
    assert.equal(-1, b[1])
    b[2] = 77
    go:send(1)
    assert.same({ 77, 1000 }, { job:join() })
  end)

  it("counts exactly, whoever adds", function()
    local n = helper.scale(100000, 1000)
    local a = weft.atomic(0)
    local function add() for _ = 1, n do a:add(1, 1) end end
    local jobs = { weft.process(add), weft.process(add), weft.thread(add) }
    add()
    weft.all(jobs)
    assert.equal(4 * n, a:load(1))
  end)

  it("keeps its slices, its type and those who hold it", function()
    local b = weft.buffer("f32", 16, { stride = 64 })
    local part = b:slice(5, 8)
    local job = weft.process(function()
      part:fill(2.5)
      return #part, tostring(part):match "f32" ~= nil, b[5], b[4]
    end)
    assert.same({ 4, true, 2.5, 0.0 }, { job:join() })
    assert.same({ 2.5, 2.5, 0.0 }, { b[5], part[4], b[9] })
  end)

  it("comes with others in one message, either way", function()
    for _, n in ipairs { 2, 40 } do
      local list, ch = {}, weft.channel(1)
      for i = 1, n do
        list[i] = weft.buffer("i64", 2)
        list[i][1] = i
      end
      local job = weft.process(function()
        local more, sum = {}, 0
        for i, b in ipairs(list) do
          sum = sum + b[1]
          b[2] = 2 * i
          more[i] = weft.buffer("i64", 1)
          more[i][1] = 3 * i
        end
        ch:send(more)
        return sum, list, more
      end)
      local more = ch:recv()
      local sum, same, again = job:join()
      assert.equal(n * (n + 1) // 2, sum)
      for i = 1, n do assert.same({ 2 * i, 2 * i, 3 * i, 3 * i }, { list[i][2], same[i][2], more[i][1], again[i][1] }) end
    end
  end)

  it("comes from there", function()
    local ch = weft.channel(1)
    local job = weft.process(function()
      local b = require("weft").buffer("u8", 10)
      b:fill(9)
      ch:send(b)
      ch:send(b)
      return b
    end)
    local b = ch:recv()
    assert.equal(b, (ch:recv()))
    assert.equal(90, b:sum())
    assert.equal(b, job:join())
  end)

  it("goes back and forth without a copy", function()
    local ch, back = weft.channel(4), weft.channel(4)
    local job = weft.process(function() for b in ch do back:send(b) end end)
    local b = weft.buffer("u8", 1 << 20)
    for _ = 1, helper.scale(2000, 50) do
      ch:send(b)
      assert.equal(b, (back:recv()))
    end
    ch:close()
    job:join()
  end)

  it("is refused when threads have it already, and moves while a task waits for it", function()
    local b = weft.buffer("i64", 4)
    weft.thread(function() return #b end):join()
    assert.truthy(tostring(helper.raises_kind("transfer", weft.process, function() return b end)):find "threads share")
    local own = weft.buffer("i64", 4)
    local waiter = weft.go(function() return own:wait(2, 0, 20) end)
    weft.yield()
    local job = weft.process(function() return own[2] end)
    own[2] = 5
    own:wake(2)
    assert.equal("woken", waiter:join())
    job:join()
  end)

  it("leaves nothing behind", function()
    local ch, back = weft.channel(4), weft.channel(4)
    local job = weft.process(function() for b in ch do back:send(#b) end end)
    for _ = 1, helper.scale(300, 40) do
      ch:send(weft.buffer("u8", 100000))
      assert.equal(100000, (back:recv()))
    end
    helper.collect()
    ch:close()
    job:join()
  end)
end)

describe("a pool of processes", function()
  it("maps, iterates, submits", function()
    local pool <close> = weft.pool { kind = "process", size = 2 }
    assert.same({ 1, 4, 9, 16, n = 4 }, pool:map(function(x) return x * x end, { 1, 2, 3, 4 }))
    local sum = 0
    for _, v in pool:imap(function(x) return x + 1 end, { 10, 20, 30 }) do sum = sum + v end
    assert.equal(63, sum)
    local job = pool:submit(function(...) return select("#", ...), require("weft").info().pid end, 1, nil)
    local n, pid = job:join()
    assert.equal(2, n)
    assert.is_true(pid ~= weft.info().pid)
    assert.equal("process", job.kind)
    helper.raises("item 3: bad", pool.map, pool, function(x) if x == 3 then error("bad", 0) end end, { 1, 2, 3 })
  end)

  it("replaces workers that die, and tells the item", function()
    local pool <close> = weft.pool { kind = "process", size = 2 }
    local function f(x)
      if x == 5 then os.exit(9) end
      return x
    end
    helper.raises("item 5: a worker has ended: the process exited with code 9", pool.map, pool, f, { 1, 2, 3, 4, 5, 6 },
      { chunk = 1 })
    for _ = 1, 3 do assert.same({ 1, 2, 3, n = 3 }, pool:map(f, { 1, 2, 3 })) end
    local bad, good = pool:submit(f, 5), pool:submit(f, 6)
    assert.is_false((bad:result()))
    assert.equal(6, good:join())
  end)

  it("cancels what runs", function()
    local pool <close> = weft.pool { kind = "process", size = 1 }
    local job = pool:submit(helper.spin)
    weft.sleep(0.05)
    job:cancel()
    assert.is_false((job:result()))
    assert.equal(2, pool:submit(function() return 2 end):join())
  end)

  it("prepares its workers", function()
    local pool <close> = weft.pool { kind = "process", size = 2, init = function(slot) _G.slot = slot end }
    for _, v in ipairs(pool:map(function() return _G.slot end, { 1, 2, 3, 4 },
      { chunk = 1 })) do assert.is_true(v == 1 or v == 2) end
  end)
end)
