-- From the records of a trace to what each task and each carrier did when.
--
-- A task's history is a row of states, each lasting until the next, in three parallel lists: `at` (ns from
-- the start), `state` and `by`. States are numbers: RUN, READY, GONE, or the number of the reason for
-- which the task is parked. `by` is the carrier of a RUN, the resource of a park, the waker of a READY.
-- A carrier's history is the row of its runs: `at`, `till`, `task`.
--
-- Records may be cut at the start (full rings) or by the end, tasks of other isolates may be unknown until
-- they run, and clocks of two cores differ a little: nothing here relies on an event being there.

local M = {}

local RUN, READY, GONE = 256, 257, 258
M.RUN, M.READY, M.GONE = RUN, READY, GONE
M.UNKNOWN = 0 -- parked, but for what was not recorded

M.RECORD = "=I8BBI2I4i8i8" -- time, event, reason, thread (from 0), isolate, task, arg
M.RECORD_SIZE = string.packsize(M.RECORD)

local KEEPS_READY = { yield = true, preempt = true }
local ENDS = { done = true, failed = true, cancelled = true }

-- Begins a state. Time never goes back within a task; a state that lasted no time leaves no trace.
local function enter(task, time, state, by)
  local n = task.n
  if n > 0 then
    if time <= task.at[n] then
      time = task.at[n]
      n = n - 1
    end
    if n > 0 and task.state[n] == state and task.by[n] == by then
      task.n, task.at[n + 1], task.state[n + 1], task.by[n + 1] = n, nil, nil, nil
      return
    end
  end
  n = n + 1
  task.n, task.at[n], task.state[n], task.by[n] = n, time, state, by
end

local Builder = {}
Builder.__index = Builder

function Builder:task(id, iso)
  local task = self.by_id[id]
  if not task then
    task = { id = id, iso = iso, n = 0, at = {}, state = {}, by = {}, runs = 0, index = #self.tasks + 1 }
    self.by_id[id] = task
    self.tasks[task.index] = task
  end
  return task
end

-- The state of a task that was there before its first event began with the trace, as far as that reaches back.
local function backdated(self, task, time)
  return task.n == 0 and (task.live or self.complete) and 0 or time
end

local function stop_running(carrier, time)
  local n = carrier.n
  if carrier.running then
    carrier.till[n] = math.max(time, carrier.at[n])
    carrier.running = nil
  end
  carrier.free = time
end

local function start_running(self, task, carrier, time)
  local before = carrier.running
  if before == task then return end
  if before then -- its stop was lost
    enter(before, time, READY, 0)
    before.on = nil
    stop_running(carrier, time)
  end
  if task.on then stop_running(task.on, time) end -- the same, on another carrier
  local n = carrier.n + 1
  carrier.n, carrier.at[n], carrier.till[n], carrier.task[n] = n, time, time, task
  carrier.running = task
  if carrier.last and carrier.last ~= task then self.switches = self.switches + 1 end
  carrier.last = task
  task.on, task.woken = carrier, nil
  task.runs = task.runs + 1
  enter(task, time, RUN, carrier.index)
end

local on = {}

function on.new(_, task, time, why, arg)
  task.kind, task.parent = why, arg ~= 0 and arg or nil
  if task.n == 0 then
    task.born = time
    enter(task, time, READY, arg)
  end
end

function on.live(_, task, _, why, arg)
  task.kind, task.parent = task.kind or why, task.parent or (arg ~= 0 and arg or nil)
  task.live = task.n == 0
end

function on.run(self, task, time, _, _, carrier)
  start_running(self, task, carrier, task.live and task.n == 0 and 0 or time)
end

function on.stop(self, task, time, why, arg, carrier)
  if why == "preempt" then task.preempted = (task.preempted or 0) + 1 end
  if task.n == 0 and not task.live and not carrier.running then
    start_running(self, task, carrier, carrier.free or backdated(self, task, time))
  end
  local from = task.live and task.n == 0 and 0 or time
  if carrier.running == task then stop_running(carrier, time) end
  task.on = nil
  if KEEPS_READY[why] or (task.woken and not ENDS[why]) then
    enter(task, from, READY, 0)
  elseif ENDS[why] then
    task.outcome, task.ended = why, time
    enter(task, from, GONE, 0)
  else
    enter(task, from, self.why_code[why] or M.UNKNOWN, arg)
  end
  task.woken = nil
end

function on.ready(self, task, time, _, arg)
  if task.posted then arg, task.posted = task.posted, nil end -- another thread did it
  if task.n == 0 then
    if task.live then return enter(task, 0, READY, arg) end
    enter(task, backdated(self, task, time), M.UNKNOWN, 0)
  end
  local state = task.state[task.n]
  if state == RUN then
    task.woken = true -- another thread served its wait before it had parked
  elseif state ~= READY and state ~= GONE then
    enter(task, time, READY, arg)
  end
end

-- What happens to whoever runs on the carrier, not to a task that the record names.
local here = {}

function here.mark(self, time, arg, carrier, raw)
  self.marks[#self.marks + 1] = { at = time, text = raw.marks[arg], carrier = carrier.index, task = carrier.running }
end

function here.enter(self, time, arg, carrier, raw)
  local task = carrier.running
  local open = task or carrier
  local stack = open.regions or {}
  open.regions = stack
  local region = { name = raw.marks[arg], at = time, task = task, carrier = carrier.index, depth = #stack + 1 }
  stack[#stack + 1] = region
  self.regions[#self.regions + 1] = region
end

function here.leave(_, time, _, carrier)
  local stack = (carrier.running or carrier).regions
  local region = stack and table.remove(stack)
  if region then region.till = time end
end

function here.post(self, _, _, carrier, _, id)
  local task = self.by_id[id]
  if task then task.posted = carrier.running and carrier.running.id or 0 end
end

-- Walks over the records. Nearly all of them are runs, stops for a wait and wakes that follow each other as they
-- should: those are done here, at once, all others by the functions above.
function Builder:read(raw)
  local records, unpack, format = raw.records, string.unpack, M.RECORD
  local events, whys, by_id, carriers = raw.events, raw.whys, self.by_id, self.carriers
  local parks, run, stop, ready = {}, nil, nil, nil
  for code, name in pairs(events) do
    if name == "run" then run = code elseif name == "stop" then stop = code elseif name == "ready" then ready = code end
  end
  for code, name in pairs(whys) do parks[code] = not KEEPS_READY[name] and not ENDS[name] end
  for pos = 1, #records, M.RECORD_SIZE do
    local time, ev, why, thread, iso, id, arg = unpack(format, records, pos)
    local task, carrier = by_id[id], carriers[thread + 1]
    local n = task and task.n or 0
    local simple = false
    if n > 0 and time > task.at[n] then
      local state = task.state[n]
      if ev == run then
        if not carrier.running and not task.on and state ~= RUN then
          local k = carrier.n + 1
          carrier.n, carrier.at[k], carrier.till[k], carrier.task[k], carrier.running = k, time, time, task, task
          if carrier.last ~= task then
            if carrier.last then self.switches = self.switches + 1 end
            carrier.last = task
          end
          task.on, task.woken, task.runs = carrier, nil, task.runs + 1
          n = n + 1
          task.n, task.at[n], task.state[n], task.by[n] = n, time, RUN, carrier.index
          simple = true
        end
      elseif ev == stop then
        if carrier.running == task and parks[why] and not task.woken then
          carrier.till[carrier.n], carrier.running, carrier.free = time, nil, time
          n = n + 1
          task.on, task.n, task.at[n], task.state[n], task.by[n] = nil, n, time, why, arg
          simple = true
        end
      elseif ev == ready then
        if state < RUN and not task.posted then
          n = n + 1
          task.n, task.at[n], task.state[n], task.by[n] = n, time, READY, arg
          simple = true
        end
      end
    end
    if not simple then
      local name = events[ev]
      local handler = on[name]
      if handler then
        handler(self, task or self:task(id, iso), time, whys[why], arg, carrier)
      elseif here[name] then
        here[name](self, time, arg, carrier, raw, id)
      end
    end
  end
end

-- raw: what weft.core's trace_stop gives, with `events` and `whys`, the words of trace_words.
function M.build(raw)
  local self = setmetatable({
    tasks = {}, by_id = {}, carriers = {}, switches = 0, marks = {}, regions = {},
    complete = raw.lost == 0 and raw.cpu >= 0, why_code = {},
  }, Builder)
  for code, name in pairs(raw.whys) do self.why_code[name] = code end
  for i, thread in ipairs(raw.threads) do
    self.carriers[i] = { index = i, tid = thread.tid, pid = thread.pid, process = thread.process,
      name = thread.name, lost = thread.lost, n = 0, at = {}, till = {}, task = {} }
  end
  self:read(raw)
  for _, carrier in ipairs(self.carriers) do
    if carrier.running then carrier.till[#carrier.till] = raw.wall end
  end
  for _, task in ipairs(self.tasks) do
    if task.n == 0 then enter(task, 0, M.UNKNOWN, 0) end -- known by name alone: parked all the while
    task.on, task.woken, task.posted = nil, nil, nil
  end
  for _, region in ipairs(self.regions) do
    local task = region.task
    region.till = region.till or task and task.ended or raw.wall
  end
  local home = M.name_tasks(self, raw.names)
  return { tasks = self.tasks, by_id = self.by_id, carriers = self.carriers, switches = self.switches,
    marks = self.marks, regions = self.regions, labels = raw.labels, whys = raw.whys, home = home,
    texts = {} }
end

-- A name for each task: its own, or made of kind and number. Ids hold the isolate in the upper half and count
-- its tasks from 1 in the lower: the first is the isolate's main chunk or, seen from its starter, the job.
function M.name_tasks(self, names)
  local home
  for _, task in ipairs(self.tasks) do
    if task.kind == "main" then home = home or task.iso end
  end
  for _, task in ipairs(self.tasks) do
    local kind, seq, iso = task.kind or "task", task.id & 0xFFFFFFFF, task.id >> 32
    local name = names[task.id]
    task.named = name ~= nil and name ~= ""
    if task.named then
      task.name = name
    elseif kind == "main" and task.iso == home then
      task.name = "main"
    elseif iso == 0 or task.iso == home then
      task.name = kind .. " " .. seq
    elseif kind ~= "task" and seq == 1 then
      task.name = kind .. " " .. iso
    else
      task.name = ("%s %d.%d"):format(kind, iso, seq)
    end
  end
  return home
end

-- The name of a channel, lock or buffer: its label, or "channel 3" as its number in the main isolate; "channel 2.3" in
-- another one. Their ids have the top bit set; the rest is made as that of tasks.
function M.resource_name(model, id, kind)
  local what = model.labels[id]
  if what then return what end
  local iso, seq = (id >> 32) & 0x7FFFFFFF, id & 0xFFFFFFFF
  local own = iso == 0 or model.home == nil or iso == model.home
  return (kind and kind .. " " or "#") .. (own and tostring(seq) or ("%d.%d"):format(iso, seq))
end

-- What a parked state waits for: the reason and the resource: "recv jobs", "join p1"; "recv channel 3" or "lock #3"
-- when it has no name.
function M.wait_text(model, state, by)
  local texts = model.texts[state]
  if not texts then
    texts = {}
    model.texts[state] = texts
  end
  local text = texts[by]
  if not text then
    text = M.make_wait_text(model, state, by)
    texts[by] = text
  end
  return text
end

function M.make_wait_text(model, state, by)
  local why = model.whys[state]
  if why == "" then why = "wait" end
  if by == 0 or why == "sleep" then return why end
  local task = why == "join" and model.by_id[by]
  local channel = (why == "recv" or why == "send") and "channel" or nil
  return why .. " " .. (task and task.name or M.resource_name(model, by, channel))
end

-- The state at each moment: calls f(from, to, state, by) for each state of the task within [from, to] ns.
function M.each_state(task, from, to, f)
  for i = 1, task.n do
    local a, b = task.at[i], task.at[i + 1] or to
    if b > from and a < to then f(a < from and from or a, b > to and to or b, task.state[i], task.by[i]) end
  end
end

return M
