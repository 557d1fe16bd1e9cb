--- weft.ps: what lives now, in this isolate and in all others of the program, and the workers.
--
-- core.ps collects the rows; here they are put into order and drawn as a table.

local core = require "weft.core"
local term = require "weft.term"

local M = {}

local TIMEOUT = 0.1 -- seconds that others have for their answer: who computes may not look at its mail
local RANK = { main = 0, thread = 0, isolate = 0, task = 1, process = 2 }

local List = {}
List.__index = List
List.__name = "weft.ps"

local function compare(a, b)
  if a.kind == "worker" or b.kind == "worker" then
    if a.kind ~= b.kind then return b.kind == "worker" end
    return a.id < b.id
  end
  if a.isolate ~= b.isolate then return a.isolate < b.isolate end
  if RANK[a.kind] ~= RANK[b.kind] then return RANK[a.kind] < RANK[b.kind] end
  return a.id < b.id
end

---------------------------------------------------------------------- as text

local function bytes(n)
  if not n then return "" end
  if n < 10240 then return ("%d"):format(n) end
  if n < 10240 * 1024 then return ("%dK"):format(n // 1024) end
  return ("%dM"):format(n // (1024 * 1024))
end

local function seconds(s) return s and ("%.3f"):format(s) or "" end

-- "1.3": task 3 of isolate 1; "w2": worker 2.
local function identity(row)
  if row.kind == "worker" then return "w" .. row.id end
  if row.kind == "process" then return tostring(row.id >> 32) end -- as its job says
  if row.kind ~= "task" then return tostring(row.isolate) end
  return row.isolate .. "." .. (row.id & 0xffffffff)
end

local function doing(row)
  local text = row.waits or ""
  if row.at then text = text .. (text == "" and "at " or " at ") .. row.at end
  if row.slices then text = ("%d slices, %d stolen"):format(row.slices, row.stolen) end
  if row.worker then text = text .. (text == "" and "on w" or ", on w") .. row.worker end
  return text
end

function List:__tostring()
  local ascii = not term.unicode()
  local lines, width = { { "id", "kind", "state", "cpu", "memory", "name", "waits" } }, {}
  for _, row in ipairs(self) do
    lines[#lines + 1] = {
      identity(row), row.kind, row.state, seconds(row.cpu), bytes(row.memory), term.clean(row.name or "", ascii),
      term.clean(doing(row), ascii),
    }
  end
  for _, line in ipairs(lines) do
    for i, text in ipairs(line) do width[i] = math.max(width[i] or 0, term.columns(text)) end
  end
  for k, line in ipairs(lines) do
    for i, text in ipairs(line) do
      local fill = (" "):rep(width[i] - term.columns(text))
      line[i] = (i == 4 or i == 5) and fill .. text or text .. fill
    end
    lines[k] = table.concat(line, "  "):gsub(" +$", "")
  end
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------- the call

--- weft.ps([opts]): a list of rows; options: timeout.
function M.list(opts)
  local timeout = TIMEOUT
  if opts ~= nil then
    if type(opts) ~= "table" then error(("bad argument #1 to 'ps' (table of options expected, got %s)"):format(type(opts)), 2) end
    for key in pairs(opts) do
      if key ~= "timeout" then error(("bad argument #1 to 'ps' (unknown option '%s')"):format(tostring(key)), 2) end
    end
    timeout = opts.timeout or TIMEOUT
    if type(timeout) ~= "number" or timeout ~= timeout or timeout < 0 then
      error(("bad argument #1 to 'ps' (option 'timeout': seconds >= 0 expected, got %s)"):format(tostring(timeout)), 2)
    end
  end
  local rows = core.ps(timeout)
  for _, row in ipairs(rows) do
    if row.kind == "main" and not row.name then row.name = "main" end
    if row.wait then row.waits = row.on and row.wait .. " for " .. row.on or row.wait end
  end
  table.sort(rows, compare)
  return setmetatable(rows, List)
end

return M
