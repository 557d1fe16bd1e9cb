-- Which character stands for a span of time: from histories (weft.trace_model) to rows of cells.
--
-- A column is a span of equal length for all rows. A cell shows one state, and slices are often shorter than
-- a column, so a rule is needed that tells no lies:
--   1. A cell shows only a state that the row was in within that column.
--   2. Over neighbouring columns each state gets cells in proportion to its time: what a cell leaves out is
--      carried to the next, as a printer does with grey. A state that fills a column has it.
--   3. One carrier runs one task at a time: among the rows that ran on it within a column, as many get the
--      column as `running` as its time there amounts to, the one with most unshown time first. Two tasks
--      that take turns faster than a column are drawn taking turns, never side by side.
--   4. No state is lost, as far as there are columns for it: running has a cell in each row that ran at all;
--      every other state has one if it lasted, all in all, a tenth of a column.

local model = require "weft.trace_model"

local M = {}

-- Classes of states. NONE: not born yet, or ended, or nothing known.
local RUN, READY, PARK, IO, NONE = 1, 2, 3, 4, 5
M.RUN, M.READY, M.PARK, M.IO, M.NONE = RUN, READY, PARK, IO, NONE
local CLASSES = NONE

local ENOUGH = 0.1 -- of a column, in all, for rule 4
local WHOLE = 0.999 -- a state with this share has the column

function M.class(whys, state)
  if state == model.RUN then return RUN end
  if state == model.READY then return READY end
  if state == model.GONE then return NONE end
  return whys[state] == "io" and IO or PARK
end

-- An empty row of n columns over [from, to] ns.
function M.row(from, to, n)
  local row = { n = n, from = from, to = math.max(to, from + 1), share = {}, total = {}, carrier = {}, most = {} }
  for class = 1, CLASSES do
    row.share[class], row.total[class] = {}, 0
    for c = 1, n do row.share[class][c] = 0 end
  end
  for c = 1, n do row.most[c] = 0 end
  return row
end

-- Adds a state from a to b ns; `weight` is below 1 where several tasks make one row.
function M.add(row, class, a, b, carrier, weight)
  local width = (row.to - row.from) / row.n
  local share, most = row.share[class], row.most
  a, b = (a - row.from) / width, (b - row.from) / width
  local first = math.max(0, a // 1 | 0)
  local last = math.min(row.n - 1, b // 1 | 0)
  for c = first, last do
    local part = (math.min(b, c + 1) - math.max(a, c)) * weight
    if part > 0 then
      share[c + 1] = share[c + 1] + part
      row.total[class] = row.total[class] + part
      if carrier and part > most[c + 1] then most[c + 1], row.carrier[c + 1] = part, carrier end
    end
  end
end

-- Adds a task's whole history.
function M.add_task(row, m, task, weight)
  local from, to = row.from, row.to
  local known, width = from, (row.to - row.from) / row.n
  local at, states, by, n = task.at, task.state, task.by, task.n
  local classes, share, total, most = {}, row.share, row.total, row.most
  for i = 1, n do
    local a, b = at[i], at[i + 1] or to
    if b > from and a < to then
      if a < from then a = from end
      if b > to then b = to end
      local state = states[i]
      local class = classes[state]
      if not class then
        class = M.class(m.whys, state)
        classes[state] = class
      end
      if a > known then M.add(row, NONE, known, a, nil, weight) end
      known = b
      local c = (a - from) // width
      if b - from < (c + 1) * width then -- most states lie in one column
        c = (c | 0) + 1
        local part = (b - a) / width * weight
        share[class][c] = share[class][c] + part
        total[class] = total[class] + part
        if state == model.RUN and part > most[c] then most[c], row.carrier[c] = part, by[i] end
      else
        M.add(row, class, a, b, state == model.RUN and by[i] or nil, weight)
      end
    end
  end
  if known < to then M.add(row, NONE, known, to, nil, weight) end
end

-- Which rows run in column c (rule 3): a set.
local function winners(rows, c, owed)
  local by_carrier, won = {}, {}
  for r, row in ipairs(rows) do
    if row.share[RUN][c] > 0 and not row.free then
      local k = row.carrier[c]
      by_carrier[k] = by_carrier[k] or {}
      table.insert(by_carrier[k], r)
    end
  end
  for k, list in pairs(by_carrier) do
    local budget = owed[k] or 0
    for _, r in ipairs(list) do budget = budget + rows[r].share[RUN][c] end
    table.sort(list, function(x, y)
      local a, b = rows[x].score[RUN], rows[y].score[RUN]
      if a ~= b then return a > b end
      return x < y
    end)
    local used = 0
    for i, r in ipairs(list) do
      if i <= budget + 0.5 or rows[r].share[RUN][c] > WHOLE then
        won[r] = true
        used = used + 1
      end
    end
    owed[k] = math.max(-1, math.min(1, budget - used))
  end
  return won
end

local function best(row, c, first)
  local class, most = nil, -math.huge
  for k = first, CLASSES do
    if row.share[k][c] > WHOLE then return k end
    if row.share[k][c] > 0 and row.score[k] > most then class, most = k, row.score[k] end
  end
  return class
end

-- Rule 4, after the others: finds a column for each state that has none, first for those with the least
-- choice. None takes the only cell of another, but running may.
local function rescue(row)
  local count, lost = {}, {}
  for _, class in ipairs(row.cell) do count[class] = (count[class] or 0) + 1 end
  for class = RUN, IO do
    if not count[class] and row.total[class] > 0 and (class == RUN or row.total[class] >= ENOUGH) then
      local columns = 0
      for _, share in ipairs(row.share[class]) do columns = columns + (share > 0 and 1 or 0) end
      lost[#lost + 1] = { class = class, columns = columns }
    end
  end
  table.sort(lost, function(a, b)
    if a.columns ~= b.columns then return a.columns < b.columns end
    return a.class < b.class
  end)
  for _, l in ipairs(lost) do
    local at, most = nil, -1
    for c, share in ipairs(row.share[l.class]) do
      local shown = row.cell[c]
      local free = shown == NONE or count[shown] > 1
      if share > 0 and (free or l.class == RUN) then
        local worth = share + (free and 1 or 0)
        if worth > most then at, most = c, worth end
      end
    end
    if at then
      count[row.cell[at]] = count[row.cell[at]] - 1
      row.cell[at], count[l.class] = l.class, 1
    end
  end
end

-- Chooses the cells of rows of equal columns: row.cell[c] is a class, row.carrier[c] the carrier of a run.
-- A row that is `free` (of a carrier, or of many tasks) takes no part in rule 3.
function M.choose(rows)
  local owed = {}
  for _, row in ipairs(rows) do row.cell, row.score = {}, { 0, 0, 0, 0, 0 } end
  for c = 1, rows[1] and rows[1].n or 0 do
    for _, row in ipairs(rows) do
      for class = 1, CLASSES do
        local share = row.share[class][c]
        row.score[class] = share > 0 and row.score[class] + share or 0
      end
    end
    local won = winners(rows, c, owed)
    for r, row in ipairs(rows) do
      local class = won[r] and RUN or best(row, c, row.free and RUN or READY) or RUN
      row.cell[c] = class
      row.score[class] = row.score[class] - 1
    end
  end
  for _, row in ipairs(rows) do rescue(row) end
end

return M
