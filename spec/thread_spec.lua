-- weft.thread: what it has in common with other children (child_cases.lua), and its options.
-- What stops a thread is in thread_stop_spec.lua, what crosses in values_spec.lua.

local helper = require "spec.helper"
local weft = require "weft"

local function status_field(text, name) return text:match("\n" .. name .. ":%s*([^\n]*)") end

require "spec.child_cases" ("thread", "thread")

describe("the options of a thread:", function()
  -- What the system says of a thread, asked by the thread itself.
  local function self_status(opts)
    return weft.thread(opts, function()
      local f = assert(io.open "/proc/thread-self/status")
      local text = f:read "a"
      f:close()
      local stat = assert(io.open "/proc/thread-self/stat")
      local fields = stat:read("a"):match "%) (.*)"
      stat:close()
      local list = {}
      for word in fields:gmatch "%S+" do list[#list + 1] = word end
      return text, tonumber(list[17]), tonumber(list[38]), tonumber(list[39]) -- nice, rt_priority, policy
    end)
  end

  it("a name, which the system knows too", function()
    local job = self_status { name = "spinner" }
    assert.equal("spinner", status_field("\n" .. job:join(), "Name"))
    assert.equal("spinner", job.name)
    -- The system keeps 15 bytes, and no half of a character.
    local long = ("näme"):rep(5)
    job = self_status { name = long }
    local kept = status_field("\n" .. job:join(), "Name")
    assert.equal(long:sub(1, #kept), kept)
    assert.is_truthy(utf8.len(kept))
    assert.equal(long, job.name)
  end)

  it("the CPUs that it may use", function()
    local here = status_field("\n" .. self_status({}):join(), "Cpus_allowed_list")
    local cpu = tonumber(here:match "%d+")
    assert.equal(tostring(cpu), status_field("\n" .. self_status({ affinity = { cpu } }):join(), "Cpus_allowed_list"))
    assert.equal(1, weft.thread({ affinity = { cpu } }, function() return weft.cpus() end):join())
    local job, message, code = weft.thread({ affinity = { 1023 } }, function() end)
    assert.same({ nil, "EINVAL" }, { job, code })
    assert.truthy(message:find("affinity", 1, true))
  end)

  it("the signals that it blocks", function()
    local function blocked(opts) return tonumber(status_field(self_status(opts):join(), "SigBlk"), 16) end
    assert.equal(1 << 1 | 1 << 9 | 1 << 11, blocked { sigmask = { "SIGINT", "USR1", "SIGUSR2" } })
    assert.equal(0, blocked { sigmask = {} })
    local usual = blocked {}
    assert.equal(1 << 1 | 1 << 14, usual & (1 << 1 | 1 << 14 | 1 << 22 | 1 << 10)) -- INT, TERM; not URG, SEGV
  end)

  it("is handled there when the others block it", function()
    -- A signal for the whole process goes to a thread that does not block it: this one is the only one.
    local out = helper.run_ok [[
      local weft = require "weft"
      local signal = weft.signal "SIGUSR1"
      local ready, over = weft.channel(), weft.channel()
      local mine = weft.info().threads[1].sigmask
      mine[#mine + 1] = "SIGUSR1"
      local job = weft.thread({ sigmask = {} }, function() ready:send(true) over:recv() end)
      ready:recv()
      assert(weft.set { sigmask = mine })
      weft.exec({ "kill", "-USR1", tostring(weft.info().pid) }):wait()
      print((signal:recv()))
      over:send(true)
      job:join()
    ]]
    assert.equal("SIGUSR1\n", out)
  end)

  it("how nice it is", function()
    local _, nice = self_status({ nice = 7 }):join()
    assert.equal(7, nice)
  end)

  it("how it is scheduled", function()
    local _, _, _, policy = self_status({ policy = "batch" }):join()
    assert.equal(3, policy)
    _, _, _, policy = self_status({ policy = "idle" }):join()
    assert.equal(5, policy)
    local job, message, code = self_status { policy = "fifo", priority = 10 }
    if job then
      local _, _, priority, fifo = job:join()
      assert.same({ 10, 1 }, { priority, fifo })
    else -- not for everyone
      assert.equal("EPERM", code)
      assert.truthy(message:find("policy", 1, true))
    end
    job, message, code = weft.thread({ policy = "other", priority = 10 }, function() end)
    assert.same({ nil, "EINVAL" }, { job, code })
    assert.truthy(message:find("priority", 1, true))
  end)

  it("a stack that is as large as was asked", function()
    -- Nests of pattern matching: each level takes C stack, the limit is Lua's own.
    local function deep()
      local function level(n)
        return n == 0 and 0 or 1 + select(2, ("x"):gsub(".", function() level(n - 1) end))
      end
      return pcall(level, 1000)
    end
    for _, stack in ipairs { 1, 1 << 20, 16 << 20 } do
      local ok, err = weft.thread({ stack = stack }, deep):join()
      assert.is_false(ok)
      assert.truthy(err:find "stack overflow", err)
    end
    local job, message, code = weft.thread({ stack = 1 << 40 }, function() end)
    if not job then
      assert.truthy(code == "EAGAIN" or code == "ENOMEM", code)
      assert.truthy(message:find("stack", 1, true))
    else
      job:join()
    end
  end)
end)
