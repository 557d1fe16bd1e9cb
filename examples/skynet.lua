-- Claim: a task costs next to nothing. Each starts ten, they ten each, down to a million leaves; the numbers of the leaves
-- come back as sums.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local LEAVES = draw.quick and 10000 or 1000000

local function sky(number, size)
  if size == 1 then return number end
  local jobs, sum = {}, 0
  for i = 1, 10 do jobs[i] = weft.go(sky, number + (i - 1) * size // 10, size // 10) end
  for i = 1, 10 do sum = sum + jobs[i]:join() end
  return sum
end

print(("a tree of tasks, ten under each, %d leaves"):format(LEAVES))
local sums = {}
local rate, text = draw.rate("tasks", function()
  sums[#sums + 1] = weft.go(sky, 0, LEAVES):join()
  return (LEAVES * 10 - 1) // 9
end)
print(("sum %d, as it must be: %s"):format(sums[1], tostring(sums[1] == LEAVES * (LEAVES - 1) // 2)))
print(("%s; %.0f ns for a task, its start, its end and its share of the waiting"):format(text, 1e9 / rate))
