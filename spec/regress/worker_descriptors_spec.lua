-- A buffer goes to another process as a descriptor. When the process that it came to had no room for one more, the connection
-- broke, and nobody was told why: a worker "exited with code 1", a starter's job "exited with code 0", or the two waited for
-- each other. And who sent needed a second descriptor for each that was on its way.

local helper = require "spec.helper"

-- Runs the script in a process that may have so many descriptors.
local function run_with(most, script) return (helper.run_ok(script, { shell = "prlimit --nofile=" .. most })) end

describe("more buffers than a process may have descriptors", function()
  it("fail the job of the worker that sent them, and say so", function()
    local why = "the process was killed: the connection to it failed here: Too many open files"
    assert.equal("true\ttrue\nfalse\t" .. why .. "\n2\n", run_with(128, [[
      local weft = require "weft"
      local ch, more = weft.channel(200), weft.channel()
      local job = weft.process(function(to, from)
        for _ = 1, 150 do to:send(require "weft".buffer("i64", 1000)) end
        from:recv() -- nothing comes: it is for the other side to end this
      end, ch, more)
      local failed, err = job:result()
      local kept = {}
      repeat kept[#kept + 1] = ch:try_recv() until #ch == 0
      print(#kept > 0, #kept < 128)
      print(failed, err)
      for _, b in ipairs(kept) do b:close() end
      kept = nil
      collectgarbage()
      print(weft.process(function() return 1 + 1 end):join())
    ]]))
  end)

  it("end the worker that they come to, which says so", function()
    assert.equal("false\tthe process ended: its connection failed there: Too many open files\n", helper.run_ok [[
      local weft = require "weft"
      local ch = weft.channel(100)
      local job = weft.process({ limits = { nofile = 40 } }, function(from)
        local kept = {}
        for b in from do kept[#kept + 1] = b end
      end, ch)
      for _ = 1, 100 do ch:send(weft.buffer("i64", 1000)) end
      print(job:result())
    ]])
  end)

  it("do so too when much comes after the one that is lost", function()
    assert.equal("false\tthe process ended: its connection failed there: Too many open files\n", helper.run_ok [[
      local weft = require "weft"
      local ch, bytes = weft.channel(100), ("x"):rep(40000)
      local job = weft.process({ limits = { nofile = 40 } }, function(from)
        local kept = {}
        for b in from do kept[#kept + 1] = b end
      end, ch)
      for _ = 1, 60 do
        ch:send { weft.buffer("i64", 1000), bytes }
        weft.sleep(0.002)
      end
      print(job:result())
    ]])
  end)

  it("need no more of who sends them than they have", function()
    assert.equal("60\n", run_with(100, [[
      local weft = require "weft"
      local ch, all = weft.channel(100), {}
      local worker = weft.process(function(from)
        return #from:recv()
      end, ch)
      for i = 1, 60 do all[i] = weft.buffer("i64", 1000) end
      ch:send(all)
      print(worker:join())
    ]]))
  end)
end)
