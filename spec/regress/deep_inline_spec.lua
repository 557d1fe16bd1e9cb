-- A wait that was refused because the C stack was full put its task, which ran on, in the ready queue: the
-- task's next wait overwrote its place there, and the process crashed.

local helper = require "spec.helper"

describe("a task whose wait is refused for want of C stack", function()
  it("goes on, and may wait where it can yield", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local jobs, refused = {}, 0
      local function nest(k)
        jobs[k] = weft.go(function()
          local ok, err = pcall(string.gsub, "x", ".", function()
            if refused == 0 then nest(k + 1) end
            weft.sleep(0.001)
          end)
          if not ok then
            assert(weft.is(err, "deadlock"), err)
            refused = refused + 1
            weft.sleep(0.001)
            weft.yield()
          end
          return k
        end)
      end
      nest(1)
      weft.wait()
      for k = 1, #jobs do assert(jobs[k]:join() == k) end
      for _ = 1, 1000 do weft.go(weft.sleep, 0.001) end
      weft.wait()
      print(refused > 0, #jobs > 100)
    ]], { timeout = 60 })
    assert.equal("true\ttrue\n", out)
  end)
end)
