-- A coroutine closed while it stood in weft.scope left the scope's jobs running, and the task that watches them waiting for
-- ever.

local helper = require "spec.helper"
local weft = require "weft"

-- A coroutine that has yielded from within a scope, in which start(s) was called.
local function suspended(start)
  local co = coroutine.create(function()
    weft.scope(function(s)
      start(s)
      coroutine.yield()
    end)
  end)
  assert(coroutine.resume(co))
  return co
end

describe("a scope whose coroutine is closed", function()
  it("cancels its jobs and waits for them", function()
    local job, log
    local co = suspended(function(s)
      job = s:go(function()
        local _ <close> = setmetatable({}, { __close = function()
          weft.yield()
          log = "has left"
        end })
        weft.sleep(1000)
      end)
    end)
    weft.yield()
    assert.is_true(coroutine.close(co))
    assert.equal("cancelled", job:status())
    assert.equal("has left", log)
    for _, row in ipairs(weft.ps()) do assert.not_equal("task", row.kind) end
  end)

  it("may have none", function()
    local co = suspended(function() end)
    assert.is_true(coroutine.close(co))
  end)

  it("may be closed by one of them", function()
    local co, closed
    co = suspended(function(s)
      s:go(function()
        closed = coroutine.close(co)
        weft.sleep(1000)
      end)
    end)
    weft.wait()
    assert.is_true(closed)
  end)

  it("takes no more jobs", function()
    local scope
    local co = suspended(function(s) scope = s end)
    coroutine.close(co)
    helper.raises("cannot go: the scope has ended", function() scope:go(print) end)
  end)
end)
