-- A task that does not end when its isolate does is left behind. What it waited for in shared queues kept its place there: the
-- next value went to it, and was lost.

local helper = require "spec.helper"

describe("a task that is left behind", function()
  it("receives nothing any more", function()
    local out, err, code = helper.run_script([[
      local weft = require "weft"
      local ch = weft.channel()
      local thread = weft.thread(function(c)
        weft.go(weft.shield, function() c:recv() end)
        weft.sleep(0.01)
      end, ch)
      thread:join()
      print(ch:try_send(1))
    ]])
    assert.equal(0, code)
    assert.equal("false\tfull\n", out)
    assert.truthy(err:find("does not end and is left behind", 1, true), err)
  end)
end)

describe("ps", function()
  it("does not crash when the script ends while it waits for answers", function()
    local _, err, code = helper.run_script([[
      local weft = require "weft"
      weft.thread(function() while true do end end)
      weft.go(weft.ps)
      weft.yield()
    ]])
    assert.equal(0, code, err)
  end)
end)

-- What is made while a state closes is not finalised by Lua: late_fault_test.c counts the memory. Here: it works.
describe("what is made at the end", function()
  it("works, and holds nothing afterwards", function()
    local dir = helper.tmpdir()
    local out, err, code = helper.run_script([[
      local weft = require "weft"
      local ch, back = weft.channel(8), weft.channel(8)
      weft.thread(function(from, to)
        weft.shield(function() for v in from do to:send(v) end end)
      end, ch, back)
      ch:send(1)
      back:recv()
      weft.go(function()
        pcall(weft.sleep, 100)
        weft.shield(function()
          weft.fs.write(arg[1] .. "/file", "text")
          local file, watch = weft.fs.open(arg[1] .. "/file", "r"), weft.fs.watch(arg[1])
          ch:send(weft.channel(1))
          local other = back:recv()
          other:send { file:read "a" }
          print(other:recv()[1], weft.info().pid > 0, watch:try_recv())
        end)
      end)
      weft.yield()
    ]], { args = { dir } })
    helper.remove_dir(dir)
    assert.equal(0, code, err)
    assert.equal("text\ttrue\tnil\tfalse\tempty\n", out)
  end)
end)

