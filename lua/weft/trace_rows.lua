-- What the pictures of a trace say of a task, and which tasks they show.

local cells = require "weft.timeline_cells"
local model = require "weft.trace_model"
local term = require "weft.term"

local M = {}

local PARK, IO = cells.PARK, cells.IO

-- What the task waited for longest, and how it ended when that was not well.
function M.note(m, task, from, to, ascii)
  local sums, waits = {}, {} -- by state and resource: the same text for most
  for i = 1, task.n do
    local state = task.state[i]
    local class = waits[state]
    if class == nil then
      class = cells.class(m.whys, state)
      class = class == PARK or class == IO
      waits[state] = class
    end
    if class then
      local a, b = math.max(task.at[i], from), math.min(task.at[i + 1] or to, to)
      if b > a then
        local per, by = sums[state], task.by[i]
        if not per then
          per = {}
          sums[state] = per
        end
        per[by] = (per[by] or 0) + b - a
      end
    end
  end
  local spent, longest, most = {}, nil, 0
  for state, per in pairs(sums) do
    for by, ns in pairs(per) do
      local text = model.wait_text(m, state, by)
      spent[text] = (spent[text] or 0) + ns
    end
  end
  for text, ns in pairs(spent) do
    if ns > most or ns == most and longest and text < longest then longest, most = text, ns end
  end
  local parts = {}
  if longest then parts[1] = longest .. " " .. term.seconds(most * 1e-9, ascii) end
  if task.outcome and task.outcome ~= "done" then parts[#parts + 1] = task.outcome end
  return table.concat(parts, ", ")
end

local function running_in(task, from, to)
  local sum = 0
  model.each_state(task, from, to, function(a, b, state) if state == model.RUN then sum = sum + b - a end end)
  return sum
end

-- The tasks to draw, and those of which there is no room: the ones that ran least.
function M.pick(tasks, most, from, to)
  if #tasks <= most then return tasks, {} end
  local order, ran = {}, {}
  for i, task in ipairs(tasks) do
    order[i] = i
    ran[i] = running_in(task, from, to)
  end
  table.sort(order, function(a, b)
    if ran[a] ~= ran[b] then return ran[a] > ran[b] end
    return a < b
  end)
  local keep, shown, rest = {}, {}, {}
  for i = 1, most do keep[order[i]] = true end
  for i, task in ipairs(tasks) do table.insert(keep[i] and shown or rest, task) end
  return shown, rest
end

-- How long the carrier ran anything, ns.
function M.busy(carrier)
  local sum = 0
  for i, at in ipairs(carrier.at) do sum = sum + carrier.till[i] - at end
  return sum
end

return M
