--- The clerk of a pool: takes the workers' answers and keeps them fed.
--
-- It is a task that lives while chunks are with workers; so an idle pool has nothing that runs or waits. It adds its
-- functions to weft.pool_crew, whose rules hold here too.

local core = require "weft.core"
local crew = require "weft.pool_crew"
local errors = require "weft.pool_error"
local worker = require "weft.pool_worker"

local ATTEMPTS = 3
local PATIENCE = 32 -- answers that the clerk takes before others have a turn

-- The index of the item that failed. Of a whole chunk that could not be made on the other side nobody knows it, unless
-- there is only one.
local function index_of(chunk, at)
  if at ~= worker.ALL then return at end
  return chunk.n == 1 and chunk.request.code and 1 or 0
end

-- What a worker has put into its `out`.
local function on_answer(pool, w, what, ok, answer)
  if w.new then
    w.new = false
    if not ok then answer = { 0, answer } end
    if not ok or what ~= worker.RESULTS then crew.break_down(pool, errors.init(w.slot, answer[2], answer[3])) end
    return
  end
  local chunk = table.remove(w.at, 1)
  pool._out = pool._out - 1
  if not chunk.request.over then
    if not ok then crew.fail(pool, chunk, index_of(chunk, worker.ALL), answer)
    elseif what == worker.FAILURE then crew.fail(pool, chunk, index_of(chunk, answer[1]), answer[2], answer[3])
    else chunk.request:done(chunk, answer) end
  end
  crew.feed(pool, w)
end

local function on_worker_end(pool, no, w)
  pool._by_no[no] = nil
  if w.stopped then return end
  w.stopped = true
  pool._workers[w.slot] = nil
  local at, _, err = w.at, w.job:result()
  pool._out = pool._out - #at
  if w.new then -- killed in the middle of `init`
    crew.break_down(pool, errors.init(w.slot, ("a worker has ended: %s"):format(errors.text_of(err))))
    return
  end
  for i = 2, #at do pool._queue:put_back(at[i]) end
  if at[1] then crew.fail(pool, at[1], index_of(at[1], worker.ALL), ("a worker has ended: %s"):format(errors.text_of(err))) end
  crew.feed_all(pool)
end

local function on_news(pool, news)
  local number, what = worker.read(news)
  local w = pool._by_no[number]
  if what == worker.ENDED then
    on_worker_end(pool, number, w)
  elseif #w.at > 0 or w.new then
    on_answer(pool, w, what, pcall(w.out.try_recv, w.out))
  end
end

-- Is there still something to wait for? If not, the clerk is gone when this returns.
local function clerk_stays(pool)
  pool._clerk = pool._out > 0
  return pool._clerk
end

-- Takes replies until all chunks are back.
local function take_all(pool)
  local replies, taken = pool._replies, 0
  while core.atomically(clerk_stays, pool) do
    core.atomically(on_news, pool, (replies:recv()))
    taken = taken + 1
    if taken % PATIENCE == 0 then core.yield() end
  end
end

-- Memory ran out: tell all who wait. False when there is none even for that.
local function break_down(pool, err)
  for _ = 1, ATTEMPTS do
    if pcall(core.atomically, crew.break_down, pool, err) then return true end
    collectgarbage()
  end
  return false
end

--- The clerk's task.
function crew.clerk(pool)
  local ok, err
  repeat
    ok, err = pcall(take_all, pool)
  until ok or core.is(err, "cancelled") or not break_down(pool, err) -- then those who wait are in a deadlock, and told so
  pool._clerk = false
end

--- Waits until `init` has succeeded in all workers, or failed in one. Blocks.
function crew.await_init(pool)
  for _ = 1, pool.size do
    core.atomically(on_news, pool, (pool._replies:recv()))
    if pool._broken then return pool._broken end
  end
end

return crew
