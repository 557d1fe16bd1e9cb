local helper = require "spec.helper"
local weft = require "weft"

describe("x:watch", function()
  it("finds unsynchronised accesses to a table", function()
    local r = weft.explore(function(x)
      local account = x:watch({ balance = 100 }, "account")
      local function withdraw(n)
        if account.balance >= n then account.balance = account.balance - n end
      end
      weft.all { weft.go(withdraw, 60), weft.go(withdraw, 60) }
    end)
    assert.equal("race", r.failure.kind)
    assert.truthy(r.failure.message:find("unsynchronised accesses to account.balance", 1, true))
    assert.truthy(r.failure.message:find "explore_race_spec.lua:%d+.*explore_race_spec.lua:%d+")
  end)

  it("makes accesses switch points", function()
    local n = { 0 }
    local r = weft.explore(function(x)
      n[1] = 0
      local function add() n[1] = n[1] + 1 end
      x:watch(n, "n")
      local a, b = weft.go(add), weft.go(add)
      a:join()
      b:join()
    end)
    assert.equal("race", r.failure.kind)
  end)

  -- Ways to order two accesses to t.v by tasks; none is a race in any schedule.
  local ordered = {
    ["a mutex"] = function(t)
      local m = weft.mutex()
      local function add() m:with(function() t.v = (t.v or 0) + 1 end) end
      weft.all { weft.go(add), weft.go(add) }
      return t.v
    end,
    ["lock and unlock"] = function(t)
      local m = weft.mutex()
      local function add()
        m:lock()
        t.v = (t.v or 0) + 1
        m:unlock()
      end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a guard"] = function(t)
      local m = weft.mutex()
      local function add()
        local _ <close> = m:guard()
        t.v = (t.v or 0) + 1
      end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a channel"] = function(t)
      local ch = weft.channel()
      weft.go(function()
        t.v = 1
        ch:send(true)
      end)
      ch:recv()
      t.v = 2
    end,
    ["a buffered channel as a lock"] = function(t)
      local ch = weft.channel(1)
      local function add()
        ch:send(true)
        t.v = (t.v or 0) + 1
        ch:recv()
      end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a closed channel"] = function(t)
      local ch = weft.channel()
      weft.go(function()
        t.v = 1
        ch:close()
      end)
      for _ in ch do end
      t.v = 2
    end,
    ["select"] = function(t)
      local a, b = weft.channel(), weft.channel()
      weft.go(function()
        t.v = 1
        a:send(true)
      end)
      weft.select { { a }, { b } }
      t.v = 2
    end,
    ["a join"] = function(t)
      weft.go(function() t.v = 1 end):join()
      t.v = 2
    end,
    ["the start"] = function(t)
      t.v = 1
      weft.go(function() t.v = 2 end)
    end,
    ["a scope"] = function(t)
      weft.scope(function(s) s:go(function() t.v = 1 end) end)
      t.v = 2
    end,
    ["weft.wait"] = function(t)
      weft.go(function() t.v = 1 end)
      weft.wait()
      t.v = 2
    end,
    ["an event"] = function(t)
      local e = weft.event()
      weft.go(function()
        t.v = 1
        e:set()
      end)
      e:wait()
      t.v = 2
    end,
    ["a wait group"] = function(t)
      local g = weft.waitgroup()
      g:add()
      weft.go(function()
        t.v = 1
        g:done()
      end)
      g:wait()
      t.v = 2
    end,
    ["a barrier"] = function(t)
      local b = weft.barrier(2)
      weft.go(function()
        t.v = 1
        b:wait()
      end)
      b:wait()
      t.v = 2
    end,
    ["once"] = function(t)
      local once = weft.once(function() t.v = 1 end)
      local function use()
        once()
        return t.v
      end
      weft.all { weft.go(use), weft.go(use) }
    end,
    ["a semaphore"] = function(t)
      local s = weft.semaphore(1)
      local function add() s:with(function() t.v = (t.v or 0) + 1 end) end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a condition"] = function(t)
      local m, c, ready = weft.mutex(), weft.condition(), false
      weft.go(function()
        t.v = 1
        m:lock()
        ready = true
        c:signal()
        m:unlock()
      end)
      m:lock()
      while not ready do c:wait(m) end
      m:unlock()
      t.v = 2
    end,
    ["a read-write lock"] = function(t)
      local rw = weft.rwlock()
      weft.go(function() rw:writing(function() t.v = 1 end) end)
      rw:reading(function() return t.v end)
    end,
    ["an atomic flag"] = function(t)
      local flag = weft.atomic(0)
      weft.go(function()
        t.v = 1
        flag:store(1, 1)
      end)
      while flag:load(1) == 0 do weft.yield() end
      t.v = 2
    end,
    ["a futex"] = function(t)
      local b = weft.buffer("i32", 2)
      weft.go(function()
        t.v = 1
        b:store(2, 1)
        b:wake(2)
      end)
      while b:load(2) == 0 do b:wait(2, 0) end
      t.v = 2
    end,
    ["reading alone"] = function(t)
      t.v = 1
      local function get() return t.v end
      weft.all { weft.go(get), weft.go(get) }
      return t.v
    end,
  }
  for name, f in pairs(ordered) do
    it("is content with " .. name, function()
      local r = weft.explore(function(x) f(x:watch({}, "t")) end, { schedules = helper.scale(2000, 100) })
      r:assert()
    end)
  end

  -- What looks like an order and is none.
  local unordered = {
    ["two locks"] = function(t)
      local function add() weft.mutex():with(function() t.v = 1 end) end
      weft.all { weft.go(add), weft.go(add) }
    end,
    ["a sleep"] = function(t)
      weft.go(function() t.v = 1 end)
      weft.sleep(1)
      t.v = 2
    end,
    ["a relaxed flag"] = function(t)
      local flag = weft.atomic(0)
      weft.go(function()
        t.v = 1
        flag:store(1, 1, "relaxed")
      end)
      while flag:load(1, "relaxed") == 0 do weft.yield() end
      t.v = 2
    end,
    ["two senders"] = function(t)
      local ch = weft.channel(2)
      local function f()
        t.v = 1
        ch:send(true)
      end
      weft.all { weft.go(f), weft.go(f) }
    end,
    ["two readers under a lock for reading, of which one writes"] = function(t)
      local rw = weft.rwlock()
      weft.go(function() rw:reading(function() t.v = 1 end) end)
      rw:reading(function() t.v = 2 end)
    end,
  }
  for name, f in pairs(unordered) do
    it("is not fooled by " .. name, function()
      local r = weft.explore(function(x) f(x:watch({}, "t")) end)
      assert.is_false(r.ok)
      assert.equal("race", r.failure.kind)
    end)
  end

  it("watches variables", function()
    local r = weft.explore(function(x)
      local n = 0
      local function add() n = n + 1 end
      x:watch(add, "n")
      weft.all { weft.go(add), weft.go(add) }
    end)
    assert.equal("race", r.failure.kind)
    assert.truthy(r.failure.message:find("unsynchronised accesses to n:", 1, true))
    weft.explore(function(x)
      local n, m = 0, weft.mutex()
      local function add()
        m:lock()
        n = n + 1
        m:unlock()
      end
      x:watch(add, "n")
      weft.all { weft.go(add), weft.go(add) }
    end):assert()
    r = weft.explore(function(x) -- one of many closures over it, by another name
      local n = 0
      local function set(v) n = v end
      local function get() return n end
      x:watch(get, "n")
      weft.go(set, 1)
      weft.go(set, 2)
    end)
    assert.equal("race", r.failure.kind)
  end)

  it("leaves a table as it was, with what was changed", function()
    local meta = { __index = function(_, k) return "no " .. tostring(k) end }
    local t = setmetatable({ 1, 2, a = "b" }, meta)
    weft.explore(function()
      assert(#t == 2 and t[1] == 1 and t.a == "b" and t.z == "no z")
      local keys = 0
      for _ in pairs(t) do keys = keys + 1 end
      assert(keys == 3)
      table.insert(t, 3)
      assert(table.concat(t, ",") == "1,2,3")
      table.remove(t)
      t.a = "c"
      t.a = "b"
    end, { watch = { t = t } }):assert()
    assert.equal(meta, getmetatable(t))
    assert.equal("b", rawget(t, "a"))
    assert.same({ 1, 2, a = "b" }, setmetatable(t, nil))
  end)

  it("checks its arguments", function()
    weft.explore(function(x)
      helper.raises("bad argument #1 to 'watch' (table or function expected, got number)", x.watch, x, 1)
      helper.raises("bad argument #2 to 'watch' (string expected)", x.watch, x, {}, 1)
      helper.raises("the name of an upvalue expected", x.watch, x, function() end)
      helper.raises("has no upvalue 'zzz'", x.watch, x, function() end, "zzz")
      helper.raises("call it with a colon", x.watch, {}, {})
    end, { schedules = 1 }):assert()
  end)
end)

describe("a report", function()
  it("calls tasks by their names, and files without a mark", function()
    local t = { n = 0 }
    local race = weft.explore(function(x)
      x:watch(t, "t")
      for _, name in ipairs { "alice", "bob" } do weft.go({ name = name }, function() t.n = t.n + 1 end) end
      weft.wait()
    end)
    local text = race.failure.message
    assert.truthy(text:find "alice [^,]* it at" and text:find "bob [^,]* it at", text)
    local lost = weft.explore(function()
      local m, c = weft.mutex(), weft.condition()
      local waiter = weft.go({ name = "waiter" }, function()
        m:lock()
        c:wait(m)
        m:unlock()
      end)
      weft.go({ name = "signaller" }, function() c:signal() end)
      waiter:join()
    end)
    text = lost.failure.message
    assert.truthy(text:find "waiter began" and text:find "after signaller had" and not text:find "@", text)
  end)
end)
