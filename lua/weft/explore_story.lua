-- What an explored schedule did, told by a log that the failing schedule is run again for, and the report of
-- weft.explore: the interleaving as columns of source lines, one a task; what was covered; the token.

local core = require "weft.core"
local term = require "weft.term"

local M = {}

local SEGMENT, EDGE = 9, 3 -- a task's lines in one piece: more than that are cut to the first and last few
local ROWS = 300
local COLUMN = 16 -- the least width of a column
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

local sources = setmetatable({}, { __mode = "v" })

-- The text of a line; nil when its source is no file that can be read.
local function source_line(source, line)
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

local function file_of(source)
  return source:sub(1, 1) == "@" and source:match "([^/\\]*)$" or "(code)"
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

-- Rows ------------------------------------------------------------------------------------------------

-- The task was made to give way between its event a and the event b of another.
local function preempted(decisions, a, b)
  for i = a.at + 1, b.at do
    local d = decisions[i]
    if d and d.point and d.chosen > 0 and not d.clock and d.task == a.task then return i end
  end
end

local function add(rows, task, e, text)
  local code = e and source_line(e.a, e.b)
  text = text or code and code:match "^%s*(.-)%s*$" or ("%s line %d"):format(e.a, e.b)
  rows[#rows + 1] = { task = task, line = e and e.b, file = e and file_of(e.a), text = text }
end

-- Why the task left off: nil at its end.
local function reason(failure, last, next_event, text)
  if last.what == "end" then return nil end
  if not next_event then return "..." end
  if preempted(failure.decisions, last, next_event) then return "preempted" end
  return text and text:find "yield" and "yields" or "waits"
end

-- A line is told at the next event of its task: a task that is preempted at the beginning of a line has not run it.
local function rows_of(failure, instructions)
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
      local why = reason(failure, last, e, #rows > 0 and rows[#rows].text)
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

-- Long pieces of one task lose their middle.
local function cut(rows)
  local out, i = {}, 1
  while i <= #rows do
    local j = i
    while j < #rows and rows[j + 1].task == rows[i].task do j = j + 1 end
    local n = j - i + 1
    for k = i, j do
      if n <= SEGMENT or k < i + EDGE or k > j - EDGE then
        out[#out + 1] = rows[k]
      elseif k == i + EDGE then
        out[#out + 1] = { task = rows[i].task, note = ("%d more lines"):format(n - 2 * EDGE) }
      end
    end
    i = j + 1
  end
  if #out > ROWS then
    local gone = #out - ROWS
    table.move(out, #out - ROWS // 2 + 1, #out, ROWS // 2 + 1)
    for k = #out, ROWS + 1, -1 do out[k] = nil end
    table.insert(out, ROWS // 2 + 1, { task = out[1].task, note = ("%d rows left out"):format(gone) })
  end
  return out
end

-- Drawing ----------------------------------------------------------------------------------------------

local function used_tasks(rows)
  local order, seen = {}, {}
  for _, r in ipairs(rows) do
    if not seen[r.task] then
      seen[r.task] = true
      order[#order + 1] = r.task
    end
  end
  table.sort(order)
  return order
end

local function cell(row, digits, main_file, ascii)
  if row.note then return (" "):rep(digits) .. (ascii and " -- " or " ·· ") .. row.note end
  local where = row.line and ("%" .. digits .. "d "):format(row.line) or (" "):rep(digits + 1)
  local other = row.file and row.file ~= main_file and row.file .. ": " or ""
  return where .. other .. row.text
end

-- The columns as text.
local function columns(failure, opts)
  local ascii = not term.unicode()
  local rows = cut(rows_of(failure, opts.points == "instructions"))
  if #rows == 0 then return "" end
  local order, digits, files = used_tasks(rows), 1, {}
  local main_file, most = nil, 0
  for _, r in ipairs(rows) do
    if r.line then digits = math.max(digits, #tostring(r.line)) end
    if r.file then
      files[r.file] = (files[r.file] or 0) + 1
      if files[r.file] > most then main_file, most = r.file, files[r.file] end
    end
  end
  local at, cells, widest = {}, {}, {}
  for i, task in ipairs(order) do
    at[task] = i
    widest[i] = term.columns(term.clean(failure.log.names[task] or "task " .. task, ascii)) + digits + 1
  end
  for i, r in ipairs(rows) do
    cells[i] = term.clean(cell(r, digits, main_file, ascii), ascii)
    widest[at[r.task]] = math.max(widest[at[r.task]], term.columns(cells[i]))
  end
  local room = term.width() - 2 - 3 * (#order - 1)
  local function total()
    local sum = 0
    for i = 1, #order do sum = sum + widest[i] end
    return sum
  end
  while total() > room do -- the widest gives way
    local w = 1
    for i = 2, #order do
      if widest[i] > widest[w] then w = i end
    end
    if widest[w] <= COLUMN then break end
    widest[w] = widest[w] - 1
  end
  local bar, cross, dash = ascii and " | " or " │ ", ascii and "-+-" or "─┼─", ascii and "-" or "─"
  local out, parts = {}, {}
  local function line(column, text)
    for i = 1, #order do parts[i] = term.fit(i == column and text or "", widest[i], ascii) end
    out[#out + 1] = ("  " .. table.concat(parts, bar)):gsub("%s+$", "")
  end
  for i, task in ipairs(order) do
    parts[i] = term.fit((" "):rep(digits + 1) .. term.clean(failure.log.names[task] or "task " .. task, ascii), widest[i], ascii)
  end
  out[1] = ("  " .. table.concat(parts, bar)):gsub("%s+$", "")
  for i = 1, #order do parts[i] = dash:rep(widest[i]) end
  out[2] = "  " .. table.concat(parts, cross)
  for i, r in ipairs(rows) do line(at[r.task], cells[i]) end
  return table.concat(out, "\n")
end

-- The report -------------------------------------------------------------------------------------------

local function count(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

local function coverage(x)
  local c, opts = x.cover, x.opts
  local what = ("at %s"):format(opts.points)
  if opts.replay then return "one schedule, replayed from its token" end
  local text
  if opts.strategy ~= "exhaustive" then
    text = ("%s of the strategy %s (seed %d%s)"):format(count(x.schedules, "schedule"), opts.strategy, opts.seed,
      opts.strategy == "pct" and ", depth " .. opts.depth or "")
  elseif c.complete then
    text = ("all %s: complete"):format(count(x.schedules, "schedule"))
  else
    local parts = {}
    for level = 0, c.level do
      if c.levels[level] then
        parts[#parts + 1] = ("all %d with %s"):format(c.levels[level], count(level, "preemption"))
      elseif c.at_level > 0 then
        parts[#parts + 1] = ("%d with %s, of %d or more"):format(c.at_level, count(level, "preemption"), c.at_level + (c.left or 0))
      end
    end
    text = ("%s: %s"):format(count(x.schedules, "schedule"), table.concat(parts, ", "))
    if c.dropped then text = text .. "; some were left out, there was no room to keep them" end
  end
  if c.stopped == "schedules" then text = text .. "; stopped at the number of schedules allowed" end
  if c.stopped == "seconds" then text = text .. "; stopped at the time allowed" end
  if x.most_blind > 0 then
    text = text .. ("; %s where no switch was possible (inside functions that cannot yield)"):format(count(x.most_blind, "point"))
  end
  return ("%s; switch points: %s; up to %s, %s"):format(text, what:sub(4), count(x.most_tasks, "task"),
    count(x.most_steps, "step"))
end

local Report = {}
Report.__index = Report
Report.__name = "weft.exploration"

--- Raises the report when something failed; returns the report when not.
function Report:assert()
  if not self.ok then error(tostring(self), 0) end
  return self
end

local function indent(text) return "  " .. text:gsub("\n", "\n  ") end

local function failure_text(r, failure)
  local out = { ("schedule %d of %d: %s"):format(failure.schedule, r.schedules, failure.message) }
  if failure.kind == "error" and failure.task ~= 1 then
    out[1] = ("schedule %d of %d: in %s: %s"):format(failure.schedule, r.schedules,
      failure.log.names[failure.task] or "task " .. failure.task, failure.message)
  end
  if failure.count > 1 then out[1] = out[1] .. (" (%d schedules end so)"):format(failure.count) end
  if failure.interleaving ~= "" then
    out[#out + 1] = ""
    out[#out + 1] = failure.interleaving
    out[#out + 1] = ""
  end
  for _, text in ipairs(failure.stuck) do out[#out + 1] = "  " .. text end
  for _, text in ipairs(failure.notes or {}) do out[#out + 1] = "  " .. text end
  out[#out + 1] = ("  %s, %s; replay it with: weft.explore(f, { replay = %q })"):format(count(failure.preemptions,
    "preemption"), count(failure.steps, "step"), failure.token)
  return table.concat(out, "\n")
end

function Report:__tostring()
  local out = {}
  if self.ok then
    out[1] = "weft.explore: no schedule failed"
  else
    out[1] = "weft.explore: " .. (#self.failures == 1 and "FAILED" or ("FAILED in %d ways"):format(#self.failures))
    for _, failure in ipairs(self.failures) do out[#out + 1] = failure_text(self, failure) end
  end
  if #self.outcomes > 0 then
    local parts = {}
    for i, o in ipairs(self.outcomes) do
      if i > 8 then
        parts[#parts + 1] = ("... and %d more"):format(#self.outcomes - 8)
        break
      end
      parts[#parts + 1] = ("%s (%d)"):format(o.text, o.count)
    end
    out[#out + 1] = indent("outcomes: " .. table.concat(parts, ", "))
  end
  out[#out + 1] = indent("covered: " .. self.coverage)
  return table.concat(out, "\n")
end

--- The object that weft.explore returns.
function M.report(x)
  local failures = {}
  for i, f in ipairs(x.failures) do
    f.interleaving = columns(f, x.opts)
    f.names = f.log.names
    failures[i] = f
  end
  local outcomes = {}
  for i, o in ipairs(x.outcomes) do outcomes[i] = o end
  local self = {
    ok = #failures == 0, failure = failures[1], failures = failures, outcomes = outcomes, schedules = x.schedules,
    seconds = x.seconds, complete = x.cover.complete == true, coverage = coverage(x), points = x.opts.points,
  }
  for _, f in ipairs(failures) do f.log, f.decisions, f.trace = { names = f.names }, nil, nil end
  return setmetatable(self, Report)
end

return M
