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

describe("debug.sethook, which weft has replaced for that", function()
  local function script(text) return helper.run_ok(text) end

  it("is Lua's own to a script, here and in threads and isolates", function()
    local function body()
      local lines, co = 0, coroutine.create(function() end)
      debug.sethook(function() lines = lines + 1 end, "l")
      local _ = 1
      debug.sethook()
      debug.sethook(co, print, "c", 7)
      local hook, mask, count = debug.gethook(co)
      local _, err = pcall(debug.sethook, print, "l", {})
      return lines, debug.gethook() == nil, hook == print, mask, count, err
    end
    local want = { 2, true, true, "c", 7, "bad argument #3 to 'debug.sethook' (number expected, got table)" }
    assert.same(want, { body() })
    local text = string.dump(body)
    for _, verb in ipairs { "thread", "spawn" } do
      assert.same(want, { weft[verb](load "return load(...)()", text):join() })
    end
  end)

  it("calls what a script had put there before", function()
    assert.equal("true\tl\n", script [[
      local own, seen = debug.sethook
      function debug.sethook(...) seen = select(2, ...) return own(...) end
      require "weft"
      debug.sethook(function() end, "l")
      io.write(tostring(seen == "l"), "\t", (select(2, debug.gethook())), "\n")
    ]])
  end)
end)
