-- Claim: the serial share caps the speed-up (Amdahl's law). A fifth of the work is done by one alone, the rest by a pool of
-- 1, 2, 3 ... workers. What is measured gives the share back: seconds(n) = seconds(1) * (share + (1 - share) / n).

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local PIECES, SERIAL = draw.quick and 20 or 100, 0.2
local LOOPS = draw.quick and 20000 or 400000
local cpus = weft.cpus()
local MOST = math.max(4, math.min(2 * cpus, 10)) -- workers

local function piece(loops)
  local x = 0
  for i = 1, loops do x = (x + i * i) % 1000003 end
  return x
end

local serial = math.floor(PIECES * SERIAL + 0.5)
local rest = {}
for i = 1, PIECES - serial do rest[i] = LOOPS end

local function seconds(pool)
  local start = weft.now()
  for _ = 1, serial do piece(LOOPS) end
  pool:map(piece, rest, { chunk = 1 })
  return weft.now() - start
end

print(("the serial share caps the speed-up: %d of %d pieces of work are for one alone\n"):format(serial, PIECES))
local times, labels, speedups, spread = {}, {}, {}, {}
for n = 1, MOST do
  local pool <close> = weft.pool { kind = "thread", size = n }
  pool:map(piece, { 1, 1, 1, 1 })
  local least, most
  times[n], least, most = draw.median(draw.quick and 1 or 5, seconds, pool)
  labels[n], speedups[n] = n, times[1] / times[n]
  spread[n] = ("%d worker%s: %.3f s (%.3f to %.3f), %.2f times as fast"):format(n, n == 1 and "" or "s", times[n], least, most,
    speedups[n])
end

-- The share that fits best (least squares) where every worker has a core: seconds(n)/seconds(1) - 1/n = share * (1 - 1/n).
local above, below = 0, 0
for n = 2, math.min(MOST, cpus) do
  above = above + (times[n] / times[1] - 1 / n) * (1 - 1 / n)
  below = below + (1 - 1 / n) ^ 2
end
local share = below > 0 and above / below or nil

local function law(s, n) return 1 / (s + (1 - s) / n) end

local predicted, peak = {}, 1
for n = 1, MOST do
  predicted[n] = law(SERIAL, n)
  if speedups[n] > speedups[peak] then peak = n end
end
draw.curve(labels, speedups, "speed-up", "workers", predicted)
print("   * measured   o the law, with a core for each worker\n")
for n = 1, MOST do print(spread[n]) end
if share then
  print(("\nserial share: %.1f %% was meant, %.1f %% fits what was measured; no number of workers is more than %.1f times as fast")
    :format(100 * serial / PIECES, 100 * share, PIECES / serial))
else
  print "\none CPU only: the workers take turns on it, the law cannot be seen here"
end
print(("the peak is at %d workers, %.2f times as fast as one; this process may use %d CPU%s")
  :format(peak, speedups[peak], cpus, cpus == 1 and "" or "s"))
