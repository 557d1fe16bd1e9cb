-- Many send numbers through a channel and many receive them, in all ways there are, whatever is cut short: for
-- spec/conservation_spec.lua.
--
--   require "spec.conserve".run(capacity, per_producer, sides, verbs, seed)    what was wrong, or nil
--
-- verbs: names of functions of weft, or functions like them, that start the sides in turn.

local weft = require "weft"

local M = {}

-- Sends the numbers of its range, in one of several ways at a time. What a wait that was cut short has done to its value
-- is known by its result: a time-out or a cancellation has sent nothing.
local function producer(ch, first, last, random)
  math.randomseed(random)
  local i, tries = first, 0
  while i <= last do
    local how = math.random(6)
    local sent
    tries = tries + 1
    if how == 1 then
      sent = ch:try_send(i)
      if not sent then weft.yield() end
    elseif how == 2 then
      sent = weft.select { { ch, send = i }, timeout = math.random() * 1e-4 } == 1
    elseif how == 3 then
      local other = weft.channel()
      sent = weft.select { { other }, { ch, send = i }, timeout = 1 } == 2
    elseif how == 4 then
      sent = (pcall(weft.timeout, math.random() * 1e-4, ch.send, ch, i))
    elseif how == 5 and i % 3 == 0 then
      -- A task of its own, cancelled at some moment: its result says whether the value went.
      local job = weft.go(function() ch:send(i) end)
      weft.yield()
      job:cancel()
      sent = (job:result())
    else
      ch:send(i)
      sent = true
    end
    if sent then i = i + 1 end
  end
  return last - first + 1, tries
end

-- Receives until the channel is closed and drained; returns how many, their sum, and a hash that order does not change.
local function consumer(ch, random)
  math.randomseed(random)
  local n, sum, hash = 0, 0, 0
  local function take(v)
    n, sum, hash = n + 1, sum + v, hash ~ (v * 0x9E3779B97F4A7C15)
  end
  while true do
    local how = math.random(6)
    local v, ok, why
    if how == 1 then
      v, ok, why = ch:try_recv()
      if why == "empty" then weft.yield() end
      if why == "closed" then break end
    elseif how == 2 then
      local i
      i, v, ok = weft.select { { ch }, timeout = math.random() * 1e-4 }
      if i == 1 and not ok then break end
      ok = i == 1
    elseif how == 3 then
      local list, more = ch:recv_many(math.random(4))
      if not list then
        assert(more == false)
        break
      end
      for k = 1, list.n do take(list[k]) end
    elseif how == 4 then
      local fine, value, open = pcall(weft.timeout, math.random() * 1e-4, ch.recv, ch)
      if fine and not open then break end
      v, ok = value, fine
    elseif how == 5 then
      local job = weft.go(ch.recv, ch)
      weft.yield()
      job:cancel()
      local fine, value, open = job:result()
      if fine and not open then break end
      v, ok = value, fine
    else
      v, ok = ch:recv()
      if not ok then break end
    end
    if ok then take(v) end
  end
  return n, sum, hash
end

local function start(verbs, i, ...)
  local verb = verbs[i % #verbs + 1]
  return (weft[verb] or verb)(...)
end

-- A worker process that is started by a task, an isolate or a thread.
function M.apart(verb)
  return function(...)
    return weft[verb](function(...) return weft.process(...):join() end, ...)
  end
end

function M.run(capacity, per_producer, sides, verbs, seed)
  local ch = weft.channel(capacity)
  local total = sides * per_producer
  local producers, consumers = {}, {}
  for i = 1, sides do
    producers[i] = start(verbs, i - 1, producer, ch, (i - 1) * per_producer + 1, i * per_producer, seed + i)
    consumers[i] = start(verbs, i, consumer, ch, seed - i)
  end
  local sent = 0
  for i = 1, sides do sent = sent + producers[i]:join() end
  ch:close()
  local n, sum, hash, expected = 0, 0, 0, 0
  for i = 1, sides do
    local n1, sum1, hash1 = consumers[i]:join()
    n, sum, hash = n + n1, sum + sum1, hash ~ hash1
  end
  for v = 1, total do expected = expected ~ (v * 0x9E3779B97F4A7C15) end
  if sent == total and n == total and sum == total * (total + 1) // 2 and hash == expected then return nil end
  return ("SEED=%d capacity %d: of %d values %d were sent and %d received, their sum is %d, and they are %s"):format(seed, capacity,
    total, sent, n, sum, hash == expected and "the same" or "not the same")
end

return M
