--- pool:imap: results as they are wanted, from a list or an iterator that is read no further ahead than WINDOW chunks a
-- worker.
--
-- The loop that consumes is one end; the clerk puts finished chunks into r.box. A list is cut into chunks where the clerk
-- asks for them; an iterator may block, so a task of its own reads it (`read`), held back by a semaphore. `r.flying` counts
-- chunks from when they are cut until all their results have been taken by the loop.

local core = require "weft.core"
local crew = require "weft.pool_clerk"

local M = {}

local WINDOW = 3

local function chunk_of(r, items, n)
  local first = r.at + 1
  r.at = r.at + n
  r.flying = r.flying + 1
  return { request = r, first = first, n = n, items = items }
end

---------------------------------------------------------------------- the end that gives

local function next_of_list(r)
  if r.flying >= r.window then
    r.more = false
    return nil
  end
  local n = math.min(r.chunk, r.n - r.at)
  if n == 0 then return nil end
  local chunk = chunk_of(r, table.move(r.items, r.at + 1, r.at + n, 1, {}), n)
  r.more = r.at < r.n and r.flying < r.window
  return chunk
end

local function next_of_iterator(r)
  local chunk = table.remove(r.pending, 1)
  r.more = #r.pending > 0
  return chunk
end

local function put(pool, r, items, n)
  if r.over then return end
  table.insert(r.pending, chunk_of(r, items, n))
  crew.more(pool, r)
end

-- The task that reads an iterator.
local function read(pool, r, iterator)
  local ok, err = pcall(function()
    local n
    repeat
      r.slots:acquire()
      local items = {}
      n = 0
      while n < r.chunk do
        local item = iterator()
        if item == nil then break end
        n = n + 1
        items[n] = item
      end
      if n > 0 then core.atomically(put, pool, r, items, n) end
    until n < r.chunk
  end)
  if ok then
    r.read = true
  elseif not r.over then
    r:lost(err)
    core.atomically(crew.stop, pool, r)
  end
  r.box:try_send(false)
end

local function done(r, chunk, results)
  chunk.results = results
  r.box:try_send(chunk)
end

local function lost(r, err)
  r.failed, r.error = true, err
  r.box:try_send(false)
end

---------------------------------------------------------------------- the end that takes

-- Ends the loop's side: what runs is cancelled and waited for.
local function stop(r)
  core.atomically(crew.stop, r.pool, r)
  if r.reader then r.reader:cancel() end
  crew.await(r.killed)
  if r.reader then r.reader:wait() end
end

-- All results of the present chunk have been taken: there may be one more in flight.
local function release(r)
  r.current = nil
  r.flying = r.flying - 1
  if r.slots then
    r.slots:release()
  elseif r.at < r.n then
    core.atomically(crew.more, r.pool, r)
  end
end

-- A chunk whose turn it is, when there is one already.
local function ready_chunk(r)
  local chunk = r.held[r.want]
  if not chunk then return nil end
  r.held[r.want] = nil
  r.want = chunk.first + chunk.n
  return chunk
end

-- Waits for one more chunk or a change. An error ends the loop's side.
local function wait(r)
  local ok, chunk = pcall(r.box.recv, r.box)
  if not ok then
    core.shield(stop, r)
    error(chunk, 0)
  end
  if not chunk then return end
  if r.ordered then r.held[chunk.first] = chunk else r.current, r.pos = chunk, 0 end
end

local function step(r)
  r.owner = core.identity()
  while true do
    if r.failed then
      core.shield(stop, r)
      error(r.error, 0)
    end
    if r.current and r.pos < r.current.n then
      r.pos = r.pos + 1
      return r.current.first + r.pos - 1, r.current.results[r.pos]
    end
    if r.current then release(r) end
    if r.ordered and not r.current then r.current, r.pos = ready_chunk(r), 0 end
    if not r.current then
      if r.over then return nil end
      if r.flying == 0 and (r.read or r.n and r.at == r.n) then
        core.atomically(crew.over, r.pool, r)
        return nil
      end
      wait(r)
    end
  end
end

--- Closing of what the loop holds: a loop left early stops the rest.
local Loop = { __name = "weft.imap" }

function Loop.__close(r) if not r.over then core.shield(stop, r) end end

--- `items` is a list of n, or an iterator if n is nil.
function M.start(pool, f, items, n, opts)
  local chunk = opts.chunk or 1
  local window = WINDOW * pool.size
  local r = setmetatable({
    pool = pool, code = pool._seal("arg", f), ordered = opts.ordered ~= false, chunk = chunk, window = window,
    failed = false, error = false, at = 0, flying = 0, held = {}, want = 1, box = core.channel_for "pool",
    owner = core.identity(), done = done, lost = lost,
  }, Loop)
  if n then
    r.items, r.n, r.next = items, n, next_of_list
  else
    r.slots, r.pending, r.next = core.semaphore(window), {}, next_of_iterator
    r.reader = core.go({ name = "imap input" }, read, pool, r, items):detach()
  end
  core.atomically(crew.add, pool, r)
  return function() return step(r) end, nil, nil, r
end

--- Ends the loops of the calling task that are not at their end: it cannot go on with them while it closes the pool.
function M.stop_own(pool)
  local me, own = core.identity(), {}
  for r in pairs(pool._requests) do
    if r.owner == me then own[#own + 1] = r end
  end
  for _, r in ipairs(own) do
    r:lost "the pool was closed in the middle of this loop"
    stop(r)
  end
end

return M
