-- Every message that a channel has accepted is received once, whoever sends and receives, by whatever verb it was started,
-- and however often they are cancelled, run out of time, or find the channel closed. WEFT_QUICK=0 sends a million,
-- WEFT_MESSAGES=n that many.
-- SEED=n repeats a run (but for what the threads make of it).

local conserve = require "spec.conserve"
local helper = require "spec.helper"
local weft = require "weft"

local seed = tonumber(os.getenv "SEED") or os.time()

local VERBS = { "go", "spawn", "thread", "spawn" }

describe("messages between tasks, isolates and threads", function()
  for _, capacity in ipairs { 0, 1, 7, 128 } do
    it("arrive once through a channel of capacity " .. capacity, function()
      local n = helper.knob("WEFT_MESSAGES", helper.quick and 12800 or helper.sanitizer and 6400 or 1000000) // 4 // 8
      assert.is_nil(conserve.run(capacity, n, 8, VERBS, seed))
      helper.injected(n * 8)
    end)

    it("and processes, that they start, arrive once through a channel of capacity " .. capacity, function()
      local n = helper.quick and 100 or helper.sanitizer and 100 or 3000
      -- In a child: loops of the pool's workers stay.
      assert.equal("nil\n", (helper.run_ok(([[
        package.path = %q .. package.path
        local conserve = require "spec.conserve"
        local apart = conserve.apart
        print(conserve.run(%d, %d, 6, { "go", "process", apart "spawn", apart "thread", "spawn", "process" }, %d))
      ]]):format(helper.root .. "/?.lua;", capacity, n, seed))))
      helper.injected(n * 6)
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
