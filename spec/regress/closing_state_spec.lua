-- When a state closes, Lua finalises all objects, the newest first, also those that tasks still use: scopes, handles of
-- threads, channels that have crossed. They must be whole while the tasks are cancelled.

local helper = require "spec.helper"

local function quiet(script)
  local out, err, code = helper.run_script(script)
  assert.same({ "", 0 }, { err, code })
  return out
end

describe("at the end of a script", function()
  it("a task in a scope is cancelled", function()
    quiet [[
      local weft = require "weft"
      weft.go(function()
        pcall(weft.timeout, 1000, weft.sleep, 1e6)
        weft.sleep(1e6)
      end):detach()
      weft.yield()
    ]]
  end)

  it("a task that is cancelled may cancel a thread and wait for it", function()
    assert.equal("cancelled\n", quiet [[
      local weft = require "weft"
      local job = weft.thread(function() require("weft").sleep(1e6) end):detach()
      weft.go(function()
        local _ <close> = setmetatable({}, { __close = function()
          job:cancel()
          job:wait()
          print(job:status())
        end })
        weft.sleep(1e6)
      end):detach()
      weft.sleep(0.01)
    ]])
  end)

  it("a task that is cancelled may use a channel that has crossed", function()
    assert.equal("sent 1\n", quiet [[
      local weft = require "weft"
      local ch = weft.channel(10)
      weft.thread(function(c) require("weft").sleep(1e6) c:recv() end, ch):detach()
      weft.go(function()
        local _ <close> = setmetatable({}, { __close = function()
          ch:send(1)
          print("sent " .. #ch)
        end })
        weft.sleep(1e6)
      end):detach()
      weft.sleep(0.01)
    ]])
  end)
end)
