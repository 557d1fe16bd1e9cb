-- A thread with an identity of its own could start workers of the pool: those had that identity for good, and isolates of
-- the main thread that they ran had it too. #root

local helper = require "spec.helper"
local weft = require "weft"

local root = weft.info().euid == 0
local test = root and it or function(name) pending(name .. " (needs root)") end

describe("weft.spawn on a thread with an identity of its own", function()
  test("is refused, and the workers stay the process's", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      print(weft.thread({ uid = 1234 }, function() return require("weft").spawn(print) end):join())
      print(weft.spawn(function()
        local n = 0 -- of workers; the thread that was joined may still be there
        for _, t in ipairs(require("weft").info().threads) do
          if t.name:find "^weft worker" then
            n = n + 1
            if t.euid ~= 0 then return t.name end
          end
        end
        return n > 0 and "all are root's" or "no worker"
      end):join())
    ]]
    assert.equal("nil\tEPERM: operation not permitted: isolates of the pool have the rights of the process, use weft.thread"
      .. "\tEPERM\nall are root's\n", out)
  end)
end)
