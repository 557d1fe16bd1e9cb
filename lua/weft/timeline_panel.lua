-- A panel: a few chosen rows of a trace with a title before and a note after them, made to stand above one
-- another so that their shapes compare:
--
--   general      p1 ████████░░░░░░░░  one after the other   1.62 s   cpu/wall 1.00
--                p2 ░░░░░░░░████████

local cells = require "weft.timeline_cells"
local model = require "weft.trace_model"
local paint = require "weft.timeline_paint"
local term = require "weft.term"

local checks = paint.checks
local OPTIONS = {
  title = checks.string, note = checks.string, stats = checks.boolean,
  title_width = checks.columns, label_width = checks.columns, note_width = checks.columns, gap = checks.columns,
  width = function(v) return math.type(v) == "integer" and v >= 1 and v <= 10000, "integer from 1 to 10000" end,
  span = function(v) return type(v) == "number" and v > 0 and v < math.huge, "seconds above 0" end,
  from = checks.seconds, color = checks.boolean, ascii = checks.boolean,
}

local function find_tasks(m, wanted)
  local found = {}
  for _, task in ipairs(m.tasks) do
    if task.name == wanted or task.id == wanted then found[#found + 1] = task end
  end
  return found
end

-- Running or not: nothing else is told apart here.
local function fill(row, tasks)
  local runs, known = {}, row.from
  for _, task in ipairs(tasks) do
    model.each_state(task, row.from, row.to, function(a, b, state, by)
      if state == model.RUN then runs[#runs + 1] = { a, b, by } end
    end)
  end
  table.sort(runs, function(x, y) return x[1] < y[1] end)
  for _, run in ipairs(runs) do
    local a, b = math.max(run[1], known), run[2]
    if b > a then
      cells.add(row, cells.NONE, known, a, nil, 1)
      cells.add(row, cells.RUN, a, b, run[3], 1)
      known = b
    end
  end
  cells.add(row, cells.NONE, known, row.to, nil, 1)
end

-- rows: a list of task names, or of { task = name or id, label = text, note = text }; tasks of one name share a
-- row. A cell is running or not: time before a task's birth or after its end looks like waiting. opts:
--   title        before the first row, in title_width columns (default 13)
--   note         after the first row, in note_width columns; then the time and cpu/wall unless stats = false
--   span         seconds that the full width stands for: give panels one span and their lengths compare
--                (default: the trace's own time; what the trace does not fill stays blank)
--   from         seconds from where on to draw
--   width        columns of cells (default: what the terminal leaves, 16 to 60)
--   gap          columns between the cells and the note (default 2)
--   label_width, color, ascii
local function panel(t, rows, opts)
  opts = opts or {}
  if type(rows) ~= "table" then error(("bad argument #2 to 'panel' (table expected, got %s)"):format(type(rows)), 2) end
  if type(opts) ~= "table" then error(("bad argument #3 to 'panel' (table expected, got %s)"):format(type(opts)), 2) end
  local wrong = paint.misuse(opts, OPTIONS, "panel")
  if wrong then error(wrong, 2) end
  local m = t.model
  local s = paint.surface(t, { ascii = opts.ascii, color = opts.color })

  local list, label_width, note_width = {}, opts.label_width or 0, opts.note_width or 0
  for i, row in ipairs(rows) do
    if type(row) ~= "table" then row = { task = row } end
    local tasks = find_tasks(m, row.task)
    if #tasks == 0 then error(("bad argument #2 to 'panel' (no task '%s' in the trace)"):format(tostring(row.task)), 2) end
    local note = term.clean(row.note or i == 1 and opts.note or "", s.ascii)
    list[i] = { tasks = tasks, label = term.clean(row.label or tasks[1].name, s.ascii), note = note }
    if not opts.label_width then label_width = math.max(label_width, term.columns(list[i].label)) end
    if not opts.note_width then note_width = math.max(note_width, term.columns(note)) end
  end

  local title_width, gap = opts.title_width or 13, opts.gap or 2
  local stats = ""
  if opts.stats ~= false then
    -- Panels of one span give their times in one unit.
    local time = (opts.span or t.wall) >= 0.1 and ("%.2f s"):format(t.wall) or term.seconds(t.wall, s.ascii)
    stats = ("%s   cpu/wall %.2f"):format(time, t.wall > 0 and t.cpu / t.wall or 0)
  end
  local fixed = title_width + label_width + 1 + gap + note_width + 3 + term.columns(stats)
  local width = opts.width or math.max(16, math.min(60, s.width - fixed))
  local wall = math.max(1, t._raw.wall)
  local from = math.floor((opts.from or 0) * 1e9 + 0.5)
  local span = math.max(1, opts.span and math.floor(opts.span * 1e9 + 0.5) or wall - from)
  local to = math.min(from + span, wall)
  local columns = math.max(1, math.floor(width * (to - from) / span + 0.5))

  local drawn = {}
  for i, row in ipairs(list) do
    row.cells = cells.row(from, to, columns)
    drawn[i] = row.cells
    fill(row.cells, row.tasks)
  end
  cells.choose(drawn)

  local lines = {}
  for i, row in ipairs(list) do
    local line = term.fit(i == 1 and term.clean(opts.title or "", s.ascii) or "", title_width, s.ascii)
      .. term.fit(row.label, label_width, s.ascii) .. " " .. paint.paint(row.cells, s, true) .. (" "):rep(width - columns + gap)
      .. term.fit(row.note, note_width, s.ascii)
    if i == 1 and stats ~= "" then line = line .. "   " .. stats end
    lines[i] = paint.trim(line)
  end
  return table.concat(lines, "\n")
end

return panel
