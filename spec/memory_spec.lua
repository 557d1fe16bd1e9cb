-- Memory that runs out, in isolates whose memory is capped; memory that comes back. (Every single allocation
-- that can fail: spec/c/fault_test.c.)

local helper = require "spec.helper"
local weft = require "weft"

local MIB = 1 << 20

weft.exec({ "true" }):wait() -- the loop of this thread stays: no test is to be blamed for it

-- Runs f(...) in a thread with that much memory: its result, as job:result gives it.
local function capped(bytes, f, ...) return weft.thread({ memory = bytes }, f, ...):result() end

local function is_out_of_memory(ok, err)
  assert.is_false(ok)
  assert.truthy(tostring(err):find("not enough memory", 1, true), tostring(err))
  assert.is_true(weft.is(err, "memory"), tostring(err))
end

-- luacheck: push ignore 241 (tables that grow and are read by nobody)
describe("a capped isolate", function()
  it("fails with its function, whatever that allocates", function()
    for _, greedy in ipairs {
      function() local t = {} repeat t[#t + 1] = #t until false end,
      function() local s = "x" while true do s = s .. s end end,
      function() local t while true do t = { t } end end,
      function() local t = {} repeat t[#t + 1] = coroutine.create(print) until #t < 0 end,
      function() local t = {} while true do t[#t + 1] = function() return t end end end,
      function() return ("x"):rep(100 * (1 << 20)) end,
      function() local function f(...) return f(1, ...) end f() end,
      function() local t = {} repeat t[#t + 1] = weft.channel(1) until #t < 0 end,
      function() local ch = weft.channel(math.maxinteger) while true do ch:send { 1 } end end,
      function() while true do weft.go(weft.sleep, 1e6) end end,
      function() local t = {} repeat t[#t + 1] = #t .. ("x"):rep(50) until false end,
    } do
      local ok, err = capped(2 * MIB, greedy)
      assert.is_false(ok)
      local text = tostring(err)
      assert.truthy(text:find("not enough memory", 1, true) or text:find "overflow" or text:find "too many", text)
    end
  end)

  it("says so with an error of a kind, the same to all who look, isolates of the pool too", function()
    for _, verb in ipairs { "thread", "spawn" } do
      local job = weft[verb]({ memory = MIB }, function() local t = {} while true do t[#t + 1] = {} end end)
      local ok, err = job:result()
      assert.is_false(ok)
      assert.equal("memory", err.kind)
      assert.truthy(err.message:find("may hold 1048576 bytes", 1, true), err.message)
      assert.equal(err, select(2, pcall(job.join, job)))
      assert.equal("failed", job:status())
      local told = weft[verb]({ memory = MIB }, function(e) return e.kind, weft.is(e, "memory") end, err)
      assert.same({ "memory", true }, { told:join() })
    end
  end)

  it("says so of what is raised again, too", function()
    is_out_of_memory(capped(2 * MIB, function()
      local ok, err = pcall(function() return ("x"):rep(100 * (1 << 20)) end)
      assert(not ok)
      error(err, 0)
    end))
  end)

  it("goes on when it catches that", function()
    assert.same({ true, "fine", 3 }, { capped(2 * MIB, function()
      for _ = 1, 3 do
        local ok, err = pcall(function()
          local t = {}
          while true do t[#t + 1] = ("x"):rep(1000) .. #t end
        end)
        assert(not ok and err:find "not enough memory", err)
      end
      local ch = weft.channel()
      weft.go(function() ch:send(1) ch:send(2) end)
      return "fine", ch:recv() + ch:recv()
    end) })
  end)

  it("fails when what it is given does not fit", function()
    is_out_of_memory(capped(MIB // 2, function(t) return #t end, { ("x"):rep(MIB) }))
    local big = {}
    for i = 1, 100000 do big[i] = i end
    is_out_of_memory(capped(MIB, function(t) return #t end, big))
  end)

  it("gives back what would not fit twice more", function()
    local ok, s = capped(7 * MIB, function() return ("x"):rep(3 * MIB) end) -- made from as much again
    assert.is_true(ok)
    assert.equal(3 * MIB, #s)
  end)

  it("fails in the task that is greedy, and the others go on", function()
    local ok, greedy, quiet, text = capped(4 * MIB, function()
      local spoiler = weft.go(function()
        local t = {}
        while true do
          t[#t + 1] = ("x"):rep(10000) .. #t
          if #t % 10 == 0 then weft.yield() end
        end
      end)
      local worker = weft.go(function()
        for _ = 1, 10 do weft.yield() end
        return "worked"
      end)
      local fine, err = spoiler:result()
      return fine, worker:join(), err
    end)
    assert.is_true(ok, greedy)
    assert.is_false(greedy)
    assert.equal("worked", quiet)
    assert.truthy(tostring(text):find("not enough memory", 1, true))
  end)

  it("tells groups of such a task", function()
    local function spoil()
      local t = {}
      while true do
        t[#t + 1] = ("x"):rep(10000) .. #t
        if #t % 10 == 0 then weft.yield() end
      end
    end
    for _, group in ipairs {
      function(f) weft.all { weft.go(weft.sleep, 1e6), weft.go(f) } end,
      function(f) weft.scope(function(s) s:go(weft.sleep, 1e6) s:go(f) end) end,
      function(f) for job in weft.completed { weft.go(f) } do job:join() end end,
      function(f) local ok, err = select(2, weft.select { { weft.go(f) } }) assert(ok, err) end,
      function(f) weft.timeout(1e6, f) end,
    } do is_out_of_memory(capped(3 * MIB, group, spoil)) end
  end)

  it("is stopped alone: siblings and starter do not notice", function()
    local ch = weft.channel()
    local sibling = weft.thread({ memory = 2 * MIB }, function(c)
      local sum = 0
      for v in c do sum = sum + #v end
      return sum
    end, ch)
    local spoilers = {}
    for i = 1, 4 do
      spoilers[i] = weft.thread({ memory = MIB }, function()
        local t = {}
        while true do t[#t + 1] = ("x"):rep(1000) .. #t end
      end)
      ch:send(("x"):rep(1000))
    end
    for i = 1, 4 do is_out_of_memory(spoilers[i]:result()) end
    ch:close()
    assert.equal(4000, sibling:join())
  end)

  it("runs its <close> handlers still, as far as their memory goes", function()
    local ch = weft.channel(1)
    is_out_of_memory(capped(2 * MIB, function(c)
      local _ <close> = setmetatable({}, { __close = function() c:send "closed" end })
      local t = {}
      while true do t[#t + 1] = ("x"):rep(1000) .. #t end
    end, ch))
    assert.equal("closed", (ch:recv()))
  end)

  -- To call a finaliser takes memory when nothing has been called from that place before. (Lua before 5.4.4 does not tell that it
  -- calls one.)
  local release = require("weft.core").versions:match "^Lua 5%.4%.(%d+)"
  if assert(tonumber(release)) >= 4 then
    for _, verb in ipairs { "thread", "spawn", "process" } do
      it("calls finalisers when all its memory is taken, as weft." .. verb, function()
        local finalised, filled = weft[verb]({ memory = 4 << 20 }, function()
          local count, kept, n = 0, {}, 0
          for i = 1, 100 do kept[i] = false end
          local collect = coroutine.create(function()
            coroutine.yield()
            collectgarbage()
          end)
          coroutine.resume(collect)
          local objects = {}
          local function deep(k) return k == 0 and 1 or 0 + deep(k - 1) end -- each call takes memory, too
          for i = 1, 3 do objects[i] = setmetatable({}, { __gc = function() count = count + deep(20) end }) end
          collectgarbage "stop"
          local before
          repeat -- what a round leaves behind, or the collector, is filled in the next
            before = n
            collectgarbage()
            local size = 1 << 20
            while size > 40 do -- shorter ones are there already
              local ok, s = pcall(string.rep, "x", size)
              if ok then
                n = n + 1
                kept[n] = s
              else
                size = size // 2
              end
            end
          until n == before
          for i = 1, 3 do objects[i] = nil end
          assert(coroutine.resume(collect))
          local seen = count
          kept = nil -- luacheck: ignore 311
          return seen, n
        end):join()
        assert.equal(3, finalised)
        assert.truthy(filled > 3)
      end)
    end
  end

  it("may be cancelled while it is out of memory", function()
    local begun = weft.channel(1)
    local job = weft.thread({ memory = MIB }, function(c)
      c:send(true)
      local t = {}
      while true do
        pcall(function() while true do t[#t + 1] = ("x"):rep(100) .. #t end end)
      end
    end, begun)
    begun:recv()
    job:cancel "enough"
    assert.is_true(job:wait(60))
    assert.not_equal("done", job:status())
  end)

  it("with too little even for itself fails, at any size", function()
    for kib = 1, 40 do
      local ok, v = capped(kib * 1024, function() return "small" end)
      if ok then assert.equal("small", v) else is_out_of_memory(ok, v) end
    end
  end)
end)

-- luacheck: pop

describe("memory", function()
  local function steady(what, f, n)
    it("comes back from " .. what, function() helper.no_growth(f, { n = helper.scale(n or 300, 20), lua = 64, rss = 2048 }) end)
  end

  steady("tasks", function()
    for _ = 1, 20 do weft.go(weft.yield) end
    weft.wait()
  end)
  steady("failed tasks that somebody looked at", function() weft.go(error, {}):wait() end)
  steady("failed tasks that nobody looked at", function()
    local before = weft.on_unhandled(function() end)
    weft.go(error, {})
    weft.sleep(0)
    weft.yield()
    helper.collect()
    weft.on_unhandled(before)
  end, 100)
  steady("cancelled tasks", function()
    local job = weft.go(weft.sleep, 1e6)
    weft.yield()
    job:cancel {}
    job:wait()
  end)
  steady("tasks with names and locals", function()
    weft.current():set("k", {})
    weft.go({ name = "n" }, function() weft.current():set("l", {}) weft.yield() end):join()
    weft.current():set("k", nil)
  end)
  steady("time-outs", function() pcall(weft.timeout, 0, weft.sleep, 1e6) weft.timeout(1e6, weft.yield) end)
  steady("scopes", function() pcall(weft.scope, function(s) s:go(weft.sleep, 1e6) s:go(error) end) end)
  steady("generators that block", function()
    local g = coroutine.wrap(function() weft.yield() coroutine.yield(1) weft.sleep(1e6) end)
    weft.go(function() g() end):join()
  end)
  steady("big bursts", function()
    for _ = 1, 10000 do weft.go(function() end) end
    weft.wait()
  end, 20)
  steady("traces", function()
    weft.trace.start()
    weft.go(weft.yield):join()
    weft.trace.stop()
  end, 50)
end)
