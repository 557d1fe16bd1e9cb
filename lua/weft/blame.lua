-- Mistakes in arguments are the caller's: a function of the Lua half that hands its arguments on to the C half says so.

local M = {}

local function settle(name, shift, ok, value, ...) -- M.call has made room for it: above it is who called M.call
  if ok then return value, ... end
  local arg, what
  if type(value) == "string" then arg, what = value:match "bad argument #(%d+) to '[^']*' (%(.*%))$" end
  if not arg then error(value, 0) end
  arg = tonumber(arg)
  error(("bad argument #%d to '%s' %s"):format(arg > 1 and arg - shift or arg, name, what), 3)
end

--- f(...), whose mistakes in arguments are those of the script's call of `name`, at its line; `shift`: places by which all
-- arguments but the first have moved. Not for a tail call: the line would be lost.
function M.call(name, shift, f, ...)
  return settle(name, shift, pcall(f, ...))
end

--- What a value is, as messages say it: its type, or what its metatable calls it.
function M.kind(value)
  local mt = getmetatable(value)
  local name = type(mt) == "table" and rawget(mt, "__name")
  return type(name) == "string" and name or type(value)
end

--- The words about an option that is not there; `known`: a table by name of those that are.
function M.unknown(key, known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return ("unknown option '%s': one of %s expected"):format(key, table.concat(names, " "))
end

--- Raise that argument `arg` of the script's call of `name` is not of this type. For functions that the script calls.
function M.type(arg, name, expected, got)
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(arg, name, expected, M.kind(got)), 3)
end

return M
