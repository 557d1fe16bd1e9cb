--- The crew of a pool: its workers, and what they are given to do.
--
-- A request is what the pool was asked for: a map, an imap, a call. It hands out chunks of its items one after the
-- other; a worker has the chunk that it runs and one more, so that it never waits for the next. What a worker has
-- not begun can be taken back: to give it to a worker that has nothing, or because the request is over. An item that
-- runs cannot be stopped alone: its worker is cancelled, and a new one takes the place.
--
-- The clerk (weft.pool_clerk, which adds to this module) takes the workers' answers. All functions here but those that
-- say "blocks" are called under core.atomically, or by others that are, so that time slices do not cut them.
--
-- A request: next(r) gives a chunk or nil, and leaves in r.more whether there will be another; done(r, chunk, results);
-- lost(r, error, traceback) when it fails; r.code is its sealed function, r.call a sealed call. r.killed are the workers
-- that were cancelled because of it. A chunk: request, first, n, items.

local core = require "weft.core"
local errors = require "weft.pool_error"
local worker = require "weft.pool_worker"

local M = {}

local AHEAD = 2 -- chunks that a worker has at most

local feed_all, request_stop

---------------------------------------------------------------------- workers

-- A worker for the place, or nil and why not.
local function worker_start(pool, slot)
  local no, inbox, out = pool._no + 1, core.channel_for "pool", core.channel_for "pool"
  pool._no = no
  local seal, open = pool._seal, pool._open
  if pool._copies then seal, open = nil, nil end
  local ok, job, message, code = pcall(core.bare, pool._start, { name = "worker " .. slot }, worker.life(), inbox, out,
    pool._replies, no, slot, pool._init, pool._mark, seal, open, pool._peers)
  if not ok then return nil, job end
  if not job then return nil, message, code end
  core.background(job)
  local w = { slot = slot, inbox = inbox, out = out, job = job, at = {}, knows = {}, new = pool._init ~= nil }
  pool._workers[slot], pool._by_no[no] = w, w
  local ended = worker.news(no, worker.ENDED)
  if not core.watch(job, pool._replies, ended) then pool._replies:try_send(ended) end
  return w
end

-- The chunks that the worker has not begun, in order; they are nobody's then.
local function take_back(pool, w)
  local chunks, n, forget = {}, 0, {}
  -- In one step: a worker that took a message in between would have one that is counted here as taken back.
  for _, message in ipairs(#w.at > 0 and core.drain(w.inbox) or {}) do
    if math.type(message) then
      forget[#forget + 1] = message
    else
      n = n + 1
      local sealed = message[4]
      if sealed then w.knows[message[1]] = nil end
      if message[1] == 0 then sealed = message[3] end
      if sealed and pool._copies then core.discard(sealed) end -- this copy of the handle; at the end no collector comes
    end
  end
  for _, id in ipairs(forget) do w.inbox:try_send(id) end
  for i = #w.at - n + 1, #w.at do
    chunks[#chunks + 1] = w.at[i]
    w.at[i] = nil
  end
  pool._out = pool._out - n
  return chunks
end

-- Gives the worker a chunk. False when it cannot cross: the request fails then.
local function hand(pool, w, chunk)
  local r = chunk.request
  local id, code = r.code and r.id or 0, nil
  if id ~= 0 and not w.knows[id] then code = r.code end
  local ok, why = pcall(w.inbox.try_send, w.inbox, { id, chunk.n, chunk.items, code })
  if ok and not why then ok, why = false, "not enough memory" end -- the inbox has no other limit
  if not ok then
    M.fail(pool, chunk, errors.of_sealing(why, "value", "%[3%]"))
    return false
  end
  if code then w.knows[id] = true end
  w.at[#w.at + 1] = chunk
  pool._out = pool._out + 1
  return true
end

---------------------------------------------------------------------- requests

-- Hands out what the request has, with a clerk to take the answers. Memory may run out in between: then the
-- pool cannot be relied on any more.
local function offer(pool, r)
  pool._queue:offer(r)
  local ok, err = pcall(feed_all, pool)
  if not ok then M.break_down(pool, err) end
end

local function clerk_start(pool)
  if pool._clerk then return end
  core.go({ name = "pool" }, M.clerk, pool):detach()
  pool._clerk = true
end

--- Takes a request on.
function M.add(pool, r)
  clerk_start(pool)
  pool._id = pool._id + 1
  r.id = pool._id
  pool._requests[r] = true
  offer(pool, r)
end

--- The request has more to hand out than when it was looked at last.
function M.more(pool, r)
  if r.over then return end
  clerk_start(pool)
  offer(pool, r)
end

--- The request has all that it wanted.
function M.over(pool, r)
  if r.over then return end
  r.over = true
  pool._requests[r] = nil
  if pool._copies then core.discard(r.code or r.call) end
  for slot = 1, pool.size do
    local w = pool._workers[slot]
    if w and w.knows[r.id] then
      w.knows[r.id] = nil
      w.inbox:try_send(r.id)
    end
  end
  if pool._idle and next(pool._requests) == nil then pool._idle:close() end
end

-- Takes from the worker what is not begun of the request; cancels it if it runs what is begun.
local function worker_leave(pool, w, r, reason)
  for _, chunk in ipairs(take_back(pool, w)) do
    if chunk.request ~= r then pool._queue:put_back(chunk) end
  end
  local runs = w.at[#w.at] -- one before it is finished: its answer is on the way and will be taken
  if not runs or runs.request ~= r then return end
  w.stopped = true
  w.at[#w.at] = nil
  pool._out = pool._out - 1
  pool._workers[w.slot] = nil
  w.job:cancel(reason)
  table.insert(r.killed, w)
end

-- Ends the request before it has all: what was not begun never is, what runs is cancelled.
function request_stop(pool, r, reason)
  if r.over then return end
  M.over(pool, r)
  r.killed = {}
  for slot = 1, pool.size do
    local w, mine = pool._workers[slot], false
    for _, chunk in ipairs(w and w.at or {}) do mine = mine or chunk.request == r end
    if mine then worker_leave(pool, w, r, reason) end
  end
  feed_all(pool)
end
M.stop = request_stop

--- Item `at` of the chunk has failed, 0: none in particular. The request is lost.
function M.fail(pool, chunk, at, err, traceback)
  local r = chunk.request
  if r.over then return end
  if at > 0 then err = errors.item(chunk.first + at - 1, err, traceback) end
  r:lost(err, traceback)
  request_stop(pool, r)
end

--- The pool can do nothing any more. Those who wait are told first, which needs no memory.
function M.break_down(pool, err)
  pool._broken = pool._broken or err
  for r in pairs(pool._requests) do r:lost(err) end
  for r in pairs(pool._requests) do request_stop(pool, r) end
end

---------------------------------------------------------------------- feeding

-- Fills the worker up to `most` chunks. False when there are no more.
local function fill(pool, w, most)
  while #w.at < most and not w.stopped do
    local chunk = pool._queue:next()
    if not chunk then return false end
    hand(pool, w, chunk)
  end
  return true
end

-- Gives a worker that has nothing what another one has not begun.
local function share(pool, w)
  for slot = 1, pool.size do
    local other = pool._workers[slot]
    if other and #other.at > 1 then
      local chunks = take_back(pool, other)
      local last = table.remove(chunks)
      for _, chunk in ipairs(chunks) do hand(pool, other, chunk) end
      if last then return hand(pool, w, last) end
    end
  end
end

--- Fills a worker that has answered.
function M.feed(pool, w)
  fill(pool, w, AHEAD)
  if #w.at == 0 and not w.stopped then share(pool, w) end
end

-- Fills the places of workers that are gone, if there is something to do.
local function replace(pool)
  if pool._broken or pool._queue:is_empty() then return end
  for slot = 1, pool.size do
    if not pool._workers[slot] then
      local w, message = worker_start(pool, slot)
      if not w then
        if next(pool._workers) == nil then
          M.break_down(pool, type(message) == "string" and "cannot start a worker: " .. message or message)
        end
        return
      end
    end
  end
end

-- Gives everyone something to do: first those who have nothing.
function feed_all(pool)
  replace(pool)
  for most = 1, AHEAD do
    for slot = 1, pool.size do
      local w = pool._workers[slot]
      if w and not fill(pool, w, most) then return end
    end
  end
end
M.feed_all = feed_all

---------------------------------------------------------------------- coming and going

-- The workers of each pool that is open, by its number: when a forgotten pool is collected they are still there to be
-- told; what was collected with it might not be.
local open = {}

--- Starts all workers. Nothing, or nil, message, code when the system refuses one.
function M.hire(pool)
  open[pool._number] = pool._workers
  for slot = 1, pool.size do
    local w, message, code = worker_start(pool, slot)
    if not w then return nil, message, code end
  end
  return true
end

--- Lets all workers go: at once (cancel), or when they have done what they have. Returns their list.
function M.dismiss(pool, cancel, reason)
  local gone = {}
  for _, w in pairs(pool._workers) do
    w.stopped, w.at = true, {}
    gone[#gone + 1] = w
    if cancel then w.job:cancel(reason) end
    w.inbox:close()
  end
  pool._workers, pool._out = {}, 0
  open[pool._number] = nil
  return gone
end

--- The pool has been collected: nothing runs or waits, else it would be held.
function M.abandon(number)
  for _, w in pairs(open[number] or {}) do w.inbox:close() end
  open[number] = nil
end

--- Waits for the end of the jobs of workers or requests. Blocks.
function M.await(list)
  for _, one in ipairs(list or {}) do one.job:wait() end
end

return M
