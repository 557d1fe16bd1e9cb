-- A coroutine.resume that was captured before weft was loaded resumed a task in the middle of its wait: the
-- wait was never undone, and its place in the timer wheel or in a channel's queue outlived the task.

local helper = require "spec.helper"

local waits = {
  "weft.sleep(1e6)", "ch:recv()", "ch:send(1)", "weft.select { { ch }, { other }, timeout = 1e6 }", "other:join()",
  "other:wait(1e6)", "weft.timeout(1e6, weft.sleep, 1e6)", "coroutine.wrap(weft.sleep)(1e6)",
  "weft.atomic(0):wait(1, 0)", "weft.atomic(0):wait(1, 0, 1e6)",
}

describe("a waiting task that a stranger resumes", function()
  for _, wait in ipairs(waits) do
    it("leaves nothing behind from " .. wait, function()
      local out = helper.run_ok([[
        local resume = coroutine.resume
        local weft = require "weft"
        local ch, other = weft.channel(), weft.go(weft.sleep, 1e6)
        for _ = 1, 3 do
          local co
          local job = weft.go(function()
            co = coroutine.running()
            pcall(function() ]] .. wait .. [[ end)
          end)
          weft.yield()
          resume(co, "forged", "values")
          weft.yield()
          job:cancel()
          assert(job:wait(10))
        end
        collectgarbage()
        collectgarbage()
        for _ = 1, 100 do weft.go(weft.sleep, 0.001) end
        local got = weft.go(function() return (ch:recv()) end)
        weft.yield()
        ch:send "value"
        print(got:join())
        local sent = weft.go(function() ch:send "again" end)
        print((ch:recv()))
        other:cancel()
        weft.wait()
      ]], { timeout = helper.sanitizer and 60 or 10 })
      assert.equal("value\nagain\n", out)
    end)
  end
end)
