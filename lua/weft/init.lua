--- weft: tasks, isolates, threads, processes and IO behind one set of verbs.
-- This file only joins the parts: the C half (weft.core) and the Lua modules beside this one. What is
-- drawn or rarely used is loaded at its first use.

local core = require "weft.core"

local weft = {}

for _, name in ipairs {
  "go", "spawn", "thread", "workers", "sleep", "yield", "now", "nanotime", "cpus", "wait", "channel", "select", "buffer", "atomic", "timeout",
  "shield", "preempt", "is", "on_unhandled", "register",
  "mutex", "rwlock", "semaphore", "condition", "barrier", "waitgroup", "once", "event",
} do
  weft[name] = core[name]
end

local groups = require "weft.groups"
for _, name in ipairs { "scope", "all", "race", "completed", "current" } do
  weft[name] = groups[name]
end

local later = { trace = { "weft.trace" }, pool = { "weft.pool", "new" }, map = { "weft.pool", "map" }, ps = { "weft.ps", "list" } }

return setmetatable(weft, {
  __index = function(self, name)
    local place = later[name]
    if not place then return nil end
    local value = require(place[1])
    if place[2] then value = value[place[2]] end
    rawset(self, name, value)
    return value
  end,
})
