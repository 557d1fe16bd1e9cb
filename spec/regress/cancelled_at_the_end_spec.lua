-- A script that cancels a job and ends was told that the job still ran.
local helper = require "spec.helper"

describe("the end of a script", function()
  for _, start in ipairs { "go", "thread", "spawn" } do
    it("does not tell of a cancelled job of kind " .. start, function()
      local _, err = helper.run_ok(([[
        local weft = require "weft"
        local job = weft.%s(weft.sleep, 1000)
        job:cancel()
      ]]):format(start))
      assert.equal("", err)
    end)

    it("tells of one that was not cancelled, of kind " .. start, function()
      local _, err = helper.run_ok(([[
        local weft = require "weft"
        local job = weft.%s(weft.sleep, 1000)
      ]]):format(start))
      assert.truthy(err:find("the script ended while 1 job still ran", 1, true), err)
    end)
  end
end)
