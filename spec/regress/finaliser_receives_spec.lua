-- While a message is read, strings are made, so finalisers may run, and one that receives reads another message in the
-- middle of the first. What the state knows of records is one for all messages: a record of the outer one got a key of
-- the inner one in place of its own.

local helper = require "spec.helper"

local prelude = [[
local weft = require "weft"
local outer, inner = weft.channel(1000), weft.channel(1000)
weft.thread(function() end, outer, inner):join() -- both copy from now on

local function records(n, key, value)
  local list = {}
  for i = 1, n do list[i] = { k1 = value(i), [key] = i } end
  return list
end

local function seven() return 7 end

-- outer:recv(), while finalisers receive from the inner one.
local receiving, received = false, 0
local function receive_both()
  for _ = 1, 60 do
    setmetatable({}, { __gc = function()
      if receiving and inner:try_recv() then received = received + 1 end
    end })
  end
  receiving = true
  local list = outer:recv()
  receiving = false
  return list
end

for _ = 1, 200 do outer:send(records(8, "k2", seven)) outer:recv() end
collectgarbage("incremental", 100, 100, 6) -- small steps, so that finalisers run one by one
]]

local function run(script) assert.equal("end\n", helper.run_ok(prelude .. script, { timeout = 100 })) end

describe("a finaliser that receives while a message is read", function()
  it("leaves the keys of records as they were sent", function()
    run [[
      local others = records(8, "k2", seven)
      for round = 1, 100 do
        local key = ("x%d"):format(round)
        for _ = 1, 60 do inner:send(others) end
        outer:send(records(4, key, function(i) return ("a value of round %d: %d"):format(round, i) end))
        local list = receive_both()
        for i = 1, 4 do assert(list[i][key] == i and list[i].k2 == nil) end
        repeat until not inner:try_recv()
      end
      assert(received > 0)
      print "end"
    ]]
  end)
end)
