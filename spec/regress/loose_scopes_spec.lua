-- A generator may yield to its consumer from within weft.timeout, weft.scope or weft.shield. The record of
-- that part then stayed with the task that had been running: its time-out cancelled whatever the task did
-- meanwhile, and the record was used after the task had been collected.

local helper = require "spec.helper"
local weft = require "weft"

-- A generator that yields 1 from within verb(..., function), then calls `rest`.
local function generator(enter, rest)
  return coroutine.wrap(function()
    return enter(function()
      coroutine.yield(1)
      if rest then return rest() end
      return "end"
    end)
  end)
end

local parts = {
  timeout = function(f) return weft.timeout(0.005, f) end,
  scope = function(f) return weft.scope(f) end,
  shield = function(f) return weft.shield(f) end,
}

-- Waits until a time-out of 5 ms that was set before has passed.
local function let_pass()
  weft.sleep(0.01)
end

describe("a generator suspended", function()
  for name, enter in pairs(parts) do
    it("within " .. name .. " goes on after its task has ended", function()
      local g
      local job = weft.go(function()
        g = generator(enter)
        assert.equal(1, g())
      end)
      job:join()
      job = nil -- luacheck: ignore
      helper.collect()
      let_pass()
      assert.equal("end", g())
    end)

    it("within " .. name .. " goes on in another task", function()
      local g = generator(enter)
      assert.equal(1, weft.go(function() return g() end):join())
      assert.equal("end", weft.go(function() return g() end):join())
      -- Nothing of it is left on either task, nor on this one.
      let_pass()
      weft.go(function() weft.sleep(0) end):join()
    end)

    it("within " .. name .. " may be dropped", function()
      weft.go(function()
        local g = generator(enter)
        g()
        g = nil -- luacheck: ignore
        helper.collect()
        let_pass()
        helper.collect()
        weft.sleep(0)
      end):join()
    end)

    it("within " .. name .. " may be closed", function()
      weft.go(function()
        local co = coroutine.create(function() return enter(coroutine.yield) end)
        assert.is_true(coroutine.resume(co))
        assert.is_true(coroutine.close(co))
        let_pass()
        weft.sleep(0)
      end):join()
    end)
  end

  it("within a time-out does not cancel the task meanwhile, but itself once it goes on", function()
    weft.go(function()
      local reached = false
      local g = generator(parts.timeout, function()
        weft.sleep(0)
        reached = true
      end)
      g()
      let_pass()
      weft.sleep(0) -- not cancelled: this is no part of it
      local err = helper.raises_kind("timeout", g)
      assert.is_true(weft.is(err, "timeout"))
      assert.is_false(reached)
      weft.sleep(0)
    end):join()
  end)

  it("within a scope learns of its failed child once it goes on", function()
    local g = coroutine.wrap(function()
      weft.scope(function(s)
        s:go(function() error("child", 0) end)
        coroutine.yield(1)
        weft.sleep(1000)
      end)
    end)
    g()
    weft.sleep(0)
    weft.yield()
    helper.raises("child", g)
    weft.sleep(0)
  end)

  it("within nested parts keeps their order", function()
    local g = coroutine.wrap(function()
      return pcall(weft.timeout, 1000, function()
        return weft.timeout(0.005, function()
          coroutine.yield(1)
          weft.sleep(1000)
        end)
      end)
    end)
    g()
    local ok, err = weft.timeout(1000, function()
      let_pass()
      return g()
    end)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("0.005", 1, true))
  end)
end)

describe("a shield", function()
  it("holds back what comes from outside it, not a time-out within it", function()
    local inner, outer
    local job = weft.go(function()
      weft.shield(function()
        inner = select(2, pcall(weft.timeout, 0.001, weft.sleep, 1000))
        weft.sleep(0)
      end)
      outer = select(2, pcall(weft.sleep, 1000))
    end)
    weft.yield()
    job:cancel "outside"
    job:wait()
    assert.is_true(weft.is(inner, "timeout"))
    assert.is_true(weft.is(outer, "cancelled"))
  end)

  it("of <close> handlers lets them bound what they do", function()
    local kind
    local job = weft.go(function()
      local _ <close> = setmetatable({}, {
        __close = function()
          local _, err = pcall(weft.timeout, 0.001, weft.sleep, 1000)
          kind = type(err) == "table" and err.kind or err
        end,
      })
      weft.sleep(1000)
    end)
    weft.yield()
    job:cancel()
    job:wait()
    assert.equal("timeout", kind)
    assert.equal("cancelled", job:status())
  end)

  it("of <close> handlers of a scope covers that scope", function()
    local cleaned
    local _, err = pcall(weft.timeout, 0.001, function()
      local _ <close> = setmetatable({}, { __close = function() weft.sleep(0.002) cleaned = true end })
      weft.sleep(1000)
    end)
    assert.is_true(weft.is(err, "timeout"))
    assert.is_true(cleaned)
  end)
end)
