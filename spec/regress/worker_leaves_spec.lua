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
end)
