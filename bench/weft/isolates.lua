-- Isolates of the worker pool. Arguments: what, n, and more.
--   start N BATCH           N empty functions started and joined, BATCH at a time
--   parked N                N isolates that wait in a receive, then all are answered
--   trip N WORKERS          an integer there and back between two isolates; with two workers also between two threads
--   channel N KIND [HOW]    one isolate sends n values through a channel of 128, another receives; HOW: "thread" for two threads,
--                           or how many workers, 2 unless given
--   across N SIZE           a table of SIZE integers to an isolate and back; a crossing is half of that
local clock, weft = require "bclock", require "weft"
local what, n = arg[1], tonumber(arg[2])

local function nothing() end

local function births(batch)
  local jobs = {}
  weft.spawn(nothing):join()
  local t = clock.now()
  for _ = 1, n // batch do
    for i = 1, batch do jobs[i] = weft.spawn(nothing) end
    for i = 1, batch do jobs[i]:join() end
  end
  print("us", (clock.now() - t) / 1e3 / (n // batch * batch))
end

-- How much memory a parked isolate takes is a slope, from a tenth of them to all.
local function parked()
  local asks, answers = weft.channel(), weft.channel(128)
  local function body()
    local v = asks:recv()
    answers:send(v)
  end
  local up = weft.channel(128)
  local function birth(from, to)
    for _ = from, to do
      weft.spawn(function()
        up:send(true)
        body()
      end):detach()
    end
    for _ = from, to do up:recv() end
  end
  local t = clock.now()
  birth(1, n // 10)
  local few = clock.rss()
  birth(n // 10 + 1, n)
  local many = clock.rss()
  weft.go(function()
    for i = 1, n do asks:send(i) end
  end)
  local sum = 0
  for _ = 1, n do sum = sum + answers:recv() end
  assert(sum == n * (n + 1) // 2)
  print("bytes", (many - few) / (n - n // 10))
  print("mib", many / (1 << 20))
  print("seconds", (clock.now() - t) / 1e9)
end

local function trip_ns(start, count)
  local there, back = weft.channel(), weft.channel()
  local echo = start(function()
    for v in there do back:send(v) end
  end)
  local ns = start(function()
    local bclock = require "bclock"
    local t
    for i = -(count // 10), count do
      if i == 1 then t = bclock.now() end
      there:send(i)
      back:recv()
    end
    t = bclock.now() - t
    there:close()
    return t / count
  end):join()
  echo:join()
  return ns
end

local function trip(workers)
  weft.workers(workers)
  print("ns", trip_ns(weft.spawn, n))
  if workers > 1 then print("apart_ns", trip_ns(weft.thread, n // 10)) end
end

local payload = {
  integers = function(i) return i end,
  table = function()
    local t = {}
    for i = 1, 10 do t["key" .. i] = i % 2 == 0 and i or "value" .. i end
    return t
  end,
  string = function() return ("x"):rep(1 << 20) end,
  buffer = function() return weft.buffer("u8", 1 << 20) end,
}

local function channel(kind, how)
  local start = how == "thread" and weft.thread or weft.spawn
  weft.workers(tonumber(how) or 2)
  local c, go, make = weft.channel(128), weft.channel(), payload[kind]
  local sender = start(function()
    local v = make(1)
    go:recv()
    if kind == "integers" then
      for i = 1, n do c:send(i) end
    else
      for _ = 1, n do c:send(v) end
    end
  end)
  local receiver = start(function()
    local bclock = require "bclock"
    go:send(true)
    local t, last = bclock.now(), nil
    for _ = 1, n do last = c:recv() end
    return n / (bclock.now() - t) * 1e9, last
  end)
  local rate, last = receiver:join()
  sender:join()
  assert(kind ~= "integers" or last == n)
  print("rate", rate)
end

local function across(size)
  local t = {}
  for i = 1, size do t[i] = i * 7 end
  local there, back = weft.channel(), weft.channel()
  local echo = weft.spawn(function()
    for v in there do back:send(v) end
  end)
  local best
  local start
  for i = 0, n do
    if i == 1 then start = clock.now() end
    there:send(t)
    best = back:recv()
  end
  assert(#best == size and best[size] == size * 7)
  print("ms", (clock.now() - start) / 1e6 / n / 2)
  there:close()
  echo:join()
end

local modes = { start = births, parked = parked, trip = trip, across = across }
if what == "channel" then channel(arg[3], arg[4]) else modes[what](tonumber(arg[3])) end
