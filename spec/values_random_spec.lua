-- Values between states, drawn at random: tables as Lua comes to keep them (holes, grown and shrunk, integer keys that are no
-- part of the array, removed keys), strings that are met again and again, registered metatables, shared references.

local helper = require "spec.helper"
local weft = require "weft"

local Point = { __name = "spec.random" }
weft.register("spec.random", Point)

local seed = tonumber(os.getenv "SEED") or os.time()

local function drawer()
  local D = { tables = {} }
  local words = {}
  for len = 0, 20 do words[#words + 1] = ("abcdefghijklmnopqrstu"):sub(1, len) end
  for i = 1, 100 do words[#words + 1] = ("\0"):rep(i % 5) .. i end
  local function text()
    local r = math.random(10)
    if r < 9 then return words[math.random(#words)] end
    return ("x"):rep(math.random(60)) .. math.random(1000)
  end
  local function key()
    local r = math.random(12)
    if r <= 6 then return text() end
    if r <= 8 then return math.random(-3, 12) end
    if r == 9 then return math.random(1 << 40) end
    if r == 10 then return math.random() end
    return r == 11
  end
  local fill
  local function value(depth)
    local r = math.random(13)
    if r <= 3 then return text() end
    if r <= 5 then return math.random(-300, 300) end
    if r == 6 then return math.random(0) end
    if r == 7 then return math.random() * 1e9 end
    if r == 8 then return r == math.random(2) end
    if r == 9 and #D.tables > 0 then return D.tables[math.random(#D.tables)] end
    if depth == 0 then return true end
    return fill({}, depth - 1)
  end
  function fill(t, depth)
    D.tables[#D.tables + 1] = t
    local kind = math.random(5)
    if kind == 1 then
      for i = 1, math.random(0, 40) do t[i] = value(depth) end
    elseif kind == 2 then
      for i = 1, math.random(0, 20) do t[i] = value(depth) end
      for _ = 1, math.random(0, 5) do t[math.random(20)] = nil end
    elseif kind == 3 then
      for i = math.random(0, 20), 1, -1 do t[i] = value(depth) end -- all in the hash part at first
    else
      for _ = 1, math.random(0, 20) do t[key()] = value(depth) end
    end
    for _ = 1, math.random(0, 6) do t[key()] = value(depth) end
    for k in pairs(t) do
      if math.random(8) == 1 then t[k] = nil end
    end
    if math.random(6) == 1 then setmetatable(t, Point) end
    return t
  end
  D.value = value
  return D
end

-- The same content, the same references, types and metatables.
local function same(a, b, seen)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  if seen[a] or seen[b] then return seen[a] == b and seen[b] == a end
  seen[a], seen[b] = b, a
  if getmetatable(a) ~= getmetatable(b) then return false end
  local n = 0
  for k, v in next, a do
    n = n + 1
    if not same(v, rawget(b, k), seen) then return false end
  end
  for _ in next, b do n = n - 1 end
  return n == 0
end

describe("values drawn at random", function()
  it("come back from another state as they were", function()
    math.randomseed(seed)
    local there, back = weft.channel(1), weft.channel(1)
    local echo = weft.thread(function()
      require("weft").register("spec.random", { __name = "spec.random" })
      for v in there do back:send(v) end
    end)
    for i = 1, helper.scale(20000, 1500) do
      local v = drawer().value(3)
      there:send(v)
      local got = back:recv()
      if not same(v, got, {}) then error(("SEED=%d, value %d differs"):format(seed, i)) end
      if i % 200 == 0 then collectgarbage() end
    end
    there:close()
    echo:join()
  end)

  it("are read with the length that they had, where there are no holes", function()
    local ch = weft.channel(1)
    weft.spawn(function(...) ch:send(...) end, { {}, { 1, 2, 3 }, { n = 1, 1, 2 }, { [1] = "a", [2] = "b", [3] = "c" } }):join()
    local got = ch:recv()
    assert.same({ 0, 3, 2, 3 }, { #got[1], #got[2], #got[3], #got[4] })
  end)
end)
