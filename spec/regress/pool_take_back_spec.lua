-- What a worker has not begun is taken back when another one has nothing. It was taken one message at a time: a worker that
-- took the next one in between had a chunk that the pool gave to somebody else, and not the function that came with the first.
-- Seen once in 1,000 pools when the last worker is just starting.

local helper = require "spec.helper"
local weft = require "weft"

describe("chunks that are taken back from a worker", function()
  it("are done once, by one worker, with the right function", function()
    local ones = { 1, 1, 1, 1, 1, 1, 1, 1 }
    for round = 1, helper.scale(2000, 50) do
      local pool <close> = weft.pool { kind = "thread", size = 2 + round % 2 }
      local results = pool:map(function(n) return n + round end, ones, { chunk = 1 })
      for i, n in ipairs(ones) do assert.equal(n + round, results[i]) end
    end
  end)
end)
