-- Making room for a value may run a finaliser, and that may let the channel cross. The value was kept in the channel's private part
-- then, where nobody looks any more: it was lost.

local weft = require "weft"
local core = require "weft.core"
require "spec.helper"

describe("a channel that a finaliser lets cross in the midst of a send", function()
  local function send_and_cross(send)
    local ch, crossed = weft.channel(4), false
    collectgarbage "stop"
    setmetatable({}, { __gc = function()
      core.unseal(core.seal("channel", ch), true)
      crossed = true
    end })
    local mode = collectgarbage("incremental", 100, 1000, 40) -- a whole cycle at the first chance
    collectgarbage "restart"
    send(ch, "value")
    collectgarbage(mode, 200, 100, 13)
    assert.is_true(crossed)
    return ch:try_recv()
  end

  for name, send in pairs {
    send = function(ch, v) ch:send(v) end,
    try_send = function(ch, v) assert.is_true(ch:try_send(v)) end,
    select = function(ch, v) assert.equal(1, (weft.select { { ch, send = v } })) end,
  } do
    it("gets it: " .. name, function() assert.same({ "value", true }, { send_and_cross(send) }) end)
  end
end)
