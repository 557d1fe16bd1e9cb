-- luacheck: no max line length (markup)
-- A trace as an SVG picture: a lane for each task, one for each OS thread, arrows from send to receive and from unlock
-- to lock, the critical path as a line under the runs. It stands by itself: no script, no font, no other file.

local cells = require "weft.timeline_cells"
local model = require "weft.trace_model"
local path = require "weft.trace_path"
local rows_of = require "weft.trace_rows"
local svg = require "weft.svg"
local term = require "weft.term"

local M = {}

local RUN, READY, PARK, IO = cells.RUN, cells.READY, cells.PARK, cells.IO
local WIDTH, LANE, BAR, LEFT, RIGHT, TOP = 1200, 24, 14, 150, 190, 86
local MOST_ROWS, MOST_ARROWS, THIN = 60, 400, 0.8

local STYLE = [[
.p{stroke:#aab4c1;stroke-width:1.5}.io{stroke:#5aa0dc;stroke-width:2;stroke-dasharray:3 3}.rd{fill:url(#h)}
.m{stroke:#3f8f5f}.u{stroke:#c0703a}.o{stroke:#8894a5}.fl{fill:none;stroke-width:1;opacity:.75}.cp{stroke:#d63a55;stroke-width:2.5}
.mk{stroke:#d63a55;stroke-dasharray:2 3}.rg{fill:#8a74d6;opacity:.22}
@media (prefers-color-scheme:dark){.p{stroke:#4a5563}}
]]
local DEFS = [[
<defs><pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" fill="#f0c869" opacity=".45"/><rect width="2" height="5" fill="#d79b26" opacity=".8"/></pattern>
<marker id="am" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="#3f8f5f"/></marker>
<marker id="au" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="#c0703a"/></marker>
<marker id="ao" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8894a5"/></marker></defs>
]]

local n = svg.number

local function text(out, class, x, y, s, extra)
  out[#out + 1] = ('<text class="%s" x="%s" y="%s"%s>%s</text>\n'):format(class, n(x), n(y), extra or "", svg.escape(s))
end

-- Runs that are thinner than a pixel become one bar whose strength is their share.
local function flush(out, thin, y)
  if not thin.from then return end
  local width = math.max(0.6, thin.to - thin.from)
  local share = math.max(0.2, math.min(1, thin.ran / width))
  out[#out + 1] = ('<rect x="%s" y="%s" width="%s" height="%d" fill="%s" opacity="%.2g"><title>%s</title></rect>\n'):format(
    n(thin.from), n(y), n(width), BAR, svg.color(thin.color), share, svg.escape(("%s: %d short runs"):format(thin.name, thin.count)))
  thin.from = nil
end

local function draw_task(out, t, task, y, x_of)
  local m, wall = t.model, t._raw.wall
  local middle, thin = y + BAR / 2, { name = task.name }
  model.each_state(task, 0, wall, function(a, b, state, by)
    local class = cells.class(m.whys, state)
    local x1, x2 = x_of(a), x_of(b)
    if class == RUN and x2 - x1 < THIN then
      if thin.from and (x1 - thin.to > 1 or thin.color ~= by) then flush(out, thin, y) end
      if not thin.from then thin.from, thin.ran, thin.count, thin.color = x1, 0, 0, by end
      thin.to, thin.ran, thin.count = math.max(x2, x1 + 0.1), thin.ran + x2 - x1, thin.count + 1
      return
    end
    if x2 - x1 < THIN then return end
    flush(out, thin, y)
    local took = term.seconds((b - a) * 1e-9)
    if class == RUN then
      out[#out + 1] = ('<rect x="%s" y="%s" width="%s" height="%d" rx="1.5" fill="%s"><title>%s</title></rect>\n'):format(
        n(x1), n(y), n(x2 - x1), BAR, svg.color(by), svg.escape(("%s runs %s"):format(task.name, took)))
    elseif class == READY then
      out[#out + 1] = ('<rect class="rd" x="%s" y="%s" width="%s" height="%d"><title>%s</title></rect>\n'):format(
        n(x1), n(y + 2), n(x2 - x1), BAR - 4, svg.escape(("%s is ready, but waits for its turn %s"):format(task.name, took)))
    elseif class == PARK or class == IO then
      out[#out + 1] = ('<line class="%s" x1="%s" x2="%s" y1="%s" y2="%s"><title>%s</title></line>\n'):format(
        class == IO and "io" or "p", n(x1), n(x2), n(middle), n(middle),
        svg.escape(("%s waits: %s %s"):format(task.name, model.wait_text(m, state, by), took)))
    end
  end)
  flush(out, thin, y)
end

local function draw_carrier(out, carrier, y, x_of)
  local thin = { name = carrier.name }
  for i, a in ipairs(carrier.at) do
    local x1, x2 = x_of(a), x_of(carrier.till[i])
    if x2 - x1 < THIN then
      if thin.from and x1 - thin.to > 1 then flush(out, thin, y) end
      if not thin.from then thin.from, thin.ran, thin.count, thin.color = x1, 0, 0, carrier.index end
      thin.to, thin.ran, thin.count = math.max(x2, x1 + 0.1), thin.ran + x2 - x1, thin.count + 1
    else
      flush(out, thin, y)
      local name = carrier.task[i].name
      out[#out + 1] = ('<rect x="%s" y="%s" width="%s" height="%d" rx="1.5" fill="%s"><title>%s</title></rect>\n'):format(
        n(x1), n(y), n(x2 - x1), BAR, svg.color(carrier.index),
        svg.escape(("%s %s"):format(name, term.seconds((carrier.till[i] - a) * 1e-9))))
      if x2 - x1 > 8 * #name + 6 then
        text(out, "t", x1 + 4, y + BAR - 3, name, ' font-size="10" style="fill:#fff"')
      end
    end
  end
  flush(out, thin, y)
end

local CLASS = { message = "m", unlock = "u" }

-- The longest reach first when there are too many: those are the ones that can be told apart.
local function draw_arrows(out, t, lane_y, x_of)
  local list = {}
  for _, f in ipairs(t.flows) do
    local y1, y2 = lane_y[f.from], lane_y[f.to]
    if y1 and y2 then list[#list + 1] = { f, y1 + BAR / 2, y2 + BAR / 2 } end
  end
  local shown = math.min(#list, MOST_ARROWS)
  if #list > shown then table.sort(list, function(a, b) return math.abs(a[3] - a[2]) > math.abs(b[3] - b[2]) end) end
  for i = 1, shown do
    local f, y1, y2 = list[i][1], list[i][2], list[i][3]
    local c = CLASS[f.kind] or "o"
    local x1, x2 = x_of(f.at), x_of(f.till)
    local bend = math.max(6, (x2 - x1) / 2)
    local what = f.what ~= 0 and " " .. model.resource_name(t.model, f.what, f.kind == "message" and "channel") or ""
    out[#out + 1] = ('<path class="fl %s" marker-end="url(#a%s)" d="M%s %sC%s %s %s %s %s %s"><title>%s</title></path>\n'):format(
      c, c, n(x1), n(y1), n(x1 + bend), n(y1), n(x2 - bend), n(y2), n(x2), n(y2), svg.escape(f.kind .. what))
  end
  return #list - shown
end

local function legend(out, y, left_out)
  local x = LEFT
  local function item(mark, label)
    out[#out + 1] = mark(x)
    text(out, "d", x + 30, y + 4, label)
    x = x + 44 + 6 * #label
  end
  item(function(at) return ('<rect x="%d" y="%d" width="24" height="10" rx="1.5" fill="%s"/>'):format(at, y - 5, svg.color(1)) end, "running")
  item(function(at) return ('<rect class="rd" x="%d" y="%d" width="24" height="10"/>'):format(at, y - 5) end, "ready, waits for its turn")
  item(function(at) return ('<line class="p" x1="%d" x2="%d" y1="%d" y2="%d"/>'):format(at, at + 24, y, y) end, "parked")
  item(function(at) return ('<line class="io" x1="%d" x2="%d" y1="%d" y2="%d"/>'):format(at, at + 24, y, y) end, "waits for IO")
  for _, k in ipairs { { "m", "message" }, { "u", "unlock" }, { "o", "start, join, wake" } } do
    item(function(at)
      return ('<path class="fl %s" marker-end="url(#a%s)" d="M%d %dh24"/>'):format(k[1], k[1], at, y)
    end, k[2])
  end
  item(function(at) return ('<line class="cp" x1="%d" x2="%d" y1="%d" y2="%d"/>'):format(at, at + 24, y, y) end, "critical path")
  if left_out > 0 then text(out, "d", LEFT, y + 20, ("%d more arrows are not drawn"):format(left_out)) end
end

-- The pieces of the SVG text.
function M.pieces(t)
  local m, wall = t.model, math.max(1, t._raw.wall)
  local plot = WIDTH - LEFT - RIGHT
  local function x_of(ns) return LEFT + plot * ns / wall end
  local out, s = { DEFS }, t:summary()

  text(out, "t", 16, 26, "weft trace", ' font-size="16" font-weight="600"')
  text(out, "d", 16, 44, ("wall %s · cpu %s · parallelism %.2f · switches %d · longest stall %s%s"):format(term.seconds(s.wall),
    term.seconds(s.cpu), s.parallelism, s.switches, term.seconds(s.longest_stall),
    s.lost > 0 and (" · %d events lost"):format(s.lost) or ""))
  local sums, parts = path.sums(t.path), {}
  for i = 1, math.min(4, #sums) do
    local kind = sums[i].kind == "run" and "" or " (" .. (sums[i].what or sums[i].kind) .. ")"
    if sums[i].ns >= wall / 200 then parts[i] = ("%s%s %.0f %%"):format(sums[i].name, kind, 100 * sums[i].ns / wall) end
  end
  if parts[1] then text(out, "d", 16, 60, "critical path: " .. table.concat(parts, " · ")) end

  local shown, rest = rows_of.pick(m.tasks, MOST_ROWS, 0, wall)
  local groups = #m.carriers > 0 and 2 or 1
  local bottom = TOP + 22 + #shown * LANE + (#rest > 0 and LANE or 0) + (groups == 2 and 26 + #m.carriers * LANE or 0)
  local ticks = svg.ticks(0, wall, 8)
  for _, at in ipairs(ticks) do
    out[#out + 1] = ('<line class="g" x1="%s" x2="%s" y1="%d" y2="%d"/>\n'):format(n(x_of(at)), n(x_of(at)), TOP, bottom)
    text(out, "d", x_of(at), TOP - 4, term.seconds(at * 1e-9), ' font-size="10" text-anchor="middle"')
  end

  local y, lane_y = TOP + 4, {}
  text(out, "d", 16, y + 10, "TASKS", ' font-size="10" letter-spacing="1"')
  y = y + 18
  for i = 1, #shown do
    if i % 2 == 1 then out[#out + 1] = ('<rect class="s" x="0" y="%s" width="%d" height="%d"/>\n'):format(n(y - 5), WIDTH, LANE) end
    y = y + LANE
  end
  for _, region in ipairs(m.regions) do
    for i, task in ipairs(shown) do
      if region.task == task then
        out[#out + 1] = ('<rect class="rg" x="%s" y="%s" width="%s" height="%d" rx="2"><title>%s</title></rect>\n'):format(n(x_of(region.at)),
          n(y - (#shown - i + 1) * LANE - 3), n(math.max(1, x_of(region.till) - x_of(region.at))), BAR + 6, svg.escape(region.name))
      end
    end
  end
  y = y - #shown * LANE
  for _, task in ipairs(shown) do
    lane_y[task.id] = y
    text(out, "t", 16, y + BAR - 3, term.cut(term.clean(task.name), 20))
    draw_task(out, t, task, y, x_of)
    text(out, "d", WIDTH - RIGHT + 12, y + BAR - 3, term.cut(rows_of.note(m, task, 0, wall), 30), ' font-size="11"')
    y = y + LANE
  end
  if #rest > 0 then
    text(out, "d", 16, y + BAR - 3, ("and %d tasks that ran less"):format(#rest))
    y = y + LANE
  end
  for _, step in ipairs(t.path) do
    local at = lane_y[step.task.id]
    if at then
      out[#out + 1] = ('<line class="cp" x1="%s" x2="%s" y1="%s" y2="%s"%s/>\n'):format(n(x_of(step.from)),
        n(math.max(x_of(step.to), x_of(step.from) + 0.5)), n(at + BAR + 3), n(at + BAR + 3),
        step.kind == "run" and "" or ' stroke-dasharray="2 2"')
    end
  end
  local left_out = draw_arrows(out, t, lane_y, x_of)

  if groups == 2 then
    text(out, "d", 16, y + 14, "OS THREADS", ' font-size="10" letter-spacing="1"')
    y = y + 22
    for _, carrier in ipairs(m.carriers) do
      text(out, "t", 16, y + BAR - 3, term.cut(term.clean(carrier.name ~= "" and carrier.name or "thread"), 20))
      draw_carrier(out, carrier, y, x_of)
      text(out, "d", WIDTH - RIGHT + 12, y + BAR - 3, ("thread %d, busy %.0f %%"):format(carrier.tid, 100 * rows_of.busy(carrier) / wall), ' font-size="11"')
      y = y + LANE
    end
  end
  for i, mark in ipairs(m.marks) do
    if i > 40 then break end
    out[#out + 1] = ('<line class="mk" x1="%s" x2="%s" y1="%d" y2="%d"/>\n'):format(n(x_of(mark.at)), n(x_of(mark.at)), TOP, bottom)
    text(out, "d", x_of(mark.at) + 3, TOP + 10 + (i - 1) % 3 * 11, mark.text, ' font-size="10"')
  end
  legend(out, bottom + 16, left_out)
  return svg.document(WIDTH, bottom + 44, out, STYLE)
end

return M
