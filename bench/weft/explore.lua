-- Schedules a second of weft.explore: two tasks that add to an element of a buffer, a reading and a writing each.
--   explore.lua N    "random": one addition each, N schedules drawn at random; "exhaustive": two additions each, the
--                    first N schedules; "lines", "instructions": as random, with more switch points; "watched": as
--                    random, on a watched table and under a mutex, with the detection of races; "plain": the same two
--                    tasks without weft.explore
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])

local function adders(times)
  local function add(b)
    for _ = 1, times do b[1] = b[1] + 1 end
  end
  return function()
    local b = weft.buffer("i64", 1)
    local one, two = weft.go(add, b), weft.go(add, b)
    one:join()
    two:join()
  end
end

local function watched(x)
  local t, mutex = x:watch({ v = 0 }, "t"), weft.mutex()
  local function add()
    mutex:lock()
    t.v = t.v + 1
    mutex:unlock()
  end
  local one, two = weft.go(add), weft.go(add)
  one:join()
  two:join()
end

local function rate(metric, f, opts)
  opts.schedules, opts.seconds = n, 60
  local t = clock.cpu()
  local r = weft.explore(f, opts):assert()
  print(metric, r.schedules / ((clock.cpu() - t) / 1e9))
end

local plain = adders(1)
local t = clock.cpu()
for _ = 1, n do plain() end
print("plain", n / ((clock.cpu() - t) / 1e9))
rate("random", adders(1), { strategy = "random" })
rate("exhaustive", adders(2), {})
rate("lines", adders(1), { strategy = "random", points = "lines" })
rate("instructions", adders(1), { strategy = "random", points = "instructions" })
rate("watched", watched, { strategy = "random" })
