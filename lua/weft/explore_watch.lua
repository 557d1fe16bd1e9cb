-- What weft.explore watches: tables, whose every access comes to metamethods (csrc/lib/l_explore_watch.c), and
-- upvalues, whose accesses are seen line by line: a line that has an instruction which reads or writes the upvalue is
-- taken to do so when it begins.

local bytecode = require "weft.explore_bytecode"
local core = require "weft.core"

local M = {}

local Watch = {}
Watch.__index = Watch

local Handle = { __name = "weft.explored" }
Handle.__index = Handle
function Handle.__tostring() return "weft.explored" end
local owners = setmetatable({}, { __mode = "k" })

local function upvalue_index(f, name)
  for i = 1, math.huge do
    local got = debug.getupvalue(f, i)
    if not got then return nil end
    if got == name then return i end
  end
end

--- x:watch(table[, name]) | x:watch(f, "upvalue"): look at its accesses from now on. Returns what was given.
function Handle:watch(what, name)
  local owner = owners[self]
  if not owner then error("bad argument #1 to 'watch' (weft.explored expected: call it with a colon)", 2) end
  if type(what) == "table" then
    if name ~= nil and type(name) ~= "string" then error("bad argument #2 to 'watch' (string expected)", 2) end
    owner:table(what, name or "table")
  elseif type(what) == "function" then
    if type(name) ~= "string" then error("bad argument #2 to 'watch' (the name of an upvalue expected)", 2) end
    local index = upvalue_index(what, name)
    if not index then error(("bad argument #2 to 'watch' (the function has no upvalue '%s')"):format(name), 2) end
    if not bytecode.usable then error("cannot watch upvalues: this build of Lua has bytecode of another format", 2) end
    owner:upvalue(debug.upvalueid(what, index), name)
  else
    error(("bad argument #1 to 'watch' (table or function expected, got %s)"):format(type(what)), 2)
  end
  return what
end

function Watch:table(t, name)
  if self.shadows[t] then return end
  self.shadows[t] = core.explore_watch(self.session, t, name)
end

function Watch:upvalue(id, name)
  if not self.calls.line then
    self.calls.line = function()
      local yes = self:line() -- no tail call: it counts levels
      return yes
    end
    core.explore_lines(self.session)
  end
  self.upvalues[id] = name
  self.any = true
end

-- Called by the hook at each line of the explored code: does it access a watched upvalue?
function Watch:line()
  if not self.any then return false end
  local info = debug.getinfo(3, "fl")
  if not info then return false end
  local list = bytecode.accesses(info.func)[info.currentline]
  if not list then return false end
  local yes = false
  for _, access in ipairs(list) do
    local id = debug.upvalueid(info.func, access.index)
    local name = self.upvalues[id]
    if name then
      yes = true
      core.explore_access(name, id, access.writes, 3)
    end
  end
  return yes
end

--- Before a run.
function Watch:reset()
  self.calls.race = nil
  if self.any then self.upvalues, self.any = {}, false end
end

--- The race of the last run as text, or nil.
function Watch:race() return self.calls.race end

--- Afterwards: the tables are as they were.
function Watch:close()
  for t, shadow in pairs(self.shadows) do core.explore_unwatch(t, shadow) end
  self.shadows = {}
end

--- `tables`: {name = table} that are watched in all runs, or nil.
function M.new(session, calls, tables)
  local self = setmetatable({ session = session, calls = calls, upvalues = {}, any = false,
    shadows = setmetatable({}, { __mode = "k" }), handle = setmetatable({}, Handle) }, Watch)
  owners[self.handle] = self
  for name, t in pairs(tables or {}) do self:table(t, tostring(name)) end
  return self
end

return M
