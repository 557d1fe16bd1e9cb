-- Draws an interleaving: one column a task, one row a line of source that it ran, and why it left off.

local story = require "weft.explore_story"
local term = require "weft.term"

local M = {}

local SEGMENT, EDGE = 9, 3 -- a task's lines in one piece: more than that are cut to the first and last few
local ROWS = 300
local COLUMN = 16 -- the least width of a column

-- Long pieces of one task lose their middle.
local function cut(rows)
  local out, i = {}, 1
  while i <= #rows do
    local j = i
    while j < #rows and rows[j + 1].task == rows[i].task do j = j + 1 end
    local n = j - i + 1
    for k = i, j do
      if n <= SEGMENT or k < i + EDGE or k > j - EDGE then
        out[#out + 1] = rows[k]
      elseif k == i + EDGE then
        out[#out + 1] = { task = rows[i].task, note = ("%d more lines"):format(n - 2 * EDGE) }
      end
    end
    i = j + 1
  end
  if #out > ROWS then
    local gone = #out - ROWS
    table.move(out, #out - ROWS // 2 + 1, #out, ROWS // 2 + 1)
    for k = #out, ROWS + 1, -1 do out[k] = nil end
    table.insert(out, ROWS // 2 + 1, { task = out[1].task, note = ("%d rows left out"):format(gone) })
  end
  return out
end

-- Drawing ----------------------------------------------------------------------------------------------

local function used_tasks(rows)
  local order, seen = {}, {}
  for _, r in ipairs(rows) do
    if not seen[r.task] then
      seen[r.task] = true
      order[#order + 1] = r.task
    end
  end
  table.sort(order)
  return order
end

local function cell(row, digits, main_file, ascii)
  if row.note then return (" "):rep(digits) .. (ascii and " -- " or " ·· ") .. row.note end
  local where = row.line and ("%" .. digits .. "d "):format(row.line) or (" "):rep(digits + 1)
  local other = row.file and row.file ~= main_file and row.file .. ": " or ""
  local code = not row.text and story.line(row.source, row.line)
  return where .. other .. (row.text or code and code:match "^%s*(.-)%s*$" or ("%s line %d"):format(row.source, row.line))
end

--- The columns of a failure as text.
function M.draw(failure, opts)
  local ascii = not term.unicode()
  local rows = cut(story.rows(failure, opts.points == "instructions"))
  if #rows == 0 then return "" end
  local order, digits, files = used_tasks(rows), 1, {}
  local main_file, most = nil, 0
  for _, r in ipairs(rows) do
    if r.line then digits = math.max(digits, #tostring(r.line)) end
    if r.file then
      files[r.file] = (files[r.file] or 0) + 1
      if files[r.file] > most then main_file, most = r.file, files[r.file] end
    end
  end
  local at, cells, widest = {}, {}, {}
  for i, task in ipairs(order) do
    at[task] = i
    widest[i] = term.columns(term.clean(failure.log.names[task] or "task " .. task, ascii)) + digits + 1
  end
  for i, r in ipairs(rows) do
    cells[i] = term.clean(cell(r, digits, main_file, ascii), ascii)
    widest[at[r.task]] = math.max(widest[at[r.task]], term.columns(cells[i]))
  end
  local room = term.width() - 2 - 3 * (#order - 1)
  local function total()
    local sum = 0
    for i = 1, #order do sum = sum + widest[i] end
    return sum
  end
  while total() > room do -- the widest gives way
    local w = 1
    for i = 2, #order do
      if widest[i] > widest[w] then w = i end
    end
    if widest[w] <= COLUMN then break end
    widest[w] = widest[w] - 1
  end
  local bar, cross, dash = ascii and " | " or " │ ", ascii and "-+-" or "─┼─", ascii and "-" or "─"
  local out, parts = {}, {}
  local function line(column, text)
    for i = 1, #order do parts[i] = term.fit(i == column and text or "", widest[i], ascii) end
    out[#out + 1] = ("  " .. table.concat(parts, bar)):gsub("%s+$", "")
  end
  for i, task in ipairs(order) do
    parts[i] = term.fit((" "):rep(digits + 1) .. term.clean(failure.log.names[task] or "task " .. task, ascii), widest[i], ascii)
  end
  out[1] = ("  " .. table.concat(parts, bar)):gsub("%s+$", "")
  for i = 1, #order do parts[i] = dash:rep(widest[i]) end
  out[2] = "  " .. table.concat(parts, cross)
  for i, r in ipairs(rows) do line(at[r.task], cells[i]) end
  return table.concat(out, "\n")
end

return M
