-- Claim: concurrent is not parallel. The same two functions run one after the other, then as two tasks that take
-- turns on one core, then as two threads. Everything drawn was recorded, nothing is drawn from what was meant.
--
--   lua5.4 examples/three_ways.lua                  two functions on weft's own source text (lib/sources.lua)
--   lua5.4 examples/three_ways.lua FILE.lua [runs]  the two functions that FILE.lua returns: `return f, g`
--
-- A first argument `tasks`, `isolates`, `threads` (the default) or `processes` says what they are the third time.
--
-- They are called without arguments. To take turns as tasks they call weft.yield() now and then; to run as threads
-- they must be able to cross: what they use from outside themselves (upvalues) is copied, an open file cannot be.
-- The last line is for programs: three_ways general=S concurrent=S parallel=S speedup=X cpus=N

local weft = require "weft"
local panel = require("weft.timeline").panel
local here = arg[0]:match "^(.*/)" or ""
local show = dofile(here .. "lib/show.lua")

local VERBS = { tasks = weft.go, isolates = weft.spawn, threads = weft.thread, processes = weft.process }
local kind = VERBS[arg[1]] and table.remove(arg, 1) or "threads"
local file, quick = arg[1], os.getenv "WEFT_QUICK" ~= nil
local runs = math.tointeger(arg[2] or (file or quick) and 1 or 3)
local chunk, problem = loadfile(file or here .. "lib/sources.lua")
if not chunk then
  io.stderr:write("three_ways: ", problem, " (arguments: [tasks | isolates | threads | processes] [FILE.lua [runs]])\n")
  os.exit(1)
end
local f, g = chunk()
if type(f) == "table" then f, g = f[1], f[2] end
if type(f) ~= "function" or type(g) ~= "function" or not runs or runs < 1 then
  io.stderr:write("three_ways: FILE.lua must return two functions (`return f, g`), runs must be a positive integer\n")
  os.exit(1)
end

-- Both functions, each as a job; the second starts before or after the first has ended.
local function run(start, apart)
  local p1 = start({ name = "p1" }, f)
  if apart then p1:wait() end
  local p2 = start({ name = "p2" }, g)
  return { table.pack(p1:join()), table.pack(p2:join()) }
end
local ways = {
  { name = "general", run = function() return run(weft.go, true) end },
  { name = "concurrent", run = function() return run(weft.go) end },
  { name = "parallel", run = function() return run(VERBS[kind]) end },
}

-- What the records say happened, in a few words; and how often p1 and p2 took turns.
local function seen(t)
  local ours, list, threads, carriers, turns, last = {}, {}, {}, 0, -1, nil
  for _, task in ipairs(t.tasks) do
    if task.name == "p1" or task.name == "p2" then ours[task.id], list[#list + 1] = true, task end
  end
  for e in t:events() do
    if e.ev == "run" and ours[e.task] then
      if not threads[e.thread] then threads[e.thread], carriers = true, carriers + 1 end
      if e.task ~= last then last, turns = e.task, turns + 1 end
    end
  end
  if t.lost > 0 then return "too much to record", turns end
  if carriers > 1 then -- a thread runs, says the record; on a core of its own, says the CPU time
    local p1, p2 = t:summary().jobs.p1, t:summary().jobs.p2
    return t.cpu > math.max(0.8 * (p1.running + p2.running), t.wall) and "at once, two cores"
      or ("two %s, %s"):format(kind, weft.cpus() == 1 and "one core" or "low CPU"), turns
  end
  if turns > 1 then return "taking turns, one core", turns end
  return list[2].born < list[1].ended and "no yield, no turns" or "one after the other", turns
end

for _ = 1, runs do
  for _, way in ipairs(ways) do
    collectgarbage()
    local ok, t = pcall(weft.trace, { capacity = 1 << 20 }, way.run)
    if not ok then
      io.stderr:write("three_ways: ", way.name, ": ", weft.is(t) and t.message or tostring(t), "\n")
      os.exit(1)
    end
    way[#way + 1] = t
  end
end

local span, spread, said, same = 0, {}, show(ways[1][1].results[1]), true
for i, way in ipairs(ways) do
  for _, t in ipairs(way) do same = same and show(t.results[1]) == said end
  table.sort(way, function(a, b) return a.wall < b.wall end)
  spread[i] = ("%s %.2f to %.2f s"):format(way.name, way[1].wall, way[runs].wall)
  way.t = way[(runs + 1) // 2] -- the median is drawn
  span = math.max(span, way.t.wall)
end

print(("concurrent is not parallel: two tasks take turns on one core, %s\n"):format(kind == "tasks" and "all three times here"
  or ("two %s run at once on two"):format(kind)))
for _, way in ipairs(ways) do
  way.note, way.turns = seen(way.t)
  print(panel(way.t, { "p1", "p2" }, { title = way.name, title_width = 11, note = way.note, note_width = 22, span = span }))
end
local general, concurrent, parallel = ways[1].t, ways[2].t, ways[3].t
print(runs > 1 and ("\nmedian of %d runs; %s"):format(runs, table.concat(spread, ", ")) or "\none run of each")
print(("the two tasks changed places: %s%d%s"):format(concurrent.lost > 0 and "more than " or "", ways[2].turns,
  ways[2].note == "no yield, no turns" and "; a task that never calls weft.yield() or waits keeps the core to its end" or ""))
for i = 1, 2 do print(("p%d: %s"):format(i, show.values(general.results[1][i]))) end
print(same and "the same answers each time" or "the answers DIFFER from run to run")
if weft.cpus() == 1 then
  print(("this process may use one CPU only: the system switches between the %s, unseen here, and none is faster"):format(kind))
elseif ways[3].note ~= "at once, two cores" then
  print(("the %s got the time of %.2f cores: they wait, or the machine is busy, or lends this process no more")
    :format(kind, parallel.cpu / parallel.wall))
end
print(("three_ways general=%.3f concurrent=%.3f parallel=%.3f speedup=%.2f cpus=%d"):format(general.wall, concurrent.wall,
  parallel.wall, general.wall / parallel.wall, weft.cpus()))
