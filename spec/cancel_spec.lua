-- Cancellation: level-triggered, not to be swallowed, shielded in <close>, in every kind of wait.

local helper = require "spec.helper"
local weft = require "weft"

local function sleeper() weft.sleep(1e6) end

local function closing(f) return setmetatable({}, { __close = f }) end

-- The error of a job that was started, ran until it waited, and was then cancelled. A task cancels it: the
-- main chunk could not where the job waits on top of it, in a function that cannot yield.
local function cancelled(f, ...)
  local job, status = weft.go(f, ...), nil
  weft.go(function()
    status = job:status()
    job:cancel "the reason"
  end)
  local ok, err = job:result()
  assert.equal("waiting", status)
  assert.is_false(ok)
  return err, job
end

describe("job:cancel", function()
  it("raises an error of kind cancelled, with the reason", function()
    local reason = {}
    local job = weft.go(sleeper)
    weft.yield()
    job:cancel(reason)
    local ok, err = job:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"))
    assert.is_false(weft.is(err, "timeout"))
    assert.equal("cancelled", err.kind)
    assert.equal(reason, err.reason)
    assert.equal("string", type(err.message))
    assert.truthy(tostring(err):find "cancelled")
    assert.equal("cancelled", job:status())
  end)

  it("shows a reason that has a text", function()
    assert.truthy(tostring((cancelled(sleeper))):find("the reason", 1, true))
  end)

  it("says whether there was something to cancel", function()
    local job = weft.go(sleeper)
    assert.is_true(job:cancel())
    job:wait()
    assert.is_false(job:cancel())
    assert.equal("cancelled", job:status())
  end)

  it("changes nothing once the job has ended", function()
    local job = weft.go(function() return 1 end)
    job:join()
    job:cancel "late"
    assert.equal(1, job:join())
    assert.equal("done", job:status())
  end)

  it("meets a task that has not run yet at its first blocking call, if at all", function()
    local reached
    local job = weft.go(function()
      weft.yield()
      reached = true
    end)
    job:cancel()
    job:wait()
    assert.is_nil(reached)
    assert.equal("cancelled", job:status())
  end)

  it("reaches the task that asks at its next blocking call", function()
    local after
    local job
    job = weft.go(function()
      job:cancel "myself"
      after = true
      weft.yield()
      after = "too far"
    end)
    local _, err = job:result()
    assert.is_true(after)
    assert.equal("myself", err.reason)
  end)

  it("keeps the first reason", function()
    local job = weft.go(sleeper)
    weft.yield()
    job:cancel "first"
    job:cancel "second"
    assert.equal("first", (select(2, job:result())).reason)
  end)

  it("wakes a task once, even where its value was under way", function()
    local ch = weft.channel()
    local job = weft.go(function() return ch:recv() end)
    weft.yield()
    ch:send "there" -- delivered: the wait is over
    job:cancel()
    assert.equal("there", (job:join()))
    assert.equal("done", job:status())
  end)
end)

describe("a cancelled task", function()
  local waits = {
    sleep = function() weft.sleep(1e6) end,
    ["endless sleep"] = function() weft.sleep(math.huge) end,
    recv = function() weft.channel():recv() end,
    send = function() weft.channel():send(1) end,
    ["send to a full one"] = function()
      local ch = weft.channel(1)
      ch:send(1)
      ch:send(2)
    end,
    recv_many = function() weft.channel():recv_many(3) end,
    ["for in channel"] = function() for _ in weft.channel() do error "what?" end end,
    select = function() weft.select { { weft.channel() }, { weft.channel(), send = 1 } } end,
    ["select with time-out"] = function() weft.select { { weft.channel() }, timeout = 1e6 } end,
    scope = function() weft.scope(function(s) s:go(sleeper) end) end,
    timeout = function() weft.timeout(1e6, sleeper) end,
    ["a generator"] = function() coroutine.wrap(sleeper)() end,
    ["a comparator"] = function() table.sort({ 1, 2, 3 }, sleeper) end,
    ["a pattern's callback"] = function() ("abc"):gsub(".", sleeper) end,
    ["a metamethod"] = function() return setmetatable({}, { __index = sleeper }).x end,
  }
  for _, method in ipairs { "join", "result", "wait" } do
    waits[method] = function()
      local other <close> = weft.go(sleeper)
      other[method](other)
    end
  end
  for _, group in ipairs { "all", "race" } do
    waits[group] = function()
      local other <close> = weft.go(sleeper)
      weft[group] { other }
    end
  end
  local names = {}
  for name in pairs(waits) do names[#names + 1] = name end
  table.sort(names)

  for _, name in ipairs(names) do
    it("leaves " .. name, function()
      local err, job = cancelled(waits[name])
      assert.is_true(weft.is(err, "cancelled"))
      assert.equal("the reason", err.reason)
      assert.equal("cancelled", job:status())
      weft.wait() -- nothing is left behind
    end)
  end

  it("leaves the queue of the channel it waited at", function()
    local ch = weft.channel()
    cancelled(function() ch:recv() end)
    assert.same({ false, "full" }, { ch:try_send(1) })
    cancelled(function() ch:send "lost" end)
    assert.same({ nil, false, "empty" }, { ch:try_recv() })
    local got = weft.go(function() return ch:recv() end)
    weft.yield()
    ch:send "kept"
    assert.equal("kept", (got:join()))
  end)

  it("is refused by calls that would not have to wait", function()
    local full = weft.channel(8)
    full:send(1)
    local finished = weft.go(function() return 1 end)
    finished:join()
    local calls = {
      function() full:recv() end, function() full:send(1) end, function() finished:join() end, function() finished:result() end,
      function() weft.sleep(0) end, function() weft.yield() end, function() weft.wait() end,
      function() weft.select { { full }, default = true } end, function() weft.timeout(1, print) end,
    }
    local raised = {}
    local job = weft.go(function()
      pcall(sleeper)
      for i, call in ipairs(calls) do
        local ok, err = pcall(call)
        raised[i] = not ok and weft.is(err, "cancelled")
      end
    end)
    weft.yield()
    job:cancel()
    job:wait()
    for i = 1, #calls do assert.is_true(raised[i], "call " .. i) end
    assert.equal(1, #full)
  end)

  it("cannot swallow it with a pcall", function()
    local caught = 0
    local job = weft.go(function()
      for _ = 1, 10 do
        local _, err = pcall(weft.sleep, 1e6)
        if weft.is(err, "cancelled") then caught = caught + 1 end
      end
      xpcall(sleeper, function(err) caught = caught + (weft.is(err, "cancelled") and 100 or 0) end)
      pcall(coroutine.wrap(function() pcall(sleeper) sleeper() end))
      sleeper()
    end)
    weft.yield()
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.equal(110, caught)
  end)

  it("is done when it catches the error and returns", function()
    local job = weft.go(function()
      local ok, err = pcall(sleeper)
      return ok, err.kind
    end)
    weft.yield()
    job:cancel()
    assert.same({ false, "cancelled" }, { job:join() })
    assert.equal("done", job:status())
  end)

  it("has failed when it raises an error of its own instead", function()
    local job = weft.go(function()
      pcall(sleeper)
      error("mine", 0)
    end)
    weft.yield()
    job:cancel()
    assert.same({ false, "mine" }, { job:result() })
    assert.equal("failed", job:status())
  end)

  it("may start tasks, which are not cancelled with it", function()
    local child
    local job = weft.go(function()
      pcall(sleeper)
      child = weft.go(function()
        weft.yield()
        return "child"
      end)
    end)
    weft.yield()
    job:cancel()
    job:wait()
    assert.equal("child", child:join())
  end)

  it("passes its error to who joins it, who is not cancelled by that", function()
    local inner = weft.go(sleeper)
    local outer = weft.go(function() inner:join() end)
    weft.yield()
    inner:cancel "inner"
    local _, err = outer:result()
    assert.is_true(weft.is(err, "cancelled"))
    assert.equal("inner", err.reason)
    assert.equal(inner:status(), "cancelled")
  end)
end)

describe("a <close> handler of a cancelled task", function()
  it("may block", function()
    local log, ch = {}, weft.channel()
    local job = weft.go(function()
      local _ <close> = closing(function(_, err)
        log[#log + 1] = weft.is(err, "cancelled")
        weft.sleep(0.0001)
        log[#log + 1] = ch:recv()
        log[#log + 1] = weft.go(function() return "job" end):join()
        weft.yield()
        log[#log + 1] = "end"
      end)
      sleeper()
    end)
    weft.yield()
    job:cancel()
    ch:send "value"
    job:wait()
    assert.same({ true, "value", "job", "end" }, log)
    assert.equal("cancelled", job:status())
  end)

  it("runs in order with the others, each of them shielded", function()
    local log = {}
    local err, job = cancelled(function()
      local _ <close> = closing(function()
        weft.yield()
        log[#log + 1] = "outer"
      end)
      local _ <close> = closing(function()
        weft.yield()
        log[#log + 1] = "inner"
      end)
      sleeper()
    end)
    assert.same({ "inner", "outer" }, log)
    assert.is_true(weft.is(err, "cancelled"))
    assert.equal("cancelled", job:status())
  end)

  it("sees its own error raised, and the task fails with it", function()
    local err, job = cancelled(function()
      local _ <close> = closing(function() error("in close", 0) end)
      sleeper()
    end)
    if helper.close_yields then
      assert.equal("in close", err)
      assert.equal("failed", job:status())
    else
      assert.is_true(weft.is(err, "cancelled"))
      assert.equal("cancelled", job:status())
    end
  end)

  it("is shielded on its way out of scopes and time-outs too", function()
    local log = {}
    local function body(name)
      local _ <close> = closing(function()
        weft.yield()
        log[#log + 1] = name
      end)
      sleeper()
    end
    cancelled(function() weft.scope(function() body "scope" end) end)
    cancelled(function() weft.timeout(1e6, body, "timeout") end)
    pcall(weft.timeout, 0.0005, body, "own time-out")
    assert.same({ "scope", "timeout", "own time-out" }, log)
  end)

  it("inside a pcall needs weft.shield", function()
    local log = {}
    cancelled(function()
      pcall(function()
        local _ <close> = closing(function()
          weft.shield(function()
            weft.yield()
            log[#log + 1] = "shielded"
          end)
        end)
        sleeper()
      end)
      sleeper()
    end)
    assert.same({ "shielded" }, log)
  end)

  it("of a generator that was inside a wait is run", function()
    local closed
    cancelled(function()
      local gen = coroutine.wrap(function()
        local _ <close> = closing(function() closed = true end)
        sleeper()
      end)
      gen()
    end)
    assert.is_true(closed)
  end)
end)

describe("cancelling many", function()
  it("ends a storm of waiting tasks, each once", function()
    local n, ended, jobs = helper.scale(20000, 500), 0, {}
    local ch = weft.channel()
    for i = 1, n do
      jobs[i] = weft.go(function()
        local _ <close> = closing(function() ended = ended + 1 end)
        if i % 3 == 0 then sleeper() elseif i % 3 == 1 then ch:recv() else weft.select { { ch }, timeout = 1e6 } end
      end)
    end
    weft.yield()
    for i = 1, n do jobs[i]:cancel(i) end
    for i = 1, n do
      local _, err = jobs[i]:result()
      assert(weft.is(err, "cancelled") and err.reason == i)
    end
    assert.equal(n, ended)
    assert.same({ false, "full" }, { ch:try_send(1) })
  end)

  it("ends tasks that cancel one another", function()
    local jobs = {}
    for i = 1, 100 do
      jobs[i] = weft.go(function()
        local _ <close> = closing(function()
          weft.yield()
          for _, other in ipairs(jobs) do other:cancel() end
        end)
        sleeper()
      end)
    end
    weft.yield()
    jobs[50]:cancel()
    for _, job in ipairs(jobs) do job:wait() end
    for _, job in ipairs(jobs) do assert.equal("cancelled", job:status()) end
  end)

  it("races with deliveries without losing or doubling a value", function()
    local seed = 42
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n
    end
    local ch, received, sent = weft.channel(), {}, 0
    local receivers = {}
    for i = 1, 200 do
      receivers[i] = weft.go(function()
        while true do
          local v, ok = ch:recv()
          if not ok then return end
          received[#received + 1] = v
          if v % 7 == 0 then weft.yield() end
        end
      end)
    end
    for i = 1, 2000 do
      if random(3) == 0 then receivers[random(200) + 1]:cancel() end
      if ch:try_send(i) then sent = sent + 1 end
      if random(4) == 0 then weft.yield() end
    end
    ch:close()
    weft.wait()
    for _, job in ipairs(receivers) do job:wait() end
    assert.equal(sent, #received)
    local seen = {}
    for _, v in ipairs(received) do
      assert.is_nil(seen[v])
      seen[v] = true
    end
  end)

  it("goes down a deep tree of scopes", function()
    local depth, ended = helper.scale(1000, 150), 0
    local function nest(k)
      local _ <close> = closing(function() ended = ended + 1 end)
      if k == 0 then sleeper() end
      weft.scope(function(s) s:go(nest, k - 1) end)
    end
    local job = weft.go(nest, depth)
    for _ = 1, 3 * depth do weft.yield() end
    job:cancel()
    assert.is_true(weft.is(select(2, job:result()), "cancelled"))
    assert.equal(depth + 1, ended)
  end)

  it("goes down a long chain of joins", function()
    local n, jobs = helper.scale(10000, 300), {}
    for i = 1, n do
      jobs[i] = weft.go(function()
        if i == n then sleeper() end
        local child <close> = jobs[i + 1]
        child:join()
      end)
    end
    weft.yield()
    jobs[1]:cancel()
    for i = 1, n do jobs[i]:wait() end
    for i = 1, n do assert(jobs[i]:status() == "cancelled", i) end
  end)

  it("survives cancel, catch, and cancel again", function()
    local job = weft.go(function()
      for _ = 1, 1000 do pcall(sleeper) end
      return "through"
    end)
    weft.yield()
    for _ = 1, 10 do job:cancel() end
    assert.equal("through", job:join())
  end)
end)

describe("weft.is", function()
  it("tests any value", function()
    for _, value in ipairs { 1, "cancelled", {}, { kind = "cancelled" }, print, io.stdout, true } do
      assert.is_false(weft.is(value, "cancelled"))
      assert.is_false(weft.is(value))
    end
    assert.is_false(weft.is(nil, "cancelled"))
    local err = cancelled(sleeper)
    assert.is_true(weft.is(err))
    assert.is_true(weft.is(err, "cancelled"))
  end)
end)
