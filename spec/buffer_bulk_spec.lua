-- Buffers: slices, strides, and the methods over many elements.

local helper = require "spec.helper"
local weft = require "weft"

local HUGE, MIN, MAX = math.huge, math.mininteger, math.maxinteger
local TYPES = { "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64" }
local SIZE = { i8 = 1, u8 = 1, i16 = 2, u16 = 2, i32 = 4, u32 = 4, i64 = 8, u64 = 8, f32 = 4, f64 = 8 }
local LIMITS = {
  i8 = { -128, 127 }, u8 = { 0, 255 }, i16 = { -32768, 32767 }, u16 = { 0, 65535 },
  i32 = { -2147483648, 2147483647 }, u32 = { 0, 4294967295 }, i64 = { MIN, MAX },
}

local function list(b)
  local t = {}
  for i, v in pairs(b) do t[i] = v end
  return t
end

local function filled(type, values, opts) return weft.buffer(type, #values, opts):copy(values) end

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
