-- What a close look at the connection between a process and its workers has found: answers that were never sent, cancellations
-- that did not get through, memory that one side had let go when the other one named it, channels that had been closed before
-- they crossed, finalisers that ran in the middle of a frame.

local helper = require "spec.helper"
local weft = require "weft"

weft.process(function() end):join() -- the loop stays

local function within(seconds, f, ...)
  local ok, a, b, c = pcall(weft.timeout, seconds, f, ...)
  assert(ok, tostring(a))
  return a, b, c
end

-- In an isolate of the worker pool, which is parked when the connection is read.
describe("an isolate of the pool that has a worker process", function()
  it("answers it while it is parked", function()
    local function starter()
      local weft = require "weft" -- luacheck: ignore 431
      local ch, back = weft.channel(10), weft.channel(10)
      local job = weft.process(function(from, to)
        local weft = require "weft" -- luacheck: ignore 431
        weft.sleep(0.05)
        local first = from:recv()
        to:send(first)
        weft.sleep(0.05)
        return first, from:recv(), from:recv()
      end, ch, back)
      for i = 1, 3 do ch:send(i) end
      return job:join()
    end
    for _ = 1, 3 do assert.same({ 1, 2, 3 }, { within(20, function() return weft.spawn(starter):join() end) }) end
  end)

  it("speaks with it, both ways", function()
    local jobs = {}
    for k = 1, 3 do
      jobs[k] = weft.spawn(function()
        local weft = require "weft" -- luacheck: ignore 431
        local there, back = weft.channel(k), weft.channel(k % 2 * 5)
        local job = weft.process(function(from, to)
          local n = 0
          for v in from do
            to:send(v)
            n = n + 1
          end
          to:close()
          return n
        end, there, back)
        weft.go(function()
          for i = 1, 200 do
            there:send { i, ("x"):rep(i * 10) }
            if i % 50 == 0 then weft.sleep(0.01) end
          end
          there:close()
        end)
        local n = 0
        for v in back do
          n = n + 1
          assert(v[1] == n)
        end
        return n, job:join()
      end)
    end
    for k = 1, 3 do assert.same({ 200, 200 }, { within(20, jobs[k].join, jobs[k]) }) end
  end)

  it("gives back what nobody receives there", function()
    local function starter()
      local weft = require "weft" -- luacheck: ignore 431
      local ch, told = weft.channel(1), weft.channel(1)
      local job = weft.process(function(to, from)
        local weft = require "weft" -- luacheck: ignore 431
        local mine = weft.channel(4)
        to:send(mine)
        from:recv() -- there it was received from, in vain
        mine:send "value"
        return (weft.timeout(20, mine.recv, mine))
      end, ch, told)
      local theirs = ch:recv()
      pcall(weft.timeout, 0.02, theirs.recv, theirs)
      told:send(true)
      return job:join()
    end
    assert.equal("value", (within(30, function() return weft.spawn(starter):join() end)))
  end)
end)

describe("a worker process that computes", function()
  it("is cancelled, whatever else is on its way to it", function()
    for _, n in ipairs { 0, 1, 10 } do
      local ch = weft.channel(1)
      local job = weft.process(function(to)
        local weft = require "weft" -- luacheck: ignore 431
        local mine = weft.channel(100)
        to:send(mine)
        weft.sleep(0.02)
        while true do local _ = {} end -- signals come to the thread sanitizer in C only
      end, ch)
      local theirs = ch:recv()
      weft.sleep(0.05)
      for _ = 1, n do theirs:send(("x"):rep(200000)) end
      weft.sleep(0.01)
      job:cancel()
      local ok, err = within(20, job.result, job)
      assert.same({ false, true }, { ok, weft.is(err, "cancelled") })
    end
  end)
end)

describe("a buffer that crosses again and again", function()
  it("is the same one, though it was closed there each time", function()
    for _, pause in ipairs { false, true } do
      local ch = weft.channel(1000)
      local job = weft.process(function(from)
        local sum = 0
        for b in from do
          sum = sum + b[1]
          b[1] = 1
          b:close()
        end
        return sum
      end, ch)
      local b = weft.buffer("i64", 10)
      b[1] = 1
      for _ = 1, 100 do
        ch:send(b)
        if pause then weft.sleep(0.0005) end
      end
      ch:close()
      assert.equal(100, (within(20, job.join, job)))
    end
  end)

  it("survives when many go both ways and are let go", function()
    local ch, back = weft.channel(50), weft.channel(50)
    local job = weft.process(function(from, to)
      local weft = require "weft" -- luacheck: ignore 431
      local n = 0
      for b in from do
        n = n + b[1]
        if n % 7 == 0 then to:send(b) end
        b:close()
        if n % 5 == 0 then
          local own = weft.buffer("i64", 100)
          own[1] = 1
          to:send(own)
          own:close()
        end
      end
      to:close()
      return n
    end, ch, back)
    local kept, came = {}, 0
    for i = 1, 10 do
      kept[i] = weft.buffer("i64", 10)
      kept[i][1] = 1
    end
    local reader = weft.go(function()
      for b in back do
        came = came + b[1]
        b:close()
      end
    end)
    for i = 1, 1500 do
      ch:send(kept[i * 7919 % 10 + 1])
      if i % 20 == 0 then
        local b = weft.buffer("i64", 5)
        b[1] = 1
        ch:send(b)
        b:close()
      end
      if i % 10 == 0 then weft.sleep(0.0005) end
    end
    ch:close()
    assert.equal(1575, (within(30, job.join, job)))
    within(20, reader.join, reader)
    assert.equal(1575 // 7 + 1575 // 5, came)
  end)
end)

describe("a channel that was closed before it crossed", function()
  it("is closed over there", function()
    for _, capacity in ipairs { 0, 1, 4 } do
      local ch, full = weft.channel(capacity), weft.channel(capacity + 1)
      ch:close()
      full:send "left"
      full:close()
      local sent, received, more, some, none = within(20, function()
        return table.unpack(weft.process(function(a, b)
          return { pcall(a.send, a, 1), (a:recv()), (b:recv()), b:recv() == nil, pcall(b.send, b, 1) }
        end, ch, full):join(), 1, 5)
      end), nil, nil, nil, nil
      assert.same({ false, 0 }, { sent, #ch }, received, more, some, none)
    end
  end)
end)

describe("a finaliser of the script", function()
  it("that sends does so between the frames", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      local N = 60
      local values, others = weft.channel(N + 10), weft.channel(1000)
      weft.thread(function() end, values):join() -- what is sent is encoded for this process, and anew for another one
      for i = 1, N do
        local t = { i = i }
        for j = 1, 3000 do t[j] = { j, "s" .. j } end
        values:send(t)
      end
      local job = weft.process(function(from, other)
        local weft, n, heard = require "weft", 0, 0
        local reader = weft.go(function()
          for v in other do heard = heard + (v.hello == "hello" and 1 or 1000000) end
        end)
        for i = 1, 60 do
          local t = from:recv()
          assert(t.i == i and #t == 3000)
          n = n + 1
        end
        other:close()
        reader:join()
        return n, heard
      end, values, others)
      local sent, stop = 0, false
      local function born()
        setmetatable({}, { __gc = function()
          if stop then return end
          local ok, taken = pcall(others.try_send, others, { hello = "hello" })
          if ok and taken then sent = sent + 1 end
          born()
        end })
      end
      for _ = 1, 50 do born() end
      collectgarbage("setpause", 50)
      collectgarbage("setstepmul", 1000)
      local collector = weft.go(function()
        while not stop do
          collectgarbage()
          weft.sleep(0.001)
        end
      end)
      local n, heard = job:join()
      stop = true
      collector:join()
      print(n, heard == sent and sent > 0)
    ]]
    assert.equal("60\ttrue\n", out)
  end)
end)

describe("what a process holds for its workers", function()
  it("is given back: programs that were not started, channels that were received to their end", function()
    local function grown(f)
      f()
      collectgarbage()
      collectgarbage()
      local before = collectgarbage "count"
      f()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count" - before
    end
    assert.truthy(grown(function()
      for _ = 1, 500 do assert.is_false((pcall(weft.process, print, coroutine.create(print)))) end
    end) < 50)
    local resident = helper.run_ok [[
      local weft = require "weft"
      local live = require "weft.core".live
      local ch, done = weft.channel(8), weft.channel(8)
      local job = weft.process(function(from, to)
        for m in from do
          for _ in m do end
          m = nil
          collectgarbage()
          to:send(true)
        end
      end, ch, done)
      local function some(n)
        for _ = 1, n do
          local one = weft.channel(4)
          one:send(1)
          one:close()
          ch:send(one)
          done:recv()
        end
        collectgarbage()
        collectgarbage()
      end
      some(200)
      local before = live and live() or 0
      some(400)
      print((live and live() or 0) - before < 100)
      ch:close()
      job:join()
    ]]
    assert.equal("true\n", resident)
  end)
end)

describe("a connection that the system will not send on", function()
  local core = require "weft.core"
  local ordered = core.inject and it or function(name) pending(name .. " (needs a build with assertions)") end

  ordered("fails the job, with the reason", function()
    local ch, back = weft.channel(4), weft.channel(1)
    local job = weft.process(function(from, to)
      to:send(from:recv())
      return from:recv()
    end, ch, back)
    ch:send(1)
    assert.equal(1, (within(20, back.recv, back)))
    weft.sleep(0.05) -- it asks for the second one
    core.inject("send", { code = "EIO", times = 1 })
    ch:send(2)
    local ok, err = within(20, job.result, job)
    core.inject "send"
    assert.is_false(ok)
    assert.truthy(tostring(err):find("the connection to it failed here: Input/output error", 1, true), tostring(err))
  end)
end)
