-- Who acted on whom in a trace: the arrows of its pictures.
--
--   for _, f in ipairs(flows.build(raw)) do ... end
--   f = { kind, from, at, to, till, what, far }   tasks by id, times in ns, what: the id of a channel or lock, or 0;
--                                                 far: they are in different processes
--
-- kind: "message" from send to receive, "unlock" from whoever gave a lock up to whoever got it, "join" from the end of a
-- task to who waited for it, "start" from the starter to the new task, "close" and "cancel", and "wake" for all other
-- ends of a wait. A message that lay in a channel goes from its put to its take, in two processes as in one.
--
-- One pass over the records. What was cut off at the start of a trace has no arrow.

local model = require "weft.trace_model"

local M = {}

local PARKED = { [""] = true }
for _, why in ipairs { "sleep", "recv", "send", "select", "join", "lock", "io", "wait" } do PARKED[why] = true end
local ENDED = { done = true, failed = true, cancelled = true }
local BY_END = { done = "close", cancelled = "cancel", failed = "wake" }

local Builder = {}
Builder.__index = Builder

function Builder:add(kind, from, at, to, till, what)
  if from and from ~= 0 and to and to ~= 0 and from ~= to then
    local flow = { kind = kind, from = from, at = at, to = to, till = till < at and at or till, what = what }
    self.flows[#self.flows + 1] = flow
    return flow
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

-- Where something came from that has left its process. It may become known after the arrival, so such flows are completed
-- at the end.
local function begin(origin, from, at, before)
  origin.from, origin.at, origin.before = from, at, before
end

---------------------------------------------------------------------- within a process

-- A put has an `origin` when its value came from another process; a take that is for another process is that one's origin.
function Builder:match(put, take, channel)
  take.put = put
  if take.origin then
    begin(take.origin, put.by, put.at, put.origin)
  elseif put.origin then
    take.flow = self:later("message", put.origin, take.by, take.at, channel)
  else
    take.flow = self:add("message", put.by, put.at, take.by, take.at, channel)
  end
end

local on = {}

function on:new(time, _, _, id, parent) self:add("start", parent, time, id, time, 0) end

function on:run(_, _, thread, id) self.running[thread] = id end

function on:stop(time, why, thread, id, arg)
  if self.running[thread] == id then self.running[thread] = nil end
  if ENDED[why] then self.ended[id] = time end
  self.parked[id] = PARKED[why] and { id = id, why = why, what = arg, at = time } or nil
end

function on:post(time, _, thread, id)
  local post, p, waiting = { by = self.running[thread], at = time }, self.parked[id], self.agents[id]
  local hand = self.hand[thread]
  if hand and hand.landed then -- what has just come goes to this task
    post.origin, self.hand[thread] = hand, nil
  elseif waiting then -- what has come and waited until now is taken by who runs here, or goes on to a third process
    self.agents[id] = nil
    self.hand[thread] = { origin = waiting, flow = self:later("message", waiting, post.by, time, 0) }
  elseif p and not p.put then
    post.parked = p
    self.hand[thread] = post
  end
  self.posted[id] = post
end

function on:ready(time, why, _, id, arg)
  local p, post = self.parked[id], self.posted[id]
  self.parked[id], self.posted[id] = nil, nil
  local by, at = arg, time
  if post then by, at = post.by, post.at end
  if not p then return end
  if p.why == "join" and why == "" and self.ended[p.what] then
    self:add("join", p.what, self.ended[p.what], id, time, 0)
  elseif why ~= "" then
    self:add(BY_END[why] or "wake", by, at, id, time, p.what)
  elseif post and post.origin then
    self:later(p.why == "recv" and "message" or "wake", post.origin, id, time, p.what)
  elseif p.why == "recv" then
    self:add("message", by, at, id, time, p.what)
  elseif p.why == "send" and not p.put then
    if not p.shipped then self:add("message", id, p.at, by, at, p.what) end
  else
    self:add(p.why == "lock" and "unlock" or "wake", by, at, id, time, p.what)
  end
end

function on:put(time, why, thread, id, channel, number)
  local put, hand = { by = self.running[thread], at = time }, self.hand[thread]
  if why == "wait" then -- it comes back: those before it move up
    local there = self.puts[channel] or {}
    for i = number - (id & 0xFFFFFFFF), number - 1 do there[i] = there[i + 1] end
    there[number], id = nil, 0
  end
  if hand and hand.landed then
    put.origin, self.hand[thread] = hand, nil
  elseif self.agents[id] then
    put.origin, self.agents[id] = self.agents[id], nil
  elseif id ~= 0 then -- the value of a task that waits to send
    put.by = id
    local p = self.parked[id]
    if p then put.at, p.put = p.at, true end
  end
  local take = meet(self.puts, self.takes, channel, number, put)
  if take then self:match(put, take, channel) end
end

function on:take(time, _, thread, _, channel, number)
  local take = { by = self.running[thread], at = time, taken = true }
  self.hand[thread] = take
  local put = meet(self.takes, self.puts, channel, number, take)
  if put then self:match(put, take, channel) end
end

---------------------------------------------------------------------- between processes

function Builder:later(kind, origin, to, till, what)
  if not to or to == 0 then return end
  self.between = true
  local flow = { kind = kind, origin = origin, to = to, till = till, what = what }
  self.flows[#self.flows + 1] = flow
  return flow
end

-- The origin of what is the number-th on its way.
function Builder:way(arg, number, leaves)
  local origin = { landed = true }
  local mine, theirs = self.shipped, self.landed
  if not leaves then mine, theirs = theirs, mine end
  return meet(mine, theirs, arg, number, origin) or origin
end

function on:ship(time, why, thread, id, way, number)
  local origin, hand = self:way(way, number, true), self.hand[thread]
  if why ~= "" then return begin(origin, self.running[thread], time) end
  if id ~= 0 then
    local post = self.posted[id]
    self.posted[id] = nil
    if post then begin(origin, post.by, post.at, post.origin) end
    return
  end
  self.hand[thread] = nil
  if not hand then return end
  if hand.flow then hand.flow.void, self.between = true, true end -- it was not for who runs here
  if hand.parked then
    hand.parked.shipped = true
    begin(origin, hand.parked.id, hand.parked.at)
  elseif hand.put then
    begin(origin, hand.put.by, hand.put.at, hand.put.origin)
  elseif hand.taken then
    hand.origin = origin -- the put is still to come
  else
    begin(origin, nil, nil, hand.origin)
  end
end

function on:land(time, why, thread, id, way, number)
  if why == "" and id ~= 0 then
    self.agents[id], self.hand[thread] = self.hand[thread], nil
    return
  end
  local origin = self:way(way, number, false)
  if why == "process" then
    self:later("start", origin, self.running[thread], time, 0)
  else
    self.hand[thread] = origin
  end
end

-- Complete what came from other processes; what has no beginning is left out.
function Builder:complete()
  local all, n = self.flows, 0
  for i = 1, #all do
    local f = all[i]
    local origin = f.origin
    while origin and origin.before do origin = origin.before end
    if origin then
      f.origin, f.from, f.at, f.far = nil, origin.from, origin.at, true
      if f.at and f.till < f.at then f.till = f.at end
    end
    all[i] = nil
    if not f.void and f.from and f.from ~= 0 and f.from ~= f.to then
      n = n + 1
      all[n] = f
    end
  end
end

function M.build(raw)
  local events, whys = raw.events, raw.whys
  local self = setmetatable({ flows = {}, running = {}, parked = {}, posted = {}, ended = {}, puts = {}, takes = {}, hand = {},
    agents = {}, shipped = {}, landed = {} }, Builder)
  local records, unpack, handlers = raw.records, string.unpack, {}
  for code, name in pairs(events) do handlers[code] = on[name] end
  for pos = 1, #records, model.RECORD_SIZE do
    local time, ev, why, thread, iso, id, arg = unpack(model.RECORD, records, pos)
    local handler = handlers[ev]
    if handler then handler(self, time, whys[why], thread, id, arg, iso) end
  end
  if self.between then self:complete() end
  if raw.same then
    for _, f in ipairs(self.flows) do f.what = raw.same[f.what] or f.what end
  end
  return self.flows
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
