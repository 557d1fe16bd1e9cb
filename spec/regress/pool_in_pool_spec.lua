-- A pool that a worker made took itself for the worker's own, when each was the first one of its isolate: it ran inline, and could
-- not be closed. And a worker that died in the middle of `init` counted as begun.

local helper = require "spec.helper"
local weft = require "weft"

local function nested(kind)
  return weft.map(function(x)
    local weft = require "weft" -- luacheck: ignore 431
    local pool <close> = weft.pool { kind = "isolate", size = 2 }
    local ids = pool:map(function(y) return y * x end, { 1, 2, 3 })
    return ids[1] + ids[2] + ids[3] + #weft.map(function(y) return y end, { 1, 2, x })
  end, { 1, 2, 3 }, { kind = kind, size = 2 })
end

describe("a pool in a worker", function()
  for _, kind in ipairs { "isolate", "thread", "task" } do
    it("of kind " .. kind .. " has workers of its own", function() assert.same({ 9, 15, 21, n = 3 }, nested(kind)) end)
  end

  it("of kind process has workers of its own", function()
    assert.equal("9 15 21\n", (helper.run_ok [[
      local weft = require "weft"
      print(table.concat(weft.map(function(x)
        local weft = require "weft"
        local pool <close> = weft.pool { size = 2 }
        local ids = pool:map(function(y) return y * x end, { 1, 2, 3 })
        return ids[1] + ids[2] + ids[3] + #weft.map(function(y) return y end, { 1, 2, x }, { kind = "process" })
      end, { 1, 2, 3 }, { kind = "process", size = 2 }), " "))
    ]]))
  end)
end)

describe("a worker that dies in init", function()
  it("is why there is no pool", function()
    assert.equal("false\tinit\ttrue\n", (helper.run_ok [[
      local weft = require "weft"
      local ok, err = pcall(weft.pool, { kind = "process", size = 2, init = function(slot)
        if slot == 1 then require "weft".exec { "sh", "-c", "kill -KILL $PPID" }:wait() end
      end })
      print(ok, err.kind, tostring(err):find("worker 1", 1, true) ~= nil)
    ]]))
  end)
end)
