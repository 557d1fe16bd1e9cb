-- A library that took coroutine.yield and coroutine.resume before weft replaced them yields in a task, and
-- resumes it later. The task then ran, and ended, while it was in the ready queue still.

local helper = require "spec.helper"

local prelude = [[
local yield, resume, running, wrap = coroutine.yield, coroutine.resume, coroutine.running, coroutine.wrap
local weft = require "weft"
local function collect() collectgarbage() collectgarbage() end
]]

describe("a task that yields by Lua's own yield", function()
  for what, script in pairs {
    ["has another turn"] = [[
      local n = 0
      weft.go(function() for _ = 1, 3 do yield() n = n + 1 end end):join()
      assert(n == 3)
    ]],
    ["may end under Lua's own resume"] = [[
      for _ = 1, 50 do
        local co
        local job = weft.go(function() co = running() return yield() end)
        local other = weft.go(function() weft.yield() return "other" end)
        weft.yield()
        resume(co, "result")
        assert(job:join() == "result" and job:status() == "done")
        job, co = nil, nil
        collect()
        assert(other:join() == "other")
        weft.yield()
      end
    ]],
    ["may fail under Lua's own resume"] = [[
      local co
      local job = weft.go(function() co = running() yield() error({ "x" }) end)
      weft.yield()
      resume(co)
      local ok, err = job:result()
      assert(not ok and err[1] == "x")
      job, co = nil, nil
      collect()
      weft.yield()
    ]],
    ["may block under Lua's own resume"] = [[
      local co
      local ch = weft.channel()
      local job = weft.go(function() co = running() yield() local v = ch:recv() weft.sleep(0.001) yield() return v end)
      weft.go(function() ch:send "v" end)
      weft.yield()
      resume(co)
      weft.go(function() weft.yield() weft.yield() end):join()
      if not job:wait(0) then resume(co) end
      assert(job:join() == "v")
    ]],
    ["may be cancelled meanwhile"] = [[
      local co
      local job = weft.go(function() co = running() yield() weft.sleep(0.001) weft.yield() end)
      weft.yield()
      job:cancel()
      resume(co) -- its waits are those of whoever resumed it
      assert(job:status() == "done")
      job, co = nil, nil
      collect()
      weft.yield()
    ]],
    ["or in a wait that is over already is not resumed twice"] = [[
      for _, wait in ipairs { function() weft.yield() end, function(ch) ch:recv() end } do
        local co, after
        local ch = weft.channel()
        local job = weft.go(function()
          co = running()
          local ok, err = pcall(wait, ch)
          assert(not ok and err:find "resumed in the middle", err)
          pcall(weft.sleep, 0.001)
          after = true
        end)
        weft.yield()
        ch:try_send "value" -- the receiver is ready now
        resume(co)
        weft.go(function() weft.sleep(0.002) end):join()
        assert(after and job:status() == "done")
        job, co = nil, nil
        collect()
        weft.yield()
      end
    ]],
    ["may be a generator of Lua's own that blocks"] = [[
      local gen = wrap(function() for i = 1, 3 do weft.sleep(0) yield(i) weft.yield() end end)
      weft.go(function() for i = 1, 3 do assert(gen() == i) end end):join()
    ]],
  } do
    it(what, function() assert.equal("end\n", helper.run_ok(prelude .. script .. "\nweft.wait() print 'end'")) end)
  end
end)
