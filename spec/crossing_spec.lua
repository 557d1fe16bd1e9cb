-- Channels between threads: they start private, and are shared for good once they have crossed.

local helper = require "spec.helper"
local weft = require "weft"

describe("a channel that crosses", function()
  it("is the same channel on the way back", function()
    local ch = weft.channel(3)
    assert.equal(ch, weft.thread(function(c) return c end, ch):join())
    local again, capacity = weft.thread(function(c) return { c }, c:capacity() end, ch):join()
    assert.equal(ch, again[1])
    assert.equal(3, capacity)
  end)

  it("takes along what it keeps, in order, and goes on to copy", function()
    local ch = weft.channel(4)
    local t = { 1 }
    ch:send(t)
    ch:send(nil)
    ch:send "text"
    local a, n, s = weft.thread(function(c) return c:recv(), (c:recv()), (c:recv()) end, ch):join()
    assert.same({ { 1 }, nil, "text" }, { a, n, s })
    ch:send(t)
    local copy = ch:recv()
    assert.same(t, copy)
    assert.not_equal(t, copy)
  end)

  it("takes along those who wait for it", function()
    local ch = weft.channel()
    local receivers = {}
    for i = 1, 3 do receivers[i] = weft.go(function() return (ch:recv()) end) end
    weft.yield()
    weft.thread(function(c) for i = 1, 3 do c:send(i) end end, ch):join()
    for i = 1, 3 do assert.equal(i, receivers[i]:join()) end

    local other = weft.channel(1)
    other:send "kept"
    local senders = {}
    for i = 1, 3 do senders[i] = weft.go(function() other:send { i } end) end
    weft.yield()
    local got = weft.thread(function(c)
      local list = { (c:recv()) }
      for _ = 1, 3 do list[#list + 1] = c:recv()[1] end
      return list
    end, other):join()
    assert.same({ "kept", 1, 2, 3 }, got)
    for i = 1, 3 do senders[i]:join() end
  end)

  it("stays private when something in it cannot travel", function()
    local ch = weft.channel(2)
    ch:send(coroutine.create(print))
    helper.raises("a coroutine cannot cross isolates", weft.thread, function() end, ch)
    assert.equal("thread", type((ch:recv())))
    ch:send(1)
    assert.equal(1, weft.thread(function(c) return (c:recv()) end, ch):join())
  end)

  it("is closed for all, wakes all, and drains", function()
    local ch, ready = weft.channel(1), weft.channel()
    local threads = {}
    for i = 1, 3 do
      threads[i] = weft.thread(function(c, r)
        r:send(true)
        local n = 0
        for _ in c do n = n + 1 end
        return n
      end, ch, ready)
    end
    for _ = 1, 3 do ready:recv() end
    for i = 1, 10 do ch:send(i) end
    ch:close()
    ch:close()
    local n = 0
    for i = 1, 3 do n = n + threads[i]:join() end
    assert.equal(10, n)
    local ok, err = pcall(ch.send, ch, 1)
    assert.is_false(ok)
    assert.is_true(weft.is(err, "closed"))
    assert.same({ false, "closed" }, { ch:try_send(1) })
    assert.same({ nil, false, "closed" }, { ch:try_recv() })
    assert.is_true(weft.thread(function(c) return c:is_closed() end, ch):join())
  end)

  it("has its other methods", function()
    local ch = weft.channel(2)
    weft.thread(function() end, ch):join()
    assert.same({ true }, { ch:try_send "a" })
    assert.same({ true }, { ch:try_send "b" })
    assert.same({ false, "full" }, { ch:try_send "c" })
    assert.equal(2, #ch)
    assert.same({ "a", "b", n = 2 }, ch:recv_many(5))
    assert.same({ nil, false, "empty" }, { ch:try_recv() })
    local job = weft.go(function() return ch:recv_many(5) end)
    weft.yield()
    weft.thread(function(c) c:send(7) end, ch):join()
    assert.same({ 7, n = 1 }, job:join())
    assert.truthy(tostring(ch):find("weft.channel %d+ %(0 of 2%)"))
  end)

  it("must not be among its own values then", function()
    local why = "a channel that is among its own values cannot cross"
    local own, a, b = weft.channel(3), weft.channel(3), weft.channel(3)
    own:send { reply = own }
    a:send(b)
    b:send(a)
    for _, ch in ipairs { own, a, b } do
      helper.raises(why, weft.thread, function() end, ch)
      helper.raises_kind("transfer", weft.spawn, function() end, ch)
    end
    assert.equal(own, own:recv().reply) -- they are as they were
    assert.equal(a, a:recv():recv())
    local ch = weft.channel()
    local sender = weft.go(ch.send, ch, { ch })
    weft.yield()
    helper.raises(why, weft.thread, function() end, ch)
    assert.equal(ch, ch:recv()[1])
    sender:join()
    -- What has crossed may be.
    for _, one in ipairs { own, a, ch } do weft.thread(function() end, one):join() end
    own:send { own }
    assert.is_true(weft.thread(function(c) return c:recv()[1] == c end, own):join())
  end)

  it("has the number of its own isolate everywhere", function()
    local ch, m = weft.channel(), weft.mutex()
    local function number(o) return tostring(o):match "^weft%.%a+ ([%d.]+) %(" end
    local own, there, mutex, unlocked = weft.thread(function()
      local ok, why = pcall(m.unlock, m)
      assert(not ok)
      return number(require "weft".channel()), number(ch), number(m), why
    end):join()
    assert.same({ "1." .. number(ch), "1." .. number(m) }, { there, mutex })
    assert.truthy(own:find "^%d+$")
    assert.truthy(unlocked:find("cannot unlock mutex 1." .. number(m) .. ":", 1, true))
    ch:close()
    assert.truthy(tostring(select(2, pcall(ch.send, ch, 1))):find("channel " .. number(ch) .. " is closed", 1, true))
    assert.truthy(tostring(weft.thread(function() return select(2, pcall(ch.send, ch, 1)) end):join())
      :find("channel 1." .. number(ch) .. " is closed", 1, true))
    local job = weft.thread(function(a, b) -- two channels have two numbers
      require "weft".all { require "weft".go(a.recv, a), require "weft".go(b.recv, b) }
    end, weft.channel(), weft.channel())
    local _, told = pcall(job.join, job)
    local first, second = tostring(told):match "recv for weft.channel 1%.(%d+) .-recv for weft.channel 1%.(%d+) "
    assert.truthy(first and first ~= second, tostring(told))
    job:cancel()
    job:wait()
  end)

  it("does not hold a task that is cancelled or out of time", function()
    local ch = weft.channel()
    weft.thread(function() end, ch):join()
    local job = weft.go(function() return ch:recv() end)
    weft.yield()
    job:cancel()
    assert.is_false((job:result()))
    assert.same({ nil, "timeout" }, { weft.select { { ch }, timeout = 0.001 } })
    helper.raises("timeout", weft.timeout, 0.001, ch.send, ch, 1)
    job = weft.go(function() return (ch:recv()) end)
    weft.thread(function(c) c:send "alive" end, ch):join()
    assert.equal("alive", job:join())
  end)
end)

describe("select over shared and private channels", function()
  it("takes each value once", function()
    local a, b, private, out = weft.channel(), weft.channel(3), weft.channel(), weft.channel()
    local n = helper.scale(3000, 300)
    local function feed(c, count, sign)
      for i = 1, count do c:send(sign * i) end
      c:close()
    end
    local feeders = { weft.thread(feed, a, n, 1), weft.thread(feed, b, n, -1) }
    weft.go(feed, private, n, 1)
    local sink = weft.thread(function(c)
      local count = 0
      for _ in c do count = count + 1 end
      return count
    end, out)
    local sums, sent, open = { [a] = 0, [b] = 0, [private] = 0 }, 0, 3
    local cases = { { a }, { b }, { private }, { out, send = "x" } }
    while open > 0 do
      local i, v, ok = weft.select(cases)
      local ch = cases[i][1]
      if ch == out then
        sent = sent + 1
      elseif ok then
        sums[ch] = sums[ch] + v
      else
        table.remove(cases, i)
        open = open - 1
      end
    end
    out:close()
    local sum = n * (n + 1) // 2
    assert.same({ sum, -sum, sum }, { sums[a], sums[b], sums[private] })
    assert.equal(sent, sink:join())
    for _, job in ipairs(feeders) do job:join() end
  end)

  it("waits for two threads that select for each other", function()
    local a, b, done = weft.channel(), weft.channel(), weft.channel(2)
    local n = helper.scale(5000, 200)
    local function play(ours, theirs, rounds, finished)
      local w = require "weft"
      local sent, got = 0, 0
      while sent < rounds or got < rounds do
        local cases = {}
        if got < rounds then cases[#cases + 1] = { theirs } end
        if sent < rounds then cases[#cases + 1] = { ours, send = sent + 1 } end
        local i = w.select(cases)
        if cases[i][1] == theirs then got = got + 1 else sent = sent + 1 end
      end
      finished:send(sent + got)
    end
    local jobs = { weft.thread(play, a, b, n, done), weft.thread(play, b, a, n, done) }
    assert.equal(4 * n, done:recv() + done:recv())
    for _, job in ipairs(jobs) do job:join() end
  end)
end)

describe("many threads on one channel", function()
  it("conserve the values while receivers give up and are cancelled", function()
    local ch, n, producers = weft.channel(4), helper.scale(2000, 200), 3
    local jobs = {}
    for p = 1, producers do
      jobs[p] = weft.thread(function(c, base, count)
        for i = 1, count do c:send(base + i) end
      end, ch, p * 100000, n)
    end
    local count, sum, want = 0, 0, 0
    for p = 1, producers do want = want + n * p * 100000 + n * (n + 1) // 2 end
    local function take(v, ok)
      if ok then count, sum = count + 1, sum + v end
    end
    while count < producers * n do
      local job = weft.go(function()
        local i, v, ok = weft.select { { ch }, timeout = 0.0005 }
        if i then take(v, ok) end
      end)
      local other = weft.go(function() take(ch:recv()) end)
      weft.yield()
      other:cancel()
      job:wait()
      other:wait()
    end
    assert.equal(want, sum)
    for _, job in ipairs(jobs) do job:join() end
  end)
end)

describe("a deadlock of several threads", function()
  it("is raised in the main chunk and names the tasks of all", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      local a, b = weft.channel(), weft.channel()
      local job = weft.thread({ name = "other" }, function(x, y) y:send(x:recv()) end, a, b)
      local ok, e = pcall(b.recv, b)
      print(ok, e.kind)
      print((e.message:gsub("%d+", "N")))
      a:send "goes on"
      print((b:recv()))
      job:join()
    ]]
    assert.equal("", err)
    assert.equal(0, code)
    assert.truthy(out:find("false\tdeadlock\ndeadlock: all N tasks are asleep\n", 1, true))
    assert.truthy(out:find("main: waits in recv for weft.channel N (N of N) at", 1, true))
    assert.truthy(out:find("thread N, other: waits in recv", 1, true))
    assert.truthy(out:find("goes on\n", 1, true))
  end)

  it("names fifty tasks, and says how many more there are", function()
    local out, err, code = helper.run_script [[
      local weft = require "weft"
      for i = 1, 60 do weft.go({ name = "task " .. i }, function() weft.channel():recv() end) end
      weft.yield()
      local _, e = pcall(function() weft.channel():recv() end)
      print(e.message)
      os.exit(0)
    ]]
    assert.same({ "", 0 }, { err, code })
    assert.truthy(out:find("deadlock: all 61 tasks are asleep", 1, true), out)
    assert.truthy(out:find("\n  ... and 11 more\n", 1, true), out)
    assert.truthy(out:find("task 49: waits in recv", 1, true))
    assert.is_nil(out:find("task 50:", 1, true))
  end)

  it("is no alarm while somebody sleeps, starts or ends", function()
    local ch = weft.channel()
    for _ = 1, helper.scale(500, 30) do
      local job = weft.thread(function(c)
        require("weft").sleep(0.0002)
        c:send(1)
      end, ch)
      assert.equal(1, ch:recv())
      job:join()
    end
    for _ = 1, helper.scale(500, 30) do
      local job = weft.thread(function(c) return (c:recv()) end, ch)
      ch:send(2)
      assert.equal(2, job:join())
    end
  end)

  it("is found when the last one who could send has ended", function()
    local ch = weft.channel()
    for _ = 1, helper.scale(200, 10) do
      local job = weft.thread(function(c) return c:capacity() end, ch)
      local ok, err = pcall(ch.recv, ch)
      assert.is_false(ok)
      assert.is_true(weft.is(err, "deadlock"))
      job:join()
    end
  end)
end)

describe("a wait that only other isolates could end, when none of them can any more", function()
  -- Somebody else lives on all the time, so it is no deadlock of all.
  local function with_company(f)
    local gate = weft.channel()
    local company = weft.thread(function(g)
      require("weft").sleep(1e6)
      return g
    end, gate)
    local ok, err = pcall(f)
    company:cancel()
    company:wait()
    if not ok then error(err, 0) end
  end

  for _, verb in ipairs { "thread", "spawn" } do
    it("is an error: the sender has gone (" .. verb .. ")", function()
      with_company(function()
        local ch = weft.channel()
        local job = weft[verb](function(c) c:send(1) end, ch)
        assert.equal(1, ch:recv())
        local err = helper.raises_kind("deadlock", ch.recv, ch)
        assert.truthy(err.message:find("waits in recv for weft.channel", 1, true), err.message)
        job:wait()
      end)
    end)

    it("is an error in the isolate that waits (" .. verb .. ")", function()
      with_company(function()
        local ch = weft.channel()
        local job = weft[verb](function(c) return (c:recv()) end, ch)
        ch = nil -- luacheck: ignore 311
        helper.collect()
        local ok, err = job:result()
        assert.is_false(ok)
        assert.is_true(weft.is(err, "deadlock"), tostring(err))
      end)
    end)

    it("is an error for a sender, a select, a lock (" .. verb .. ")", function()
      with_company(function()
        local full, a, b = weft.channel(1), weft.channel(), weft.channel()
        weft[verb](function(c) c:try_recv() end, full, a, b):join()
        full:send(1)
        helper.raises_kind("deadlock", full.send, full, 2)
        helper.raises_kind("deadlock", weft.select, { { a }, { b } })
        local e = weft.event()
        weft[verb](function(x) x:is_set() end, e):join()
        helper.raises_kind("deadlock", e.wait, e)
        local m = weft.mutex()
        weft[verb](function(x) x:with(function() end) end, m):join()
        weft.go(function() m:lock() end):join()
        helper.raises_kind("deadlock", m.lock, m)
      end)
    end)

    it("is none while another isolate, a message or a timer can end it (" .. verb .. ")", function()
      with_company(function()
        for _ = 1, helper.scale(200, 20) do
          local ch, relay = weft.channel(), weft.channel(2)
          relay:send(ch) -- the channel is only in another channel, for a while
          local job = weft[verb](function(r)
            local c = r:recv()
            c:send "got"
            c:send "again"
          end, relay)
          assert.equal("got", (ch:recv()))
          assert.equal("again", (ch:recv()))
          job:join()
          local late = weft.channel()
          weft.thread(function() end):join()
          local sender = weft.go(function() weft.sleep(1e-5) late:send(1) end)
          weft[verb](function() end, late):join()
          assert.equal(1, (late:recv()))
          sender:join()
          assert.is_nil((weft.select { { late }, timeout = 1e-5 }))
        end
      end)
    end)
  end

  it("is none while a job is waited for, and one when that has ended", function()
    with_company(function()
      local ch = weft.channel()
      weft.thread(function() end, ch):join()
      local waiter = weft.go(function() return (ch:recv()) end)
      local other = weft.thread(function() require("weft").sleep(0.01) return "slept" end)
      assert.equal("slept", (other:join()))
      helper.raises_kind("deadlock", waiter.join, waiter)
      waiter:cancel()
      waiter:wait()
    end)
  end)
end)
