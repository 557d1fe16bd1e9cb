--- weft: tasks, isolates, threads, processes and IO behind one set of verbs.
-- This file only joins the parts: the C half (weft.core) and the Lua modules beside this one. What is
-- drawn or rarely used is loaded at its first use.

local core = require "weft.core"

local weft = {}

for _, name in ipairs {
  "go", "spawn", "thread", "workers", "sleep", "yield", "now", "nanotime", "cpus", "wait", "channel", "select", "buffer",
  "atomic", "timeout", "shield", "preempt", "is", "on_unhandled", "register",
  "signal", "ticker", "poll", "mutex", "rwlock", "semaphore", "condition", "barrier", "waitgroup", "once", "event",
} do
  weft[name] = core[name]
end

local groups = require "weft.groups"
for _, name in ipairs { "scope", "all", "race", "completed", "current" } do
  weft[name] = groups[name]
end

local later = {
  every = { "weft.every" }, net = { "weft.net" },
  trace = { "weft.trace" }, mark = { "weft.trace_user", "mark" }, region = { "weft.trace_user", "region" },
  ps = { "weft.ps" }, repl = { "weft.repl", "run" }, plot = { "weft.plot" }, bench = { "weft.bench" },
  pool = { "weft.pool", "new" }, map = { "weft.pool", "map" },
}

local standard = { stdin = 0, stdout = 1, stderr = 2 }

return setmetatable(weft, {
  __index = function(self, name)
    if standard[name] then
      rawset(self, name, core.stdio(standard[name]))
      return self[name]
    end
    local place = later[name]
    if not place then return nil end
    local value = require(place[1])
    if place[2] then value = value[place[2]] end
    rawset(self, name, value)
    return value
  end,
})
