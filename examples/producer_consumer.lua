-- Claim: buffering trades memory for waiting. With room for more items in the channel, producer and consumer change
-- places less often, until the cost of the items themselves is all that is left.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local ITEMS = draw.quick and 2000 or 200000

-- Sends n items through a channel and adds up what arrives.
local function run(capacity, n)
  local channel = weft.channel(capacity)
  weft.go({ name = "producer" }, function()
    for i = 1, n do channel:send(i) end
    channel:close()
  end)
  local sum = weft.go({ name = "consumer" }, function()
    local sum = 0
    for item in channel do sum = sum + item end
    return sum
  end):join()
  assert(sum == n * (n + 1) // 2, "an item was lost")
  return n
end

print "buffering trades memory for waiting: with room in the channel the two change places less often\n"
local capacities, rates, lines = { 0, 1, 2, 4, 8, 16, 32, 64, 128, 256 }, {}, {}
for i, capacity in ipairs(capacities) do
  local text
  rates[i], text = draw.rate("items", run, capacity, ITEMS)
  local switches = weft.trace(run, capacity, 1000):summary().switches / 1000
  lines[i] = ("capacity %3d: %.3f switches an item, %s"):format(capacity, switches, text)
end
draw.curve(capacities, rates, "items/s", "capacity")
print("\n" .. table.concat(lines, "\n"))
print(("\nitems/s: %s at capacity 0, %s at capacity 256: %.1f times"):format(draw.number(rates[1]), draw.number(rates[#rates]),
  rates[#rates] / rates[1]))
