-- What an explored schedule did: a log, for which the failing schedule is run once more; what it says about the failure;
-- its rows, which weft.explore_columns draws.

local core = require "weft.core"

local M = {}

local WAKERS = { signal = true, broadcast = true, wake = true, set = true, try_send = true }

-- The log -------------------------------------------------------------------------------------------

--- A log: its function `event` is what the C side calls: task, number of decisions so far, what, then
-- "line": source, line | "operation": name, first argument | "access": variable, "read" or "write" | "end".
function M.new()
  local log = { names = {}, events = {}, tasks = 0 }
  function log.event(task, at, what, a, b)
    if not log.names[task] then
      local _, name = core.identity()
      log.names[task] = name
    end
    log.tasks = math.max(log.tasks, task)
    log.events[#log.events + 1] = { task = task, at = at, what = what, a = a, b = b }
  end
  return log
end

local function file_of(source)
  return source:match "^@.-([^/\\]*)$" or "(code)"
end

-- Where the task stood at the event with this index.
local function place(log, index)
  local task = log.events[index].task
  for i = index, 1, -1 do
    local e = log.events[i]
    if e.task == task and e.what == "line" then return ("%s:%d"):format(file_of(e.a), e.b) end
  end
  return "?"
end

-- Lost wake-ups --------------------------------------------------------------------------------------

-- Does somebody wait for the object at this event? The last that he did then was to begin to wait.
local function has_waiter(log, index, object)
  local last = {}
  for i = 1, index - 1 do last[log.events[i].task] = log.events[i] end
  for task, e in pairs(last) do
    if task ~= log.events[index].task and e.what == "operation" and e.b == object
      and (e.a == "wait" or e.a == "recv" or e.a == "__call") then
      return true
    end
  end
  return false
end

-- A wake-up that came before the wait of a stuck task began, and found nobody.
local function lost_before(log, wait)
  local object = log.events[wait].b
  for i = wait - 1, 1, -1 do
    local e = log.events[i]
    if e.what == "operation" and e.b == object and WAKERS[e.a] and e.task ~= log.events[wait].task then
      return not has_waiter(log, i, object) and i or nil
    end
  end
end

-- Tasks that wait for each other's mutexes: names, or nil.
local function cycle(log, holders)
  local waits = {}
  for _, h in ipairs(holders) do waits[h[1]] = h[2] ~= 0 and h[2] or nil end
  for first in pairs(waits) do
    local names, task = {}, first
    repeat
      names[#names + 1] = log.names[task] or "task " .. task
      task = waits[task]
    until not task or task == first or #names > #holders
    if task == first then
      table.sort(names)
      return names
    end
  end
end

-- "weft.condition 1 (2 waiting)" -> "weft.condition 1"
local function object_name(object) return (tostring(object):gsub(" %(.*", "")) end

--- Says more about a failure: the tasks that wait for each other, a wake-up that was lost.
function M.diagnose(failure, calls)
  local log, stuck = failure.log, calls.stuck
  if failure.kind == "race" then
    failure.message = failure.message:gsub("task (%d+) ", function(number)
      local name = log.names[tonumber(number)]
      return name and name .. " "
    end)
  end
  if failure.kind ~= "deadlock" and failure.kind ~= "livelock" then return end
  local names = cycle(log, calls.holders)
  if names then
    local others = failure.kind == "livelock" and ("; the others go on, no end after %d steps"):format(failure.steps) or ""
    failure.kind = "deadlock"
    failure.message = ("%sdeadlock: %s wait for each other's mutexes%s"):format(others ~= "" and "partial " or "",
      table.concat(names, ", ", 1, #names - 1) .. (#names > 1 and " and " or "") .. names[#names], others)
    return
  end
  if failure.kind ~= "deadlock" then return end
  for _, s in ipairs(stuck) do
    local wait
    for i, e in ipairs(log.events) do
      if e.task == s[1] and e.what == "operation" then wait = i end
    end
    if wait and (log.events[wait].a == "wait" or log.events[wait].a == "recv") then
      local waker = lost_before(log, wait)
      if waker then
        local e = log.events[waker]
        failure.kind = "lost wake-up"
        failure.message = ("lost wake-up: %s began to wait for %s (%s) after %s had called %s (%s), when nobody waited")
          :format(log.names[s[1]], object_name(e.b), place(log, wait), log.names[e.task], e.a, place(log, waker))
        return
      end
    end
  end
end

-- Sources --------------------------------------------------------------------------------------------

local sources = {} -- lines of the files that have been read, for the length of a report

--- The text of a line; nil when its source is no file that can be read.
function M.line(source, line)
  if source:sub(1, 1) ~= "@" then
    local n = 0
    for text in (source .. "\n"):gmatch "(.-)\n" do
      n = n + 1
      if n == line then return text end
    end
    return nil
  end
  local lines = sources[source]
  if not lines then
    lines = {}
    local file = io.open(source:sub(2))
    if file then
      for text in file:lines() do lines[#lines + 1] = text end
      file:close()
    end
    sources[source] = lines
  end
  return lines[line]
end

--- Forgets the sources that were read.
function M.forget() sources = {} end

-- Rows ------------------------------------------------------------------------------------------------

-- The task was made to give way between its event a and the event b of another.
local function preempted(decisions, a, b)
  for i = a.at + 1, b.at do
    local d = decisions[i]
    if d and d.point and d.chosen > 0 and not d.clock and d.task == a.task then return i end
  end
end

-- A row without text is a line of source, which the drawing finds.
local function add(rows, task, e, text)
  rows[#rows + 1] = { task = task, line = e.b, file = file_of(e.a), source = e.a, text = text }
end

-- Why the task left off: nil at its end.
local function reason(failure, last, next_event, row)
  if last.what == "end" then return nil end
  if not next_event then return "..." end
  if preempted(failure.decisions, last, next_event) then return "preempted" end
  return row and row.source and (row.text or M.line(row.source, row.line) or ""):find "yield" and "yields" or "waits"
end

-- A line is told at the next event of its task: a task that is preempted at the beginning of a line has not run it.
function M.rows(failure, instructions)
  local events, rows, pending = failure.log.events, {}, {}
  local function flush(task)
    local p = pending[task]
    if not p or p.told then return end
    if p.begun then
      add(rows, task, p.event, "(goes on)")
    else
      add(rows, task, p.event)
    end
    p.told = true
  end
  local last
  for _, e in ipairs(events) do
    if last and last.task ~= e.task then
      local p = pending[last.task]
      local at, middle = preempted(failure.decisions, last, e), ""
      -- In the middle of a line, between two instructions: it has begun.
      if instructions and at and p and not p.told and not p.begun then
        flush(last.task)
        p.told, p.begun, middle = false, true, " midway"
      end
      if not at then flush(last.task) end
      local why = reason(failure, last, e, rows[#rows])
      if why then
        rows[#rows + 1] = { task = last.task, note = why .. middle }
      end
    end
    if e.what == "line" then
      flush(e.task)
      pending[e.task] = { event = e }
    elseif e.what == "operation" then
      local p = pending[e.task]
      local fresh = p and not p.told
      flush(e.task)
      if not fresh and last and last.task ~= e.task and p then add(rows, e.task, p.event, "(goes on: " .. e.a .. ")") end
    elseif e.what == "end" then
      flush(e.task)
      rows[#rows + 1] = { task = e.task, note = "ends" }
    end
    last = e
  end
  if last and last.what ~= "end" then
    for task, p in pairs(pending) do
      if not p.told and task == last.task then flush(task) end
    end
  end
  return rows
end

return M
