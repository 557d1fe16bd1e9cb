-- weft.atomic and the methods of single elements: orders, arithmetic, compare and swap, alone and between threads.

local helper = require "spec.helper"
local weft = require "weft"

local MIN, MAX, HUGE = math.mininteger, math.maxinteger, math.huge
local BITS = { i8 = 8, u8 = 8, i16 = 16, u16 = 16, i32 = 32, u32 = 32, i64 = 64, u64 = 64 }

describe("weft.atomic", function()
  it("is a buffer of one i64", function()
    local a = weft.atomic(7)
    assert.equal(7, a[1])
    assert.equal(1, #a)
    assert.equal("i64", a:type())
    assert.equal(0, weft.atomic()[1])
    assert.equal(0, weft.atomic(nil)[1])
    assert.equal(3, weft.atomic(3.0)[1])
    assert.equal(MIN, weft.atomic(MIN)[1])
    assert.truthy(tostring(a):find "^weft%.buffer %d+ %(i64, 1%)$")
    helper.raises("bad argument #1 to '.-atomic' %(1.5 is not an integer", weft.atomic, 1.5)
    helper.raises("bad argument #1 to '.-atomic' %(a number expected, got string", weft.atomic, "1")
    helper.raises("index 2 is out of bounds (1 to 1)", function() return a[2] end)
  end)
end)

describe("orders", function()
  local function refused(name, arg, order, ...)
    local b = weft.buffer("i32", 1)
    local values = table.pack(...)
    values[values.n + 1] = order
    helper.raises(("bad argument #%d to '?' (the order "):format(arg + 1),
      function() b[name](b, 1, table.unpack(values, 1, values.n + 1)) end)
    assert.equal(0, b[1])
  end

  it("are those of C11, by name", function()
    for _, t in ipairs { "u8", "i16", "u32", "i64", "f32", "f64" } do
      local b = weft.buffer(t, 1)
      for _, order in ipairs { "relaxed", "acquire", "release", "acq_rel", "seq_cst", false } do
        order = order or nil
        b[1] = 1
        assert.equal(1, b:exchange(1, 2, order))
        assert.equal(2, b:add(1, 3, order))
        assert.is_true(b:cas(1, 5, 6, order))
        assert.same({ false, 6 }, { b:cas(1, 5, 7, order) })
        assert.equal(6, b[1])
      end
      for _, order in ipairs { "relaxed", "acquire", "seq_cst" } do assert.equal(6, b:load(1, order)) end
      for i, order in ipairs { "relaxed", "release", "seq_cst" } do
        b:store(1, i, order)
        assert.equal(i, b[1])
      end
      assert.equal(3, b:load(1, nil))
      b:store(1, 1, nil)
    end
  end)

  it("that an operation cannot have are refused", function()
    for _, order in ipairs { "release", "acq_rel", "", "seq", "consume", "RELAXED" } do refused("load", 2, order) end
    for _, order in ipairs { "acquire", "acq_rel", "x" } do refused("store", 3, order, 1) end
    refused("exchange", 3, "consume", 1)
    refused("add", 3, "x", 1)
    refused("cas", 4, "x", 0, 1)
    helper.raises("bad argument #2 to 'load' (string expected", function() weft.atomic():load(1, {}) end)
    helper.raises("relaxed, acquire or seq_cst expected, got 'release'", function() weft.atomic():load(1, "release") end)
  end)
end)

describe("add", function()
  it("returns the value of before, and wraps around", function()
    for t, bits in pairs(BITS) do
      local b = weft.buffer(t, 1)
      local signed = t:sub(1, 1) == "i"
      local most = bits == 64 and (signed and MAX or -1) or (1 << (signed and bits - 1 or bits)) - 1
      local least = not signed and 0 or bits == 64 and MIN or -(1 << (bits - 1))
      b[1] = most
      assert.equal(most, b:add(1, 1))
      assert.equal(least, b[1])
      assert.equal(least, b:add(1, -1))
      assert.equal(most, b[1])
      b[1] = 5
      assert.equal(5, b:add(1, 2.0))
      assert.equal(7, b[1])
    end
  end)

  it("takes what the type can change by", function()
    local b = weft.buffer("u8", 1)
    assert.equal(0, b:add(1, 255))
    assert.equal(255, b:add(1, -255))
    assert.equal(0, b[1])
    for _, v in ipairs { 256, -256, MAX, MIN } do
      helper.raises("bad argument #2 to 'add' (" .. v .. " is more than u8 can change by (-255 to 255)", function() b:add(1, v) end)
    end
    for _, t in ipairs { "u8", "i64", "u64" } do
      for _, v in ipairs { 1.5, HUGE, 0 / 0, 2.0 ^ 63 } do
        helper.raises("bad argument #2 to 'add' (number has no integer representation)", function() weft.buffer(t, 1):add(1, v) end)
      end
      for _, v in ipairs { "x", {}, true } do helper.raises("number expected", function() weft.buffer(t, 1):add(1, v) end) end
      helper.raises("number expected, got no value", function() weft.buffer(t, 1):add(1) end)
    end
    assert.equal(0, weft.buffer("i64", 1):add(1, MIN))
  end)

  it("adds floats", function()
    local d, f = weft.buffer("f64", 1), weft.buffer("f32", 1)
    assert.equal(0.0, d:add(1, 0.1))
    assert.equal(0.1, d:add(1, 0.2))
    assert.equal(0.1 + 0.2, d[1])
    f:add(1, 16777216)
    f:add(1, 1)
    assert.equal(16777216.0, f[1])
    assert.equal("float", math.type(d:add(1, 1)))
  end)
end)

describe("cas", function()
  it("exchanges only what was expected", function()
    local a = weft.atomic(5)
    assert.same({ true }, { a:cas(1, 5, 6) })
    assert.same({ false, 6 }, { a:cas(1, 5, 7) })
    assert.same({ true }, { a:cas(1, a[1], 5.0) })
  end)

  it("compares bits", function()
    local d = weft.buffer("f64", 1)
    d[1] = -0.0
    local done, seen = d:cas(1, 0.0, 1)
    assert.is_false(done)
    assert.equal(-HUGE, 1 / seen)
    d[1] = 0 / 0
    assert.is_true(d:cas(1, 0 / 0, 1))
    local f = weft.buffer("f32", 1)
    f[1] = 0.1
    assert.is_true(f:cas(1, 0.1, 2)) -- both are rounded
  end)
end)

describe("threads that share elements", function()
  local N = helper.scale(20000, 500)

  -- Runs f(k, ...) in four threads and waits for all.
  local function hammer(f, ...)
    local jobs = {}
    for k = 1, 4 do jobs[k] = weft.thread(f, k, ...) end
    return weft.all(jobs)
  end

  for _, t in ipairs { "i8", "u16", "i32", "u32", "i64", "u64", "f32", "f64" } do
    it("lose no addition to " .. t, function()
      local b = weft.buffer(t, 2)
      local n = t == "f32" and math.min(N, 10000) or N
      hammer(function(k)
        for _ = 1, n do
          b:add(1, 1, "relaxed")
          b:add(2, k % 2 == 0 and 1 or -1)
        end
      end)
      local total = 4 * n
      if t == "i8" then total = (total + 128) % 256 - 128 elseif t == "u16" then total = total % 65536 end
      assert.equal(total, b[1])
      assert.equal(0, b[2])
    end)
  end

  it("lose no exchange by cas", function()
    local b = weft.buffer("i32", 1)
    local failed = hammer(function()
      local misses = 0
      for _ = 1, N do
        local seen = b[1]
        while true do
          local done, actual = b:cas(1, seen, seen + 1)
          if done then break end
          assert(actual ~= seen, "it failed for no reason")
          seen, misses = actual, misses + 1
        end
      end
      return misses
    end)
    assert.equal(4 * N, b[1])
    for k = 1, 4 do assert.is_true(failed[k] >= 0) end
  end)

  it("hand over each token once by exchange", function()
    local slot, got = weft.atomic(0), weft.buffer("u8", 4 * N + 1)
    hammer(function(k)
      for i = 1, N do
        local token = slot:exchange(1, (k - 1) * N + i)
        if token > 0 then got:add(token, 1) end
      end
    end)
    local last = slot[1]
    if last > 0 then got:add(last, 1) end
    assert.equal(4 * N, got:sum())
    assert.equal(1, got:max())
  end)

  it("see what was written before a release", function()
    local data, flag = weft.buffer("i64", 8, { stride = 64 }), weft.buffer("i32", 1)
    local job = weft.thread(function()
      for round = 1, N do
        for i = 1, 8 do data[i] = round end
        flag:store(1, round, "release")
        while flag:load(1, "acquire") == round do end
      end
    end)
    local bad = 0
    for round = 1, N do
      while flag:load(1, "acquire") ~= round do end
      for i = 1, 8 do
        if data[i] ~= round then bad = bad + 1 end
      end
      flag:store(1, -round, "release")
    end
    job:join()
    assert.equal(0, bad)
  end)
end)
