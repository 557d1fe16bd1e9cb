-- A task that yields while no other task is ready came back at once, for ever, although the main chunk's
-- wait under it was over: a wait that runs the scheduler inline is in no ready queue.

local helper = require "spec.helper"

describe("a task that only yields", function()
  for _, case in ipairs {
    { "lets the main chunk wake from its sleep", [[
      local stop
      weft.go(function() while not stop do weft.yield() end end)
      weft.sleep(0.001)
      stop = true
      weft.wait()
    ]] },
    { "lets the main chunk receive", [[
      local ch, stop = weft.channel(), nil
      weft.go(function()
        ch:send(1)
        while not stop do weft.yield() end
      end)
      ch:recv()
      stop = true
      weft.wait()
    ]] },
    { "lets a time-out end a comparator that waits under it", [[
      local stop
      local job = weft.go(function()
        weft.go(function() while not stop do weft.yield() end end)
        table.sort({ 1, 2 }, function(a, b) weft.sleep(0.001) return a < b end)
        stop = true
      end)
      job:join()
      weft.wait()
    ]] },
    { "is cancelled by a time-out of its own", [[
      assert(not pcall(weft.timeout, 0.001, function() while true do weft.yield() end end))
      weft.go(function() assert(not pcall(weft.timeout, 0.001, function() while true do weft.yield() end end)) end):join()
    ]] },
  } do
    it(case[1], function()
      assert.equal("end\n", helper.run_ok("local weft = require 'weft'\n" .. case[2] .. "print 'end'", { timeout = 10 }))
    end)
  end
end)
