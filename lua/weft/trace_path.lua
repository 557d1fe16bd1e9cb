-- The critical path of a trace: the chain of work and waits that its end had to wait for. To make the whole faster,
-- something on this path must become faster.
--
--   for _, step in ipairs(path.find(model, wall, flows)) do ... end      flows: those between processes are followed
--   step = { task, from, to, kind, what }     ns; kind: "run", "ready" (wanted a carrier) or "wait"; what: for what
--
-- It is found backwards. A task that ran needed its run; one that was ready needed its carrier, and before that who
-- woke it or started it; one that nobody woke (a timer, IO, something unseen) needed its wait.

local model = require "weft.trace_model"
local flows = require "weft.trace_flows"

local M = {}

-- Where to begin: the main chunk if it is there, else whoever ended or ran last.
local function last_task(m)
  local best, latest = nil, -1
  for _, task in ipairs(m.tasks) do
    if task.kind == "main" and task.iso == m.home then return task end
    local at = task.ended or task.at[task.n]
    if at > latest then best, latest = task, at end
  end
  return best
end

-- What other processes have ended or begun: the flow to a task at a time.
local function far_flows(m, list)
  local far = {}
  for _, f in ipairs(list or {}) do
    if f.far then
      local to = m.by_id[f.to]
      if f.kind == "start" and to then to.parent = to.parent or f.from end
      far[f.to] = far[f.to] or {}
      far[f.to][f.till] = f
    end
  end
  return far
end

-- The task that ended this state of `task`, and when: nil when none is known.
local function cause(m, task, i, wall, far)
  local state, by = task.state[i], task.by[i]
  if state == model.READY then
    local waker = by ~= 0 and m.by_id[by]
    if waker and waker ~= task then return waker, task.at[i] end
    local before = i > 1 and task.state[i - 1]
    if before and m.whys[before] == "join" then
      local joined = m.by_id[task.by[i - 1]]
      if joined and joined.ended and joined.ended <= task.at[i] then return joined, joined.ended end
    end
    local parent = i == 1 and task.born and m.by_id[task.parent]
    if parent then -- a thread begins some time after its starter went on
      local _, _, till = flows.run_before(parent, task.born, wall)
      return parent, math.min(task.born, till or task.born)
    end
    local f = far[task.id] and far[task.id][task.at[i]]
    if f then return m.by_id[f.from], f.at end
  end
end

function M.find(m, wall, list)
  local steps, task, time, far = {}, last_task(m), wall, far_flows(m, list)
  if not task then return steps end
  time = math.min(time, task.ended or time)
  local seen, seen_at = {}, nil -- tasks passed at one moment: no going round in circles there
  while task and time > 0 do
    if seen_at ~= time then seen, seen_at = {}, time end
    local i = flows.state_at(task, time)
    if i > 0 and task.at[i] == time then i = i - 1 end
    if i == 0 then -- before its first state: its starter
      if seen[task] then break end
      seen[task] = true
      task = task.parent and m.by_id[task.parent]
      goto continue
    end
    do
      local from, state = task.at[i], task.state[i]
      local gone = state == model.GONE -- its word came later than its end: from another thread
      local kind = state == model.RUN and "run" or state == model.READY and "ready" or "wait"
      steps[#steps + 1] = {
        task = gone and steps[#steps] and steps[#steps].task or task, from = from, to = time, kind = kind,
        what = gone and "wake-up" or kind == "wait" and model.wait_text(m, state, task.by[i]) or nil,
      }
      local waker, at = cause(m, task, i, wall, far)
      time = from
      if waker and not (seen_at == from and seen[waker]) then
        if at < from then -- the wake-up took its time
          steps[#steps + 1] = { task = task, from = at, to = from, kind = "wait", what = i == 1 and "start" or "wake-up" }
          time = at
        end
        task = waker
      end
    end
    ::continue::
  end
  local n = #steps
  for i = 1, n // 2 do steps[i], steps[n + 1 - i] = steps[n + 1 - i], steps[i] end
  -- One step where neighbours are alike.
  local out = {}
  for _, step in ipairs(steps) do
    local last = out[#out]
    if last and last.task == step.task and last.kind == step.kind and last.what == step.what and last.to == step.from then
      last.to = step.to
    else
      out[#out + 1] = step
    end
  end
  return out
end

-- The steps in sums: a list of { name, kind, ns }, the largest first.
function M.sums(steps)
  local list, by = {}, {}
  for _, step in ipairs(steps) do
    local key = step.task.id .. step.kind .. (step.what or "")
    local sum = by[key]
    if not sum then
      sum = { name = step.task.name, kind = step.kind, what = step.what, ns = 0 }
      by[key], list[#list + 1] = sum, sum
    end
    sum.ns = sum.ns + step.to - step.from
  end
  table.sort(list, function(a, b)
    if a.ns ~= b.ns then return a.ns > b.ns end
    return a.name < b.name
  end)
  return list
end

return M
