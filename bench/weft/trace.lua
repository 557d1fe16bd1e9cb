-- What a trace costs while it runs, and what its pictures cost after.
--   trace.lua run N         the round trip of roundtrip.lua, without and with a trace, in turn: off_ns, on_ns, their ratio (the
--                           median of nine), and event_ns, what each recorded event adds
--   trace.lua draw N        of a trace of N events timeline_s and summary_s, of one of a tenth svg_s and chrome_s; each time
--                           of a trace that nobody has looked at yet
local clock, weft = require "bclock", require "weft"
local mode, n = arg[1], tonumber(arg[2])

local function roundtrips(count)
  local a, b = weft.channel(), weft.channel()
  weft.go(function()
    for _ = 1, count do b:send(a:recv()) end
  end)
  local asker = weft.go(function()
    for i = 1, count do
      a:send(i)
      b:recv()
    end
  end)
  local t = clock.cpu()
  asker:join()
  return (clock.cpu() - t) / count
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

if mode == "run" then
  local off, on, ratio, event = {}, {}, {}, {}
  roundtrips(n)
  for i = 1, 9 do
    off[i] = roundtrips(n)
    weft.trace.start()
    on[i] = roundtrips(n)
    local t = weft.trace.stop()
    ratio[i] = on[i] / off[i]
    event[i] = (on[i] - off[i]) * n / (t.count + t.lost)
  end
  print("off_ns", median(off))
  print("on_ns", median(on))
  print("ratio", median(ratio))
  print("event_ns", median(event))
else
  local per = 6 -- events a round trip
  local function traced(events)
    local t = weft.trace({ capacity = events * 2 }, roundtrips, events // per)
    assert(t.lost == 0 and t.count > 0.99 * events, tostring(t))
    return t
  end
  local function seconds(events, draw)
    local t = traced(events)
    collectgarbage()
    local from = clock.cpu()
    draw(t)
    return (clock.cpu() - from) / 1e9
  end
  print("timeline_s", seconds(n, function(t) t:timeline { print = false, width = 100 } end))
  print("summary_s", seconds(n, function(t) return tostring(t:summary()) end))
  print("svg_s", seconds(n // 10, function(t) t:svg() end))
  print("chrome_s", seconds(n // 10, function(t) t:chrome() end))
end
