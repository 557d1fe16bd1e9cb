-- luacheck: no max line length (markup)
-- Draws a plot of weft.plot as SVG.

local scales = require "weft.plot_scale"
local svg = require "weft.svg"
local term = require "weft.term"

local M = {}

local n = svg.number
local STYLE = ".b{opacity:.25}.w{stroke-width:1.5}.l{fill:none;stroke-width:2;stroke-linejoin:round}\n"

local function text(out, class, x, y, s, extra)
  out[#out + 1] = ('<text class="%s" x="%s" y="%s"%s>%s</text>\n'):format(class, n(x), n(y), extra or "", svg.escape(s))
end

local function line(out, class, x1, y1, x2, y2, extra)
  out[#out + 1] = ('<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"%s/>\n'):format(class, n(x1), n(y1), n(x2), n(y2), extra or "")
end

-- How wide a text is, about: enough to leave room for it.
local function wide(s) return 6.6 * term.columns(term.clean(s)) end

local function title(p, out, y)
  if p.title then text(out, "t", 16, y, p.title, ' font-size="15" font-weight="600"') end
  return p.title and y + 22 or y - 6
end

local function bars(p, out)
  local W, ROW = 760, 30
  local y = title(p, out, 26)
  local left, least, most = 60, math.huge, 0
  for _, row in ipairs(p.rows) do
    left = math.max(left, wide(row.label) + 28)
    least, most = math.min(least, row.low or row.value), math.max(most, row.high or row.value)
  end
  left = math.min(left, 280)
  local from = p.log and least / 10 or 0
  local scale = scales.new(from, most > from and most or from + 1, p.log, 6, p.unit)
  local room = W - left - 110
  local function x_of(v) return left + room * math.max(0, scale.at(math.max(v, scale.least))) end
  local bottom = y + #p.rows * ROW
  local words = scales.words(scale.ticks, p.unit)
  for i, v in ipairs(scale.ticks) do
    line(out, "g", x_of(v), y - 4, x_of(v), bottom)
    text(out, "d", x_of(v), bottom + 16, words[i], ' font-size="11" text-anchor="middle"')
  end
  for i, row in ipairs(p.rows) do
    local at = y + (i - 1) * ROW
    text(out, "t", left - 10, at + 17, term.cut(term.clean(row.label), 40), ' text-anchor="end"')
    out[#out + 1] = ('<rect x="%s" y="%s" width="%s" height="18" rx="2" fill="%s"/>\n'):format(n(left), n(at + 4), n(math.max(1, x_of(row.value) - left)), svg.color(i))
    local till = x_of(row.high or row.value)
    if row.low then
      local a, b, middle = x_of(row.low), x_of(row.high), at + 13
      line(out, "a w", a, middle, b, middle)
      line(out, "a w", a, middle - 4, a, middle + 4)
      line(out, "a w", b, middle - 4, b, middle + 4)
    end
    text(out, "t", math.max(till, x_of(row.value)) + 8, at + 17, scales.number(row.value, p.unit))
  end
  if p.log then text(out, "d", W - 16, bottom + 34, "logarithmic scale", ' font-size="11" text-anchor="end"') end
  return W, bottom + 44
end

-- Axes with round marks; returns the functions from values to places.
local function axes(p, out, x, y, box)
  local function x_of(v) return box.left + (box.right - box.left) * x.at(v) end
  local function y_of(v) return box.bottom - (box.bottom - box.top) * y.at(v) end
  local across, up = scales.words(x.ticks, p.xunit), scales.words(y.ticks, p.unit)
  for i, v in ipairs(y.ticks) do
    line(out, "g", box.left, y_of(v), box.right, y_of(v))
    text(out, "d", box.left - 8, y_of(v) + 4, up[i], ' font-size="11" text-anchor="end"')
  end
  for i, v in ipairs(x.ticks) do
    line(out, "a", x_of(v), box.bottom, x_of(v), box.bottom + 4)
    text(out, "d", x_of(v), box.bottom + 18, across[i], ' font-size="11" text-anchor="middle"')
  end
  line(out, "a", box.left, box.bottom, box.right, box.bottom)
  if p.x then text(out, "d", (box.left + box.right) / 2, box.bottom + 36, p.x, ' text-anchor="middle"') end
  if p.y then
    local at = ("%s %s"):format(n(16), n((box.top + box.bottom) / 2))
    text(out, "d", 16, (box.top + box.bottom) / 2, p.y, (' text-anchor="middle" transform="rotate(-90 %s)"'):format(at))
  end
  return x_of, y_of
end

local function curve(p, out)
  local W, H = 760, 420
  local top = title(p, out, 26) + 4
  local xs, ys = require("weft.plot_text").span_of(p)
  local x, y = scales.new(xs[1], xs[2], p.logx, 7, p.xunit), scales.new(ys[1], ys[2], p.logy, 6, p.unit)
  local box = { left = 84, right = W - 24, top = top, bottom = H - 64 }
  local x_of, y_of = axes(p, out, x, y, box)
  for i, s in ipairs(p.series) do
    local points, upper, lower = {}, {}, {}
    for k, point in ipairs(s.points) do
      points[k] = n(x_of(point[1])) .. "," .. n(y_of(point[2]))
      if point[3] then
        upper[#upper + 1] = n(x_of(point[1])) .. "," .. n(y_of(point[4]))
        table.insert(lower, 1, n(x_of(point[1])) .. "," .. n(y_of(point[3])))
      end
    end
    if #upper > 1 then
      out[#out + 1] = ('<polygon class="b" fill="%s" points="%s %s"/>\n'):format(svg.color(i), table.concat(upper, " "), table.concat(lower, " "))
    end
    out[#out + 1] = ('<polyline class="l" stroke="%s" points="%s"/>\n'):format(svg.color(i), table.concat(points, " "))
    if #s.points <= 60 then
      for _, point in ipairs(s.points) do
        out[#out + 1] = ('<circle cx="%s" cy="%s" r="3" fill="%s"><title>%s</title></circle>\n'):format(n(x_of(point[1])), n(y_of(point[2])),
          svg.color(i), svg.escape(("%s: %s"):format(scales.number(point[1], p.xunit), scales.number(point[2], p.unit))))
      end
    end
  end
  local at = box.left
  for i, s in ipairs(p.series) do
    if s.label then
      out[#out + 1] = ('<rect x="%s" y="%d" width="14" height="4" rx="1" fill="%s"/>\n'):format(n(at), H - 14, svg.color(i))
      text(out, "t", at + 20, H - 8, s.label)
      at = at + 40 + wide(s.label)
    end
  end
  return W, H
end

local function histogram(p, out)
  local W, H = 760, 340
  local top = title(p, out, 26) + (p.marks[1] and 24 or 4)
  local most = math.max(1, table.unpack(p.bins))
  local x, y = scales.new(p.least, p.most, p.log, 7, p.unit), scales.new(0, most, false, 5)
  local box = { left = 70, right = W - 24, top = top, bottom = H - 44 }
  local x_of, y_of = axes({ xunit = p.unit }, out, x, y, box)
  local each = (box.right - box.left) / #p.bins
  for i, count in ipairs(p.bins) do
    if count > 0 then
      out[#out + 1] = ('<rect x="%s" y="%s" width="%s" height="%s" fill="%s"><title>%s</title></rect>\n'):format(n(box.left + (i - 1) * each + 0.5),
        n(y_of(count)), n(math.max(0.5, each - 1)), n(box.bottom - y_of(count)), svg.color(1),
        svg.escape(("%d from %s to %s"):format(count, scales.number(x.back((i - 1) / #p.bins), p.unit), scales.number(x.back(i / #p.bins), p.unit))))
    end
  end
  for i, mark in ipairs(p.marks) do
    local at = x_of(mark.value)
    line(out, "a w", at, top - 8, at, box.bottom, ' stroke-dasharray="3 3"')
    local last = at > W - 110
    text(out, "t", at + (last and -4 or 4), top - 12 + (i - 1) % 2 * 12, ("%s %s"):format(mark.name, scales.number(mark.value, p.unit)),
      (' font-size="11"%s'):format(last and ' text-anchor="end"' or ""))
  end
  return W, H
end

-- From dark blue over green to yellow.
local RAMP = { { 0.15, 0.20, 0.42 }, { 0.16, 0.45, 0.56 }, { 0.16, 0.66, 0.53 }, { 0.55, 0.80, 0.35 }, { 0.96, 0.88, 0.25 } }
local function ramp(share)
  local at = math.max(0, math.min(1, share)) * (#RAMP - 1)
  local i = math.min(#RAMP - 1, math.floor(at) + 1)
  local a, b, part = RAMP[i], RAMP[i + 1], at - (i - 1)
  return ("#%02x%02x%02x"):format(math.floor((a[1] + (b[1] - a[1]) * part) * 255 + 0.5),
    math.floor((a[2] + (b[2] - a[2]) * part) * 255 + 0.5), math.floor((a[3] + (b[3] - a[3]) * part) * 255 + 0.5))
end

local function heat(p, out)
  local W = 760
  local y = title(p, out, 26) + 4
  local left = 40
  for _, label in ipairs(p.rows) do left = math.max(left, wide(label) + 28) end
  left = math.min(left, 240)
  local each = (W - left - 24) / p.wide
  local high = math.max(8, math.min(34, each, 640 / #p.matrix))
  local scale = scales.new(p.least, p.most, p.log)
  for i, row in ipairs(p.matrix) do
    text(out, "t", left - 8, y + (i - 0.5) * high + 4, term.cut(term.clean(p.rows[i] or ""), 34), ' text-anchor="end"')
    for k, v in ipairs(row) do
      out[#out + 1] = ('<rect x="%s" y="%s" width="%s" height="%s" fill="%s"><title>%s</title></rect>\n'):format(n(left + (k - 1) * each),
        n(y + (i - 1) * high), n(each + 0.3), n(high + 0.3), ramp(scale.at(v)), svg.escape(scales.number(v, p.unit)))
    end
  end
  local bottom, used = y + #p.matrix * high, -math.huge
  for k, label in ipairs(p.columns) do
    local at = left + (k - 0.5) * each
    if at - wide(label) / 2 > used then
      text(out, "d", at, bottom + 16, label, ' font-size="11" text-anchor="middle"')
      used = at + wide(label) / 2 + 4
    end
  end
  if p.x then text(out, "d", left + p.wide * each / 2, bottom + 34, p.x, ' text-anchor="middle"') end
  if p.y then text(out, "d", 16, y - 6, p.y, ' font-size="11"') end
  for i = 0, 39 do
    out[#out + 1] = ('<rect x="%s" y="%s" width="5.2" height="8" fill="%s"/>\n'):format(n(left + i * 5), n(bottom + 44), ramp(i / 39))
  end
  text(out, "d", left - 6, bottom + 52, scales.number(p.least, p.unit), ' font-size="11" text-anchor="end"')
  text(out, "d", left + 208, bottom + 52, scales.number(p.most, p.unit), ' font-size="11"')
  return W, bottom + 64
end

local KINDS = { bars = bars, curve = curve, histogram = histogram, heat = heat }

function M.pieces(p)
  local out = {}
  local width, height = KINDS[p.kind](p, out)
  if p.note then
    text(out, "d", 16, height + 8, p.note, ' font-size="11"')
    height = height + 22
  end
  return svg.document(width, height, out, STYLE)
end

return M
