-- Every message that a channel has accepted is received once, whoever sends and receives, by whatever verb it was started,
-- and however often they are cancelled, run out of time, or find the channel closed. WEFT_QUICK=0 sends a million,
-- WEFT_MESSAGES=n that many.
-- SEED=n repeats a run (but for what the threads make of it).

local helper = require "spec.helper"
local weft = require "weft"

local seed = tonumber(os.getenv "SEED") or os.time()

local VERBS = { "go", "spawn", "thread", "spawn" }

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

local function run(capacity, per_producer, sides)
  local ch = weft.channel(capacity)
  local total = sides * per_producer
  local producers, consumers = {}, {}
  for i = 1, sides do
    local verb = VERBS[(i - 1) % #VERBS + 1]
    producers[i] = weft[verb](producer, ch, (i - 1) * per_producer + 1, i * per_producer, seed + i)
    consumers[i] = weft[VERBS[i % #VERBS + 1]](consumer, ch, seed - i)
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
  local what = ("SEED=%d capacity %d"):format(seed, capacity)
  assert.equal(total, sent, what)
  assert.equal(total, n, what)
  assert.equal(total * (total + 1) // 2, sum, what)
  assert.equal(expected, hash, what)
end

describe("messages between tasks, isolates and threads", function()
  for _, capacity in ipairs { 0, 1, 7, 128 } do
    it("arrive once through a channel of capacity " .. capacity, function()
      local n = helper.knob("WEFT_MESSAGES", helper.quick and 12800 or helper.sanitizer and 6400 or 1000000) // 4 // 8
      run(capacity, n, 8)
      helper.injected(n * 8)
    end)
  end

  it("that were accepted before somebody closed the channel arrive, the others are refused", function()
    for round = 1, helper.scale(200, 20) do
      local ch = weft.channel(round % 4)
      local producers, consumers = {}, {}
      for i = 1, 4 do
        producers[i] = weft[VERBS[i]](function(c, k)
          local accepted = 0
          for v = 1, 50 do
            local ok, err = pcall(c.send, c, k * 1000 + v)
            if not ok then return accepted, err.kind end
            accepted = accepted + 1
          end
          return accepted, "closed"
        end, ch, i)
        consumers[i] = weft[VERBS[5 - i]](function(c)
          local n = 0
          for _ in c do n = n + 1 end
          return n
        end, ch)
      end
      for _ = 1, round % 5 do weft.yield() end
      weft.sleep(round % 7 * 1e-4)
      ch:close()
      local sent, received = 0, 0
      for i = 1, 4 do
        local accepted, kind = producers[i]:join()
        assert.equal("closed", kind)
        sent, received = sent + accepted, received + consumers[i]:join()
      end
      assert.equal(sent, received, "round " .. round)
    end
  end)

  -- Consumers are cancelled at random and replaced. A task is cancelled only where it waits, and has then either a value
  -- or the error; so none is lost. An isolate is stopped anywhere, also with a value that it has just received in hand.
  for what, verbs in pairs {
    ["tasks are not lost"] = { "go", "go", "go", "go" },
    ["isolates and threads are lost with them only"] = VERBS,
  } do
    it("that are on their way to cancelled " .. what, function()
      local n = helper.scale(20000, 300)
      local ch, told = weft.channel(3), weft.channel(64)
      local feeder = weft.spawn(function(c, count)
        for i = 1, count do c:send(i) end
        c:close()
      end, ch, n)
      local function worker(c, out)
        while true do
          local v, ok = c:recv()
          if not ok then return true end
          weft.shield(out.send, out, v)
        end
      end
      local seen, count = {}, 0
      local collect = weft.go(function()
        for v in told do
          assert.is_nil(seen[v])
          seen[v] = true
          count = count + 1
        end
      end)
      local jobs = {}
      for i = 1, 4 do jobs[i] = weft[verbs[i]](worker, ch, told) end
      local left, stopped = 4, 0
      while left > 0 do
        local i = math.random(4)
        if jobs[i] then
          if math.random(3) == 1 then jobs[i]:cancel() end
          if jobs[i]:wait(1e-4) then
            local ok, result = jobs[i]:result()
            if ok and result then
              jobs[i], left = nil, left - 1
            else
              assert.is_true(weft.is(result, "cancelled"))
              if verbs[i] ~= "go" then stopped = stopped + 1 end
              jobs[i] = weft[verbs[i]](worker, ch, told)
            end
          end
        end
      end
      feeder:join()
      told:close()
      collect:join()
      assert.is_true(count <= n and count >= n - stopped, ("%d of %d, %d stopped"):format(count, n, stopped))
    end)
  end
end)
