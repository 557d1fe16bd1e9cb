-- A task that computes, alone but for one that waits for IO, is preempted all the same: nothing else would look at the
-- event loop.

local helper = require "spec.helper"

local test = helper.sanitizer == "tsan" and pending or it -- it holds back the signal that interrupts a loop

describe("preemption", function()
  test("lets the event loop be looked at while one task computes", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      weft.preempt(0.001)
      local reading = weft.event()
      local spinner = weft.go(function() reading:wait() while true do end end)
      weft.go(function()
        local conn = assert(weft.net.connect("127.0.0.1", tonumber(PORT)))
        reading:set()
        print(conn:read())
        spinner:cancel()
      end)
      spinner:wait()
      os.exit(0)
    ]], { options = { "-e", [[
      local weft = require "weft"
      local server = assert(weft.net.listen("127.0.0.1", 0, function(conn) conn:write "data" end))
      PORT = select(2, server:sockname())
    ]] } })
    assert.equal("data\n", out)
  end)
end)
