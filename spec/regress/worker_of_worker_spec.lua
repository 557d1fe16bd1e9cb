-- A worker process may pass a channel that it was given on to a worker of its own. When that one ended, the channel was closed
-- for everybody.

require "spec.helper"
local weft = require "weft"

weft.process(function() end):join() -- the loop stays

describe("a channel that a worker process has passed on", function()
  it("stays open when the worker's worker has ended", function()
    local ch = weft.channel(2)
    weft.process(function(given)
      local weft = require "weft" -- luacheck: ignore 431
      weft.process(function(passed) passed:send "from the second" end, given):join()
      given:send "from the first"
    end, ch):join()
    assert.equal("from the second", (ch:recv()))
    assert.equal("from the first", (ch:recv()))
    assert.is_true(ch:try_send "still open")
    assert.equal("still open", (ch:recv()))
  end)
end)
