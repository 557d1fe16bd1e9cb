-- Ends of the process while tasks and threads run.

local helper = require "spec.helper"
require "spec.exit_cases" (function(what, how) return not (what .. how):find "isolate" end)

describe("tasks that do not end", function()
  it("are named at the end, the first sixteen", function()
    local _, err, code = helper.run_script([[
      local weft = require "weft"
      for _ = 1, 20 do weft.go(function() weft.shield(weft.sleep, 1e6) end):detach() end
      weft.yield()
    ]])
    assert.equal(0, code)
    local _, named = err:gsub("does not end and is left behind", "")
    assert.equal(16, named)
    assert.truthy(err:find("weft: so are 4 more tasks", 1, true), err)
  end)
end)
