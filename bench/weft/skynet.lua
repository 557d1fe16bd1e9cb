-- A tree of tasks, ten under each, down to the leaves, whose numbers come back as sums. Argument: leaves.
local clock, weft = require "bclock", require "weft"
local leaves = tonumber(arg[1])

local function sky(number, size)
  if size == 1 then return number end
  local jobs, sum = {}, 0
  for i = 1, 10 do jobs[i] = weft.go(sky, number + (i - 1) * (size // 10), size // 10) end
  for i = 1, 10 do sum = sum + jobs[i]:join() end
  return sum
end

local t = clock.now()
local sum = weft.go(sky, 0, leaves):join()
print("ms", (clock.now() - t) / 1e6)
assert(sum == leaves * (leaves - 1) // 2)
