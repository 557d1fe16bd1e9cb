-- Random programs (random_actor.lua): tasks, isolates and threads that share channels, locks and buffers call everything there is
-- with everything there is. The process ends as a script ends: no crash, no failed assertion, no hang.
-- WEFT_PROGRAMS=n runs n of them, SEED=n begins with that seed, CALLS=n makes each call so often.

local helper = require "spec.helper"

local PROGRAMS = helper.knob("WEFT_PROGRAMS", helper.quick and 6 or 20)
local CALLS = helper.knob("CALLS", helper.sanitizer and 100 or 300)
local first = helper.knob("SEED", os.time() % 1000000)

local SCRIPT = [[
  local weft = require "weft"
  local seed, calls, dir, log = tonumber(arg[1]), tonumber(arg[2]), arg[3], arg[4]
  local verbs = { "go", "spawn", "go", "thread", "spawn", "thread" }
  local shared = { weft.channel(), weft.channel(4), weft.mutex(), weft.semaphore(1), weft.event(), weft.buffer("i64", 8),
    weft.atomic(0), weft.rwlock(), weft.waitgroup() }
  local jobs = {}
  weft.on_unhandled(function() end)
  for i, verb in ipairs(verbs) do
    jobs[i] = weft[verb](function(...) return require "spec.random_actor" (...) end, seed * 100 + i, calls, shared, dir,
      log and log .. "." .. i)
  end
  for i, job in ipairs(jobs) do
    local ok, err = pcall(job.join, job)
    if not ok and not weft.is(err) then error(err, 0) end
  end
]]

-- That jobs still ran and tasks failed is said on stderr; what else is there is none of the script's business.
local function wrong(err)
  for line in err:gmatch "[^\n]+" do
    if line:find "assert" or line:find "Sanitizer" or line:find "corrupt" or line:find "double free" then return line end
  end
end

-- A shared channel that is left lying in its own buffer, or two in each other's, is never freed: that is no leak of weft's here.
local ENV = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" }

-- libuv closes descriptors by system calls that the thread sanitizer does not see: to it, whoever gets the number next races.
local it = helper.sanitizer == "tsan" and pending or it

describe("random programs", function()
  for seed = first, first + PROGRAMS - 1 do
    it(("end as scripts do: SEED=%d"):format(seed), function()
      local dir = helper.tmpdir()
      local out, err, code, signal = helper.run_script(SCRIPT, { args = { seed, CALLS, dir, os.getenv "LOG" },
        timeout = helper.sanitizer and 200 or 60, cwd = dir, env = ENV })
      helper.remove_dir(dir)
      helper.injected(CALLS * 6)
      if code ~= 0 or wrong(err) then
        error(("SEED=%d CALLS=%d: ended with %s\n%s\nstdout: %s\nstderr: %s"):format(seed, CALLS, signal or code,
          wrong(err) or "", out, err))
      end
    end)
  end
end)
