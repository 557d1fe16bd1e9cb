-- A thread's number was 1 until its isolate had opened, its name was "main", and a trace drew its first wait as
-- running.

local helper = require "spec.helper"
local weft = require "weft"

describe("a thread", function()
  it("has its number and its name from the start, here and there", function()
    local job = weft.thread({ name = "worker" }, function()
      local current = require("weft").current()
      return current.id, current.name, current.kind
    end)
    local id = job.id
    assert.same({ id, "worker", "thread" }, { job:join() })
    assert.equal(id, job.id)
    assert.not_equal(id, weft.thread(function() end).id)
  end)

  it("waits in the trace when it waits", function()
    local t = weft.trace(function()
      weft.thread({ name = "sleeper" }, function() require("weft").sleep(0.01) end):join()
    end)
    local row
    for _, job in ipairs(t:summary().jobs) do
      if job.name == "sleeper" then row = job end
    end
    assert.truthy(row)
    assert.is_true(row.parked > row.running)
  end)
end)

describe("weft.select", function()
  it("refuses what is no option before it waits", function()
    local ch = weft.channel()
    helper.raises("unknown option 'timout'", weft.select, { { ch }, timout = 1 })
    helper.raises("unknown option 'boolean'", weft.select, { { ch }, [true] = 1, timeout = 0 })
    helper.raises("without holes", weft.select, { { ch }, [5] = { ch }, timeout = 0 })
  end)
end)
