-- A cancellation that comes while the script sets a hook was lost: the hook that strikes was replaced in that moment by the
-- script's own.

local helper = require "spec.helper"
local weft = require "weft"

describe("a thread that sets a hook of its own and spins", function()
  it("is cancelled, also when the cancellation comes in that moment", function()
    local begun = weft.channel(1)
    for i = 1, helper.scale(3000, 300) do
      local job = weft.thread(function(ch)
        local sethook, nothing = debug.sethook, function() end
        ch:try_send(true)
        for _ = 1, 3000 do sethook(nothing, "l") end
        while true do end
      end, begun)
      begun:recv()
      job:cancel()
      assert.is_true(job:wait(60), "it goes on, the " .. i .. "th")
    end
  end)
end)
