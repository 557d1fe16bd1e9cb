-- A hook on a frame that waits to send let the channel cross. The value was looked for on the hook's own part of the stack, and
-- what lay there, the channel, was packed instead, in which the channel was, and so on: "C stack overflow".

local helper = require "spec.helper"

describe("a channel to which the main chunk waits to send", function()
  it("cannot cross from a hook there, says why, and the value arrives", function()
    local out = helper.run_ok [[
      local weft, core = require "weft", require "weft.core"
      local main, ch = coroutine.running(), weft.channel()
      local receiver = weft.go(function()
        debug.sethook(main, function()
          debug.sethook()
          print(pcall(function() core.seal("channel", ch) end))
        end, "c")
        weft.sleep(0.001)
        print(ch:recv())
        core.unseal(core.seal("channel", ch), true)
        print(ch:recv())
      end)
      ch:send "right"
      ch:send "left"
      receiver:join()
    ]]
    assert.matches("^false\t.*a channel cannot cross from a hook or a finaliser while[^\n]*\nright\ttrue\nleft\ttrue\n", out)
  end)
end)
