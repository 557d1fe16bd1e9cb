-- weft.plot: pictures of numbers, in the terminal and as SVG.
--
--   print(weft.plot.curve { title = "start", x = "tasks", unit = "s", { label = "go", { 1, 2e-7 }, { 10, 3e-6 } } })
--   print(weft.plot.bars { unit = "s", log = true, { "task", 1e-7, 0.9e-7, 1.2e-7 }, { "thread", 4e-5 } })
--   print(weft.plot.histogram { unit = "s", marks = { p99 = 0.003 }, table.unpack(values) })
--   weft.plot.heat({ rows = { "a", "b" }, { 1, 2 }, { 3, 4 } }):svg "heat.svg"
--
-- Each returns a plot: tostring(p) is the picture for the terminal, p:text(opts) the same with options, p:svg(path)
-- the other one. Here the numbers are checked; weft.plot_text and weft.plot_svg draw.

local file = require "weft.trace_file"

local M = {}

local Plot = { __name = "weft.plot" }
Plot.__index = Plot

-- opts: width, height, color, ascii; what is left open the terminal decides.
function Plot:text(opts) return require("weft.plot_text").draw(self, opts or {}) end

-- Writes the picture: true, or nil, message, code. Without a path returns its text.
function Plot:svg(path)
  file.check_path(path, "svg")
  return file.put(path, require("weft.plot_svg").pieces(self))
end

function Plot:__tostring() return self:text() end

---------------------------------------------------------------------- what may be given

local COMMON = { title = "string", unit = "string", note = "string" }

local function check(t, what, fields)
  if type(t) ~= "table" then
    error(("bad argument #1 to 'plot.%s' (table expected, got %s)"):format(what, type(t)), 3)
  end
  for key, value in pairs(t) do
    local wanted = COMMON[key] or fields[key]
    if math.type(key) ~= "integer" then
      if not wanted then error(("unknown option '%s' of plot.%s"):format(tostring(key), what), 3) end
      if type(value) ~= wanted then
        error(("bad option '%s' of plot.%s (%s expected, got %s)"):format(key, what, wanted, type(value)), 3)
      end
    end
  end
  if #t == 0 then error(("bad argument #1 to 'plot.%s' (nothing to draw)"):format(what), 3) end
end

local function number(v, what, where, log)
  if type(v) ~= "number" or v ~= v or v == math.huge or v == -math.huge then
    error(("bad argument #1 to 'plot.%s' (%s: finite number expected, got %s)"):format(what, where, tostring(v)), 4)
  end
  if log and v <= 0 then
    error(("bad argument #1 to 'plot.%s' (%s: a logarithmic scale has no place for %s)"):format(what, where, tostring(v)), 4)
  end
  return v + 0.0
end

local function plot(kind, t)
  t.kind = kind
  return setmetatable(t, Plot)
end

-- Series of points { x, y [, low, high] }; one series may be given without a table around it. x, y: names of the axes;
-- unit and xunit: of their values; logx, logy.
function M.curve(t)
  check(t, "curve", { x = "string", y = "string", xunit = "string", logx = "boolean", logy = "boolean" })
  local list = type(t[1]) == "table" and type(t[1][1]) == "number" and { t } or t
  local series = {}
  for i, s in ipairs(list) do
    if type(s) ~= "table" then
      error(("bad argument #1 to 'plot.curve' (series %d: table expected, got %s)"):format(i, type(s)), 2)
    end
    local points = {}
    for k, p in ipairs(s) do
      local where = ("series %d, point %d"):format(i, k)
      if type(p) ~= "table" then
        error(("bad argument #1 to 'plot.curve' (%s: table expected, got %s)"):format(where, type(p)), 2)
      end
      local point = { number(p[1], "curve", where, t.logx), number(p[2], "curve", where, t.logy) }
      if p[3] ~= nil then point[3], point[4] = number(p[3], "curve", where, t.logy), number(p[4], "curve", where, t.logy) end
      points[k] = point
    end
    if #points == 0 then error(("bad argument #1 to 'plot.curve' (series %d has no points)"):format(i), 2) end
    table.sort(points, function(a, b) return a[1] < b[1] end)
    series[i] = { label = s ~= t and s.label and tostring(s.label) or nil, points = points }
  end
  return plot("curve", { title = t.title, note = t.note, unit = t.unit, xunit = t.xunit, x = t.x, y = t.y, logx = t.logx,
    logy = t.logy, series = series })
end

-- A bar for each { label, value [, low, high] }: low and high are drawn as the spread. log: each step to the right is ten times
-- more.
function M.bars(t)
  check(t, "bars", { log = "boolean" })
  local rows = {}
  for i, row in ipairs(t) do
    if type(row) ~= "table" then
      error(("bad argument #1 to 'plot.bars' (row %d: table expected, got %s)"):format(i, type(row)), 2)
    end
    local where = ("row %d"):format(i)
    local value = number(row[2], "bars", where, t.log)
    if value < 0 then error(("bad argument #1 to 'plot.bars' (%s: 0 or more expected, got %s)"):format(where, value), 2) end
    rows[i] = { label = tostring(row[1]), value = value }
    if row[3] ~= nil then
      local low, high = number(row[3], "bars", where, t.log), number(row[4], "bars", where, t.log)
      if low > high then error(("bad argument #1 to 'plot.bars' (%s: from %g down to %g)"):format(where, low, high), 2) end
      rows[i].low, rows[i].high = low, high
    end
  end
  return plot("bars", { title = t.title, note = t.note, unit = t.unit, log = t.log, rows = rows })
end

-- How many of the values fall into each of `bins` parts of their span. log: parts of equal ratio; marks: { name = value } to
-- point out.
function M.histogram(t)
  check(t, "histogram", { log = "boolean", bins = "number", marks = "table" })
  local least, most = math.huge, -math.huge
  for i, v in ipairs(t) do
    v = number(v, "histogram", ("value %d"):format(i), t.log)
    least, most = math.min(least, v), math.max(most, v)
  end
  local n = t.bins or math.max(8, math.min(60, math.floor(2 * (#t) ^ (1 / 3) + 0.5)))
  if math.type(n) ~= "integer" or n < 1 or n > 1000 then
    error(("bad option 'bins' of plot.histogram (integer from 1 to 1000 expected, got %s)"):format(tostring(n)), 2)
  end
  local marks = {}
  for name, v in pairs(t.marks or {}) do
    marks[#marks + 1] = { name = tostring(name), value = number(v, "histogram", "mark " .. tostring(name), t.log) }
    least, most = math.min(least, v), math.max(most, v)
  end
  table.sort(marks, function(a, b)
    if a.value ~= b.value then return a.value < b.value end
    return a.name < b.name
  end)
  local scale = require("weft.plot_scale").new(least, most, t.log)
  local bins = {}
  for i = 1, n do bins[i] = 0 end
  for _, v in ipairs(t) do
    local i = math.min(n, math.max(1, math.floor(scale.at(v) * n) + 1))
    bins[i] = bins[i] + 1
  end
  return plot("histogram", { title = t.title, note = t.note, unit = t.unit, log = t.log, bins = bins, count = #t, marks = marks,
    least = scale.least, most = scale.most })
end

-- A cell for each number of a matrix, a list of rows; the darker the more. rows, columns: their labels.
function M.heat(t)
  check(t, "heat", { rows = "table", columns = "table", x = "string", y = "string", log = "boolean" })
  local matrix, least, most, wide = {}, math.huge, -math.huge, 0
  for i, row in ipairs(t) do
    if type(row) ~= "table" then
      error(("bad argument #1 to 'plot.heat' (row %d: table expected, got %s)"):format(i, type(row)), 2)
    end
    matrix[i] = {}
    for k, v in ipairs(row) do
      v = number(v, "heat", ("row %d, column %d"):format(i, k), t.log)
      matrix[i][k] = v
      least, most = math.min(least, v), math.max(most, v)
    end
    wide = math.max(wide, #matrix[i])
  end
  if wide == 0 then error("bad argument #1 to 'plot.heat' (nothing to draw)", 2) end
  local function labels(list)
    local out = {}
    for i, label in ipairs(list or {}) do out[i] = tostring(label) end
    return out
  end
  return plot("heat", { title = t.title, note = t.note, unit = t.unit, log = t.log, x = t.x, y = t.y, matrix = matrix, wide = wide,
    least = least, most = most, rows = labels(t.rows), columns = labels(t.columns) })
end

-- A number in words: three digits and the unit that suits.
function M.number(v, unit)
  if type(v) ~= "number" then error(("bad argument #1 to 'plot.number' (number expected, got %s)"):format(type(v)), 2) end
  if unit ~= nil and type(unit) ~= "string" then
    error(("bad argument #2 to 'plot.number' (string expected, got %s)"):format(type(unit)), 2)
  end
  return require("weft.plot_scale").number(v, unit)
end

return M
