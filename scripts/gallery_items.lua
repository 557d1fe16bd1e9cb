-- What docs/gallery.md shows: a list of { title, text, code or command, svg = file, page = file, lines = most lines shown }.
-- `code` is a whole script, which writes its picture into docs/gallery when it has one. scripts/gallery.lua runs them.

return {
  { part = "Timelines", title = "Three ways", text = [[
The picture that everything starts from: the same two functions one after the other, as tasks that take turns, as threads. It is
drawn from what was recorded.]], command = "lua5.4 examples/three_ways.lua", first = "^general", last = "^ +p2", times = 3 },

  { title = "Who waits for whom", text = [[
A row for each task, a column for each span of time; at the right what it waited for longest.]], code = [[
local weft = require "weft"

local function work(steps)               -- about so many milliseconds
  local x = 0
  for i = 1, steps * 1e5 do x = x + i end
end

local t = weft.trace(function()
  local stove = weft.trace.label(weft.mutex(), "stove")
  local ready = weft.trace.label(weft.channel(2), "ready")
  for _, cook in ipairs { "ann", "bob", "cy" } do
    weft.go({ name = cook }, function()
      for _ = 1, 2 do
        stove:with(weft.sleep, 0.004)
        work(1)
        ready:send(cook)
      end
    end)
  end
  weft.go({ name = "waiter" }, function() for _ = 1, 6 do ready:recv() end end)
  weft.wait()
end)
t:timeline()
]] },

  { title = "One thread waits for all", text = [[
Four questions to a server that thinks for 20 ms before each answer; `~` waits for the network.]], code = [[
local weft = require "weft"

local server = weft.net.listen("127.0.0.1", 0, function(conn)
  for line in conn:lines() do
    weft.sleep(0.02)
    conn:write(line:upper(), "\n")
  end
end)

local function ask(text)
  local conn <close> = assert(weft.net.connect(server:sockname()))
  conn:write(text, "\n")
  return conn:read "l"
end

local t = weft.trace(function()
  local jobs = {}
  for i = 1, 4 do jobs[i] = weft.go({ name = "client " .. i }, ask, "hello") end
  weft.all(jobs)
end)
t:timeline { rows = 6 }
server:close()
]] },

  { title = "One task that never yields", text = [[
The clock wants to tick every 2 ms. While `crunch` computes nobody looks at timers; the second time tasks have time
slices.]], code = [[
local weft = require "weft"

local function run()
  local clock = weft.go({ name = "clock" }, function() while true do weft.sleep(0.002) end end)
  weft.go({ name = "crunch" }, function()
    weft.sleep(0.01)
    local x = 0
    for i = 1, 4e6 do x = x + i end
  end):join()
  clock:cancel()
  clock:wait()
end

weft.trace(run):timeline()
weft.preempt(0.001)
weft.trace(run):timeline()
]] },

  { title = "Many isolates, two workers", text = [[
A row for each OS thread: the workers of `weft.spawn` share forty isolates.]], code = [[
local weft = require "weft"

local function unit()
  local x = 0
  for i = 1, 300000 do x = (x + i * i) % 1000003 end
end

weft.workers(2)
local t = weft.trace(function()
  local jobs = {}
  for i = 1, 40 do jobs[i] = weft.spawn(unit) end
  weft.all(jobs)
end)
t:timeline { by = "carrier" }
]] },

  { part = "Pages", title = "Arrows between processes", text = [[
Two worker processes take jobs from one channel. Green arrows go from send to receive, grey ones from the starter to the worker
and from its end to who waits for it. The red line is the critical path.]], svg = "workers.svg", code = [[
local weft = require "weft"

local function worker(jobs, results)
  for n in jobs do
    local x = 0
    for i = 1, 300000 do x = x + i % n end
    results:send(x)
  end
end

local t = weft.trace(function()
  local jobs = weft.trace.label(weft.channel(2), "jobs")
  local results = weft.trace.label(weft.channel(8), "results")
  local workers = {}
  for i = 1, 2 do workers[i] = weft.process({ name = "worker " .. i }, worker, jobs, results) end
  weft.go({ name = "giver" }, function()
    for n = 1, 8 do jobs:send(n) end
    jobs:close()
  end)
  for _ = 1, 8 do results:recv() end
  for _, w in ipairs(workers) do w:join() end
end)
t:svg "docs/gallery/workers.svg"
t:html "docs/gallery/workers.html"
]] },

  { title = "The same as a page", text = [[
`t:html` writes one file without anything from elsewhere. The wheel zooms, dragging moves, the pointer tells details, a click
gathers them; rows can be sorted and filtered. This is how a browser shows the page of the trace above.]],
    page = "workers.html", png = "page.png" },

  { title = "The critical path, regions and marks", text = [[
Three stages of a pipeline. The second is the slow one, and the red line says so; `weft.region` and `weft.mark` put names into the
picture.]], svg = "pipeline.svg", code = [[
local weft = require "weft"

local t = weft.trace(function()
  local raw, cooked = weft.trace.label(weft.channel(1), "raw"), weft.trace.label(weft.channel(1), "cooked")
  weft.go({ name = "read" }, function()
    for i = 1, 6 do
      weft.region("read", weft.sleep, 0.002)
      raw:send(i)
    end
    raw:close()
  end)
  weft.go({ name = "cook" }, function()
    for i in raw do
      weft.region("cook " .. i, weft.sleep, 0.006)
      cooked:send(i)
    end
    cooked:close()
  end)
  weft.go({ name = "serve" }, function()
    for _ in cooked do weft.region("serve", weft.sleep, 0.001) end
    weft.mark "all served"
  end)
  weft.wait()
end)
t:svg "docs/gallery/pipeline.svg"
]] },

  { part = "Numbers", title = "A curve", text = [[
Items a second through a channel, against its capacity; the best of five.]], svg = "capacity.svg", code = [[
local weft = require "weft"

local points = { label = "items/s" }
for _, capacity in ipairs { 0, 1, 2, 4, 8, 16, 32, 64 } do
  local n, best = 20000, 0
  for _ = 1, 5 do
    local start, ch = weft.now(), weft.channel(capacity)
    weft.go(function() for i = 1, n do ch:send(i) end end)
    for _ = 1, n do ch:recv() end
    best = math.max(best, n / (weft.now() - start))
  end
  points[#points + 1] = { capacity + 1, best }
end
local p = weft.plot.curve { title = "a channel", x = "capacity + 1", y = "items/s", logx = true, points }
print(p)
p:svg "docs/gallery/capacity.svg"
]] },

  { title = "Bars with their spread", text = [[
What it costs to start a function and join it, four ways; the scale is logarithmic.]], svg = "start.svg", code = [[
local weft = require "weft"

local function nothing() end
local bars = { title = "start and join", unit = "s", log = true }
for _, verb in ipairs { "go", "spawn", "thread", "process" } do
  local start, times = weft[verb], {}
  for i = 1, 21 do
    local from = weft.nanotime()
    start(nothing):join()
    times[i] = (weft.nanotime() - from) * 1e-9
  end
  table.sort(times)
  bars[#bars + 1] = { "weft." .. verb, times[11], times[1], times[21] }
end
local p = weft.plot.bars(bars)
print(p)
p:svg "docs/gallery/start.svg"
]] },

  { title = "A histogram", text = [[
How late 500 sleeps of 1 ms end.]], svg = "late.svg", code = [[
local weft = require "weft"

local late = {}
for i = 1, 500 do
  local due = weft.nanotime() + 1e6
  weft.sleep(0.001)
  late[i] = math.max(1e-9, (weft.nanotime() - due) * 1e-9)
end
table.sort(late)
local p = weft.plot.histogram { title = "late", unit = "s", log = true, marks = { p50 = late[250], p99 = late[495] },
  table.unpack(late) }
print(p)
p:svg "docs/gallery/late.svg"
]] },

  { title = "A heat map", text = [[
Who sent how many messages to whom: counted from the arrows of a trace.]], svg = "talk.svg", code = [[
local weft = require "weft"

local names, boxes = { "ann", "bob", "cy", "di", "eve" }, {}
for i in ipairs(names) do boxes[i] = weft.channel(100) end
local t = weft.trace(function()
  for i, name in ipairs(names) do
    weft.go({ name = name }, function()
      for k = 1, 40 do boxes[(i * k + k // 3) % #names + 1]:send(name) end
      weft.yield()
      while boxes[i]:try_recv() do end
    end)
  end
  weft.wait()
end)

local heat, row = { title = "messages, from row to column", rows = names, columns = names }, {}
for i, name in ipairs(names) do heat[i], row[name] = { 0, 0, 0, 0, 0 }, i end
for _, f in ipairs(t.flows) do
  local from, to = row[t.model.by_id[f.from].name], row[t.model.by_id[f.to].name]
  if f.kind == "message" then
    local counts = heat[from]
    counts[to] = counts[to] + 1
  end
end
local p = weft.plot.heat(heat)
print(p)
p:svg "docs/gallery/talk.svg"
]] },

  { title = "A measurement", text = [[
Two ways to fill a table, measured in turn; what cannot be told apart is called so.]], code = [[
local weft = require "weft"

print(weft.bench.compare({
  { "insert", function(n) local list = {} for i = 1, n do table.insert(list, i) end end },
  { "index", function(n) local list = {} for i = 1, n do list[#list + 1] = i end end },
  { "count", function(n) local list, k = {}, 0 for i = 1, n do k = k + 1 list[k] = i end end },
}, { setup = function() return 1000 end, seconds = 0.2 }))
]] },

  { part = "What lives, and what is stuck", title = "What lives now", text = [[
Every task of every isolate: its state, what it waits for and where.]], code = [[
local weft = require "weft"

local jobs, gate = weft.channel(), weft.event()
local a <close> = weft.go({ name = "reader" }, function() return jobs:recv() end)
local b <close> = weft.thread({ name = "sleeper" }, function() require "weft".sleep(60) end)
local c <close> = weft.spawn({ name = "gatekeeper" }, function(g) g:wait() end, gate)
weft.sleep(0.05)
print(weft.ps())
]] },

  { title = "A deadlock, with names", text = [[
When nothing can go on, an error says why.]], code = [[
local weft = require "weft"

local forks = { weft.mutex(), weft.mutex() }
local function dine(first, second)
  local a <close> = forks[first]:guard()
  weft.yield()
  local b <close> = forks[second]:guard()
end
local ann = weft.go({ name = "ann" }, dine, 1, 2)
local bob = weft.go({ name = "bob" }, dine, 2, 1)
local _, message = pcall(weft.all, { ann, bob })
print(message)
ann:cancel()
bob:cancel()
weft.wait()
]] },

  { title = "What a process and a thread own", text = "", command = "lua5.4 examples/anatomy.lua" },

  { part = "Every schedule", title = "The schedule that fails", text = [[
`weft.explore` runs a function under many schedules. The one that fails is made as small as possible: a column for each task, a
row for each line of source.]], code = [[
local weft = require "weft"

print(weft.explore(function()
  local mutex, n = weft.mutex(), 0
  local function get() return mutex:with(function() return n end) end
  local function set(v) mutex:with(function() n = v end) end
  local function add() set(get() + 1) end
  local a = weft.go({ name = "ann" }, add)
  local b = weft.go({ name = "bob" }, add)
  weft.all { a, b }
  assert(n == 2, "an update was lost")
end))
]] },

  { title = "Every outcome", text = "", command = "lua5.4 examples/all_interleavings.lua" },
}
