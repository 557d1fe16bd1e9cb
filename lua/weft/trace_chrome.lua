-- A trace as Chrome's trace event JSON: Perfetto (ui.perfetto.dev) and chrome://tracing open it.
--
-- Each OS thread is a track with a slice for every run of a task; tasks have tracks of their own, from birth to end,
-- with their waits and regions in them; arrows go from send to receive, unlock to lock, end to join; a counter shows
-- how many tasks run and are ready. Slices of a thread never overlap, and what is on a task's track is nested, so no
-- viewer has to invent tracks for what does not fit. Times are microseconds, to the nanosecond.

local file = require "weft.trace_file"
local flows = require "weft.trace_flows"
local model = require "weft.trace_model"

local M = {}

local quote = file.json_string

local function us(ns) return ("%d.%03d"):format(ns // 1000, ns % 1000) end

-- State, ns -> what the counter shows.
local function count_states(m)
  local changes = {}
  for _, task in ipairs(m.tasks) do
    local running, ready = 0, 0
    for i = 1, task.n do
      local state = task.state[i]
      local run, want = state == model.RUN and 1 or 0, state == model.READY and 1 or 0
      if run ~= running or want ~= ready then
        changes[#changes + 1] = { task.at[i], run - running, want - ready }
        running, ready = run, want
      end
    end
  end
  table.sort(changes, function(a, b) return a[1] < b[1] end)
  return changes
end

-- The thread that a task's track is under: the first that ran it.
local function first_carrier(m, task)
  for i = 1, task.n do
    if task.state[i] == model.RUN then return m.carriers[task.by[i]] end
  end
  return m.carriers[1]
end

-- Lifetime, waits and regions of a task: { from, to, name, args }.
local function spans_of(m, task, regions, wall)
  local ended = task.ended or wall
  local spans = { { task.at[1], ended, task.name,
    (',"args":{"kind":%s,"outcome":%s}'):format(quote(task.kind or "task"), quote(task.outcome or "alive")) } }
  for i = 1, task.n do
    local state, till = task.state[i], math.min(ended, task.at[i + 1] or ended)
    if state ~= model.GONE and state ~= model.RUN and till > task.at[i] then
      spans[#spans + 1] = { task.at[i], till, state == model.READY and "ready" or model.wait_text(m, state, task.by[i]) }
    end
  end
  for _, region in ipairs(regions) do spans[#spans + 1] = { region.at, region.till, region.name } end
  local order = {}
  for i, span in ipairs(spans) do order[span] = i end
  table.sort(spans, function(x, y)
    if x[1] ~= y[1] then return x[1] < y[1] end
    if x[2] ~= y[2] then return x[2] > y[2] end
    return order[x] < order[y]
  end)
  return spans
end

-- Emits spans as begins and ends that are nested for sure: what would reach beyond the span around it is cut.
local function nest(spans, edge)
  local open = {}
  local function close(till)
    while open[1] and open[#open][2] <= till do
      local top = table.remove(open)
      edge("e", top[3], top[2])
    end
  end
  for _, span in ipairs(spans) do
    close(span[1])
    local around = open[#open]
    if around and span[2] > around[2] then span[2] = around[2] end
    edge("b", span[3], span[1], span[4])
    open[#open + 1] = span
  end
  close(math.huge)
end

-- The pieces of the JSON text.
function M.pieces(t)
  local m, raw = t.model, t._raw
  local wall = raw.wall
  local out = { '{"displayTimeUnit":"ns","otherData":{"producer":"weft"},"traceEvents":[\n' }
  local function put(...) out[#out + 1] = string.format(...) end
  local function pid_of(carrier) return carrier and carrier.pid or raw.pid or 1 end
  local function head_of(carrier) return ('"pid":%d,"tid":%d'):format(pid_of(carrier), carrier and carrier.tid or 0) end

  local named = {}
  for _, carrier in ipairs(m.carriers) do
    named[pid_of(carrier)] = carrier.process or named[pid_of(carrier)] or "weft child"
  end
  put('{"ph":"M","name":"process_name","pid":%d,"args":{"name":"weft"}}', pid_of())
  for pid, name in pairs(named) do
    if pid ~= pid_of() then put(',\n{"ph":"M","name":"process_name","pid":%d,"args":{"name":%s}}', pid, quote(name)) end
  end
  for i, carrier in ipairs(m.carriers) do
    local head = head_of(carrier)
    local name = carrier.name ~= "" and carrier.name or "thread"
    put(',\n{"ph":"M","name":"thread_name",%s,"args":{"name":%s}}', head, quote(name))
    put(',\n{"ph":"M","name":"thread_sort_index",%s,"args":{"sort_index":%d}}', head, i)
  end

  for _, carrier in ipairs(m.carriers) do
    local head = head_of(carrier)
    for i, at in ipairs(carrier.at) do
      local task = carrier.task[i]
      put(',\n{"ph":"X","cat":"run","name":%s,%s,"ts":%s,"dur":%s,"args":{"task":%s}}', quote(task.name), head, us(at),
        us(carrier.till[i] - at), quote(("%x"):format(task.id)))
    end
  end

  -- Async slices of one id and category share a track.
  local regions = {}
  for _, region in ipairs(m.regions) do
    local id = region.task and region.task.id or 0
    regions[id] = regions[id] or {}
    table.insert(regions[id], region)
  end
  for index, task in ipairs(m.tasks) do
    local head = head_of(first_carrier(m, task))
    local function edge(ph, name, at, args)
      put(',\n{"ph":"%s","cat":"task","id":"0x%x","name":%s,%s,"ts":%s%s}', ph, index, quote(name), head, us(at),
        args or "")
    end
    nest(spans_of(m, task, regions[task.id] or {}, wall), edge)
  end

  for _, mark in ipairs(m.marks) do
    local head = head_of(m.carriers[mark.carrier])
    put(',\n{"ph":"i","s":"t","cat":"mark","name":%s,%s,"ts":%s}', quote(mark.text), head, us(mark.at))
  end

  -- An arrow binds to the slices around its ends.
  for id, f in ipairs(t.flows) do
    local from, to = m.by_id[f.from], m.by_id[f.to]
    local c1, a, b, c2, c
    if from and to then
      c1, a, b = flows.run_before(from, f.at, wall)
      c2, c = flows.run_from(to, f.till, wall)
    end
    if c1 and c2 then
      local name = f.what ~= 0 and f.kind .. " " .. model.resource_name(m, f.what, f.kind == "message" and "channel") or f.kind
      local at = math.max(a, math.min(f.at, b - 1))
      local till = math.max(c, f.till, at)
      put(',\n{"ph":"s","cat":"flow","id":%d,"name":%s,%s,"ts":%s}', id, quote(name), head_of(m.carriers[c1]), us(at))
      put(',\n{"ph":"f","bp":"e","cat":"flow","id":%d,"name":%s,%s,"ts":%s}', id, quote(name), head_of(m.carriers[c2]), us(till))
    end
  end

  local running, ready, changes = 0, 0, count_states(m)
  for i, change in ipairs(changes) do
    running, ready = running + change[2], ready + change[3]
    if not changes[i + 1] or changes[i + 1][1] ~= change[1] then
      put(',\n{"ph":"C","name":"tasks","pid":%d,"ts":%s,"args":{"running":%d,"ready":%d}}', pid_of(), us(change[1]), running, ready)
    end
  end
  out[#out + 1] = "\n]}\n"
  return out
end

return M
