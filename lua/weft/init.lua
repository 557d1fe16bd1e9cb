--- weft: tasks, isolates, threads, processes and IO behind one set of verbs.
-- This file only joins the parts: the C half (weft.core) and the Lua modules beside this one. Everything is fetched at its
-- first use, so that an isolate which uses three functions does not pay for a hundred.

local core = require "weft.core"

-- Functions of the C half.
local C = {
  go = true, spawn = true, thread = true, workers = true, sleep = true, yield = true, now = true, nanotime = true,
  cpus = true, wait = true, channel = true, select = true, buffer = true, atomic = true, timeout = true, shield = true,
  preempt = true, is = true, on_unhandled = true, register = true, mutex = true, rwlock = true, semaphore = true,
  condition = true, barrier = true, waitgroup = true, once = true, event = true,
  signal = true, ticker = true, poll = true, process = true, interpreter = true,
}

-- Those with another name there.
local RENAMED = { set = "set_facts" }

-- Modules, or fields of them.
local GROUPS <const> = "weft.groups"
local LUA = {
  scope = { GROUPS, "scope" }, all = { GROUPS, "all" }, race = { GROUPS, "race" }, completed = { GROUPS, "completed" },
  current = { GROUPS, "current" }, trace = { "weft.trace" }, pool = { "weft.pool", "new" }, map = { "weft.pool", "map" },
  net = { "weft.net" },
  fs = { "weft.fs" }, every = { "weft.every" }, info = { "weft.info", "info" }, exec = { "weft.exec", "exec" },
  explore = { "weft.explore", "explore" }, mark = { "weft.trace_user", "mark" }, region = { "weft.trace_user", "region" },
  dns = { "weft.dns" }, blocking = { "weft.blocking" },
  ps = { "weft.ps", "list" }, repl = { "weft.repl", "run" }, plot = { "weft.plot" }, bench = { "weft.bench" },
}

local STANDARD = { stdin = 0, stdout = 1, stderr = 2 }

local function fetch(self, name)
  local value
  if C[name] then
    value = core[name]
  elseif RENAMED[name] then
    value = core[RENAMED[name]]
  elseif STANDARD[name] then
    value = core.stdio(STANDARD[name])
  else
    local place = LUA[name]
    if not place then return nil end
    value = require(place[1])
    if place[2] then value = value[place[2]] end
  end
  rawset(self, name, value)
  return value
end

return setmetatable({}, {
  __index = fetch,
  __pairs = function(self)
    for _, names in ipairs { C, RENAMED, LUA, STANDARD } do
      for name in pairs(names) do local _ = self[name] end
    end
    return next, self
  end,
})
