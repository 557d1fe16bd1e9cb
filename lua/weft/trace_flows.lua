-- Who acted on whom in a trace: the arrows of its pictures.
--
--   for _, f in ipairs(flows.build(raw)) do ... end
--   f = { kind, from, at, to, till, what }     tasks by id, times in ns, what: the id of a channel or lock, or 0
--
-- kind: "message" from send to receive, "unlock" from whoever gave a lock up to whoever got it, "join" from the end of a
-- task to who waited for it, "start" from the starter to the new task, "close" and "cancel", and "wake" for all other
-- ends of a wait. A message that lay in a channel goes from its put to its take.
--
-- One pass over the records. What was cut off at the start of a trace has no arrow.

local model = require "weft.trace_model"

local M = {}

local PARKED = { [""] = true }
for _, why in ipairs { "sleep", "recv", "send", "select", "join", "lock", "io", "wait" } do PARKED[why] = true end
local ENDED = { done = true, failed = true, cancelled = true }
local BY_END = { done = "close", cancelled = "cancel", failed = "wake" }

function M.build(raw)
  local flows, events, whys = {}, raw.events, raw.whys
  local running, parked, posted, ended, puts, early = {}, {}, {}, {}, {}, {}

  local function add(kind, from, at, to, till, what)
    if from and from ~= 0 and to and to ~= 0 and from ~= to then
      flows[#flows + 1] = { kind = kind, from = from, at = at, to = to, till = till < at and at or till, what = what }
    end
  end

  -- Values are numbered in their channel, so a take finds its put whichever was recorded first.
  local function meet(mine, theirs, channel, number, entry)
    local other = theirs[channel] and theirs[channel][number]
    if other then
      theirs[channel][number] = nil
    else
      mine[channel] = mine[channel] or {}
      mine[channel][number] = entry
    end
    return other
  end

  local on = {}
  function on.new(time, _, _, id, parent) add("start", parent, time, id, time, 0) end
  function on.run(_, _, thread, id) running[thread] = id end
  function on.stop(time, why, thread, id, arg)
    if running[thread] == id then running[thread] = nil end
    if ENDED[why] then ended[id] = time end
    parked[id] = PARKED[why] and { why = why, what = arg, at = time } or nil
  end
  function on.post(time, _, thread, id) posted[id] = { by = running[thread], at = time } end
  function on.ready(time, why, _, id, arg)
    local p, post = parked[id], posted[id]
    parked[id], posted[id] = nil, nil
    local by, at = arg, time
    if post then by, at = post.by, post.at end
    if not p then return end
    if p.why == "join" and ended[p.what] and why == "" then
      add("join", p.what, ended[p.what], id, time, 0)
    elseif why ~= "" then
      add(BY_END[why] or "wake", by, at, id, time, p.what)
    elseif p.why == "recv" then
      add("message", by, at, id, time, p.what)
    elseif p.why == "send" and not p.put then
      add("message", id, p.at, by, at, p.what)
    else
      add(p.why == "lock" and "unlock" or "wake", by, at, id, time, p.what)
    end
  end
  function on.put(time, _, thread, id, channel, number)
    local put = { by = running[thread], at = time }
    if id ~= 0 then -- the value of a task that waits to send
      put.by = id
      if parked[id] then put.at, parked[id].put = parked[id].at, true end
    end
    local take = meet(puts, early, channel, number, put)
    if take then add("message", put.by, put.at, take.by, take.at, channel) end
  end
  function on.take(time, _, thread, _, channel, number)
    local take = { by = running[thread], at = time }
    local put = meet(early, puts, channel, number, take)
    if put then add("message", put.by, put.at, take.by, take.at, channel) end
  end

  local records, unpack, handlers = raw.records, string.unpack, {}
  for code, name in pairs(events) do handlers[code] = on[name] end
  for pos = 1, #records, model.RECORD_SIZE do
    local time, ev, why, thread, iso, id, arg = unpack(model.RECORD, records, pos)
    local handler = handlers[ev]
    if handler then handler(time, whys[why], thread, id, arg, iso) end
  end
  return flows
end

-- The index of the task's last state that began at or before `time`, 0: none.
function M.state_at(task, time)
  local at, low, high = task.at, 0, task.n
  while low < high do
    local middle = (low + high + 1) // 2
    if at[middle] <= time then low = middle else high = middle - 1 end
  end
  return low
end

-- The task's run that `time` falls into or follows: carrier, start, end; nil: it had not run yet.
function M.run_before(task, time, wall)
  for i = M.state_at(task, time), 1, -1 do
    if task.state[i] == model.RUN then return task.by[i], task.at[i], task.at[i + 1] or wall end
  end
end

-- The run that `time` falls into, or else the next one.
function M.run_from(task, time, wall)
  for i = math.max(1, M.state_at(task, time)), task.n do
    local till = task.at[i + 1] or wall
    if task.state[i] == model.RUN and till > time then return task.by[i], task.at[i], till end
  end
end

return M
