--- The arguments of pools, looked at before anything is done. What does not fit raises an error that names function,
-- position and option, at the line that called weft.

local blame = require "weft.blame"

local M = {}

-- The functions of pool.lua call these, the script calls those.
local LEVEL = 4

local function bad(arg, name, what) error(("bad argument #%d to '%s' (%s)"):format(arg, name, what), LEVEL) end

function M.is_callable(f)
  if type(f) == "function" then return true end
  local mt = getmetatable(f)
  return type(mt) == "table" and mt.__call ~= nil
end

function M.callable(f, arg, name)
  if not M.is_callable(f) then bad(arg, name, "function expected, got " .. type(f)) end
end

-- The items of a list as a plain table, and their number: `n` if it has one, for lists with holes.
local function items_of(list)
  local mt = getmetatable(list)
  if type(list) == "table" then
    local n = rawget(list, "n")
    if mt == nil or type(mt) == "table" and mt.__index == nil and mt.__len == nil then
      return list, math.type(n) == "integer" and n >= 0 and n or #list
    end
  elseif not (type(mt) == "table" and mt.__index and mt.__len) then
    return nil
  end
  local n, items = #list, {}
  for i = 1, n do items[i] = list[i] end
  return items, n
end

function M.list(list, arg, name)
  local items, n = items_of(list)
  if not items then bad(arg, name, "list expected, got " .. type(list)) end
  return items, n
end

--- The items of a list and their number, or an iterator and nil.
function M.source(source, arg, name)
  if M.is_callable(source) then return source end
  local items, n = items_of(source)
  if not items then bad(arg, name, "list or iterator expected, got " .. type(source)) end
  return items, n
end

---------------------------------------------------------------------- options

-- Each returns nil, or what was expected.

function M.chunk(v)
  if math.type(v) ~= "integer" or v < 1 or v > 1 << 20 then return "an integer from 1 to 2^20 expected" end
end

function M.size(v)
  if math.type(v) ~= "integer" or v < 1 or v > 10000 then return "an integer from 1 to 10000 expected" end
end

function M.boolean(v)
  if type(v) ~= "boolean" then return "a boolean expected" end
end

function M.string(v)
  if type(v) ~= "string" then return "a string expected" end
end

function M.function_option(v)
  if not M.is_callable(v) then return "a function expected" end
end

--- The table of options, an empty one for nil; `known` has the check of each option.
function M.options(opts, arg, name, known)
  if opts == nil then return {} end
  if type(opts) ~= "table" then bad(arg, name, "table of options expected, got " .. type(opts)) end
  for key, value in pairs(opts) do
    if type(key) ~= "string" then bad(arg, name, "option names are strings, got a " .. type(key)) end
    if not known[key] then bad(arg, name, blame.unknown(key, known)) end
    local expected = known[key](value)
    if expected then
      local got = type(value) == "string" and "'" .. value .. "'" or tostring(value)
      bad(arg, name, ("option '%s': %s, got %s"):format(key, expected, got))
    end
  end
  return opts
end

return M
