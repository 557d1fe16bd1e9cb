-- Buffers that cross to other isolates: the same memory there, by whatever way it comes.

local helper = require "spec.helper"
local weft = require "weft"

local function list(b)
  local t = {}
  for i, v in pairs(b) do t[i] = v end
  return t
end

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
    local b = weft.buffer("i32", 4, { stride = 8 })
    local s = b:slice(2, 3)
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
