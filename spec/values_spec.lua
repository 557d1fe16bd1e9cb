-- What crosses to a thread and back, and how it arrives: every type, shapes, functions and their upvalues,
-- metatables that both sides know; what cannot cross, and the path that the error names.

local helper = require "spec.helper"
local weft = require "weft"

local function back(...) return weft.thread(function(...) return ... end, ...):join() end

-- Runs f in a thread with the arguments.
local function there(f, ...) return weft.thread(f, ...):join() end

-- There is no going: the message names `path` and `why`, and is an error of weft's own. The function is
-- argument 1.
local function refused(path, why, ...)
  local err = helper.raises_kind("transfer", weft.thread, function() end, ...)
  local text = err.message
  assert.equal(path .. ": ", text:sub(1, #path + 2), text)
  assert.truthy(text:find(why, 1, true), text)
end

describe("a plain value", function()
  for _, v in ipairs {
    true, false, 0, 1, -1, math.maxinteger, math.mininteger, 0.0, -0.0, 0.1, 1e308, 5e-324, math.huge, -math.huge, 2 ^ 53, "",
    "a", ("x"):rep(14), ("x"):rep(15), ("x"):rep(40), ("x"):rep(41), ("x"):rep(1 << 16), "\0\1\255", "grün", 3, 3.0,
  } do
    it("arrives as it is: " .. (type(v) == "string" and #v > 20 and #v .. " bytes" or ("%q"):format(v)), function()
      local r = back(v)
      assert.equal(v, r)
      assert.equal(math.type(v), math.type(r))
      if v == 0 then assert.equal(1 / v, 1 / r) end
      assert.equal(v, back({ v })[1])
      assert.equal(v, (next(back { [v] = true })))
    end)
  end

  it("may be nil, anywhere among the others", function()
    assert.same({ n = 0 }, table.pack(back()))
    assert.same({ n = 1 }, table.pack(back(nil)))
    assert.same({ n = 5, nil, 1, nil, 2, nil }, table.pack(back(nil, 1, nil, 2, nil)))
  end)

  it("may be NaN", function()
    local r = back(0 / 0)
    assert.is_true(r ~= r)
  end)

  it("keeps its place among many", function()
    local n = helper.scale(20000, 500)
    local list = {}
    for i = 1, n do list[i] = i % 3 == 0 and tostring(i) or i % 3 == 1 and i or i / 2 end
    local r = table.pack(back(table.unpack(list)))
    assert.equal(n, r.n)
    for i = 1, n do assert.equal(list[i], r[i]) end
  end)

  it("may be a light userdata", function()
    local p = io.stdout and debug.upvalueid(function() return helper end, 1)
    assert.equal("userdata", type(p))
    assert.equal(p, back(p))
  end)
end)

describe("a table", function()
  it("arrives as a copy, list and fields, holes and all", function()
    local t = { 1, nil, 3, x = "y", [true] = false, [1.5] = "float", [-1] = "minus", n = { { {} } } }
    local r = back(t)
    assert.not_equal(t, r)
    assert.same(t, r)
    r.x = "changed"
    assert.equal("y", t.x)
  end)

  it("may have tables as keys", function()
    local k = { "key" }
    local r, key = back({ [k] = "v" }, k)
    assert.equal("v", r[key])
  end)

  it("may hold itself, and be held by its parts", function()
    local t = { part = {} }
    t.self, t[t], t.part.whole = t, t, t
    local r = back(t)
    assert.equal(r, r.self)
    assert.equal(r, r[r])
    assert.equal(r, r.part.whole)
  end)

  it("stays one where it is used twice, also across arguments", function()
    local shared = {}
    local a, b, c = back({ shared, shared }, shared, { x = shared })
    assert.equal(a[1], a[2])
    assert.equal(a[1], b)
    assert.equal(b, c.x)
  end)

  it("is one per message, not for ever", function()
    local t = {}
    local job = weft.thread(function(a) return a, a end, t)
    local a, b = job:join()
    assert.equal(a, b)
    assert.not_equal(t, a)
  end)

  it("may be large, wide or empty", function()
    local n = helper.scale(100000, 2000)
    local list, map = {}, {}
    for i = 1, n do
      list[i] = i
      map["k" .. i] = i
    end
    local l, m, e = back(list, map, {})
    assert.equal(n, #l)
    for i = 1, n, n // 10 do assert.equal(i, l[i]) end
    local count = 0
    for k, v in pairs(m) do
      count = count + 1
      assert.equal(k, "k" .. v)
    end
    assert.equal(n, count)
    assert.is_nil(next(e))
  end)

  it("may be nested 200 deep, and no deeper", function()
    local function nest(n)
      local t = {}
      for _ = 2, n do t = { t } end
      return t
    end
    local r, depth = back(nest(190)), 0
    while r do
      r = r[1]
      depth = depth + 1
    end
    assert.equal(190, depth)
    local err = helper.raises_kind("transfer", weft.thread, function() end, nest(100000))
    assert.truthy(tostring(err):find("deep", 1, true), tostring(err))
  end)

  it("is taken as it is, past its metamethods", function()
    local meta = { __index = error, __pairs = error, __len = error, __newindex = error }
    weft.register("values_spec.raw", meta)
    local ch = weft.channel(1)
    ch:send(setmetatable({ 1, 2 }, meta))
    assert.equal(2, there(function(c)
      weft.register("values_spec.raw", {})
      return rawlen(c:recv())
    end, ch))
  end)
end)

describe("a function", function()
  it("runs over there, with its upvalues as they were", function()
    local n, t = 5, { 6 }
    local job = weft.thread(function() return n, t[1] end)
    n, t[1] = 0, 0
    assert.same({ 5, 6 }, { job:join() })
  end)

  it("shares upvalues with the others in its message, and none with its origin", function()
    local n = 0
    local function up() n = n + 1 return n end
    local function get() return n end
    local a, b = there(function(u, g) u() u() return u(), g() end, up, get)
    assert.same({ 3, 3, 0 }, { a, b, n })
  end)

  it("comes back, and back again", function()
    local count = 0
    local f = there(function(g) g() return g end, function() count = count + 1 return count end)
    assert.equal(2, f())
    assert.equal(3, there(f))
    assert.equal(3, f())
    assert.equal(0, count)
  end)

  it("may call itself and others", function()
    local odd
    local function even(n) return n == 0 or odd(n - 1) end
    function odd(n) return n ~= 0 and even(n - 1) end
    assert.is_true(there(even, 10))
    assert.is_false(there(odd, 10))
    local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
    assert.equal(55, there(fib, 10))
  end)

  it("sees the globals of where it runs", function()
    _G.values_spec_global = "here"
    assert.is_nil(there(function() return rawget(_G, "values_spec_global") end))
    assert.equal("set", there(function() _G.values_spec_global = "set" return values_spec_global end)) -- luacheck: ignore 113
    assert.equal("here", _G.values_spec_global)
    _G.values_spec_global = nil
  end)

  it("keeps names and lines for tracebacks", function()
    local function failing() error "in here" end
    local _, err = weft.thread(failing):result()
    assert.truthy(err:find "values_spec.lua:%d+: in here", err)
    local info = there(function(f) return debug.getinfo(f, "S").short_src end, failing)
    assert.truthy(info:find "values_spec.lua")
  end)

  it("may have as many upvalues as Lua allows", function()
    local names, sum = {}, {}
    for i = 1, 200 do
      names[i] = ("u%d"):format(i)
      sum[i] = ("u%d"):format(i)
    end
    -- Locals in blocks, since a function has 200 at most.
    local f = assert(load(("local %s = %s\nreturn function() return %s end"):format(table.concat(names, ", ", 1, 190),
      ("1, "):rep(189) .. "1", table.concat(sum, " + ", 1, 190))))()
    assert.equal(190, there(f))
  end)

  it("may be varargs, a method, a closure made in a loop", function()
    assert.same({ 3, "a", nil, "c" }, { there(function(...) return select("#", ...), ... end, "a", nil, "c") })
    local fs = {}
    for i = 1, 3 do fs[i] = function() return i end end
    local a, b, c = there(function(list) return list[1](), list[2](), list[3]() end, fs)
    assert.same({ 1, 2, 3 }, { a, b, c })
  end)

  it("of C is found over there by its module's name", function()
    local f, g, h = back(print, string.rep, math.sin)
    assert.equal(print, f)
    assert.equal(string.rep, g)
    assert.equal(math.sin, h)
    assert.equal("ab", there(function(cat) return cat { "a", "b" } end, table.concat))
    assert.equal(weft.now, (back(weft.now)))
  end)
end)

describe("a module", function()
  it("travels as its name, not its content", function()
    local s, m = back(string, math)
    assert.equal(string, s)
    assert.equal(math, m)
    assert.equal(weft, (back(weft)))
    assert.is_true(there(function(t) return t == string end, string))
    assert.equal(_G, (back(_G)))
    assert.equal(io.stdout, (back(io.stdout))) -- the part of one, too
  end)

  it("that is not there fails over there, by its name", function()
    package.loaded["values_spec.nowhere"] = { 1 }
    local _, err = weft.thread(function(t) return t end, package.loaded["values_spec.nowhere"]):result()
    assert.truthy(tostring(err):find("values_spec.nowhere", 1, true), tostring(err))
    package.loaded["values_spec.nowhere"] = nil
  end)
end)

describe("a registered metatable", function()
  local Point = { __name = "values_spec.point" }
  Point.__index = Point
  function Point.__add(a, b) return setmetatable({ x = a.x + b.x }, Point) end
  weft.register("values_spec.point", Point)

  -- What the other side does to know it.
  local function define()
    local P = {}
    P.__index = P
    function P:double() return self.x * 2 end
    weft.register("values_spec.point", P)
    return P
  end

  it("is put on by the other side, by its name", function()
    local job = weft.thread(function(def, ch)
      local P = def()
      local p = ch:recv()
      return getmetatable(p) == P, p:double(), p
    end, define, (function()
      local ch = weft.channel(1)
      ch:send(setmetatable({ x = 21 }, Point))
      return ch
    end)())
    local same, double, p = job:join()
    assert.is_true(same)
    assert.equal(42, double)
    assert.equal(Point, getmetatable(p))
    assert.equal(22, (p + setmetatable({ x = 1 }, Point)).x)
  end)

  it("that the other side does not know fails there, by its name", function()
    local _, err = weft.thread(function() end, setmetatable({}, Point)):result()
    assert.truthy(tostring(err):find("values_spec.point", 1, true), tostring(err))
  end)

  it("is there for an argument when a module of the function registers it", function()
    package.preload["values_spec.account"] = function()
      local Account = {}
      Account.__index = Account
      function Account.new(n) return setmetatable({ n = n }, Account) end
      function Account:get() return self.n end
      require("weft").register("values_spec.account", Account)
      return Account
    end
    finally(function() package.preload["values_spec.account"], package.loaded["values_spec.account"] = nil, nil end)
    local Account = require "values_spec.account"
    assert.equal(5, there(function(a) return Account.get(a) end, Account.new(5)))
    local init = function() require "values_spec.account" end
    local numbers = weft.map(function(a) return a:get() end, { Account.new(1), Account.new(2) }, { init = init, size = 1 })
    assert.same({ 1, 2, n = 2 }, numbers)
  end)

  it("may be registered again, the same; not another, and not under another name", function()
    weft.register("values_spec.point", Point)
    helper.raises("values_spec.point", weft.register, "values_spec.point", {})
    helper.raises("register", weft.register, "values_spec.other", Point)
  end)

  it("of weft's own errors needs no registering", function()
    local _, err = pcall(weft.timeout, 0, weft.sleep, 1)
    local r = back(err)
    assert.is_true(weft.is(r, "timeout"))
    assert.equal(tostring(err), tostring(r))
    assert.equal(err, r) -- as its __eq has it
  end)
end)

describe("what weft itself makes", function()
  it("crosses where it is meant to", function()
    local ch = weft.channel(3)
    ch:send "x"
    assert.equal("x", there(function(c) return (c:recv()) end, ch))
    assert.equal(ch, (back(ch)))
    assert.equal("x", there(function(t) t.ch:send "x" return (t.ch:recv()) end, { ch = ch }))
    assert.equal("x", there(function() ch:send "x" return (ch:recv()) end)) -- as an upvalue
  end)

  it("goes when it is a lock or a job, and its guard does not", function()
    local m, job = weft.mutex(), weft.go(function() return "done" end)
    assert.equal(m, (back(m)))
    assert.equal(job, (back(job)))
    assert.equal("done", there(function(j) return (j:join()) end, job))
    refused("arg 2", "weft.guard", m:guard())
    refused("arg 2.s", "cannot cross", { s = coroutine.create(print) })
    weft.wait()
  end)
end)

describe("what cannot cross", function()
  it("is named with its path, and nothing is started", function()
    local co = coroutine.create(function() end)
    refused("arg 2", "coroutine", co)
    refused("arg 4", "coroutine", 1, {}, co)
    refused("arg 3.users[3].sock", "coroutine", 1, { users = { 1, 2, { sock = co } } })
    refused('arg 2["a key"]', "coroutine", { ["a key"] = co })
    local file <close> = io.tmpfile()
    refused("arg 2", "FILE", file)
    refused("arg 2[1]", "not registered", { setmetatable({}, {}) })
    local function uses() return co end
    refused("arg 2 upvalue 'co'", "coroutine", uses)
    refused("arg 2.f upvalue 'co'", "coroutine", { f = uses })
    assert.same({ n = 0 }, table.pack(weft.wait()))
  end)

  it("is named in keys and results, too", function()
    local co = coroutine.create(function() end)
    local err = helper.raises_kind("transfer", weft.thread, function() end, { [co] = 1 })
    assert.truthy(tostring(err):find("key", 1, true), tostring(err))
    local _, result = weft.thread(function() return 1, { coroutine.create(print) } end):result()
    assert.is_true(weft.is(result, "transfer"))
    assert.truthy(tostring(result):find("result 2[1]", 1, true), tostring(result))
  end)

  it("does not keep a channel from its other values", function()
    local ch = weft.channel(5)
    back(ch) -- crossed
    helper.raises_kind("transfer", ch.send, ch, coroutine.create(print))
    helper.raises_kind("transfer", ch.try_send, ch, coroutine.create(print))
    helper.raises_kind("transfer", weft.select, { { ch, send = coroutine.create(print) } })
    assert.equal(0, #ch)
    ch:send "good"
    assert.equal("good", (ch:recv()))
  end)

  it("leaves no memory behind", function()
    local co = coroutine.create(function() end)
    local big = { ("x"):rep(10000), {}, co }
    helper.no_growth(function() pcall(weft.thread, function() end, big) end, { n = helper.scale(1000, 50), lua = 64 })
  end)
end)

describe("anything", function()
  it("made by chance arrives as it was", function()
    local seed = tonumber(os.getenv "SEED") or os.time()
    math.randomseed(seed)
    local function make(depth, known)
      local k = math.random(depth > 0 and 12 or 8)
      if k == 1 then return math.random(0) end
      if k == 2 then return math.random() * 10 ^ math.random(-300, 300) end
      if k == 3 then return math.random() < 0.5 end
      if k <= 6 then
        local s = {}
        for i = 1, math.random(0, k == 6 and 300 or 30) do s[i] = string.char(math.random(0, 255)) end
        return table.concat(s)
      end
      if k <= 8 then return known[math.random(#known + 1)] or k end
      local t = {}
      known[#known + 1] = t
      for _ = 1, math.random(0, 8) do
        if math.random() < 0.5 then
          t[#t + 1] = make(depth - 1, known)
        else
          local key = make(depth - 1, known)
          if key ~= nil and key == key then t[key] = make(depth - 1, known) end
        end
      end
      return t
    end
    -- Equal in shape, with tables in the same places being the same ones.
    local function alike(a, b, seen)
      if type(a) ~= "table" then return a == b and math.type(a) == math.type(b) end
      if seen[a] then return seen[a] == b end
      if type(b) ~= "table" then return false end
      seen[a] = b
      local n = 0
      for key, v in next, a do
        n = n + 1
        if type(key) ~= "table" and not alike(v, rawget(b, key), seen) then return false end
      end
      for _ in next, b do n = n - 1 end
      return n == 0
    end
    local there_and_back = weft.channel(1)
    local echo = weft.channel(1)
    local job = weft.thread(function(from, to) for t in from do to:send(t) end end, there_and_back, echo)
    for _ = 1, helper.scale(2000, 50) do
      local t = { make(5, {}) }
      there_and_back:send(t)
      assert.is_true(alike(t, (echo:recv()), {}), "SEED=" .. seed)
    end
    there_and_back:close()
    job:join()
  end)
end)

describe("the path in the error of a value that cannot cross", function()
  local co = coroutine.create(print)
  local function refuses(path, value)
    local _, err = pcall(weft.thread, function() end, value)
    assert.equal(("arg 2%s: a coroutine cannot cross isolates"):format(path), err.message)
    assert.truthy(err.where:find "values_spec%.lua:%d+$", err.where)
  end

  it("names keys as one would write them", function()
    for key, shown in pairs {
      [true] = "[true]", [false] = "[false]", [""] = '[""]', ["1a"] = '["1a"]', ["a b"] = '["a b"]', ['q"'] = '["q\\""]',
      ["\1"] = '["\\1"]', ["\127"] = '["\\127"]', ["b\\"] = '["b\\\\"]', [1.5] = "[1.5]", [-3] = "[-3]", [print] = "[function]",
      ok_1 = ".ok_1", _ = "._", [("x"):rep(300)] = '["' .. ("x"):rep(40) .. '..."]',
    } do
      refuses(shown, { [key] = co })
      refuses(shown .. "[1].x", { [key] = { { x = co } } })
    end
  end)

  it("says where a key itself is what cannot", function()
    refuses("[key]", { [co] = 1 })
    refuses("[1][table]", { { [{}] = co } })
  end)

  it("names the class of a metatable that nobody registered", function()
    local function message(meta)
      local _, err = pcall(weft.thread, function() end, { a = setmetatable({}, meta) })
      return err.message
    end
    assert.equal("arg 2.a: the metatable of this thing is not registered (weft.register)", message { __name = "thing" })
    assert.equal("arg 2.a: its metatable is not registered (weft.register)", message { __name = 5 })
    assert.equal("arg 2.a: its metatable is not registered (weft.register)", message {})
  end)
end)
