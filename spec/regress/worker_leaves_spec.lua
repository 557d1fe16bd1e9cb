-- A worker process that had stopped waiting for a value (cancelled, timed out, lost a select) and then ended had still asked
-- for one. What its starter sent until it heard of the end was lost: accepted, and received by nobody.

local helper = require "spec.helper"
local weft = require "weft"

weft.process(function() end):join() -- the loop stays

describe("what is on its way to a worker process that ends", function()
  it("comes back when the worker has returned", function()
    for round = 1, helper.scale(600, 10) do
      local ch = weft.channel(3)
      local worker = weft.process(function(values, seconds)
        local weft = require "weft" -- luacheck: ignore 431
        local taken = 0
        local receiver = weft.go(function()
          values:recv()
          taken = taken + 1
        end)
        weft.sleep(seconds)
        receiver:cancel()
        receiver:wait()
        return taken
      end, ch, round % 20 * 0.0001)
      local sent, received = 0, 0
      while worker:status() ~= "done" do
        if ch:try_send(sent) then sent = sent + 1 end
        weft.sleep(round % 7 * 0.00003)
        if ch:try_recv() then received = received + 1 end
        weft.yield()
      end
      local taken = worker:join()
      ch:close()
      for _ in ch do received = received + 1 end
      assert.equal(sent, received + taken)
    end
  end)

  it("comes back without a word when it is cancelled meanwhile", function()
    local _, told = helper.run_ok(([[
      local weft = require "weft"
      local function f(i)
        require "weft".sleep(0.0003)
        return i
      end
      local list = {}
      for i = 1, 40 do list[i] = i end
      for round = 1, %d do
        local pool <close> = weft.pool { kind = "process", size = 2 }
        pcall(weft.timeout, 0.003 + round %% 10 * 0.0005, pool.map, pool, f, list)
      end
    ]]):format(helper.scale(600, 20)))
    assert.equal("", told) -- the signal reached the interpreter behind the worker's function: "lua5.4: cancelled"
  end)
end)
