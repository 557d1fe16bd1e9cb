-- Whatever allocates may run a finaliser, and a finaliser may call weft: start tasks, send, receive, wait.
-- The scheduler was not prepared: it kept the ring of fresh tasks on the stack of the very coroutine that
-- finalisers ran on, wrote over the oldest entry when they filled the ring meanwhile, and remembered a task
-- that had been collected. Programs of their own, for a small heap is collected often.

local helper = require "spec.helper"

-- with_finaliser(f, body): f is called by a finaliser in every collection while body runs.
local prelude = [[
local weft = require "weft"
local function with_finaliser(f, body)
  local on = true
  local function arm()
    setmetatable({}, { __gc = function()
      if not on then return end
      f()
      arm()
    end })
  end
  arm()
  collectgarbage("incremental", 1, 1000, 8)
  collectgarbage() -- the new pace begins after a cycle: from here on a whole one at the next allocation
  body()
  on = false
end
]]

local function run(script) return helper.run_ok(prelude .. script .. "\nprint 'end'", { timeout = 60 }) end

describe("a finaliser", function()
  it("starts tasks while tasks and their coroutines are made", function()
    assert.equal("end\n", run([[
      local started, ended, on = 0, 0, true
      with_finaliser(function()
        if started > 3000 then return end
        for _ = 1, 10 do
          started = started + 1
          weft.go(function() weft.yield() ended = ended + 1 end)
        end
      end, function()
        for _ = 1, ]] .. helper.scale(20, 2) .. [[ do
          local jobs = {}
          for i = 1, 70 do
            jobs[i] = weft.go(function(...)
              weft.yield()
              return i, ...
            end, i)
          end
          for i = 1, 70 do
            local a, b = jobs[i]:join()
            assert(a == i and b == i)
          end
        end
      end)
      weft.wait()
      assert(started > 0 and started == ended)
    ]]))
  end)

  it("starts tasks with names and locals that stay theirs", function()
    assert.equal("end\n", run [[
      local wrong, calls = 0, 0
      weft.current():set("who", "main")
      with_finaliser(function()
        calls = calls + 1
        if calls > 2000 then return end
        weft.go({ name = "late" }, function()
          if weft.current().name ~= "late" or weft.current():get "who" ~= "main" then wrong = wrong + 1 end
        end)
      end, function()
        for i = 1, 4000 do -- until the collector has come by
          if i > 40 and calls > 0 then break end
          local name = "n" .. i
          weft.go({ name = name }, function()
            if weft.current().name ~= name then wrong = wrong + 1 end
          end):join()
        end
      end)
      weft.wait()
      assert(wrong == 0 and calls > 0)
    ]])
  end)

  it("waits where its task does not wait already", function()
    assert.equal("end\n", run [[
      local waited, refused = 0, {}
      with_finaliser(function()
        local ok, err = pcall(weft.sleep, 0)
        if ok then waited = waited + 1 else refused[err] = true end
      end, function()
        for i = 1, 40 do
          assert(i == weft.go(function()
            local t = {}
            for k = 1, 10 do t[k] = { k } end
            weft.yield()
            return i
          end):join())
        end
      end)
      assert(waited > 0)
      for message in pairs(refused) do assert(message:find "waits already", message) end
    ]])
  end)

  it("sends to the channel that makes room, and no value is lost", function()
    assert.equal("end\n", run [[
      local ch = weft.channel(1000000)
      local sent, got, sending, within = 0, 0, false, 0
      with_finaliser(function()
        if sending then within = within + 1 end
        for i = 1, 40 do
          if sent < 20000 and ch:try_send { i } then sent = sent + 1 end
        end
      end, function()
        for i = 1, 20000 do -- until the collector has come by while room was made
          if i > 300 and within > 0 then break end
          sending = true
          ch:send "x"
          sending = false
          sent = sent + 1
        end
      end)
      for v in function() return (ch:try_recv()) end do
        assert(v == "x" or type(v) == "table")
        got = got + 1
      end
      assert(within > 0, "no finaliser ran within a send")
      assert(got == sent, got .. " came of " .. sent .. " sent")
    ]])
  end)

  it("fills or closes the channel under a send, which then waits or raises", function()
    assert.equal("end\n", run [[
      for round = 1, 30 do
        local ch = weft.channel(3)
        local got, sent = {}, 0
        local job = weft.go(function()
          weft.yield()
          for v in ch do got[#got + 1] = v end
        end)
        with_finaliser(function()
          if ch:try_send { "f" } then sent = sent + 1 end
          if round % 3 == 0 and sent > 5 then ch:close() end
        end, function()
          for i = 1, 10 do
            if pcall(ch.send, ch, { i }) then sent = sent + 1 end
          end
        end)
        ch:close()
        job:join()
        assert(#got == sent)
      end
    ]])
  end)

  it("serves the select that it interrupts", function()
    assert.equal("end\n", run [[
      for _ = 1, 30 do
        local a, b = weft.channel(4), weft.channel(4)
        local left = 20
        with_finaliser(function()
          while left > 0 and a:try_send { left } do left = left - 1 end
        end, function()
          local got = 0
          weft.go(function() -- for when nothing else calls the collector
            while got < 20 do
              weft.sleep(0.0001)
              collectgarbage "step"
            end
          end)
          while got < 20 do
            local i, v = weft.select { { b }, { a }, timeout = 60 }
            assert(i == 2, v)
            got = got + 1
            local junk = {}
            for k = 1, 5 do junk[k] = { k } end
          end
        end)
      end
    ]])
  end)
end)
