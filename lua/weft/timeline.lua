-- Draws a trace in the terminal: one row a task or a carrier, one column a span of time (the rule by which a
-- column becomes a character is in weft.timeline_cells).
--
--   timeline.draw(t, opts)          the whole picture of t:timeline(opts)
--   timeline.panel(t, rows, opts)   a few chosen rows with a title and a note, to set beside other panels
--
-- Both return text without a newline at the end; they look at the environment (weft.term) for what opts
-- leave open: width, color, ascii.

local cells = require "weft.timeline_cells"
local paint = require "weft.timeline_paint"
local rows_of = require "weft.trace_rows"
local summary = require "weft.summary"
local term = require "weft.term"

local M = { panel = require "weft.timeline_panel" }

local RUN, PARK, IO = cells.RUN, cells.PARK, cells.IO
local MEANING = { [cells.RUN] = "running", [cells.READY] = "ready", [PARK] = "parked", [IO] = "waiting for IO" }
local LEAST_COLUMNS, MOST_REGIONS = 10, 12

local checks = paint.checks
local OPTIONS = {
  by = function(v) return v == "task" or v == "carrier", "'task' or 'carrier'" end,
  width = function(v) return math.type(v) == "integer" and v >= 20 and v <= 10000, "integer from 20 to 10000" end,
  rows = function(v) return math.type(v) == "integer" and v >= 1, "positive integer" end,
  from = checks.seconds, to = checks.seconds,
  print = checks.boolean, color = checks.boolean, ascii = checks.boolean,
}

---------------------------------------------------------------------- rows of the whole picture

local function task_rows(t, opts, from, to, s)
  local m, rows = t.model, {}
  local shown, rest = rows_of.pick(m.tasks, opts.rows or 40, from, to)
  for i, task in ipairs(shown) do
    rows[i] = {
      label = task.name, note = rows_of.note(m, task, from, to, s.ascii),
      fill = function(row) cells.add_task(row, m, task, 1) end,
    }
  end
  if #rest > 0 then
    rows[#rows + 1] = {
      label = "+" .. #rest .. " more", note = "tasks that ran least, averaged", free = true,
      fill = function(row)
        for _, task in ipairs(rest) do cells.add_task(row, m, task, 1 / #rest) end
      end,
    }
  end
  return rows
end

local function carrier_rows(t, opts, from, to)
  local rows, seen, more = {}, {}, 0
  for _, carrier in ipairs(t.model.carriers) do
    if #rows == (opts.rows or 40) then
      more = more + 1
    else
      local name = carrier.name ~= "" and carrier.name or "thread"
      seen[name] = (seen[name] or 0) + 1
      local who, tasks, busy = {}, 0, 0
      for i, task in ipairs(carrier.task) do
        if carrier.till[i] > from and carrier.at[i] < to then
          busy = busy + math.min(carrier.till[i], to) - math.max(carrier.at[i], from)
          if not who[task] then who[task], tasks = true, tasks + 1 end
        end
      end
      rows[#rows + 1] = {
        label = name, carrier = carrier, free = true,
        note = ("busy %.0f %%, %d task%s"):format(100 * busy / (to - from), tasks, tasks == 1 and "" or "s"),
        fill = function(row)
          local known = from
          for i, at in ipairs(carrier.at) do
            local a, b = math.max(at, from), math.min(carrier.till[i], to)
            if b > a then
              cells.add(row, PARK, known, a, nil, 1)
              cells.add(row, RUN, a, b, carrier.index, 1)
              known = b
            end
          end
          cells.add(row, PARK, known, to, nil, 1)
        end,
      }
    end
  end
  for _, row in ipairs(rows) do
    if seen[row.label] > 1 then row.label = row.label .. " " .. row.carrier.tid end
  end
  return rows, more
end

-- A row of numbers under the picture for marks, and the list of their texts.
local function mark_lines(m, from, to, columns, s)
  local cell, texts = {}, {}
  for c = 1, columns do cell[c] = " " end
  for _, mark in ipairs(m.marks) do
    if mark.at >= from and mark.at <= to and #texts < 9 then
      local c = math.min(columns, (mark.at - from) * columns // (to - from) + 1 | 0)
      texts[#texts + 1] = ("%d %s"):format(#texts + 1, term.clean(mark.text, s.ascii))
      cell[c] = tostring(#texts)
    end
  end
  return table.concat(cell), texts
end

-- The regions by name: where a task was in one, how often and how long in all.
local function region_rows(m, from, to, ascii)
  local rows, by = {}, {}
  for _, region in ipairs(m.regions) do
    local a, b = math.max(region.at, from), math.min(region.till, to)
    if b >= a and region.at < to then
      local r = by[region.name]
      if not r then
        r = { label = term.clean(region.name, ascii), n = 0, ns = 0 }
        by[region.name], rows[#rows + 1] = r, r
      end
      r.n, r.ns = r.n + 1, r.ns + b - a
      r[r.n] = { a, b }
    end
  end
  for _, r in ipairs(rows) do
    r.note = ("%d time%s, %s"):format(r.n, r.n == 1 and "" or "s", term.seconds(r.ns * 1e-9, ascii))
  end
  return rows
end

local function region_bar(r, from, to, columns, ascii)
  local cell, width = {}, (to - from) / columns
  for c = 1, columns do cell[c] = " " end
  for _, span in ipairs(r) do
    local first, last = math.floor((span[1] - from) / width) + 1, math.max(math.ceil((span[2] - from) / width), 1)
    for c = first, math.min(columns, last) do cell[c] = ascii and "=" or "━" end
  end
  return table.concat(cell)
end

---------------------------------------------------------------------- the whole picture

local function legend(rows, s, by_carrier)
  local present, out = {}, {}
  for _, row in ipairs(rows) do
    for _, class in ipairs(row.cells.cell) do present[class] = true end
  end
  for class = RUN, IO do
    if present[class] then
      out[#out + 1] = s.symbols[class] .. " " .. (by_carrier and class == PARK and "idle" or MEANING[class])
    end
  end
  return table.concat(out, "  ")
end

-- opts: by = "task" | "carrier", width, rows (at most that many, default 40), from, to (seconds), color, ascii.
-- The text, or nil and what is wrong with opts.
function M.draw(t, opts)
  local wrong = paint.misuse(opts, OPTIONS, "timeline")
  if wrong then return nil, wrong end
  local s, m = paint.surface(t, opts), t.model
  local wall = math.max(1, t._raw.wall)
  local from = math.floor((opts.from or 0) * 1e9 + 0.5)
  if from >= wall then
    return nil, ("bad option 'from' of timeline (the trace is %s long, got %g)"):format(term.seconds(wall * 1e-9), opts.from)
  end
  local to = math.max(from + 1, math.min(wall, opts.to and math.floor(opts.to * 1e9 + 0.5) or wall))
  local by_carrier = opts.by == "carrier"
  local rows, more
  if by_carrier then rows, more = carrier_rows(t, opts, from, to) else rows, more = task_rows(t, opts, from, to, s), 0 end

  local label_width, note_width = 0, 0
  for _, row in ipairs(rows) do
    row.label, row.note = term.clean(row.label, s.ascii), term.clean(row.note, s.ascii)
    label_width = math.max(label_width, term.columns(row.label))
    note_width = math.max(note_width, term.columns(row.note))
  end
  local regions = region_rows(m, from, to, s.ascii)
  for i = 1, math.min(#regions, MOST_REGIONS) do
    label_width = math.max(label_width, term.columns(regions[i].label))
    note_width = math.max(note_width, term.columns(regions[i].note))
  end
  label_width = math.min(label_width, math.max(8, s.width // 5))
  note_width = math.min(note_width, s.width // 3)
  local columns = s.width - label_width - 1 - (note_width > 0 and note_width + 2 or 0)
  if columns < LEAST_COLUMNS then
    note_width, columns = 0, math.max(LEAST_COLUMNS, s.width - label_width - 1)
  end

  local drawn = {}
  for i, row in ipairs(rows) do
    row.cells = cells.row(from, to, columns)
    row.cells.free = row.free
    row.fill(row.cells)
    drawn[i] = row.cells
  end
  cells.choose(drawn)

  local lines, margin = {}, (" "):rep(label_width + 1)
  local left, right
  for digits = 0, 9 do
    left, right = term.seconds(from * 1e-9, s.ascii, digits), term.seconds(to * 1e-9, s.ascii, digits)
    if left ~= right then break end
  end
  lines[1] = margin .. left .. (" "):rep(math.max(1, columns - term.columns(left) - term.columns(right))) .. right
  for _, row in ipairs(rows) do
    local line = term.fit(row.label, label_width, s.ascii) .. " " .. paint.paint(row.cells, s)
    if note_width > 0 then line = line .. "  " .. term.cut(row.note, note_width, s.ascii) end
    lines[#lines + 1] = paint.trim(line)
  end
  if more > 0 then lines[#lines + 1] = ("%s%d more carriers not shown"):format(margin, more) end
  if #rows == 0 then lines[#lines + 1] = margin .. "(nothing was recorded)" end
  for i = 1, math.min(#regions, MOST_REGIONS) do
    local r = regions[i]
    local line = term.fit(r.label, label_width, s.ascii) .. " " .. region_bar(r, from, to, columns, s.ascii)
    if note_width > 0 then line = line .. "  " .. term.cut(r.note, note_width, s.ascii) end
    lines[#lines + 1] = paint.trim(line)
  end
  if #regions > MOST_REGIONS then lines[#lines + 1] = ("%s%d more regions not shown"):format(margin, #regions - MOST_REGIONS) end
  local pointers, texts = mark_lines(m, from, to, columns, s)
  if #texts > 0 then
    lines[#lines + 1] = paint.trim(margin .. pointers)
    lines[#lines + 1] = margin .. table.concat(texts, "  ")
  end
  if #rows > 0 then lines[#lines + 1] = legend(rows, s, by_carrier) end
  lines[#lines + 1] = summary.footer(t:summary(), s.ascii, s.width)
  return table.concat(lines, "\n")
end

return M
