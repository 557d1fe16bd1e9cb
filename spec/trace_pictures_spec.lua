-- The files that a trace is drawn into: Chrome's JSON, SVG, the web page; and what they are made of: who acted on whom,
-- the critical path, regions.

local helper = require "spec.helper"
local json = require "dkjson"
local path = require "weft.trace_path"
local trace = require "weft.trace"
local weft = require "weft"

---------------------------------------------------------------------- checkers

-- What viewers need of trace events; returns the list.
local function check_chrome(text)
  local doc, _, wrong = json.decode(text, 1, nil)
  assert.is_nil(wrong)
  local events = doc.traceEvents
  local named, slices, open, flow = {}, {}, {}, {}
  for i, e in ipairs(events) do
    local where = ("event %d: %s"):format(i, json.encode(e))
    assert(type(e.ph) == "string" and type(e.pid) == "number", where)
    assert(e.ph == "M" or type(e.ts) == "number" and e.ts >= 0, where)
    if e.ph == "M" and e.name == "thread_name" then named[e.tid] = e.args.name end
    if e.ph == "X" then
      assert(named[e.tid], "no name for the thread of " .. where)
      assert(e.dur >= 0, where)
      slices[e.tid] = slices[e.tid] or {}
      table.insert(slices[e.tid], e)
    elseif e.ph == "b" then
      local key = e.cat .. e.id
      open[key] = open[key] or {}
      table.insert(open[key], e)
    elseif e.ph == "e" then
      local begun = table.remove(open[e.cat .. e.id] or {})
      assert(begun and begun.name == e.name and begun.ts <= e.ts, "not nested: " .. where)
    elseif e.ph == "s" or e.ph == "f" then
      flow[e.id] = flow[e.id] or {}
      assert(not flow[e.id][e.ph], "twice: " .. where)
      flow[e.id][e.ph] = e
    end
  end
  for _, stack in pairs(open) do assert.same({}, stack) end
  -- Slices of a thread follow each other: to the nanosecond, as 1e-3 of these numbers.
  local function ns(v) return math.floor(v * 1000 + 0.5) end
  for _, list in pairs(slices) do
    table.sort(list, function(a, b) return a.ts < b.ts end)
    for i = 2, #list do assert(ns(list[i].ts) >= ns(list[i - 1].ts) + ns(list[i - 1].dur), "slices overlap") end
  end
  for _, f in pairs(flow) do
    assert(f.s and f.f and ns(f.s.ts) <= ns(f.f.ts), "half an arrow, or one back in time")
    for _, e in pairs(f) do
      local inside = false
      for _, slice in ipairs(slices[e.tid] or {}) do
        inside = inside or ns(slice.ts) <= ns(e.ts) and ns(e.ts) <= ns(slice.ts) + ns(slice.dur)
      end
      assert(inside, "an end of an arrow is in no slice: " .. json.encode(e))
    end
  end
  return events
end

-- Elements that are closed, attributes in quotes, no stray characters.
local function check_xml(text)
  local stack = {}
  local rest = text:gsub("<(/?)([%w:]+)(.-)(/?)>", function(closing, name, attributes, empty)
    if closing == "/" then
      assert.equal(name, table.remove(stack))
    else
      local left = attributes:gsub('%s[%w:-]+="[^"<]*"', "")
      assert.equal("", left)
      if empty == "" then stack[#stack + 1] = name end
    end
    return ""
  end)
  assert.same({}, stack)
  assert.is_nil(rest:find "[<>]")
  for entity in rest:gmatch "&(.-);" do assert(({ amp = 1, lt = 1, gt = 1, quot = 1 })[entity], entity) end
  assert.is_nil(rest:gsub("&%w+;", ""):find "&")
end

local function page_data(text)
  local data, _, wrong = json.decode(text:match '<script type="application/json" id="data">(.-)</script>', 1, nil)
  assert.is_nil(wrong)
  return data
end

local function flows_of(t)
  local out = {}
  for _, f in ipairs(t.flows) do
    local from, to = t.model.by_id[f.from], t.model.by_id[f.to]
    out[#out + 1] = ("%s %s %g -> %s %g"):format(f.kind, from.name, f.at * 1e-9, to.name, f.till * 1e-9)
  end
  return out
end

local function path_of(t)
  local out = {}
  for _, step in ipairs(t.path) do
    local what = step.what and " (" .. step.what .. ")" or ""
    out[#out + 1] = ("%s %s %g-%g%s"):format(step.task.name, step.kind, step.from * 1e-9, step.to * 1e-9, what)
  end
  return out
end

---------------------------------------------------------------------- who acted on whom

describe("flows", function()
  local CHAN, LOCK = 1 << 63 | 9, 1 << 63 | 8

  it("go from the sender to the receiver that waited, and from the sender that waited to the receiver", function()
    local t = trace.from_records { wall = 10, names = { [2] = "s", [3] = "r" },
      { 0, "run", 3 }, { 1, "stop", 3, "recv", CHAN }, { 1, "run", 2 }, { 2, "ready", 3, nil, 2 },
      { 3, "stop", 2, "send", CHAN }, { 4, "run", 3 }, { 5, "ready", 2, nil, 3 }, { 6, "stop", 3, "done" } }
    assert.same({ "message s 2 -> r 2", "message s 3 -> r 5" }, flows_of(t))
    assert.equal(CHAN, t.flows[1].what)
  end)

  it("of values that lay in a channel go from put to take, by number", function()
    local t = trace.from_records { wall = 20, names = { [2] = "s", [3] = "r", [4] = "waiter" },
      { 0, "run", 2 }, { 1, "put", 0, nil, CHAN, iso = 7 }, { 2, "put", 0, nil, CHAN, iso = 8 }, { 3, "stop", 2, "yield" },
      { 3, "run", 4 }, { 4, "stop", 4, "send", CHAN },
      { 5, "run", 3 }, { 6, "take", 0, nil, CHAN, iso = 7 }, { 6, "put", 4, nil, CHAN, iso = 9 },
      { 6, "ready", 4, nil, 3 },
      { 7, "take", 0, nil, CHAN, iso = 8 }, { 8, "take", 0, nil, CHAN, iso = 9 }, { 9, "take", 0, nil, CHAN, iso = 5 } }
    assert.same({ "message s 1 -> r 6", "wake r 6 -> waiter 6", "message s 2 -> r 7", "message waiter 4 -> r 8" },
      flows_of(t))
  end)

  it("tell locks, joins, births, closes, cancellations and the rest apart", function()
    local t = trace.from_records { wall = 20, names = { [2] = "a", [3] = "b" },
      { 0, "run", 2 }, { 1, "new", 3, "task", 2 }, { 2, "stop", 2, "lock", LOCK }, { 2, "run", 3 }, { 3, "ready", 2, nil, 3 },
      { 4, "stop", 3, "recv", CHAN }, { 4, "run", 2 }, { 5, "ready", 3, "done", 2 }, { 6, "stop", 2, "wait", LOCK },
      { 6, "run", 3 }, { 7, "ready", 2, nil, 3 }, { 8, "stop", 3, "sleep" }, { 8, "run", 2 }, { 9, "ready", 3, "cancelled", 2 },
      { 10, "stop", 2, "join", 3 }, { 10, "run", 3 }, { 11, "stop", 3, "cancelled" }, { 11, "ready", 2, nil, 3 } }
    assert.same({ "start a 1 -> b 1", "unlock b 3 -> a 3", "close a 5 -> b 5", "wake b 7 -> a 7", "cancel a 9 -> b 9",
      "join b 11 -> a 11" }, flows_of(t))
  end)

  it("know the thread that ended a wait from afar", function()
    local t = trace.from_records { wall = 10, names = { [2] = "s", [3] = "r" }, threads = { "a", "b" },
      { 0, "run", 2 }, { 0, "run", 3, thread = 2 }, { 1, "stop", 3, "recv", CHAN, thread = 2 },
      { 2, "post", 3 }, { 4, "ready", 3, nil, 0, thread = 2 } }
    assert.same({ "message s 2 -> r 4" }, flows_of(t))
    assert.equal(2, t.tasks[2].by[3])
  end)

  it("between processes go from put to take, through whatever carried the value", function()
    local AGENT = 1 << 62 | 5
    local t = trace.from_records { wall = 40, names = { [2] = "s", [3] = "r", [4] = "x" }, threads = { "a", "b" },
      -- Put, taken for the other process, come there for who waits.
      { 0, "run", 2 }, { 0, "run", 3, thread = 2 }, { 1, "put", 0, nil, CHAN, iso = 0 }, { 1, "stop", 3, "recv", CHAN, thread = 2 },
      { 2, "take", 0, nil, CHAN, iso = 0 }, { 2, "ship", 0, nil, 77, iso = 0 },
      { 3, "land", 0, nil, 77, iso = 0, thread = 2 }, { 3, "post", 3, thread = 2 }, { 4, "ready", 3, thread = 2 },
      { 4, "run", 3, thread = 2 },
      -- Handed to the connection's own wait, come there before clocks say that it went, kept there, taken.
      { 5, "post", AGENT }, { 5.5, "land", 0, nil, 77, iso = 1, thread = 2 }, { 6, "ship", AGENT, nil, 77, iso = 1 },
      { 6, "put", 0, nil, CHAN, iso = 1 << 31, thread = 2 }, { 7, "take", 0, nil, CHAN, iso = 1 << 31, thread = 2 },
      -- Of a sender that waits, to a task that takes it from the connection's wait.
      { 8, "stop", 2, "send", CHAN }, { 9, "post", 2 }, { 9, "ship", 0, nil, 77, iso = 2 },
      { 10, "land", 0, nil, 77, iso = 2, thread = 2 }, { 10, "land", AGENT, nil, 77, iso = 2, thread = 2 },
      { 11, "ready", 2 }, { 12, "post", AGENT, thread = 2 },
      -- What never went has no arrow, and what never came.
      { 13, "land", 0, nil, 77, iso = 9, thread = 2 }, { 13, "put", 0, nil, CHAN, iso = 1 << 31 | 1, thread = 2 },
      { 14, "take", 0, nil, CHAN, iso = 1 << 31 | 1, thread = 2 }, { 15, "ship", AGENT, nil, 77, iso = 10 } }
    assert.same({ "message s 1 -> r 4", "message s 5 -> r 7", "message s 8 -> r 12" }, flows_of(t))
    for _, f in ipairs(t.flows) do assert.is_true(f.far) end
  end)

  it("of values that come back are those of their first senders", function()
    local t = trace.from_records { wall = 20, names = { [2] = "a", [3] = "b", [4] = "r" },
      { 0, "run", 2 }, { 1, "put", 0, nil, CHAN, iso = 0 }, { 2, "put", 0, nil, CHAN, iso = 1 }, { 3, "stop", 2, "yield" },
      { 3, "run", 3 }, { 4, "put", 0, nil, CHAN, iso = 2 }, { 5, "stop", 3, "yield" },
      { 6, "take", 0, nil, CHAN, iso = 0 }, { 6, "ship", 0, nil, 77, iso = 0 },
      { 7, "take", 0, nil, CHAN, iso = 1 }, { 7, "ship", 0, nil, 77, iso = 1 },
      { 8, "land", 0, nil, 77, iso = 0 }, { 8, "put", 0, "wait", CHAN, iso = 1 },
      { 9, "land", 0, nil, 77, iso = 1 }, { 9, "put", 1, "wait", CHAN, iso = 1 },
      { 10, "run", 4 }, { 11, "take", 0, nil, CHAN, iso = 0 }, { 12, "take", 0, nil, CHAN, iso = 1 },
      { 13, "take", 0, nil, CHAN, iso = 2 } }
    assert.same({ "message a 1 -> r 11", "message a 2 -> r 12", "message b 4 -> r 13" }, flows_of(t))
  end)

  it("of timers there are none, nor of what was cut off", function()
    local t = trace.from_records { wall = 10,
      { 1, "ready", 4, nil, 5 }, { 2, "run", 4 }, { 3, "stop", 4, "sleep" }, { 5, "ready", 4 },
      { 6, "take", 0, nil, CHAN, iso = 3 } }
    assert.same({}, t.flows)
  end)
end)

describe("the critical path", function()
  it("goes from the end to what it waited for, across tasks", function()
    local t = trace.from_records { wall = 10, names = { [2] = "fast", [3] = "slow" }, threads = { "a", "b" },
      { 0, "live", 1, "main" }, { 0, "run", 1 }, { 1, "new", 2, "task", 1 }, { 1, "new", 3, "task", 1 },
      { 2, "stop", 1, "join", 3 }, { 2, "run", 2 }, { 3, "stop", 2, "done" }, { 3, "run", 3 }, { 5, "stop", 3, "sleep" },
      { 7, "ready", 3 }, { 7, "run", 3 }, { 8, "ready", 1, nil, 3 }, { 8.5, "stop", 3, "done" }, { 9, "run", 1 } }
    assert.same({ "main run 0-1", "slow ready 1-3", "slow run 3-5", "slow wait 5-7 (sleep)", "slow run 7-8", "main ready 8-9",
      "main run 9-10" }, path_of(t))
    local sums = path.sums(t.path)
    assert.same({ "slow", "run", 3e9 }, { sums[1].name, sums[1].kind, sums[1].ns })
  end)

  it("covers the whole time of a real trace without a gap", function()
    local t = weft.trace(function()
      local ch = weft.channel()
      local job = weft.thread({ name = "far" }, function(out)
        local sum = 0
        for i = 1, 100000 do sum = sum + i end
        out:send(sum)
      end, ch)
      weft.go({ name = "near" }, function() ch:recv() end):join()
      job:join()
    end)
    local at = 0
    for _, step in ipairs(t.path) do
      assert.equal(at, step.from)
      assert(step.to > step.from)
      at = step.to
    end
    assert.equal(t._raw.wall, at)
  end)

  it("leads to the task that the end waited for, however it waited", function()
    local function done(wait)
      local t = weft.trace(function()
        local short = weft.go({ name = "short" }, weft.sleep, 0.001)
        local long = weft.go({ name = "long" }, weft.sleep, 0.03)
        wait(short, long)
      end)
      local sums = path.sums(t.path)
      return sums[1].name .. " " .. sums[1].kind
    end
    assert.equal("long wait", done(weft.wait))
    assert.equal("long wait", done(function(short, long) short:join() long:join() end))
    assert.equal("long wait", done(function(short, long) weft.all { short, long } end))
  end)

  it("of nothing is empty", function()
    assert.same({}, trace.from_records({ wall = 1 }).path)
  end)
end)

---------------------------------------------------------------------- real traces

local function busy()
  local jobs, results = weft.trace.label(weft.channel(3), "jobs"), weft.channel()
  local lock = weft.mutex()
  local function work(from, to)
    for n in from do
      local x = 0
      for i = 1, n do x = x + i end
      to:send(x)
    end
  end
  return weft.trace(function()
    weft.thread({ name = "one" }, work, jobs, results):detach()
    weft.thread({ name = 'two "<&>"' }, work, jobs, results):detach()
    weft.go({ name = "feeder" }, function()
      weft.region("feed", function()
        for i = 1, 20 do jobs:send(1000 * i) end
      end)
      jobs:close()
    end)
    for k = 1, 2 do
      weft.go({ name = "writer " .. k }, function()
        for _ = 1, 3 do
          local _ <close> = lock:guard()
          weft.region("write", weft.sleep, 0.001)
        end
      end)
    end
    for _ = 1, 20 do results:recv() end
    weft.mark "all there"
    weft.wait()
  end)
end

describe("a trace of threads, channels and locks", function()
  local t = busy()

  it("has an arrow for each message and each hand-over of the lock", function()
    local n, what = {}, {}
    for _, f in ipairs(t.flows) do
      n[f.kind] = (n[f.kind] or 0) + 1
      if f.kind == "message" then what[f.what] = (what[f.what] or 0) + 1 end
      assert(f.till >= f.at)
    end
    assert.equal(40, n.message)
    assert.equal(20, what[next(what)])
    assert(n.unlock >= 3, n.unlock)
    assert(n.start >= 5, n.start)
  end)

  it("knows regions, those that are left by an error too", function()
    local names = {}
    for _, r in ipairs(t.model.regions) do
      assert(r.till >= r.at)
      names[r.name] = (names[r.name] or 0) + 1
    end
    assert.same({ feed = 1, write = 6 }, names)
    local failing = weft.trace(function()
      pcall(weft.region, "outer", function() weft.region("inner", error, "no") end)
      weft.region("after", function() return 1 end)
    end)
    local depths = {}
    for _, r in ipairs(failing.model.regions) do depths[r.name] = r.depth end
    assert.same({ outer = 1, inner = 2, after = 1 }, depths)
  end)

  it("becomes JSON that viewers show as it was", function()
    local names, n = {}, {}
    for _, e in ipairs(check_chrome(t:chrome())) do
      n[e.ph] = (n[e.ph] or 0) + 1
      names[e.name] = true
    end
    assert.equal(n.s, n.f)
    assert.equal(n.b, n.e)
    assert(n.s >= 40 and n.i == 1 and n.C > 2)
    for _, name in ipairs { "feeder", 'two "<&>"', "message jobs", "feed", "all there", "ready" } do
      assert(names[name], name)
    end
  end)

  it("becomes SVG", function()
    local text = t:svg()
    check_xml(text)
    local name = "two &quot;&lt;&amp;&gt;&quot;"
    for _, what in ipairs { "feeder", name, "message jobs", "unlock mutex", "OS THREADS", "all there" } do
      assert(text:find(what, 1, true), what)
    end
  end)

  it("becomes a page that needs nothing else", function()
    local text = t:html()
    assert.is_nil(text:find "https?://")
    assert.is_nil(text:find "<link")
    local data = page_data(text)
    assert.equal(#t.tasks, #data.tasks)
    assert.equal(#t.tasks, #data.states)
    assert.equal(6 * #t.flows, #data.flows)
    assert.equal(5 * #t.path, #data.path)
    assert.same({ #t.model.regions * 5, 3 }, { #data.regions, #data.marks })
    for i, list in ipairs(data.states) do assert.equal(3 * t.tasks[i].n, #list) end
  end)
end)

describe("pictures", function()
  it("are drawn of traces that are empty, cut, or full of odd names", function()
    local names = { [2] = "</script><b>\0\1\xff", [3] = "" }
    local odd = trace.from_records { wall = 5, lost = 3, names = names, labels = { [9] = '"\\' },
      { 1, "ready", 2 }, { 2, "stop", 3, "recv", 9 }, { 3, "run", 2 }, { 4, "enter", 0, text = "r<>" },
      { 4, "leave", 0 }, { 4, "mark", 0, text = "&" } }
    for _, t in ipairs { trace.from_records { wall = 0 }, trace.from_records { wall = 1, threads = {} }, odd } do
      check_chrome(t:chrome())
      check_xml(t:svg())
      local page = t:html()
      page_data(page)
      assert.equal(2, select(2, page:gsub("</script>", "")))
      assert.is_string(t:timeline { print = false })
    end
  end)

  it("say why a file cannot be written", function()
    local t = trace.from_records { wall = 1 }
    local dir = helper.tmpdir()
    for _, kind in ipairs { "chrome", "svg", "html" } do
      helper.fails("ENOENT", t[kind], t, dir .. "/none/x")
      helper.fails("EISDIR", t[kind], t, dir)
      helper.raises("bad argument #1 to '" .. kind .. "' (string expected, got number)", t[kind], t, 5)
      assert.is_true(t[kind](t, dir .. "/x"))
      assert.equal(t[kind](t), helper.read_file(dir .. "/x"))
    end
    if io.open "/dev/full" then helper.fails("ENOSPC", t.svg, t, "/dev/full") end
    helper.remove_dir(dir)
  end)

  it("of many tasks show those that ran most, and say how many are left out", function()
    local t = weft.trace(function()
      for _ = 1, 200 do weft.go(weft.sleep, 0.001) end
      weft.wait()
    end)
    local text = t:svg()
    check_xml(text)
    assert(text:find("and 141 tasks that ran less", 1, true))
  end)
end)

---------------------------------------------------------------------- in a browser

local function browser()
  for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    local p = io.popen("command -v " .. name .. " 2>/dev/null")
    local found = p:read "l"
    p:close()
    if found then return found end
  end
end

describe("the page in a browser", function()
  local program = not helper.sanitizer and browser()
  local why_not = helper.sanitizer and "not under a sanitizer" or "no chromium here: apt-get install chromium"
  local test = program and it or function(name) pending(name .. " (" .. why_not .. ")") end

  local function open(t)
    local dir = helper.tmpdir()
    assert(t:html(dir .. "/t.html"))
    local p = io.popen(("HOME=%s TMPDIR=%s timeout 60 %s --headless --no-sandbox --disable-gpu --virtual-time-budget=5000 "
      .. "--user-data-dir=%s/profile --dump-dom file://%s/t.html 2>/dev/null"):format(dir, dir, program, dir, dir))
    local dom = p:read "a"
    p:close()
    helper.remove_dir(dir)
    return dom:match 'data%-ready="([^"]*)"' or error("the page did not come up:\n" .. dom:sub(1, 2000))
  end

  test("shows a small trace", function()
    local t = busy()
    local ready = open(t)
    assert.equal(("%d tasks, %d threads, %d arrows"):format(#t.tasks, #t.threads, #t.flows), (ready:gsub(", %d+ ms$", "")))
  end)

  test("shows a hundred thousand events", function()
    local t = weft.trace({ capacity = 1 << 17 }, function()
      local a, b = weft.channel(), weft.channel()
      weft.go(function() for i = 1, 17000 do a:send(i) b:recv() end end)
      weft.go(function() for _ = 1, 17000 do b:send(a:recv()) end end)
      weft.wait()
    end)
    assert(t.count > 100000 and t.lost == 0, tostring(t))
    assert(#t.flows >= 34002)
    assert(open(t):find(("3 tasks, 1 threads, %d arrows"):format(#t.flows), 1, true))
  end)
end)
