-- A worker process that sends all it has and ends leaves its last values in the socket. When the starter wrote to it just then
-- (how many more may come), the failed write counted as the loss of the connection, and what lay there was never read: values
-- were missing, and the job had "exited with code 0 before its function had ended". Seen in 6 of 100 such workers.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- makes the loop, which stays

describe("what a worker process has sent before it ended", function()
  for _, room in ipairs { 100, 5000 } do
    it("comes whole, with room for " .. room, function()
      for round = 1, helper.scale(400, 120) do
        local n, ch, last = 4000 + round * 37 % 3000, weft.channel(room), 0
        local job = weft.process(function()
          for i = 1, n do ch:send(i) end
          ch:close()
          return "sent"
        end)
        for v in ch do last = v end
        assert.equal(n, last)
        assert.equal("sent", job:join())
      end
    end)
  end
end)
