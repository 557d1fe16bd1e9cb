-- Buffers of a million f64 (or i64) beside a Lua table of as many numbers.
--   buffer.lua one N     one element: "get_ns", "set_ns" of b[i], "add_ns", "cas_ns", "load_ns" with the methods in
--                        locals, "method_ns" of b:add(1, 1); "table_get_ns", "table_set_ns"; "bare_get_ns", "bare_set_ns" of a
--                        userdata whose metamethods check nothing; the loop is in all
--   buffer.lua many N    all elements: "fill_ns", "copy_ns", "sum_ns", "max_ns", "sort_ns" an element; the same of a
--                        table in Lua with "table_" before it
--   buffer.lua share N   "rate": buffers of 1 MiB through a channel of 128 from one thread to another
local clock, weft = require "bclock", require "weft"
local what, n = arg[1], tonumber(arg[2])
local MASK = 1023

local function time(metric, count, f)
  f()
  local best = math.huge -- of three: what disturbs only adds
  for _ = 1, 3 do
    local t = clock.cpu()
    f()
    best = math.min(best, clock.cpu() - t)
  end
  print(metric, best / count)
end

local function one()
  local b, i64, t, bare = weft.buffer("f64", MASK + 1), weft.buffer("i64", MASK + 1), {}, clock.bare(MASK + 1)
  for i = 1, MASK + 1 do t[i] = i + 0.5 end
  b:copy(t)
  local x
  local add, cas, load = i64.add, i64.cas, i64.load
  time("bare_get_ns", n, function() for i = 1, n do x = bare[(i & MASK) + 1] end end)
  time("get_ns", n, function() for i = 1, n do x = b[(i & MASK) + 1] end end)
  time("bare_set_ns", n, function() for i = 1, n do bare[(i & MASK) + 1] = 1.5 end end)
  time("set_ns", n, function() for i = 1, n do b[(i & MASK) + 1] = 1.5 end end)
  time("table_get_ns", n, function() for i = 1, n do x = t[(i & MASK) + 1] end end)
  time("table_set_ns", n, function() for i = 1, n do t[(i & MASK) + 1] = 1.5 end end)
  time("add_ns", n, function() for i = 1, n do add(i64, (i & MASK) + 1, 1) end end)
  time("cas_ns", n, function() for i = 1, n do cas(i64, (i & MASK) + 1, 0, 0) end end)
  time("load_ns", n, function() for i = 1, n do load(i64, (i & MASK) + 1) end end)
  time("method_ns", n, function() for i = 1, n do i64:add((i & MASK) + 1, 1) end end)
  assert(x)
end

local function many()
  local random, t = {}, {}
  for i = 1, n do random[i] = math.random() end
  local a, b = weft.buffer("f64", n):copy(random), weft.buffer("f64", n)
  time("fill_ns", n, function() b:fill(1.5) end)
  time("copy_ns", n, function() b:copy(a) end)
  time("sum_ns", n, function() assert(b:sum() > 0) end)
  time("max_ns", n, function() assert(b:max() < 1) end)
  time("sort_ns", n, function() b:copy(a):sort() end)
  time("table_fill_ns", n, function() for i = 1, n do t[i] = 1.5 end end)
  time("table_copy_ns", n, function() table.move(random, 1, n, 1, t) end)
  time("table_sum_ns", n, function()
    local sum = 0
    for i = 1, n do sum = sum + t[i] end
    assert(sum > 0)
  end)
  time("table_max_ns", n, function()
    local most = t[1]
    for i = 2, n do if t[i] > most then most = t[i] end end
    assert(most < 1)
  end)
  time("table_sort_ns", n, function() table.sort(table.move(random, 1, n, 1, t)) end)
end

local function share()
  local ch, buffers = weft.channel(128), {}
  for i = 1, 8 do buffers[i] = weft.buffer("u8", 1 << 20):fill(1) end
  local job = weft.thread(function()
    local sum = 0
    for _ = 1, n do sum = sum + ch:recv()[1] end
    return sum
  end)
  local t = clock.now()
  for i = 1, n do ch:send(buffers[i % 8 + 1]) end
  assert(job:join() == n)
  print("rate", n / ((clock.now() - t) / 1e9))
end

local parts = { one = one, many = many, share = share }
parts[what]()
