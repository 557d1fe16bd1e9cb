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
        for i = 1, 40 do
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
end)
