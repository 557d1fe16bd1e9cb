-- Blocking calls inside generators, and where no function can yield; Lua's coroutines unharmed by both.

-- Taken before weft replaces them, as a module loaded earlier would have.
local original = {}
for name, f in pairs(coroutine) do original[name] = f end

local helper = require "spec.helper"
local weft = require "weft"

local function sleeper() weft.sleep(1e6) end

-- The same test in the main chunk and in a task.
local function both(what, f)
  it(what .. ", in the main chunk", f)
  it(what .. ", in a task", function() weft.go(f):join() end)
end

-- Blocks until another task has had a turn, and returns its argument.
local function blocks(value)
  local ch = weft.channel()
  weft.go(function() ch:send(value) end)
  return (ch:recv())
end

describe("a generator", function()
  both("may block between its yields", function()
    local gen = coroutine.wrap(function(a)
      local b = coroutine.yield(blocks(a + 1))
      weft.sleep(0.0001)
      local c, d = coroutine.yield(b, nil, blocks "x")
      weft.yield()
      return c, d, nil
    end)
    assert.equal(2, gen(1))
    assert.same({ n = 3, "b", nil, "x" }, table.pack(gen "b"))
    assert.same({ n = 3, "c", "d", nil }, table.pack(gen("c", "d")))
    assert.has_error(gen)
  end)

  both("may block under coroutine.resume", function()
    local co = coroutine.create(function(...)
      local got = table.pack(coroutine.yield(blocks(...)))
      weft.yield()
      return table.unpack(got, 1, got.n)
    end)
    assert.same({ true, 7 }, { coroutine.resume(co, 7) })
    assert.equal("suspended", coroutine.status(co))
    assert.same({ n = 4, true, nil, 2, nil }, table.pack(coroutine.resume(co, nil, 2, nil)))
    assert.equal("dead", coroutine.status(co))
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
  end)

  both("may block in a for loop", function()
    local seen = {}
    for i, text in coroutine.wrap(function()
      for i = 1, 5 do coroutine.yield(i, blocks(("x"):rep(i))) end
    end) do seen[i] = text end
    assert.same({ "x", "xx", "xxx", "xxxx", "xxxxx" }, seen)
  end)

  both("may block deep inside others", function()
    local function nest(k)
      if k == 0 then
        coroutine.yield(blocks "bottom")
        return blocks "end"
      end
      local gen = coroutine.wrap(nest)
      coroutine.yield(gen(k - 1))
      weft.yield()
      return gen()
    end
    local gen = coroutine.wrap(nest)
    assert.equal("bottom", gen(20))
    assert.equal("end", gen())
  end)

  both("passes its errors on, blocked before or not", function()
    local reason = {}
    local gen = coroutine.wrap(function()
      weft.yield()
      error(reason)
    end)
    local ok, err = pcall(gen)
    assert.is_false(ok)
    assert.equal(reason, err)
    local co = coroutine.create(function()
      coroutine.yield()
      blocks(1)
      error("text", 0)
    end)
    assert.same({ true }, { coroutine.resume(co) })
    assert.same({ false, "text" }, { coroutine.resume(co) })
    assert.equal("dead", coroutine.status(co))
  end)

  both("may catch errors around a blocking call", function()
    local gen = coroutine.wrap(function()
      local ok, err = pcall(function()
        weft.yield()
        coroutine.yield "inside pcall"
        error("caught", 0)
      end)
      return ok, err
    end)
    assert.equal("inside pcall", gen())
    assert.same({ false, "caught" }, { gen() })
  end)

  it("does not mix with other tasks' generators", function()
    local log = {}
    for t = 1, 10 do
      weft.go(function()
        local gen = coroutine.wrap(function()
          for i = 1, 10 do
            weft.yield()
            coroutine.yield(t * 100 + i)
          end
        end)
        for i = 1, 10 do
          if gen() ~= t * 100 + i then log[#log + 1] = "mixed" end
        end
      end)
    end
    weft.wait()
    assert.same({}, log)
  end)

  it("may be shared by tasks, one at a time", function()
    local gen = coroutine.wrap(function()
      for i = 1, 20 do
        weft.yield()
        coroutine.yield(i)
      end
    end)
    local seen = {}
    local lock = weft.channel(1)
    for _ = 1, 4 do
      weft.go(function()
        for _ = 1, 5 do
          lock:send(1)
          seen[#seen + 1] = gen()
          lock:recv()
        end
      end)
    end
    weft.wait()
    for i = 1, 20 do assert.equal(i, seen[i]) end
  end)

  it("cannot be resumed by another task while it waits", function()
    local co = coroutine.create(sleeper)
    local owner = weft.go(coroutine.resume, co)
    weft.yield()
    local ok, err = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(err:find("cannot resume non-suspended coroutine", 1, true))
    assert.has_error(function() coroutine.close(co) end)
    assert.not_equal("dead", coroutine.status(co))
    owner:cancel()
    owner:wait()
    assert.equal("dead", coroutine.status(co))
  end)

  it("is left when its task is cancelled, at the wait inside", function()
    local inside
    local job = weft.go(function()
      local gen = coroutine.wrap(function()
        local ok, err = pcall(sleeper)
        inside = not ok and weft.is(err, "cancelled")
        sleeper()
      end)
      gen()
    end)
    weft.yield()
    job:cancel()
    job:wait()
    assert.is_true(inside)
    assert.equal("cancelled", job:status())
  end)

  it("may be dropped while suspended", function()
    helper.no_growth(function()
      for _ = 1, 200 do
        weft.go(function()
          local gen = coroutine.wrap(function()
            weft.yield()
            coroutine.yield()
          end)
          gen()
        end)
      end
      weft.wait()
    end)
  end)
end)

describe("plain coroutines", function()
  both("behave as Lua's own", function()
    local co
    co = coroutine.create(function(...)
      assert.same({ 1, 2 }, { ... })
      assert.equal("running", coroutine.status(co))
      assert.equal(co, (coroutine.running()))
      assert.is_false(select(2, coroutine.running()))
      assert.is_true(coroutine.isyieldable())
      local inner = coroutine.wrap(function() return coroutine.status(co) end)
      assert.equal("normal", inner())
      return coroutine.yield(3)
    end)
    assert.equal("suspended", coroutine.status(co))
    assert.same({ true, 3 }, { coroutine.resume(co, 1, 2) })
    assert.same({ true, 4, 5 }, { coroutine.resume(co, 4, 5) })
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
    local self = coroutine.create(function() return coroutine.resume(coroutine.running()) end)
    assert.same({ true, false, "cannot resume non-suspended coroutine" }, { coroutine.resume(self) })
  end)

  both("add the position to errors as wrap does", function()
    local gen = coroutine.wrap(function() error("text", 0) end)
    local ok, err = pcall(function() gen() end)
    assert.is_false(ok)
    local theirs = original.wrap(function() error("text", 0) end)
    local _, expected = pcall(function() theirs() end)
    assert.equal((expected:gsub(":%d+:", ":N:")), (err:gsub(":%d+:", ":N:")))
  end)

  both("name misuse", function()
    helper.raises("bad argument #1", function() coroutine.create(42) end)
    helper.raises("bad argument #1", function() coroutine.wrap(nil) end)
    helper.raises("bad argument #1", function() coroutine.resume(42) end)
    helper.raises("bad argument #1", function() coroutine.status() end)
    helper.raises("bad argument #1", function() coroutine.close(print) end)
    helper.raises("bad argument #1", function() coroutine.isyieldable(1) end)
  end)

  both("carry many values", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    local gen = coroutine.wrap(function(...)
      weft.yield()
      return coroutine.yield(...)
    end)
    assert.equal(5000, select("#", gen(table.unpack(list))))
    assert.equal(5000, select("#", gen(table.unpack(list))))
  end)

  it("cannot yield where nobody resumes", function()
    helper.raises("outside a coroutine", coroutine.yield)
    local ok, err = weft.go(coroutine.yield, 1):result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find("outside a coroutine", 1, true))
  end)

  it("tell where they may yield", function()
    assert.is_false(coroutine.isyieldable())
    assert.is_false(weft.go(coroutine.isyieldable):join())
    assert.is_true(weft.go(function() return coroutine.wrap(coroutine.isyieldable)() end):join())
    local inside
    weft.go(function()
      coroutine.wrap(function() table.sort({ 2, 1 }, function() inside = coroutine.isyieldable() end) end)()
    end):join()
    assert.is_false(inside)
  end)

  it("say who runs", function()
    local co, is_main = coroutine.running()
    assert.equal("thread", type(co))
    assert.is_true(is_main)
    local mine, main_here = weft.go(coroutine.running):join()
    assert.equal("thread", type(mine))
    assert.is_false(main_here)
    assert.not_equal(co, mine)
  end)

  it("that belong to tasks are out of reach", function()
    local co
    local job = weft.go(function()
      co = coroutine.running()
      sleeper()
    end)
    weft.yield()
    assert.is_false((coroutine.resume(co)))
    assert.has_error(function() coroutine.close(co) end)
    assert.equal("waiting", job:status())
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
    assert.is_false((coroutine.resume(co)))
    weft.go(function() weft.yield() end):join()
    assert.is_false((coroutine.resume(co)))
  end)
end)

describe("coroutine.close", function()
  both("closes what is to be closed", function()
    local closed = {}
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() closed[#closed + 1] = "outer" end })
      weft.yield()
      local _ <close> = setmetatable({}, { __close = function() closed[#closed + 1] = "inner" end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.is_true(coroutine.close(co))
    assert.same({ "inner", "outer" }, closed)
    assert.equal("dead", coroutine.status(co))
    assert.is_true(coroutine.close(co))
  end)

  both("gives the error of a handler", function()
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() error("in close", 0) end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.same({ false, "in close" }, { coroutine.close(co) })
  end)

  both("lets a handler block", function()
    local got
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() got = blocks "value" end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.is_true(coroutine.close(co))
    assert.equal("value", got)
  end)

  it("nests without overflowing the C stack", function()
    local function nest(k)
      local co = coroutine.create(function()
        local inner = k > 0 and nest(k - 1)
        local _ <close> = setmetatable({}, { __close = function() if inner then coroutine.close(inner) end end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      return co
    end
    local ok = pcall(function() return coroutine.close(nest(180)) end)
    assert.equal("boolean", type(ok)) -- an error at the most
  end)
end)

describe("a blocking call", function()
  both("works in a comparator", function()
    local list = { 5, 3, 9, 1, 7, 2, 8 }
    table.sort(list, function(a, b)
      weft.yield()
      return blocks(a) < blocks(b)
    end)
    assert.same({ 1, 2, 3, 5, 7, 8, 9 }, list)
  end)

  both("works in a pattern's callback", function()
    assert.equal("<a><b><c>", (("abc"):gsub(".", function(c) return "<" .. blocks(c) .. ">" end)))
  end)

  both("works in metamethods", function()
    local mt = {}
    for _, name in ipairs { "__add", "__concat", "__index", "__call", "__eq", "__lt", "__le", "__len", "__unm" } do
      mt[name] = function() return blocks(name) end
    end
    mt.__tostring = function() return blocks "text" end
    mt.__newindex = function(_, k, v) rawset(_, k, blocks(v)) end
    mt.__pairs = function() return coroutine.wrap(function() coroutine.yield(blocks "key") end) end
    local a, b = setmetatable({}, mt), setmetatable({}, mt)
    assert.equal("__add", a + b)
    assert.equal("__concat", a .. b)
    assert.equal("__index", a.x)
    assert.equal("__call", a())
    assert.equal("__len", #a)
    assert.equal("__unm", -a)
    assert.is_true(a == b and a < b and a <= b)
    assert.equal("text", tostring(a))
    a.y = "set"
    assert.equal("set", rawget(a, "y"))
    for key in pairs(a) do assert.equal("key", key) end
  end)

  both("works in an iterator, pcall, xpcall's handler and <close>", function()
    for v in function(_, last) if not last then return blocks "v" end end do assert.equal("v", v) end
    assert.same({ true, "p" }, { pcall(blocks, "p") })
    assert.same({ false, "h" }, { xpcall(error, function() return blocks "h" end) })
    local got
    do
      local _ <close> = setmetatable({}, { __close = function() got = blocks "c" end })
    end
    assert.equal("c", got)
  end)

  both("works in load's reader, string.format and table.concat's friends", function()
    local parts = { "return ", "1 + ", "1" }
    local i = 0
    assert.equal(2, load(function()
      i = i + 1
      return blocks(parts[i])
    end)())
    assert.equal("<x>", ("<%s>"):format(setmetatable({}, { __tostring = function() return blocks "x" end })))
    assert.same({ 1, 2 }, table.move({ 1, 2 }, 1, 2, 1, setmetatable({}, { __newindex = function(t, k, v)
      rawset(t, k, blocks(v))
    end })))
  end)

  it("works in require", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/weft_spec_slow.lua", [[
      local weft = require "weft"
      local ch = weft.channel()
      weft.go(function() ch:send "loaded" end)
      return { value = ch:recv() }
    ]])
    local path = package.path
    package.path = dir .. "/?.lua;" .. path
    local ok, module = pcall(require, "weft_spec_slow")
    package.loaded.weft_spec_slow = nil
    local in_task = weft.go(function() return require("weft_spec_slow").value end):join()
    package.loaded.weft_spec_slow = nil
    package.path = path
    helper.remove_dir(dir)
    assert.is_true(ok, module)
    assert.equal("loaded", module.value)
    assert.equal("loaded", in_task)
  end)

  it("in a finaliser works or says why not, and leaves all else as it was", function()
    local outcome
    local function drop()
      setmetatable({}, { __gc = function() outcome = table.pack(pcall(blocks, "value")) end })
    end
    drop()
    collectgarbage()
    assert.truthy(outcome)
    if outcome[1] then assert.equal("value", outcome[2]) else assert.equal("string", type(outcome[2])) end
    outcome = nil
    weft.go(function()
      drop()
      collectgarbage()
      weft.yield()
    end):join()
    assert.truthy(outcome)
    weft.wait()
    assert.equal("still fine", blocks "still fine")
  end)

  it("in a finaliser that runs inside a channel operation does no harm", function()
    local n = helper.scale(20000, 2000)
    local ch, got = weft.channel(), 0
    local function litter()
      setmetatable({}, { __gc = function() pcall(weft.yield) pcall(weft.go, function() weft.yield() end) end })
    end
    weft.go(function()
      for i = 1, n do
        litter()
        ch:send { i }
      end
      ch:close()
    end)
    for v in ch do got = got + v[1] // v[1] end
    assert.equal(n, got)
    weft.wait()
  end)

  it("lets other tasks run while it waits in a comparator", function()
    local turns, stop = 0, false
    local other = weft.go(function()
      while not stop do
        turns = turns + 1
        weft.yield()
      end
    end)
    local list = { 3, 1, 2 }
    weft.go(function()
      table.sort(list, function(a, b)
        weft.yield()
        return a < b
      end)
      stop = true
    end):join()
    other:join()
    assert.same({ 1, 2, 3 }, list)
    assert.is_true(turns >= 3)
  end)

  it("in many comparators at once ends last in, first out", function()
    local done = 0
    for t = 1, 20 do
      weft.go(function()
        local list = { 3, 1, 2, t }
        table.sort(list, function(a, b)
          weft.yield()
          return a < b
        end)
        assert(list[1] <= list[2] and list[2] <= list[3] and list[3] <= list[4])
        done = done + 1
      end)
    end
    weft.wait()
    assert.equal(20, done)
  end)
end)

describe("functions of coroutine captured before weft was loaded", function()
  both("still run plain generators", function()
    local gen = original.wrap(function(a)
      local b = original.yield(a + 1)
      return b * 2
    end)
    assert.equal(2, gen(1))
    assert.equal(6, gen(3))
    local mixed = original.wrap(function() coroutine.yield "mine" end)
    assert.equal("mine", mixed())
    local mixed_too = coroutine.wrap(function() original.yield "theirs" end)
    assert.equal("theirs", mixed_too())
  end)

  both("let what they resume block", function()
    local gen = original.wrap(function(a)
      coroutine.yield(blocks(a))
      weft.sleep(0.0001)
      return blocks "end"
    end)
    assert.equal("begin", gen "begin")
    assert.equal("end", gen())
    local co = original.create(blocks)
    assert.same({ true, 5 }, { original.resume(co, 5) })
  end)

  it("are left at once by a cancellation that is due", function()
    local after, back = false, nil
    local job = weft.go(function()
      weft.current():cancel "now"
      back = table.pack(original.resume(original.create(function()
        weft.sleep(0)
        after = true
      end)))
      weft.sleep(0)
    end)
    local ok, err = job:result()
    assert.is_false(ok)
    assert.equal("now", err.reason)
    assert.same({ false, err }, { back[1], back[2] })
    assert.is_false(after)
  end)

  it("yield a task's turn, or say that nobody resumes it", function()
    local other
    local job = weft.go(function()
      weft.go(function() other = "ran" end)
      local ok, err = pcall(original.yield, "to nobody")
      assert(ok or err:find("outside a coroutine", 1, true))
      weft.yield()
      return "end"
    end)
    assert.equal("end", job:join())
    assert.equal("ran", other)
  end)
end)
