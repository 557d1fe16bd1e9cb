-- A cancellation that comes after a wait was over could strike the task on its way back from the call, when a time slice ended
-- in that moment: the value had been taken, and the job said that it was cancelled.

local helper = require "spec.helper"
local weft = require "weft"

describe("a task that is cancelled when its send is done already", function()
  it("says that it has sent", function()
    weft.preempt(0.001)
    local ch, told = weft.channel(), 0
    local function send()
      ch:send(1)
      for _ = 1, 300 do end -- a slice's end falls in here often; the thousand instructions that it has are enough
      return true
    end
    for i = 1, helper.scale(300000, 60000) do
      local job = weft.go(send)
      weft.yield() -- it waits for a receiver
      assert.equal(1, (ch:recv()))
      job:cancel()
      if not job:result() then told = i break end
    end
    weft.preempt(false)
    assert.equal(0, told, "the value was taken, but the job was cancelled")
  end)
end)
