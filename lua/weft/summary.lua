-- A trace in numbers: t:summary().
--
-- A table that prints itself. Times are seconds.
--   wall, cpu             of the trace; cpu is what the process used, all threads
--   parallelism           cpu / wall
--   switches              how often a carrier went over to another task
--   longest_stall         the longest time that a ready task waited for a carrier; stalled = { id, name, at, by }
--                         says which, since when, and who ran meanwhile (by: a name, or nil)
--   migrations            how often a task went on on another carrier than before: an isolate that another worker took over
--   preemptions           how often a task gave way at the end of its time slice
--   events, lost          recorded and lost
--   jobs                  a list: { id, name, kind, running, ready, parked, runs, migrations, preemptions, outcome,
--                         waits = { [reason] = s }, resources = { ["recv jobs"] = s } }; jobs[name] too
--   carriers              a list: { name, tid, running, tasks }

local model = require "weft.trace_model"
local term = require "weft.term"

local M = {}

local NS = 1e-9
local MOST_JOBS = 40

local Summary = { __name = "weft.trace.summary" }
Summary.__index = Summary

-- Who ran longest on a carrier within [a, b].
local function busiest(carrier, a, b, except)
  local sums, most, who = {}, 0, nil
  -- Runs are in order of time: find the first that ends after a.
  local low, high = 1, #carrier.at
  while low < high do
    local middle = (low + high) // 2
    if carrier.till[middle] > a then high = middle else low = middle + 1 end
  end
  for i = low, #carrier.at do
    if carrier.at[i] >= b then break end
    local task = carrier.task[i]
    if task ~= except then
      local sum = (sums[task] or 0) + math.min(b, carrier.till[i]) - math.max(a, carrier.at[i])
      sums[task] = sum
      if sum > most then most, who = sum, task end
    end
  end
  return who
end

-- The carrier for which the task waited in its i-th state: the one that ran it next, or else last.
local function carrier_of(m, task, i)
  for k = i + 1, task.n do
    if task.state[k] == model.RUN then return m.carriers[task.by[k]] end
  end
  for k = i - 1, 1, -1 do
    if task.state[k] == model.RUN then return m.carriers[task.by[k]] end
  end
  for _, carrier in ipairs(m.carriers) do -- never ran: the carrier of its isolate
    if carrier.last and carrier.last.iso == task.iso then return carrier end
  end
end

local function job(m, task, wall, stall)
  local j = {
    id = task.id, name = task.name, kind = task.kind or "task", runs = task.runs, outcome = task.outcome,
    running = 0, ready = 0, parked = 0, waits = {}, resources = {}, migrations = 0, preemptions = task.preempted or 0,
  }
  local running, ready, sums, carrier = 0, 0, {}, nil
  local at, states = task.at, task.state
  for i = 1, task.n do
    local state = states[i]
    local took = (at[i + 1] or wall) - at[i]
    if state == model.RUN then
      if carrier and carrier ~= task.by[i] then j.migrations = j.migrations + 1 end
      carrier = task.by[i]
    end
    if took > 0 then
      if state == model.RUN then
        running = running + took
      elseif state == model.READY then
        ready = ready + took
        if took > stall.took then stall.took, stall.task, stall.i = took, task, i end
      elseif state ~= model.GONE then
        local per, by = sums[state], task.by[i]
        if not per then
          per = {}
          sums[state] = per
        end
        per[by] = (per[by] or 0) + took
      end
    end
  end
  j.running, j.ready = running * NS, ready * NS
  for state, per in pairs(sums) do
    local why = m.whys[state]
    if why == "" then why = "wait" end
    for by, took in pairs(per) do
      local what = model.wait_text(m, state, by)
      j.parked = j.parked + took * NS
      j.waits[why] = (j.waits[why] or 0) + took * NS
      j.resources[what] = (j.resources[what] or 0) + took * NS
    end
  end
  return j
end

local function carrier_row(carrier)
  local row, seen = { name = carrier.name, tid = carrier.tid, running = 0, tasks = 0 }, {}
  for i, task in ipairs(carrier.task) do
    row.running = row.running + (carrier.till[i] - carrier.at[i]) * NS
    if not seen[task] then seen[task], row.tasks = true, row.tasks + 1 end
  end
  return row
end

function M.new(t)
  local m, wall = t.model, t._raw.wall
  local stall = { took = 0 }
  local s = {
    wall = t.wall, cpu = t.cpu, parallelism = t.wall > 0 and t.cpu / t.wall or 0,
    switches = m.switches, migrations = 0, preemptions = 0, events = t.count, lost = t.lost, jobs = {}, carriers = {},
  }
  for i, task in ipairs(m.tasks) do
    local j = job(m, task, wall, stall)
    s.jobs[i] = j
    s.migrations, s.preemptions = s.migrations + j.migrations, s.preemptions + j.preemptions
    s.jobs[j.name] = s.jobs[j.name] or j
  end
  for i, carrier in ipairs(m.carriers) do s.carriers[i] = carrier_row(carrier) end
  s.longest_stall = stall.took * NS
  if stall.task then
    local task, i = stall.task, stall.i
    local carrier = carrier_of(m, task, i)
    local who = carrier and busiest(carrier, task.at[i], task.at[i] + stall.took, task)
    s.stalled = { id = task.id, name = task.name, at = task.at[i] * NS, by = who and who.name }
  end
  return setmetatable(s, Summary)
end

-- The line under every picture, broken where it would pass `width` columns, and a word about lost events.
function M.footer(s, ascii, width)
  local stall = "longest stall " .. term.seconds(s.longest_stall, ascii)
  if s.stalled then
    local by = s.stalled.by and (", while %s ran"):format(s.stalled.by) or ""
    stall = term.clean(("%s (%s%s)"):format(stall, s.stalled.name, by), ascii)
  end
  local parts = {
    "wall " .. term.seconds(s.wall, ascii), "cpu " .. term.seconds(s.cpu, ascii),
    ("parallelism %.2f"):format(s.parallelism), ("switches %d"):format(s.switches), stall,
  }
  if s.migrations > 0 then parts[#parts + 1] = ("migrations %d"):format(s.migrations) end
  if s.preemptions > 0 then parts[#parts + 1] = ("preemptions %d"):format(s.preemptions) end
  if s.lost > 0 then
    parts[#parts + 1] = ("%d of %d events lost (full rings: option 'capacity')"):format(s.lost, s.lost + s.events)
  end
  local lines, line = {}, nil
  local function add(text, gap)
    if line and width and term.columns(line) + #gap + term.columns(text) > width then lines[#lines + 1], line = line, nil end
    line = line and line .. gap .. text or text
  end
  for _, part in ipairs(parts) do
    if not width or term.columns(part) <= width then
      add(part, "  ")
    else
      local gap = "  "
      for word in part:gmatch "%S+" do
        add(word, gap)
        gap = " "
      end
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function waited_for(j, ascii)
  local list = {}
  for what, took in pairs(j.resources) do list[#list + 1] = { what, took } end
  table.sort(list, function(a, b)
    if a[2] ~= b[2] then return a[2] > b[2] end
    return a[1] < b[1]
  end)
  local out = {}
  for i = 1, math.min(3, #list) do out[i] = list[i][1] .. " " .. term.seconds(list[i][2], ascii) end
  if #list > 3 then out[4] = ("%d more"):format(#list - 3) end
  return table.concat(out, ", ")
end

-- Rows of texts as lines with the columns lined up: those named in `left` to the left, numbers to the right.
local function columns(rows, left)
  local widths = {}
  for _, row in ipairs(rows) do
    for c, text in ipairs(row) do widths[c] = math.max(widths[c] or 0, term.columns(text)) end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local out = {}
    for c, text in ipairs(row) do
      local gap = (" "):rep(widths[c] - term.columns(text))
      out[c] = left[c] and text .. gap or gap .. text
    end
    lines[i] = (table.concat(out, "  "):gsub(" +$", ""))
  end
  return lines
end

function Summary:__tostring()
  local ascii = not term.unicode()
  local function time(v) return term.seconds(v, ascii) end
  local rows = { { "task", "kind", "runs", "running", "ready", "parked", "waited for" } }
  for i = 1, math.min(#self.jobs, MOST_JOBS) do
    local j = self.jobs[i]
    rows[#rows + 1] = { term.clean(j.name, ascii), j.kind, tostring(j.runs), time(j.running), time(j.ready), time(j.parked),
      term.clean(waited_for(j, ascii), ascii) }
  end
  local lines = columns(rows, { true, true, [7] = true })
  if #self.jobs > MOST_JOBS then lines[#lines + 1] = ("and %d more"):format(#self.jobs - MOST_JOBS) end
  rows = { { "carrier", "thread", "tasks", "running" } }
  for i, c in ipairs(self.carriers) do
    rows[i + 1] = { term.clean(c.name, ascii), tostring(c.tid), tostring(c.tasks), time(c.running) }
  end
  table.move(columns(rows, { true }), 1, #rows, #lines + 1, lines)
  lines[#lines + 1] = M.footer(self, ascii)
  return table.concat(lines, "\n")
end

return M
