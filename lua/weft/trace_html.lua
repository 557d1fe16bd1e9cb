-- A trace as a web page that stands by itself: lanes of tasks and OS threads, arrows, zoom, hover, sorting, the
-- critical path. The page is in weft.trace_page (markup and style), weft.trace_page_draw and weft.trace_page_ui
-- (script); here is the data that it reads, as JSON:
--
--   wall, summary      ns; a line of text
--   texts              strings; everything below has their indices, from 0
--   carriers           { name, tid }
--   tasks              { name, kind, parent task or -1, outcome text or "", born, ended or -1 }
--   states             for each task a flat list: time since the last one, class (see timeline_cells), what: the carrier of
--                      a run, the waker task of a ready or -1, the text of a wait
--   flows              flat: kind, from task, at, to task, till, text
--   path               flat: task, from, to, 0 run | 1 ready | 2 wait, text
--   regions            flat: text, task or -1, from, to, depth;  marks: flat: at, text, task or -1

local cells = require "weft.timeline_cells"
local file = require "weft.trace_file"
local model = require "weft.trace_model"
local summary = require "weft.summary"

local M = {}

local KINDS = { message = 0, unlock = 1, join = 2, start = 3, wake = 4, close = 5, cancel = 6 }
local STEPS = { run = 0, ready = 1, wait = 2 }
local RUN, READY = cells.RUN, cells.READY

local function numbers(list) return "[" .. table.concat(list, ",") .. "]" end

function M.data(t)
  local m, raw = t.model, t._raw
  local texts, known = {}, {}
  local function text(s)
    if not known[s] then
      texts[#texts + 1] = file.json_string(s)
      known[s] = #texts - 1
    end
    return known[s]
  end
  local index = {}
  for i, task in ipairs(m.tasks) do index[task.id] = i - 1 end
  local function task_of(id) return index[id] or -1 end

  local footer = summary.footer(t:summary(), false):gsub("  ", " \u{B7} ")
  local out = { '{"wall":', ("%d"):format(raw.wall), ',"summary":', file.json_string(footer) }
  local function put(s) out[#out + 1] = s end
  put ',"carriers":['
  for i, carrier in ipairs(m.carriers) do
    put(("%s[%d,%d]"):format(i > 1 and "," or "", text(carrier.name ~= "" and carrier.name or "thread"), carrier.tid))
  end
  put '],"tasks":['
  for i, task in ipairs(m.tasks) do
    put(("%s[%d,%d,%d,%d,%d,%d]"):format(i > 1 and "," or "", text(task.name), text(task.kind or "task"), task_of(task.parent or 0),
      text(task.outcome or ""), task.born or 0, task.ended or -1))
  end
  put '],"states":['
  local wait_texts = {}
  for i, task in ipairs(m.tasks) do
    local list, last = {}, 0
    for k = 1, task.n do
      local state, by = task.state[k], task.by[k]
      local class, what = cells.class(m.whys, state), 0
      if class == RUN then
        what = by - 1
      elseif class == READY then
        what = task_of(by)
      elseif state ~= model.GONE then
        local per = wait_texts[state] or {}
        wait_texts[state] = per
        per[by] = per[by] or text(model.wait_text(m, state, by))
        what = per[by]
      end
      list[#list + 1] = ("%d,%d,%d"):format(task.at[k] - last, class, what)
      last = task.at[k]
    end
    put((i > 1 and "," or "") .. numbers(list))
  end
  put '],"flows":'
  local list, names = {}, {}
  for _, f in ipairs(t.flows) do
    local from, to = index[f.from], index[f.to]
    if from and to then
      local key = f.kind .. f.what
      if not names[key] then
        local what = f.what ~= 0 and model.resource_name(m, f.what, f.kind == "message" and "channel") or ""
        names[key] = text(what)
      end
      list[#list + 1] = ("%d,%d,%d,%d,%d,%d"):format(KINDS[f.kind], from, f.at, to, f.till, names[key])
    end
  end
  put(numbers(list))
  put ',"path":'
  list = {}
  for _, step in ipairs(t.path) do
    list[#list + 1] = ("%d,%d,%d,%d,%d"):format(task_of(step.task.id), step.from, step.to, STEPS[step.kind], text(step.what or ""))
  end
  put(numbers(list))
  put ',"regions":'
  list = {}
  for _, r in ipairs(m.regions) do
    list[#list + 1] = ("%d,%d,%d,%d,%d"):format(text(r.name), r.task and task_of(r.task.id) or -1, r.at, r.till, r.depth)
  end
  put(numbers(list))
  put ',"marks":'
  list = {}
  for _, mark in ipairs(m.marks) do
    list[#list + 1] = ("%d,%d,%d"):format(mark.at, text(mark.text), mark.task and task_of(mark.task.id) or -1)
  end
  put(numbers(list))
  put(',"texts":[' .. table.concat(texts, ",") .. "]}")
  return out
end

-- The pieces of the page.
function M.pieces(t)
  local page = require "weft.trace_page"
  local out = { page.head }
  local data = M.data(t)
  table.move(data, 1, #data, #out + 1, out)
  out[#out + 1] = page.middle
  out[#out + 1] = require "weft.trace_page_draw"
  out[#out + 1] = require "weft.trace_page_ui"
  out[#out + 1] = page.tail
  return out
end

return M
