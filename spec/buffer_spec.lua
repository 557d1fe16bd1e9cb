-- Buffers: types, bounds, slices, bulk methods, and the memory that isolates share. What tasks wait for is in
-- atomic_spec.

local helper = require "spec.helper"
local weft = require "weft"

local HUGE, MIN, MAX = math.huge, math.mininteger, math.maxinteger
local TYPES = { "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64" }
local SIZE = { i8 = 1, u8 = 1, i16 = 2, u16 = 2, i32 = 4, u32 = 4, i64 = 8, u64 = 8, f32 = 4, f64 = 8 }
local LIMITS = {
  i8 = { -128, 127 }, u8 = { 0, 255 }, i16 = { -32768, 32767 }, u16 = { 0, 65535 },
  i32 = { -2147483648, 2147483647 }, u32 = { 0, 4294967295 }, i64 = { MIN, MAX },
}
-- What no index can be, for a buffer of 10.
local BAD_INDEX = { 0, -1, 11, MIN, MAX, MIN + 1, 2 ^ 63, -2 ^ 63, 2 ^ 53, 1.5, 0 / 0, HUGE, -HUGE, 1 << 61, 1 << 60 }

local function list(b)
  local t = {}
  for i, v in pairs(b) do t[i] = v end
  return t
end

local function filled(type, values, opts) return weft.buffer(type, #values, opts):copy(values) end

describe("weft.buffer", function()
  for _, t in ipairs(TYPES) do
    it("has elements of type " .. t, function()
      local b = weft.buffer(t, 10)
      assert.equal(10, #b)
      assert.equal(t, b:type())
      assert.equal(SIZE[t], b:stride())
      for i = 1, 10 do
        assert.equal(0, b[i])
        b[i] = i
      end
      assert.equal(t:sub(1, 1) == "f" and "float" or "integer", math.type(b[1]))
      for i = 1, 10 do assert.equal(i, b[i]) end
      assert.equal(SIZE[t] * 10, #b:string())
      b[3.0] = 7.0 -- as a table takes it
      assert.equal(7, b[3])
    end)
  end

  it("is empty when asked for none", function()
    for _, t in ipairs(TYPES) do
      local b = weft.buffer(t, 0)
      assert.equal(0, #b)
      assert.equal("", b:string())
      assert.equal(0, b:sum())
      helper.raises("the buffer is empty", b.min, b)
      helper.raises("the buffer is empty", b.max, b)
      helper.raises("index 1 is out of bounds (the buffer is empty)", function() return b[1] end)
      b:fill(1):sort():copy(""):copy {}
      assert.equal(0, #b:slice())
    end
  end)

  it("refuses what it cannot make", function()
    helper.raises("bad argument #1 to '.-buffer' %(a type %(i8 u8 ", weft.buffer, "f16", 1)
    helper.raises("bad argument #1 to '.-buffer'", weft.buffer)
    helper.raises("bad argument #1 to '.-buffer'", weft.buffer, {}, 1)
    helper.raises("bad argument #2 to '.-buffer'", weft.buffer, "i8")
    helper.raises("bad argument #2 to '.-buffer'", weft.buffer, "i8", -1)
    helper.raises("bad argument #2 to '.-buffer'", weft.buffer, "i8", 1.5)
    for _, n in ipairs { MIN, -1, MIN // 8 } do helper.raises("bad argument #2 to '.-buffer'", weft.buffer, "f64", n) end
    for _, n in ipairs { MAX, 1 << 61, 1 << 60, (1 << 60) + 1 } do
      helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "f64", n)
    end
    helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "i8", MAX)
    helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "i8", 1 << 32, { stride = 1 << 32 })
    helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "i8", 3, { stride = MAX // 2 })
    helper.raises("stride", weft.buffer, "i32", 1, { stride = MAX })
    for _, stride in ipairs { 0, -8, 1, 7, 12, MIN, 2.5, "x", {} } do
      helper.raises("stride", weft.buffer, "f64", 1, { stride = stride })
    end
    helper.raises("'strid'", weft.buffer, "f64", 1, { strid = 8 })
    helper.raises("bad argument #3 to '.-buffer'", weft.buffer, "f64", 1, 8)
  end)

  it("says when memory is out", function()
    if helper.sanitizer then return end -- their allocators take that for a mistake
    local err = helper.raises_kind("memory", weft.buffer, "f64", 1 << 57)
    assert.equal("not enough memory for a buffer of 1152921504606846976 bytes", err.message)
    helper.raises_kind("memory", weft.buffer, "u8", 1, { stride = 1 << 60 })
  end)

  it("refuses indices out of bounds, whatever they are", function()
    for _, t in ipairs(TYPES) do
      local b = weft.buffer(t, 10)
      for _, i in ipairs(BAD_INDEX) do
        helper.raises("index", function() return b[i] end)
        helper.raises("index", function() b[i] = 1 end)
        helper.raises("bad argument #1 to 'load' (", function() b:load(i) end)
        helper.raises("bad argument #1 to 'store' (", function() b:store(i, 1) end)
        helper.raises("bad argument #1 to 'add' (", function() b:add(i, 1) end)
        helper.raises("bad argument #1 to 'exchange' (", function() b:exchange(i, 1) end)
        helper.raises("bad argument #1 to 'cas' (", function() b:cas(i, 0, 1) end)
        helper.raises("bad argument #1 to 'wait' (", function() b:wait(i, 0, 0) end)
        helper.raises("bad argument #1 to 'wake' (", function() b:wake(i) end)
      end
      assert.equal(0, b:sum())
    end
  end)

  it("says what was wrong with an index", function()
    local b = weft.buffer("i32", 10)
    helper.raises("index 11 is out of bounds (1 to 10)", function() return b[11] end)
    helper.raises("an integer is expected as index, got 1.5", function() return b[1.5] end)
    helper.raises("an integer is expected as index, got table", function() return b[{}] end)
    helper.raises("a buffer has no fields that can be set", function() b.x = 1 end)
    helper.raises("an integer is expected as index, got no value", function() b:load() end)
    assert.is_nil(b.no_such_method)
  end)

  it("refuses values that the type cannot hold, and leaves the element alone", function()
    for t, limit in pairs(LIMITS) do
      local b = weft.buffer(t, 1)
      local least, most = limit[1], limit[2]
      for _, v in ipairs(limit) do
        b[1] = v
        assert.equal(v, b[1])
        assert.equal(v, b:load(1))
      end
      local wrong = { 1.5, HUGE, -HUGE, 0 / 0, 2 ^ 64, 1e300, -1e300 }
      if t ~= "i64" then
        for _, v in ipairs { least - 1, most + 1, MIN, MAX, most + 1.0, least - 1.0 } do wrong[#wrong + 1] = v end
      else
        wrong[#wrong + 1] = 2.0 ^ 63
      end
      b[1] = 7
      for _, v in ipairs(wrong) do
        local text = v == v and v == math.floor(v) and "does not fit " .. t or ""
        helper.raises(text, function() b[1] = v end)
        helper.raises("bad argument #2 to 'store'", function() b:store(1, v) end)
        helper.raises("bad argument #2 to 'exchange'", function() b:exchange(1, v) end)
        helper.raises("bad argument #2 to 'cas'", function() b:cas(1, v, 1) end)
        helper.raises("bad argument #3 to 'cas'", function() b:cas(1, 7, v) end)
        helper.raises("bad argument #1 to 'fill'", function() b:fill(v) end)
        helper.raises("bad argument #2 to 'wait'", function() b:wait(1, v) end)
        helper.raises("bad argument #1 to 'copy' (element 1: ", function() b:copy { v } end)
      end
      assert.equal(7, b[1])
    end
  end)

  it("takes numbers only", function()
    for _, t in ipairs(TYPES) do
      local b = weft.buffer(t, 1)
      for _, v in ipairs { "1", true, {}, weft } do
        helper.raises("a number expected, got " .. type(v), function() b[1] = v end)
        helper.raises("a number expected, got " .. type(v), function() b:store(1, v) end)
        helper.raises("a number expected, got " .. type(v), function() b:fill(v) end)
      end
      helper.raises("a number expected, got nil", function() b[1] = nil end)
      helper.raises("a number expected, got no value", function() b:fill() end)
    end
  end)

  it("reads u64 above the largest integer as the wrapped integer", function()
    local b = weft.buffer("u64", 2)
    b[1] = MAX
    assert.equal(MAX, b:add(1, 1))
    assert.equal(MIN, b[1])
    b[1] = 2.0 ^ 63
    assert.equal(MIN, b[1])
    b[2] = b[1] -- what was read can be written
    assert.equal(MIN, b[2])
    assert.is_true(b:cas(2, b[1], -1))
    assert.equal(-1, b[2])
    assert.equal(("\255"):rep(8), b:string(2, 2))
    assert.equal(-1, b:max())
    assert.equal(MIN, b:min()) -- 2^63 is the less of the two
    b[1] = 3
    assert.equal(-1, b:exchange(2, 18446744073709549568.0)) -- the last float below 2^64
    assert.equal(-2048, b[2])
    for _, v in ipairs { 2.0 ^ 64, -1.5, HUGE, 0 / 0 } do helper.raises("", function() b[1] = v end) end
    assert.equal(3, b[1])
  end)

  it("rounds floats as C does", function()
    local b = weft.buffer("f32", 1)
    b[1] = 0.1
    assert.equal(string.unpack("f", string.pack("f", 0.1)), b[1])
    b[1] = 1e300
    assert.equal(HUGE, b[1])
    b[1] = 16777217
    assert.equal(16777216.0, b[1])
    local d = weft.buffer("f64", 1)
    for _, v in ipairs { HUGE, -HUGE, 5e-324, -0.0, 1e308, MAX } do
      d[1] = v
      assert.equal(v + 0.0, d[1])
    end
    d[1] = 0 / 0
    assert.is_true(d[1] ~= d[1])
  end)

  it("tells what it is", function()
    assert.truthy(tostring(weft.buffer("f32", 5)):find "^weft%.buffer %d+ %(f32, 5%)$")
    assert.truthy(tostring(weft.buffer("f32", 5, { stride = 64 })):find "^weft%.buffer %d+ %(f32, 5, 64 bytes apart%)$")
  end)

  it("goes through pairs", function()
    local sum, last = 0, 0
    for i, v in pairs(filled("i32", { 5, 6, 7 })) do
      assert.equal(last + 1, i)
      sum, last = sum + v, i
    end
    assert.equal(18, sum)
    for _ in pairs(weft.buffer("i32", 0)) do error "none expected" end
  end)

  it("checks who calls its methods", function()
    local b = weft.buffer("i8", 1)
    local meta = getmetatable(b)
    for _, wrong in ipairs { io.stdout, weft.channel(), weft.mutex(), {}, "x", 1 } do
      for _, name in ipairs { "load", "slice", "sum", "sort", "fill", "copy", "string", "wake", "close", "type" } do
        helper.raises("weft.buffer expected", b[name], wrong, 1, 1)
      end
      helper.raises("weft.buffer expected", meta.__index, wrong, 1)
      helper.raises("weft.buffer expected", meta.__newindex, wrong, 1, 1)
      helper.raises("weft.buffer expected", meta.__gc, wrong)
      assert.is_false(meta.__eq(b, wrong))
    end
  end)
end)

describe("closing a buffer", function()
  it("gives its memory up", function()
    local b, s = weft.buffer("i32", 3), nil
    do
      local c <close> = b
      s = c:slice(2, 3)
      s[1] = 5
    end
    assert.equal(0, #b)
    assert.truthy(tostring(b):find "%(closed%)$")
    helper.raises("the buffer is closed", function() return b[1] end)
    helper.raises("the buffer is closed", function() b[1] = 1 end)
    for _, name in ipairs { "load", "store", "wake", "slice", "fill", "copy", "string", "sum", "min", "max", "sort" } do
      helper.raises("the buffer is closed", b[name], b, 1, 1)
    end
    helper.raises("the buffer is closed", weft.buffer("i32", 3).copy, weft.buffer("i32", 3), b)
    b:close()
    assert.equal(5, s[1]) -- a slice keeps it
    assert.is_false(b == s)
    assert.is_true(b == b)
  end)

  it("lets nothing of it cross", function()
    local b = weft.buffer("i32", 3)
    b:close()
    local err = helper.raises_kind("transfer", weft.thread, function() end, { b = b })
    assert.truthy(err.message:find("arg 2.b: a closed weft.buffer", 1, true), err.message)
  end)
end)

describe("memory of buffers", function()
  it("is freed by the collector", function()
    helper.no_growth(function()
      local b = weft.buffer("f64", 1000)
      b:slice(1, 10)[1] = 1
      collectgarbage()
    end, { n = 50 })
  end)

  it("is freed at once by close", function()
    helper.no_growth(function()
      for _ = 1, 100 do
        local b <close> = weft.buffer("u8", 100000)
        b:fill(1)
      end
      collectgarbage()
    end, { n = 20 })
  end)

  it("is looked for when much was made, though Lua's collector sees little of it", function()
    if helper.sanitizer then return end -- they keep what is freed
    local out = helper.run_ok [[
      local weft = require "weft"
      local kept = {}
      for i = 1, 400 do
        kept[i % 3] = weft.buffer("u8", 16 << 20) -- three at a time
        kept[i % 3][1] = 1
      end
      for line in io.lines "/proc/self/status" do
        local peak = line:match "^VmPeak:%s+(%d+)"
        if peak then print(tonumber(peak) // 1024 < 1500) end
      end
      collectgarbage "stop"
      local b = weft.buffer("u8", 100 << 20)
      print(collectgarbage "isrunning", #b)
    ]]
    assert.equal("true\nfalse\t104857600\n", out)
  end)

  it("begins at a cache line and shares none", function()
    -- What Lua can see of it: two buffers of one byte do not disturb each other.
    local bs = {}
    for i = 1, 100 do bs[i] = weft.buffer("u8", 1):fill(i) end
    for i = 1, 100 do assert.equal(i, bs[i][1]) end
  end)

  it("outlives a finaliser that runs after the buffer's", function()
    helper.run_ok [[
      local b, s
      old = setmetatable({}, { __gc = function() -- older than weft: runs when weft has closed
        assert(#b == 0 and #s == 0)
        for _, call in ipairs {
          function() return b[1] end, function() b[1] = 1 end, function() b:add(1, 1) end, function() b:wait(1, 0) end,
          function() b:wake(1) end, function() b:sum() end, function() b:slice(1) end, function() weft.buffer("i8", 1) end,
          function() weft.atomic(0) end, function() s:copy "x" end,
        } do assert(not pcall(call)) end
        b:close()
      end })
      local weft = require "weft"
      b = weft.buffer("i64", 10)
      s = b:slice(3)
      setmetatable({}, { __gc = function() -- made after it, and before the state closes
        print(#b, pcall(function() return b[1] end))
      end })
      local late = setmetatable({ weft.buffer("i64", 2) }, { __gc = function(t)
        assert(#t[1] == 0 or t[1][1] == 0)
        pcall(t[1].fill, t[1], 1)
        pcall(weft.buffer, "i64", 5)
      end })
    ]]
  end)
end)

describe("a slice", function()
  it("shares the memory", function()
    local b = filled("i32", { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 })
    local s = b:slice(3, 6)
    assert.same({ 3, 4, 5, 6 }, list(s))
    s[1] = 33
    assert.equal(33, b[3])
    b[6] = 66
    assert.equal(66, s[4])
    local t = s:slice(2)
    assert.same({ 4, 5, 66 }, list(t))
    t:fill(0)
    assert.same({ 1, 2, 33, 0, 0, 0, 7, 8, 9, 10 }, list(b))
    helper.raises("index 5 is out of bounds (1 to 4)", function() return s[5] end)
    helper.raises("index 0 is out of bounds", function() s[0] = 1 end)
    b = nil -- luacheck: ignore
    collectgarbage()
    assert.equal(33, s[1])
  end)

  it("may be empty, whole, and equal to another", function()
    local b = weft.buffer("u16", 5)
    assert.equal(0, #b:slice(1, 0))
    assert.equal(0, #b:slice(6))
    assert.equal(0, #b:slice(6, 5))
    assert.is_true(b == b:slice())
    assert.is_true(b:slice(2, 3) == b:slice(2, 3))
    assert.is_false(b:slice(2, 3) == b:slice(2, 4))
    assert.is_false(b:slice(2, 3) == b:slice(1, 2))
    assert.is_false(b == weft.buffer("u16", 5))
  end)

  it("stays within bounds", function()
    local b = weft.buffer("f64", 10)
    for _, i in ipairs { 0, -1, 12, MIN, MAX, MIN + 1, 1 << 61, 1 << 63 } do
      helper.raises("bad argument #1 to 'slice'", function() b:slice(i) end)
      helper.raises("bad argument #1 to 'string'", function() b:string(i) end)
      helper.raises("bad argument #1", function() b:slice(i, i) end)
    end
    for _, r in ipairs { { 1, 11 }, { 1, -1 }, { 5, 3 }, { 11, 11 }, { 2, 0 }, { 1, MIN }, { 10, MAX }, { 11, MIN } } do
      helper.raises("bad argument #2 to 'slice'", function() b:slice(r[1], r[2]) end)
      helper.raises("bad argument #2 to 'string'", function() b:string(r[1], r[2]) end)
    end
    for _, wrong in ipairs { 1.5, "x", {}, 2 ^ 63, 0 / 0 } do helper.raises("bad argument", b.slice, b, wrong) end
  end)

  it("random ones agree with a list", function()
    for _ = 1, helper.scale(2000, 100) do
      local n = math.random(0, 20)
      local b, model = weft.buffer("i16", n, { stride = 2 * math.random(1, 4) }), {}
      for i = 1, n do
        model[i] = math.random(-9, 9)
        b[i] = model[i]
      end
      local i, j = math.random(-1, n + 2), math.random(-1, n + 2)
      local ok, s = pcall(b.slice, b, i, j)
      assert.equal(i >= 1 and i <= n + 1 and j >= i - 1 and j <= n, ok)
      if ok then
        assert.same(table.move(model, i, j, 1, {}), list(s))
        assert.equal(string.pack(("h"):rep(#s), table.unpack(model, i, j)), b:string(i, j))
      end
    end
  end)
end)

describe("elements that lie apart", function()
  it("keep their distance", function()
    for _, t in ipairs(TYPES) do
      local b = weft.buffer(t, 7, { stride = 64 })
      assert.equal(64, b:stride())
      b:fill(3)
      b[4] = 5
      assert.same({ 3, 3, 3, 5, 3, 3, 3 }, list(b))
      assert.equal(23, b:sum())
      assert.equal(5, b:max())
      assert.equal(3, b:min())
      assert.equal(5, b:sort()[7])
      assert.equal(7 * SIZE[t], #b:string())
      assert.equal(b:string(), weft.buffer(t, 7):copy(b):string())
    end
  end)
end)

describe("copy", function()
  it("takes buffers of any type", function()
    for _, from in ipairs(TYPES) do
      for _, to in ipairs(TYPES) do
        local a, b = filled(from, { 1, 2, 100 }), weft.buffer(to, 4):fill(9)
        assert.equal(b, b:copy(a))
        assert.same({ 1, 2, 100, 9 }, list(b))
      end
    end
  end)

  it("checks what it converts, and names the first that does not fit", function()
    local function refused(text, to, from, values)
      local b = weft.buffer(to, #values):fill(1)
      helper.raises("bad argument #1 to 'copy' (element 2: " .. text, function() b:copy(filled(from, values)) end)
      assert.equal(values[1], b[1]) -- those before it are there
      assert.equal(1, b[2])
    end
    refused("300 does not fit u8 (0 to 255)", "u8", "i32", { 2, 300, 3 })
    refused("-1 does not fit u8", "u8", "i32", { 2, -1, 3 })
    refused("-1 does not fit u64", "u64", "i64", { 2, -1, 3 })
    refused("1.844674407371e+19 does not fit i64", "i64", "u64", { 2, -1, 3 })
    refused("0.5 is not an integer", "i32", "f64", { 2, 0.5, 3 })
    refused("inf does not fit i16", "i16", "f32", { 2, HUGE, 3 })
    refused("-1.0 does not fit u32", "u32", "f64", { 2, -1, 3 })
    refused("9.2233720368548e+18 does not fit i64", "i64", "f64", { 2, 2.0 ^ 63, 3 })
    helper.raises("element 1", function() weft.buffer("i8", 1):copy(filled("f64", { 0 / 0 })) end)
    assert.equal(18446744073709551615.0, weft.buffer("f64", 1):copy(filled("u64", { -1 }))[1])
    assert.equal(MIN, weft.buffer("i64", 1):copy(filled("f64", { -2.0 ^ 63 }))[1])
  end)

  it("takes bytes", function()
    local b = weft.buffer("f64", 3):fill(9)
    assert.equal(b, b:copy(string.pack("dd", 1.5, -2)))
    assert.same({ 1.5, -2, 9 }, list(b))
    local s = ("x"):rep(5000) .. "yz"
    assert.equal(s, weft.buffer("u8", 5002):copy(s):string())
    assert.equal("yz", weft.buffer("u8", 5002):copy(s):string(5001))
    helper.raises("7 bytes are no whole number of elements of 8", function() b:copy "1234567" end)
    helper.raises("4 elements do not fit a buffer of 3", function() b:copy(("x"):rep(32)) end)
    assert.same({ 1.5, -2, 9 }, list(b))
  end)

  it("takes lists, without their metamethods", function()
    local b = weft.buffer("i8", 3)
    assert.same({ 1, 2, 3 }, list(b:copy(setmetatable({ 1, 2, 3 }, { __index = error, __len = error }))))
    assert.same({ 7, 2, 3 }, list(b:copy { 7 }))
    helper.raises("element 2: a number expected, got string", function() b:copy { 1, "2" } end)
    helper.raises("4 elements do not fit a buffer of 3", function() b:copy { 1, 2, 3, 4 } end)
    for _, wrong in ipairs { 1, true, print, io.stdout } do
      helper.raises("buffer, string or table expected", b.copy, b, wrong)
    end
    helper.raises("buffer, string or table expected", b.copy, b)
  end)

  it("refuses what is longer", function()
    helper.raises("4 elements do not fit a buffer of 3", function() weft.buffer("i8", 3):copy(weft.buffer("f64", 4)) end)
  end)

  it("may overlap", function()
    local b = filled("u8", { 1, 2, 3, 4, 5, 6 })
    b:slice(3):copy(b:slice(1, 4))
    assert.same({ 1, 2, 1, 2, 3, 4 }, list(b))
    b:slice(1, 4):copy(b:slice(3))
    assert.same({ 1, 2, 3, 4, 3, 4 }, list(b))
  end)
end)

describe("sums and extremes", function()
  it("of integers are exact", function()
    assert.equal(MAX, filled("i64", { MAX, 5, -5 }):sum())
    helper.raises("the sum does not fit an integer", function() filled("i64", { MAX, 1 }):sum() end)
    helper.raises("the sum does not fit an integer", function() filled("i64", { MIN, -1 }):sum() end)
    assert.equal(MIN, filled("i64", { MIN, -1, 1 }):sum())
    assert.equal(-1, filled("u64", { MAX, MAX, 1 }):sum()) -- 2^64 - 1
    helper.raises("the sum does not fit u64", function() filled("u64", { -1, 1 }):sum() end)
    assert.equal(255 * 3000, weft.buffer("u8", 3000):fill(255):sum())
    assert.equal("integer", math.type(weft.buffer("u8", 3):sum()))
  end)

  it("of floats have the error of pairs, not of a row", function()
    local n = 1000000
    local b = weft.buffer("f64", n):fill(0.1)
    assert.is_true(math.abs(b:sum() - 100000) < 1e-10)
    assert.equal(b:sum(), b:slice():sum())
    assert.equal(1e16, filled("f64", { 1e16, 1 }):sum())
    assert.equal(HUGE, filled("f32", { 1, HUGE }):sum())
    local nan = filled("f32", { 1, HUGE, -HUGE }):sum()
    assert.is_true(nan ~= nan)
    assert.equal(0.0, weft.buffer("f32", 0):sum())
    assert.equal("float", math.type(weft.buffer("f32", 0):sum()))
  end)

  it("see NaNs", function()
    for _, t in ipairs { "f32", "f64" } do
      for _, n in ipairs { 1, 2, 9, 300 } do
        local b = weft.buffer(t, n):fill(1)
        b[1] = HUGE
        b[n] = -HUGE
        assert.equal(-HUGE, b:min())
        assert.equal(n == 1 and -HUGE or HUGE, b:max())
        b[math.random(n)] = 0 / 0
        assert.is_true(b:min() ~= b:min())
        assert.is_true(b:max() ~= b:max())
      end
    end
  end)
end)

describe("sort", function()
  for _, t in ipairs(TYPES) do
    it("orders elements of type " .. t, function()
      for _, n in ipairs { 0, 1, 2, 3, 31, 32, 33, 200, 1000 } do
        local b, model = weft.buffer(t, n, { stride = SIZE[t] * math.random(1, 3) }), {}
        for i = 1, n do
          model[i] = t:sub(1, 1) == "f" and math.random() * 100 - 50 or math.random(LIMITS.u8[1], LIMITS.i8[2])
          b[i] = model[i]
          model[i] = b[i] -- as rounded
        end
        table.sort(model)
        assert.equal(b, b:sort())
        assert.same(model, list(b))
      end
    end)
  end

  it("knows signs, infinities and NaNs", function()
    local b = filled("f64", { 0.0, 0 / 0, -HUGE, 5, -0.0, HUGE, -1e-300, -(0 / 0), -7 }):sort()
    assert.same({ -HUGE, -7, -1e-300 }, { b[1], b[2], b[3] })
    assert.same({ -HUGE, HUGE }, { 1 / b[4], 1 / b[5] }) -- -0.0, 0.0
    assert.same({ 5.0, HUGE }, { b[6], b[7] })
    assert.is_true(b[8] ~= b[8] and b[9] ~= b[9])
    assert.same({ MIN, -1, 0, MAX }, list(filled("i64", { 0, MAX, -1, MIN }):sort()))
    assert.same({ 0, MAX, MIN, -1 }, list(filled("u64", { -1, MAX, 0, MIN }):sort()))
  end)
end)

describe("a buffer in other isolates", function()
  it("is the same memory", function()
    local b = weft.buffer("i64", 3)
    local job = weft.thread(function(x)
      x[2] = 22
      return x, #x, x:type()
    end, b)
    local back, n, t = job:join()
    assert.same({ 0, 22, 0 }, list(b))
    assert.is_true(rawequal(b, back)) -- it has come home
    assert.same({ 3, "i64" }, { n, t })
  end)

  it("comes as an upvalue, in tables, through channels, many times", function()
    local b, s = weft.buffer("i32", 4, { stride = 8 }), nil
    s = b:slice(2, 3)
    local ch, back = weft.channel(4), weft.channel(4)
    local job = weft.thread(function(t)
      assert(rawequal(t[1], t[2]) and t[1] == b and t[3] == s and rawequal(t[3], s))
      for x in ch do
        x:add(1, 1)
        back:send(x)
      end
      return b[2]
    end, { b, b, s })
    for _ = 1, 10 do
      ch:send(s)
      assert.is_true(rawequal(s, back:recv()))
    end
    ch:close()
    assert.equal(10, job:join())
    assert.same({ 0, 10, 0, 0 }, list(b))
    assert.equal(8, s:stride())
  end)

  it("outlives the isolate that made it", function()
    local b, s = weft.thread(function()
      local x = require "weft".buffer("f64", 1000):fill(1.5)
      return x, x:slice(999)
    end):join()
    collectgarbage()
    assert.equal(1500, b:sum())
    s[2] = 0
    assert.equal(1498.5, b:sum())
    b:close()
    assert.equal(1.5, s:sum())
  end)

  it("comes again after it was closed here", function()
    local ch = weft.channel(2)
    weft.thread(function(c) -- from now on it copies
      c:send(1)
    end, ch):join()
    assert.equal(1, ch:recv())
    local b = weft.buffer("i8", 1)
    local s = b:slice()
    ch:send(b)
    ch:send(s)
    b[1] = 7
    b:close()
    local c = ch:recv()
    assert.is_false(rawequal(b, c))
    assert.equal(7, c[1])
    assert.is_true(rawequal(s, ch:recv()))
  end)

  it("leaves nothing behind", function()
    local ch = weft.channel(1)
    weft.thread(function(c) c:send(1) end, ch):join()
    ch:recv()
    helper.no_growth(function()
      ch:send(weft.buffer("f64", 1000))
      ch:recv():fill(1)
      ch:send(weft.buffer("f64", 1000):slice(2, 5))
      ch:recv()
      collectgarbage()
    end, { n = 50 })
    local dropped = weft.channel(100)
    weft.thread(function() end, dropped):join()
    for _ = 1, 100 do dropped:send(weft.buffer("u8", 100)) end
  end)

  it("is never torn, by single accesses or by many", function()
    local b = weft.buffer("i64", 64)
    local stop = weft.atomic(0)
    local job = weft.thread(function()
      local n = 0
      while n < 2 or stop:load(1, "relaxed") == 0 do
        for i = 1, 64 do b[i] = n % 2 == 0 and 0 or -1 end
        b:fill(n % 2 == 0 and -1 or 0)
        n = n + 1
      end
      return n
    end)
    local copy, ok = weft.buffer("i64", 64), true
    for round = 1, helper.scale(20000, 200) do
      local v = b[round % 64 + 1]
      ok = ok and (v == 0 or v == -1)
      copy:copy(b)
      ok = ok and copy:min() >= -1 and copy:max() <= 0
      local bytes = b:string()
      ok = ok and not bytes:find "[^\0\255]"
      for at = 1, #bytes, 8 do
        local x = string.unpack("j", bytes, at)
        ok = ok and (x == 0 or x == -1)
      end
      local sum = b:sum()
      ok = ok and sum <= 0 and sum >= -64
    end
    stop[1] = 1
    assert.is_true(job:join() > 0)
    assert.is_true(ok)
  end)

  it("survives everything at once", function()
    local b = weft.buffer("f64", 300)
    local stop, jobs = weft.atomic(0), {}
    for k = 1, 3 do
      jobs[k] = weft.thread(function()
        local n = 0
        while stop[1] == 0 do
          n = n + 1
          local s = b:slice(n % 300 + 1)
          s:sort()
          s:fill(n)
          b:copy(s)
          b:slice(151):copy(b:slice(1, 150))
          s:add(1, 0.5)
          b:string(n % 300 + 1)
          b[n % 300 + 1] = n % 7 == 0 and 0 / 0 or -n
          b:min()
          b:sum()
        end
        return k
      end)
    end
    for _ = 1, helper.scale(500, 20) do
      b:sort()
      b:max()
      weft.yield()
    end
    stop[1] = 1
    for k, job in ipairs(jobs) do assert.equal(k, job:join()) end
  end)
end)
