-- What a script adds to a trace: marks, regions, names of channels and locks. They cost next to nothing while no
-- trace runs, and do not load what draws.

local core = require "weft.core"

local M = {}

local function check_name(name, what, level)
  if type(name) ~= "string" then
    error(("bad argument #1 to '%s' (string expected, got %s)"):format(what, type(name)), level + 1)
  end
end

-- Puts a text at this moment of the running trace.
function M.mark(name)
  check_name(name, "mark", 2)
  core.trace_mark(name)
end

local leave = setmetatable({}, { __close = function() core.trace_leave() end })

-- f(...), shown as a region of the task that calls it; its results.
function M.region(name, f, ...)
  check_name(name, "region", 2)
  if type(f) ~= "function" then
    error(("bad argument #2 to 'region' (function expected, got %s)"):format(type(f)), 2)
  end
  if not core.trace_on() then return f(...) end
  local _ <close> = leave
  core.trace_enter(name)
  return f(...)
end

M.labels = {} -- id in traces -> name

-- Gives a channel, lock or buffer a name in traces; returns the object.
function M.label(object, name)
  local id = core.trace_id(object)
  if not id then
    error(("bad argument #1 to 'trace.label' (channel, lock or buffer expected, got %s)"):format(type(object)), 2)
  end
  if type(name) ~= "string" then
    error(("bad argument #2 to 'trace.label' (string expected, got %s)"):format(type(name)), 2)
  end
  M.labels[id] = name
  return object
end

return M
