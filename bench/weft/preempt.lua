-- What being preempted costs a loop that never waits: more CPU time than without, in percent; the median of pairs that run
-- one after the other. In an isolate that has its worker to itself ("isolate"), in two that share one ("shared"), in two
-- tasks of the main isolate under weft.preempt ("tasks"); and what a count hook costs, every 1000 instructions ("hook").
-- Argument: turns of the loop.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
weft.workers(1)

local function loop(turns)
  local x = 0
  for i = 1, turns do x = (x + i * i) & 0xffff end
  return x
end

-- Each calls the loop twice.
local function plain()
  loop(n)
  loop(n)
end

local function isolate()
  weft.spawn(loop, n):join()
  weft.spawn(loop, n):join()
end

local function pair(start)
  local one, other = start(loop, n), start(loop, n)
  one:join()
  other:join()
end

local function shared() pair(weft.spawn) end

local function tasks()
  weft.preempt(0.01)
  pair(weft.go)
  weft.preempt(false)
end

local function hook()
  local co = coroutine.create(plain)
  debug.sethook(co, function() end, "", 1000)
  assert(coroutine.resume(co))
end

local function seconds(f)
  local t = clock.cpu()
  f()
  return (clock.cpu() - t) / 1e9
end

for _, way in ipairs { { "isolate", isolate }, { "shared", shared }, { "tasks", tasks }, { "hook", hook } } do
  local more = {}
  for i = 1, 5 do
    local without = seconds(plain)
    more[i] = (seconds(way[2]) / without - 1) * 100
  end
  table.sort(more)
  print(way[1], more[3])
end
