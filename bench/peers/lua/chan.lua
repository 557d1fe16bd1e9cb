-- chan: tasks and channels in plain Lua, written for speed: what a script can have without C.
-- A value is handed straight to a waiting receiver; the ready queue is two arrays used in turn; the first waiter of a
-- channel sits in a field, so that one producer and one consumer never touch a queue. Finished coroutines are used again.
local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.running

local M = {}
local ready, n = {}, 0 -- pairs: coroutine, value to resume it with
local current
local idle, idle_n = {}, 0
local FINISHED = {}

local function body(f)
  while true do
    f()
    idle_n = idle_n + 1
    idle[idle_n] = running()
    f = yield(FINISHED)
  end
end

function M.go(f)
  local co
  if idle_n > 0 then
    co = idle[idle_n]
    idle[idle_n] = nil
    idle_n = idle_n - 1
  else
    co = create(body)
  end
  ready[n + 1] = co
  ready[n + 2] = f
  n = n + 2
end

function M.run()
  local batch = {}
  while n > 0 do
    local m = n
    batch, ready, n = ready, batch, 0
    for i = 1, m, 2 do
      current = batch[i]
      local ok, err = resume(current, batch[i + 1])
      batch[i], batch[i + 1] = nil, nil
      if not ok then error(err, 0) end
    end
  end
end

function M.yield()
  ready[n + 1] = current
  ready[n + 2] = false
  n = n + 2
  return yield()
end

local Channel = {}
Channel.__index = Channel

-- r: the first waiting receiver, rq[rh..rt] the others; s, sv: the first waiting sender and its value, sq[sh..st] the
-- others in pairs; buf: a ring of cap values, count of them from head on.
function M.new(cap)
  return setmetatable({
    cap = cap or 0, buf = {}, head = 0, count = 0,
    r = false, rq = {}, rh = 1, rt = 0,
    s = false, sv = false, sq = {}, sh = 1, st = 0,
  }, Channel)
end

local function next_receiver(self)
  local h = self.rh
  if h > self.rt then
    self.r = false
    self.rh, self.rt = 1, 0
    return
  end
  self.r = self.rq[h]
  self.rq[h] = nil
  self.rh = h + 1
end

local function next_sender(self)
  local h, q = self.sh, self.sq
  if h > self.st then
    self.s, self.sv = false, false
    self.sh, self.st = 1, 0
    return
  end
  self.s, self.sv = q[h], q[h + 1]
  q[h], q[h + 1] = nil, nil
  self.sh = h + 2
end

function Channel:send(v)
  local r = self.r
  if r then
    next_receiver(self)
    local k = n
    ready[k + 1] = r
    ready[k + 2] = v
    n = k + 2
    return
  end
  local k, cap = self.count, self.cap
  if k < cap then
    self.buf[(self.head + k) % cap + 1] = v
    self.count = k + 1
    return
  end
  if self.s then
    local t = self.st
    self.sq[t + 1] = current
    self.sq[t + 2] = v
    self.st = t + 2
  else
    self.s = current
    self.sv = v
  end
  return yield()
end

function Channel:recv()
  local k, s = self.count, self.s
  local v
  if k > 0 then
    local head, buf, cap = self.head, self.buf, self.cap
    v = buf[head + 1]
    head = (head + 1) % cap
    self.head = head
    if not s then
      self.count = k - 1
      return v
    end
    buf[(head + k - 1) % cap + 1] = self.sv
  elseif s then
    v = self.sv
  else
    if self.r then
      local t = self.rt + 1
      self.rq[t] = current
      self.rt = t
    else
      self.r = current
    end
    return yield()
  end
  next_sender(self)
  k = n
  ready[k + 1] = s
  ready[k + 2] = false
  n = k + 2
  return v
end

return M
