-- Buffers: their types, bounds and values, closing, and what becomes of their memory.

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
    local half = 1 << string.packsize "T" * 4
    for _, n in ipairs { MIN, -1, MIN // 8 } do helper.raises("bad argument #2 to '.-buffer'", weft.buffer, "f64", n) end
    for _, n in ipairs { MAX, 1 << 61, 1 << 60, (1 << 60) + 1 } do
      helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "f64", n)
    end
    helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "i8", MAX)
    helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "i8", half, { stride = half })
    local third = helper.size_most // 2 - 4096
    helper.raises("bad argument #2 to '.-buffer' %(too many elements", weft.buffer, "i8", 3, { stride = third })
    helper.raises("stride", weft.buffer, "i32", 1, { stride = MAX })
    for _, stride in ipairs { 0, -8, 1, 7, 12, MIN, 2.5, "x", {} } do
      helper.raises("stride", weft.buffer, "f64", 1, { stride = stride })
    end
    helper.raises("'strid'", weft.buffer, "f64", 1, { strid = 8 })
    helper.raises("bad argument #3 to '.-buffer'", weft.buffer, "f64", 1, 8)
  end)

  it("says when memory is out", function()
    if helper.sanitizer then return end -- their allocators take that for a mistake
    if helper.size_most < MAX then return end -- a size that can be asked for may be there
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
    local b = weft.buffer("i32", 3)
    local s
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
