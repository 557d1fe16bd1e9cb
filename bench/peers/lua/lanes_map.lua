-- Lanes: two lanes take chunks of primes from a linda. Arguments: n, rounds.
local clock, lanes = require "bclock", require "lanes"
if lanes.configure then lanes = lanes.configure {} end
local count = dofile "bench/primes.lua"
local n, rounds = tonumber(arg[1]), tonumber(arg[2])
local CHUNKS <const>, THREADS <const> = 64, 2
local step = n // CHUNKS

local worker = lanes.gen("*", function(linda, f, size)
  while true do
    local _, i = linda:receive("job")
    if i == 0 then return true end
    linda:send("result", f((i - 1) * size, i * size))
  end
end)

local ratios = {}
for round = 1, rounds do
  local t, s = clock.now(), 0
  for i = 1, CHUNKS do s = s + count((i - 1) * step, i * step) end
  local one = clock.now() - t
  t = clock.now()
  local linda, both, same = lanes.linda(), {}, 0
  for k = 1, THREADS do both[k] = worker(linda, count, step) end
  for i = 1, CHUNKS do linda:send("job", i) end
  for _ = 1, CHUNKS do
    local _, r = linda:receive("result")
    same = same + r
  end
  for _ = 1, THREADS do linda:send("job", 0) end
  for k = 1, THREADS do both[k]:join() end
  assert(s == same)
  ratios[round] = one / (clock.now() - t)
end
table.sort(ratios)
print("speedup", ratios[(rounds + 1) // 2])
os.exit(0, false)
