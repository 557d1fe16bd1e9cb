-- Draws a plot of weft.plot in the terminal: blocks and dots of Unicode, or plain ASCII.

local core = require "weft.core"
local scales = require "weft.plot_scale"
local term = require "weft.term"

local M = {}

local COLORS = { "36", "33", "32", "35", "34", "31" }
local MARKS = { "*", "o", "+", "x", "#", "@" }
local EIGHTHS = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }
local RISING = { "▁", "▂", "▃", "▄", "▅", "▆", "▇" }

local function surface(opts)
  for key, value in pairs(opts) do
    local wanted = ({ width = "number", height = "number", color = "boolean", ascii = "boolean" })[key]
    if not wanted then error(("unknown option '%s' of plot:text"):format(tostring(key)), 4) end
    if type(value) ~= wanted then
      error(("bad option '%s' of plot:text (%s expected, got %s)"):format(key, wanted, type(value)), 4)
    end
  end
  local tty, columns = core.trace_terminal()
  local ascii, color = opts.ascii, opts.color
  if ascii == nil then ascii = not term.unicode() end
  if color == nil then color = term.color(tty) end
  return { ascii = ascii, color = color, width = math.max(30, opts.width or math.min(term.width(columns), 110)),
    height = math.max(3, math.min(200, opts.height or 14)) // 1 }
end

local function paint(s, i, text)
  if not s.color or text == "" then return text end
  return "\27[" .. COLORS[(i - 1) % #COLORS + 1] .. "m" .. text .. "\27[0m"
end

local function trim(line) return (line:gsub(" +$", "")) end

local function right(text, n) return (" "):rep(n - term.columns(text)) .. text end

-- The line of words below an axis: each word centred at its place where there is room.
local function axis_words(scale, columns, unit, s)
  local cells, used = {}, -1
  local words = scales.words(scale.ticks, unit, s.ascii)
  for i, v in ipairs(scale.ticks) do
    local word = words[i]
    local n = term.columns(word)
    local from = math.max(0, math.min(columns - n, math.floor(scale.at(v) * (columns - 1) + 0.5) - n // 2))
    if from > used + 1 or used < 0 and from >= 0 then
      cells[#cells + 1] = (" "):rep(from - math.max(0, used)) .. word
      used = from + n
    end
  end
  return table.concat(cells)
end

---------------------------------------------------------------------- bars

local function blocks(columns, ascii)
  if ascii then return ("#"):rep(math.max(1, math.floor(columns + 0.5))) end
  local eighths = math.max(1, math.floor(columns * 8 + 0.5))
  return ("█"):rep(eighths // 8) .. (EIGHTHS[eighths % 8] or "")
end

local function bars(p, s)
  local label_width, value_width, least, most = 0, 0, math.huge, 0
  local texts, spread = {}, s.width >= 50
  for i, row in ipairs(p.rows) do
    texts[i] = scales.number(row.value, p.unit, s.ascii)
    if row.low and spread then
      local low, high = scales.number(row.low, p.unit, s.ascii), scales.number(row.high, p.unit, s.ascii)
      texts[i] = ("%s  (%s to %s)"):format(texts[i], low, high)
    end
    label_width = math.max(label_width, term.columns(term.clean(row.label, s.ascii)))
    value_width = math.max(value_width, term.columns(texts[i]))
    least, most = math.min(least, row.low or row.value), math.max(most, row.high or row.value)
  end
  label_width = math.min(label_width, s.width // 3)
  local room = math.max(8, s.width - label_width - value_width - 4)
  local from = p.log and least / 10 or 0
  local scale = scales.new(from, most > from and most or from + 1, p.log, room // 12, p.unit)
  local lines = {}
  for i, row in ipairs(p.rows) do
    local value = scale.at(row.value) * room
    local bar
    if row.low and not s.ascii then
      local low, high = scale.at(math.max(row.low, scale.least)) * room, scale.at(row.high) * room
      local solid = math.max(0, math.floor(low + 0.5))
      bar = ("█"):rep(solid) .. ("▓"):rep(math.max(0, math.floor(value + 0.5) - solid))
      local so_far = math.max(solid, math.floor(value + 0.5))
      bar = bar .. ("░"):rep(math.max(0, math.floor(high + 0.5) - so_far))
      if bar == "" then bar = "▏" end
    else
      bar = blocks(value, s.ascii)
    end
    lines[#lines + 1] = ("%s  %s %s"):format(term.fit(term.clean(row.label, s.ascii), label_width, s.ascii),
      paint(s, 1, bar), (" "):rep(math.max(0, room - term.columns(bar))) .. texts[i])
  end
  lines[#lines + 1] = trim((" "):rep(label_width + 2) .. axis_words(scale, room, p.unit, s))
  if p.log then lines[#lines + 1] = (" "):rep(label_width + 2) .. "logarithmic" end
  return lines
end

---------------------------------------------------------------------- curves

-- A grid of cells of 2 x 4 dots.
local function canvas(columns, rows)
  local c = { dots = {}, owner = {} }
  local BITS = { { 0x01, 0x02, 0x04, 0x40 }, { 0x08, 0x10, 0x20, 0x80 } }
  function c.dot(x, y, who)
    if x < 0 or y < 0 or x >= columns * 2 or y >= rows * 4 then return end
    local at = (y // 4) * columns + x // 2
    c.dots[at] = (c.dots[at] or 0) | BITS[x % 2 + 1][y % 4 + 1]
    c.owner[at] = who
  end
  function c.line(x1, y1, x2, y2, who)
    local n = math.max(math.abs(x2 - x1), math.abs(y2 - y1), 1)
    for i = 0, n do
      c.dot(math.floor(x1 + (x2 - x1) * i / n + 0.5), math.floor(y1 + (y2 - y1) * i / n + 0.5), who)
    end
  end
  return c
end

local function span_of(p)
  local xs, ys = { math.huge, -math.huge }, { math.huge, -math.huge }
  for _, s in ipairs(p.series) do
    for _, point in ipairs(s.points) do
      xs[1], xs[2] = math.min(xs[1], point[1]), math.max(xs[2], point[1])
      ys[1], ys[2] = math.min(ys[1], point[3] or point[2]), math.max(ys[2], point[4] or point[2])
      ys[1], ys[2] = math.min(ys[1], point[2]), math.max(ys[2], point[2])
    end
  end
  ys[1], ys[2] = scales.span(ys[1], ys[2], p.logy)
  return xs, ys
end
M.span_of = span_of

local function curve(p, s)
  local xs, ys = span_of(p)
  local rows = s.height
  local y = scales.new(ys[1], ys[2], p.logy, math.max(2, rows // 3), p.unit)
  local words, margin, marks = {}, 0, scales.words(y.ticks, p.unit, s.ascii)
  for i, v in ipairs(y.ticks) do
    words[math.floor((1 - y.at(v)) * (rows - 1) + 0.5)] = marks[i]
    margin = math.max(margin, term.columns(marks[i]))
  end
  local columns = math.max(10, s.width - margin - 3)
  local x = scales.new(xs[1], xs[2], p.logx, columns // 12, p.xunit)
  -- Dots tell several series apart by colour alone; without it each has a letter of its own.
  local dots = not s.ascii and (#p.series == 1 or s.color)
  local grid = canvas(columns, rows)
  local cell, owner = {}, {}
  for i, one in ipairs(p.series) do
    local last
    for _, point in ipairs(one.points) do
      local px, py = x.at(point[1]), 1 - y.at(point[2])
      if dots then
        local dx, dy = math.floor(px * (columns * 2 - 1) + 0.5), math.floor(py * (rows * 4 - 1) + 0.5)
        if last then grid.line(last[1], last[2], dx, dy, i) else grid.dot(dx, dy, i) end
        last = { dx, dy }
      else
        local cx, cy = math.floor(px * (columns - 1) + 0.5), math.floor(py * (rows - 1) + 0.5)
        if last then
          local n = math.max(math.abs(cx - last[1]), math.abs(cy - last[2]))
          for k = 1, n - 1 do
            local row = math.floor(last[2] + (cy - last[2]) * k / n + 0.5)
            local at = row * columns + math.floor(last[1] + (cx - last[1]) * k / n + 0.5)
            cell[at] = cell[at] or (s.ascii and "." or "·")
          end
        end
        cell[cy * columns + cx], owner[cy * columns + cx] = MARKS[(i - 1) % #MARKS + 1], i
        last = { cx, cy }
      end
    end
  end
  local lines, bar = {}, s.ascii and "|" or "│"
  if p.y or p.unit and p.unit ~= "" and p.unit ~= "s" and p.unit ~= "B" then lines[1] = right(p.y or p.unit, margin) end
  for row = 0, rows - 1 do
    local out = { right(words[row] or "", margin), " ", words[row] and (s.ascii and "+" or "┤") or bar }
    for c = 0, columns - 1 do
      local at = row * columns + c
      local mark = dots and grid.dots[at] and utf8.char(0x2800 + grid.dots[at]) or cell[at] or " "
      local who = grid.owner[at] or owner[at]
      out[#out + 1] = who and paint(s, who, mark) or mark
    end
    lines[#lines + 1] = trim(table.concat(out))
  end
  lines[#lines + 1] = (" "):rep(margin + 1) .. (s.ascii and "+" or "└") .. (s.ascii and "-" or "─"):rep(columns)
  lines[#lines + 1] = trim((" "):rep(margin + 2) .. axis_words(x, columns, p.xunit, s))
  if p.x then lines[#lines + 1] = (" "):rep(margin + 2 + math.max(0, (columns - term.columns(p.x)) // 2)) .. p.x end
  local legend = {}
  for i, one in ipairs(p.series) do
    if one.label then
      local mark = dots and (s.ascii and "-" or "━━") or MARKS[(i - 1) % #MARKS + 1]
      legend[#legend + 1] = paint(s, i, mark) .. " " .. term.clean(one.label, s.ascii)
    end
  end
  if legend[1] then lines[#lines + 1] = (" "):rep(margin + 2) .. table.concat(legend, "   ") end
  return lines
end

---------------------------------------------------------------------- histograms

local function histogram(p, s)
  local most, rows = math.max(1, table.unpack(p.bins)), s.height < 14 and s.height or 8
  local words = { scales.number(most), "0" }
  local margin = math.max(#words[1], 1)
  local each = math.max(1, (s.width - margin - 3) // #p.bins)
  local columns = each * #p.bins
  local scale = scales.new(p.least, p.most, p.log, math.max(2, columns // 12), p.unit)
  local lines = {}
  for row = rows, 1, -1 do
    local out = { right(row == rows and words[1] or "", margin), " ", s.ascii and "|" or "│" }
    for _, n in ipairs(p.bins) do
      local high = n / most * rows - (row - 1)
      local mark = " "
      if high >= 1 then mark = s.ascii and "#" or "█"
      elseif high > 0 then
        local eighth = math.floor(high * 8 + 0.5)
        if s.ascii then mark = (eighth >= 4 and "#" or row == 1 and "." or " ")
        else mark = RISING[math.max(row == 1 and 1 or 0, eighth)] or (eighth >= 8 and "█" or " ") end
      end
      out[#out + 1] = paint(s, 1, mark:rep(each))
    end
    lines[#lines + 1] = trim(table.concat(out))
  end
  lines[#lines + 1] = right("0", margin) .. " " .. (s.ascii and "+" or "└") .. (s.ascii and "-" or "─"):rep(columns)
  lines[#lines + 1] = trim((" "):rep(margin + 2) .. axis_words(scale, columns, p.unit, s))
  if p.marks[1] then
    local parts = {}
    local pointer = {}
    for c = 0, columns - 1 do pointer[c] = " " end
    for i, mark in ipairs(p.marks) do
      pointer[math.max(0, math.min(columns - 1, math.floor(scale.at(mark.value) * (columns - 1) + 0.5)))] = s.ascii and "^" or "▲"
      parts[i] = ("%s %s"):format(mark.name, scales.number(mark.value, p.unit, s.ascii))
    end
    lines[#lines + 1] = trim((" "):rep(margin + 2) .. table.concat(pointer, "", 0, columns - 1))
    lines[#lines + 1] = (" "):rep(margin + 2) .. table.concat(parts, "   ")
  end
  return lines
end

---------------------------------------------------------------------- heat maps

local SHADES, ASCII_SHADES = { " ", "░", "▒", "▓", "█" }, { " ", ".", "+", "x", "#" }
local RAMP = { 17, 18, 19, 25, 31, 37, 43, 78, 113, 148, 184, 220 } -- of the 256 colours, dark to bright

-- Where there is no room for a cell each, some neighbours of a row share one, which shows their mean.
local function together(row, some, wide)
  if some == 1 then return row end
  local out = {}
  for k = 1, (wide + some - 1) // some do
    local sum, n = 0, 0
    for i = (k - 1) * some + 1, math.min(k * some, #row) do sum, n = sum + row[i], n + 1 end
    out[k] = n > 0 and sum / n or nil
  end
  return out
end

local function heat(p, s)
  local margin = 0
  for _, label in ipairs(p.rows) do margin = math.max(margin, term.columns(term.clean(label, s.ascii))) end
  margin = math.min(margin, s.width // 3)
  local room = math.max(1, s.width - margin - 1)
  local each, some = math.max(1, math.min(6, room // p.wide)), (p.wide + room - 1) // room
  local scale = scales.new(p.least, p.most, p.log)
  local shades = s.ascii and ASCII_SHADES or SHADES
  local function shade(v, n) return math.max(1, math.min(n, math.floor(scale.at(v) * n) + 1)) end
  local function cell(v, n)
    if not v then return (" "):rep(n) end
    if s.color then return ("\27[48;5;%dm%s\27[0m"):format(RAMP[shade(v, #RAMP)], (" "):rep(n)) end
    return shades[shade(v, #shades)]:rep(n)
  end
  local lines = {}
  if p.y then lines[1] = p.y end
  for i, row in ipairs(p.matrix) do
    local out, cells = { term.fit(term.clean(p.rows[i] or "", s.ascii), margin, s.ascii), " " }, together(row, some, p.wide)
    for k = 1, (p.wide + some - 1) // some do out[#out + 1] = cell(cells[k], each) end
    lines[#lines + 1] = trim(table.concat(out))
  end
  if p.columns[1] then
    local out, used = {}, 0
    for k, label in ipairs(p.columns) do
      local at = (k - 1) // some * each
      label = term.clean(label, s.ascii)
      if at >= used and at + term.columns(label) <= room then
        out[#out + 1] = (" "):rep(at - used) .. label
        used = at + term.columns(label) + 1
        out[#out + 1] = " "
      end
    end
    lines[#lines + 1] = trim((" "):rep(margin + 1) .. table.concat(out))
  end
  if p.x then lines[#lines + 1] = (" "):rep(margin + 1) .. p.x end
  if some > 1 then lines[#lines + 1] = ("%sa cell is the mean of %d"):format((" "):rep(margin + 1), some) end
  local ramp = {}
  for i = 0, 9 do ramp[#ramp + 1] = cell(scale.back((i + 0.5) / 10), 2) end
  lines[#lines + 1] = ("%s %s %s %s"):format((" "):rep(margin), scales.number(p.least, p.unit, s.ascii), table.concat(ramp),
    scales.number(p.most, p.unit, s.ascii))
  return lines
end

local KINDS = { bars = bars, curve = curve, histogram = histogram, heat = heat }

function M.draw(p, opts)
  local s = surface(opts)
  local lines = KINDS[p.kind](p, s)
  if p.title then table.insert(lines, 1, term.clean(p.title, s.ascii)) end
  if p.note then lines[#lines + 1] = term.clean(p.note, s.ascii) end
  return table.concat(lines, "\n")
end

return M
