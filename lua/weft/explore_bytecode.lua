-- Which lines of a function read and write which of its upvalues, from its bytecode (string.dump, Lua 5.4).
--
--   bytecode.accesses(f)[line]    list of {index =, writes =}; nil: none
--
-- The format is that of ldump.c, the same in all of 5.4; a self-test at load says whether this build of Lua has it
-- (bytecode.usable).

local M = {}

local GETUPVAL, SETUPVAL, GETTABUP, SETTABUP = 9, 10, 11, 15
local HEADER = #"\27Lua" + 2 + 6 + 3 -- signature, version and format, check, sizes of types
local ABSOLUTE = -0x80

local function reader(text)
  local r = { at = 1 }
  function r.byte()
    local b = text:byte(r.at)
    r.at = r.at + 1
    return b
  end
  function r.skip(n) r.at = r.at + n end
  function r.unsigned()
    local x = 0
    while true do
      local b = r.byte()
      x = x << 7 | b & 0x7F
      if b & 0x80 ~= 0 then return x end
    end
  end
  function r.string()
    local n = r.unsigned()
    if n > 0 then r.skip(n - 1) end
  end
  return r
end

local sizes = { [0x00] = 0, [0x01] = 0, [0x11] = 0, [0x03] = 8, [0x13] = 8 } -- of constants that are no strings

local parse

local function skip_constants(r)
  for _ = 1, r.unsigned() do
    local kind = r.byte()
    if kind == 0x04 or kind == 0x14 then
      r.string()
    else
      r.skip(assert(sizes[kind], "unknown kind of constant"))
    end
  end
end

-- Line of each instruction, from where the reader is.
local function read_lines(r, text, first)
  local n = r.unsigned()
  local deltas = r.at
  r.skip(n)
  local absolute = {}
  for _ = 1, r.unsigned() do
    local pc = r.unsigned()
    absolute[pc] = r.unsigned()
  end
  local lines, line = {}, first
  for pc = 0, n - 1 do
    local delta = string.unpack("b", text, deltas + pc)
    line = delta == ABSOLUTE and absolute[pc] or line + delta
    lines[pc] = line
  end
  return lines
end

-- Instructions, lines and number of upvalues of the function at the reader; the inner ones are passed over.
function parse(r, text)
  r.string()
  local first = r.unsigned()
  r.unsigned()
  r.skip(3)
  local n = r.unsigned()
  local code = r.at
  r.skip(4 * n)
  skip_constants(r)
  local upvalues = r.unsigned()
  r.skip(3 * upvalues)
  for _ = 1, r.unsigned() do parse(r, text) end
  local lines = read_lines(r, text, first)
  for _ = 1, r.unsigned() do
    r.string()
    r.unsigned()
    r.unsigned()
  end
  for _ = 1, r.unsigned() do r.string() end
  return code, n, lines, upvalues
end

local function accesses(f)
  local text = string.dump(f)
  local r = reader(text)
  r.skip(HEADER + 8 + 8 + 1) -- an integer, a number, how many upvalues
  local code, n, lines, upvalues = parse(r, text)
  local by_line = {}
  for pc = 0, n - 1 do
    local i = string.unpack("<I4", text, code + 4 * pc)
    local op, a, b = i & 0x7F, i >> 7 & 0xFF, i >> 16 & 0xFF
    local index = (op == GETUPVAL or op == SETUPVAL or op == GETTABUP) and b or op == SETTABUP and a or nil
    if index then
      assert(index < upvalues, "no such upvalue")
      local list = by_line[lines[pc]] or {}
      by_line[lines[pc]] = list
      list[#list + 1] = { index = index + 1, writes = op == SETUPVAL }
    end
  end
  return by_line
end

local known = setmetatable({}, { __mode = "k" })

function M.accesses(f)
  local found = known[f]
  if not found then
    found = accesses(f)
    known[f] = found
  end
  return found
end

local function self_test()
  local a, b, c = 1, {}, 3
  local first = debug.getinfo(1, "l").currentline + 1
  local function f(n)
    a = n
    if n > 0.5 and n ~= "text" then
      return b[1], function() return c end
    end
    b.x = c + a
  end
  local got = accesses(f)
  local function is(line, writes, variable)
    local one = got[line] and got[line][1]
    return one and one.writes == writes and debug.getupvalue(f, one.index) == variable
  end
  local last = got[first + 5]
  return is(first + 1, true, "a") and is(first + 3, false, "b") and last and #last == 3 and not got[first + 2]
end

local ok, fits = pcall(self_test)
M.usable = ok and fits or false

return M
