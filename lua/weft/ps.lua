-- weft.ps(): what lives in this Lua state now: its tasks, and the threads, isolates and processes that it has started. A
-- list that prints itself.

local core = require "weft.core"
local term = require "weft.term"

local List = { __name = "weft.ps" }

-- CPU seconds and state of a thread of this process, or of another process, from the system; nil where it does not say.
local function facts(tid, pid)
  local f = (tid or pid) and io.open(tid and ("/proc/self/task/%d/stat"):format(tid) or ("/proc/%d/stat"):format(pid), "r")
  if not f then return nil end
  local text = f:read "a" or ""
  f:close()
  local state, rest = text:match "%) (%a) (.*)$"
  if not state then return nil end
  local n, user, system = 0, 0, 0
  for v in rest:gmatch "%S+" do
    n = n + 1
    if n == 11 then user = tonumber(v) elseif n == 12 then system = tonumber(v) break end
  end
  return (user + system) / 100, state == "R" and "running" or "waiting"
end

local function row_of(task)
  local row = { id = task.id, name = task.name, kind = task.kind, state = task.state }
  row.started = task.started ~= "" and task.started or nil
  -- The report's line is "name: waits in recv for weft.channel 1 (0 of 0) at file:3 (started at file:1)".
  local text = task.text and task.text:sub(#task.name + 3) or ""
  text = text:gsub(" %(started at [^()]*%)$", "")
  row.at = text:match " at (%S+:%d+)$"
  local what = text:gsub(" at %S+:%d+$", ""):gsub("^waits in ", "")
  if task.state == "waiting" or what:find "^ready, but" then row.waits = what end
  return row
end

function List:__tostring()
  local ascii = not term.unicode()
  local rows, widths = { { "kind", "name", "state", "cpu", "waits for", "started at" } }, {}
  for i, p in ipairs(self) do
    local where = p.waits and p.at and ("%s at %s"):format(p.waits, p.at) or p.waits or ""
    rows[i + 1] = { p.kind, term.clean(p.name, ascii), p.state, p.cpu and ("%.2f s"):format(p.cpu) or "", term.clean(where, ascii),
      term.clean(p.started or "", ascii) }
  end
  for _, row in ipairs(rows) do
    for c, text in ipairs(row) do widths[c] = math.max(widths[c] or 0, term.columns(text)) end
  end
  for i, row in ipairs(rows) do
    local out = {}
    for c, text in ipairs(row) do out[c] = text .. (" "):rep(widths[c] - term.columns(text)) end
    rows[i] = table.concat(out, "  "):gsub(" +$", "")
  end
  return table.concat(rows, "\n")
end

return function()
  local list = setmetatable({}, List)
  local running = core.identity()
  for _, task in ipairs(core.tasks()) do
    local row = row_of(task)
    if row.id == running then row.state, row.waits = "running", nil end
    if row.kind == "main" then
      row.cpu, row.memory = os.clock(), collectgarbage "count" * 1024 // 1 | 0 -- of the process, of this Lua state
    end
    list[#list + 1] = row
  end
  for _, child in ipairs(core.children()) do
    local cpu, state = facts(child.tid, child.pid)
    list[#list + 1] = {
      id = child.id, kind = child.kind, name = child.name or ("%s %d"):format(child.kind, child.id >> 32),
      state = state or "running", cpu = cpu, tid = child.tid, pid = child.pid,
      started = child.started ~= "" and child.started or nil,
    }
  end
  return list
end
