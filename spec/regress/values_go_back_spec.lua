-- A worker process is sent some values more than its receivers wait for; those that nobody takes go back after a while. They
-- were collected by a timer, behind the moment at which a process sends what is collected, and stayed in a worker that then
-- slept.

local weft = require "weft"
local helper = require "spec.helper"

weft.exec({ "true" }):wait() -- the loop of this thread stays: no test is to be blamed for it

describe("values that a worker process does not take", function()
  it("go back although it sleeps, and are received in order", function()
    local ch, gate = weft.channel(100), weft.channel()
    local job = weft.process(function(c, g)
      for _ = 1, 40 do c:recv() end
      g:send "enough"
      g:recv()
    end, ch, gate)
    weft.go(function() for i = 1, 100 do ch:send(i) end end)
    gate:recv()
    helper.eventually(function()
      weft.sleep(0.001)
      return #ch == 60
    end)
    local got = {}
    for i = 1, 60 do got[i] = ch:recv() - 40 end
    for i = 1, 60 do assert.equal(i, got[i]) end
    gate:send "end"
    job:join()
  end)
end)
