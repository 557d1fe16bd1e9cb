-- Makes weft's operations switch points while weft.explore works: replaces the functions in the tables of weft's
-- classes, and those that the explored function and what it can reach hold, by wrappers (csrc/lib/l_explore_ops.c).
-- Outside a run a wrapper is the function itself and a few nanoseconds. All is put back at the end.

local core = require "weft.core"

local M = {}

-- Not operations: they tell nothing that another task can change, or are no calls of the script's.
local NO_POINT = { __gc = true, __tostring = true, __name = true, capacity = true, detach = true, traceback = true,
  type = true, stride = true, __eq = true, __pairs = true }
-- What operations order, for the detection of races (enum wf_sync_mode of csrc/lib/l_explore.h). Others order nothing.
local ORDER = {
  channel = { send = "send", try_send = "send", recv = "receive", try_recv = "receive", recv_many = "receive",
    __call = "receive", close = "release", __close = "release", is_closed = "acquire", __len = "acquire" },
  mutex = { lock = "acquire", try_lock = "acquire", unlock = "release", __close = "release", guard = "acquire", with = "around" },
  rwlock = { lock = "acquire", try_lock = "acquire", unlock = "release", rlock = "read", try_rlock = "read",
    runlock = "unread", reading = "reading", writing = "around" },
  semaphore = { acquire = "acquire", try_acquire = "acquire", release = "release", with = "around" },
  condition = { wait = "condition", signal = "release", broadcast = "release" },
  barrier = { wait = "both" },
  waitgroup = { add = "release", done = "release", wait = "acquire", count = "acquire" },
  once = { __call = "around" },
  event = { set = "release", clear = "release", wait = "acquire", is_set = "acquire" },
  guard = { unlock = "guard", __close = "guard" },
  job = { join = "acquire", result = "acquire", wait = "acquire", status = "acquire", cancel = "release", __close = "acquire" },
  buffer = { load = "load", store = "store", exchange = "change", add = "change", cas = "change", wait = "load", wake = "store",
    __index = "index" },
}
-- Functions of the module that may go ahead without waiting.
local FUNCTIONS = { select = "select", wait = "all" }
-- What would run outside the schedule's control.
local REFUSED = { "thread", "spawn", "process", "exec", "blocking", "poll", "signal", "ticker", "preempt" }

local REACH = 2000 -- functions and tables looked at, the nearest first

local function replace(patch, t, key, new, old)
  rawset(t, key, new)
  patch[#patch + 1] = function() rawset(t, key, old) end
end

local function wrap(patch, t, key, name, mode)
  local old = rawget(t, key)
  if type(old) ~= "function" then return end
  local new = patch.map[old]
  if not new then
    new = core.explore_wrap(old, name, mode)
    if not new then return end
    patch.map[old] = new
  end
  replace(patch, t, key, new, old)
end

local function wrap_class(patch, class)
  local kind = class.__name:gsub("^weft%.", "")
  local methods, order = class.__index, ORDER[kind] or {}
  if type(methods) == "function" then -- one that finds fields too; the methods are its second upvalue
    methods = select(2, debug.getupvalue(methods, 2))
  end
  for _, t in ipairs { class, type(methods) == "table" and methods or nil } do
    for key in pairs(t) do
      local is_field = kind == "job" and key == "__index" -- its fields never change
      if type(key) == "string" and not NO_POINT[key] and not is_field then wrap(patch, t, key, key, order[key]) end
    end
  end
end

-- Standard tables, in which no function of weft's is kept.
local function standard()
  local seen = { [_G] = true, [package.loaded] = true }
  for _, name in ipairs { "string", "table", "math", "io", "os", "debug", "utf8", "coroutine", "package" } do
    local library = package.loaded[name]
    if library then seen[library] = true end
  end
  return seen
end

-- Functions of weft's that the explored code has put into local variables of its files, and into tables there.
local function wrap_reachable(patch, f)
  local map, seen, queue = patch.map, standard(), { f }
  seen[core], seen[package.loaded.weft or core] = true, true
  seen[f] = true
  local function look(value)
    local kind = type(value)
    if (kind == "function" or kind == "table") and not seen[value] and #queue < REACH then
      seen[value] = true
      queue[#queue + 1] = value
    end
  end
  local at = 1
  while queue[at] do
    local value = queue[at]
    at = at + 1
    if type(value) == "table" then
      for key, item in next, value do
        if map[item] then
          replace(patch, value, key, map[item], item)
        else
          look(item)
        end
      end
    else
      for i = 1, math.huge do
        local name, item = debug.getupvalue(value, i)
        if not name then break end
        if map[item] then
          debug.setupvalue(value, i, map[item])
          patch[#patch + 1] = function() debug.setupvalue(value, i, item) end
        elseif name ~= "" then
          look(item)
        end
      end
    end
  end
end

--- Installs the wrappers for what `f` uses; returns the function that takes them away.
function M.install(f)
  local patch = { map = {} }
  for _, class in ipairs(core.explore_classes()) do wrap_class(patch, class) end
  local weft = package.loaded.weft
  for _, module in ipairs { weft, core } do -- what is not there yet is fetched by looking
    for name in pairs(FUNCTIONS) do local _ = module[name] end
    for _, name in ipairs(REFUSED) do local _ = module[name] end
  end
  for _, module in ipairs { core, weft } do
    for name, mode in pairs(FUNCTIONS) do wrap(patch, module, name, name, mode) end
    for _, name in ipairs(REFUSED) do wrap(patch, module, name, name, "refused") end
  end
  wrap_reachable(patch, f)
  return function()
    for i = #patch, 1, -1 do patch[i]() end
  end
end

return M
