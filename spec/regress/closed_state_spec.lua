-- Finalisers of objects that are older than weft in their state run when weft has closed in it already.
-- What they call must be refused, not crash. And a second load of the module made classes of its own, to
-- which the objects of before did not belong.

local helper = require "spec.helper"

describe("weft in a closed state", function()
  it("refuses what needs a scheduler, and leaves the rest", function()
    local out, err, code = helper.run_script [[
      local log = {}
      local old = setmetatable({}, { __gc = function()
        local weft = require "weft"
        log[1] = coroutine.wrap(function() coroutine.yield(1) end)() == 1
        for _, call in ipairs {
          function() weft.sleep(1) end, function() weft.yield() end, function() weft.go(print) end,
          function() weft.thread(print) end, function() ch:recv() end, function() full:send(1) end,
          function() thread:join() end, function() weft.select { { ch } } end,
          function() weft.scope(function(s) s:go(print) end) end, function() weft.select { { full, send = 1 } } end,
        } do log[#log + 1] = not pcall(call) end
        for _, call in ipairs {
          function() weft.wait() end, function() task:join() end, function() task:wait(1) end,
          function() weft.timeout(1, weft.sleep, 0) end, function() mutex:lock() end, function() weft.race { task } end,
          function() gen() end, function() weft.shield(weft.sleep, 0) end, function() weft.select { default = true } end,
        } do pcall(call) end
        log[#log + 1] = full:try_send(1) == false
        log[#log + 1] = ch:try_send(1) == true
        log[#log + 1] = type(task:traceback()) == "string" and type(task:status()) == "string"
        log[#log + 1] = type(tostring(thread)) == "string"
        log[#log + 1] = type(weft.now()) == "number"
        pcall(weft.current) pcall(task.cancel, task) pcall(thread.cancel, thread) pcall(thread.status, thread)
        pcall(weft.trace.start) pcall(weft.trace.stop) pcall(collectgarbage)
        for i = 1, #log do io.write(tostring(log[i]), " ") end
        print "end"
      end })
      local weft = require "weft"
      keep = old
      ch, full, mutex = weft.channel(1), weft.channel(), weft.mutex()
      task = weft.go(function() weft.timeout(1000, weft.sleep, 1000) end)
      thread = weft.thread(function() weft.sleep(1000) end)
      gen = coroutine.wrap(function() weft.timeout(1000, coroutine.yield) end)
      gen()
      task:detach() thread:detach()
      weft.yield()
    ]]
    assert.equal("", err)
    assert.equal(0, code)
    assert.truthy(out:find "end\n$", out)
    assert.is_nil(out:find("false", 1, true), out)
  end)
end)

describe("a second load of the module", function()
  it("gives the same classes", function()
    assert.equal("ok\n", helper.run_ok [[
      local weft = require "weft"
      local ch, job = weft.channel(1), weft.go(function() return 3 end)
      for name in pairs(package.loaded) do
        if name:find "^weft" then package.loaded[name] = nil end
      end
      local again = require "weft"
      assert(job:join() == 3 and again.go(function() return 4 end):join() == 4)
      ch:send(1)
      assert(select(2, again.select { { ch }, timeout = 0 }) == 1)
      assert(again.all { job }[1] == 3)
      print "ok"
    ]])
  end)
end)
