-- cases: what is measured, with whom, and what weft wants of it. Pure data; nothing here runs.
--
-- A case: name, title, pin (all its subjects share one CPU), seconds (its share of the whole time), rounds (at most),
-- and subjects, which run in turn. A subject: name, kind and program (build.lua finds both), args, and the rows that
-- it fills: {metric, label} or the case's own metric. `heavy` ones run once. Goals compare weft's row with another's,
-- or with a number; `why` says what stands in the way of one that is missed.
local quick = os.getenv "BENCH_QUICK" == "1"

local function size(full)
  return quick and full // 5 or full
end

local K, M = 1000, 1000000

local function weft(program, args, rows) return { name = "weft", kind = "weft", program = program, args = args, rows = rows } end
local function c(name, program, args, rows) return { name = name, kind = "c", program = program, args = args, rows = rows } end
local function go(program, args, name, rows)
  return { name = name or "go", kind = "go", program = program, args = args, rows = rows }
end
local function erlang(program, args) return { name = "erlang", kind = "erlang", program = program, args = args } end
-- Two schedulers.
local function erlang2(name, args, rows)
  return { name = name, kind = "erlang2", program = "isolates", args = args, rows = rows }
end
local function node(program, args, rows) return { name = "node", kind = "node", program = program, args = args, rows = rows } end
local function lua(name, program, args, rows)
  return { name = name, kind = "lua", program = program, args = args, rows = rows }
end

local function heavy(subject)
  subject.heavy = true
  return subject
end

-- A server under bench/c/load_net.
local function server(name, kind, program, what, load, rows)
  return { name = name, kind = kind, program = program, args = { what }, load = load, rows = rows }
end

local seconds = quick and 1 or 3
local echo = { "echo", 50, 64, seconds }
local served = { { "rate" }, { "cpu_us", "CPU of the server" }, { "p99_us", "99 % answered within" } }
local served_units = { rate = "/s", cpu_us = "us", p99_us = "us" }
local bulk = { "bulk", quick and 256 or 1024 }
local accepts = { "accept", seconds }
local resp = { "bench/peers/lua/resp_load.lua", size(500 * K) }
local resp_rows = { { "rate" }, { "pipelined", "16 at once" } }

-- Cost against the number of tasks: the points of bench/weft/curve.lua and of its peer.
local function curve(what, title, ops)
  return {
    name = "curve-" .. what, title = title, metric = "ns", unit = "ns", pin = true, rounds = quick and 1 or 3, seconds = 30,
    points = quick and { K, 30 * K, M } or { K, 3 * K, 10 * K, 30 * K, 100 * K, 300 * K, M },
    series = { { name = "weft", kind = "weft", program = "curve" }, { name = "go", kind = "go", program = "curve" } },
    args = function(n) return { what, n, math.max(n, size(ops)) } end,
  }
end

-- The rows of the case of processes; what differs from one subject to the other is named by the metric.
local function process_rows(more)
  return { { "exec_us" }, { "exec8_us", "8 at once" }, { "lua_us", more.lua_us }, { "trip_us", "round trip of an integer" },
    { "message_ns", "64 bytes one way" }, { "buffer_us", more.buffer_us }, { "buffer_ns", more.buffer_ns } }
end

-- Why some goals are out of reach.
local START = "A start and an end are a handle that the collector takes later, and some forty calls of Lua's API; no function has "
  .. "more than an eighth of the time (perf). A goroutine's record and stack come from a list of used ones."
local PARKED = "All but 24 bytes are Lua's own: the coroutine 216, its stack of 45 values 720, three call records 192, the handle "
  .. "120. The rest is the task's place in two tables."
local SLEEPERS = "Half of the time is memory: 1.3 GB of coroutines are made and are far from the processor when they fire; a "
  .. "sleeper touches some fifteen cache lines each time. The wheel itself takes a hundredth (C wheel)."
local PROCESS = "An interpreter with nothing to do is spared loading weft's module (a third of the difference: its 370 names are "
  .. "looked up), opening and closing its state, and the message there and back."
local MAP = "Two workers and the main thread, which hands out and collects, share two processors. The row has had 0.92 to 1.04 "
  .. "in runs of the same program."
local TABLE = "A third of the instructions are Lua's (callgrind), most of them in the receiver: it makes the table and "
  .. "collects it. Both isolates run on one worker; two that hand over so little at a time are slower."
local PINGPONG = "Three events at two moments each way; who stops and who goes on share one. Reading the clock four times is more "
  .. "than 5 % of so short a round trip by itself."
local RESP = "The load generator is what is measured: redis-benchmark has 96 % of its processor, either server 86 % of its own."
local THREAD = "The clock counts how long the kernel takes to start a thread and to wake the other one. weft's join goes through "
  .. "the isolate's inbox, so that other tasks go on meanwhile; the C program joins in the kernel."
local ISOLATE = "A state that has only the base library is 10.2 KB here with weft's record of it; the function, its coroutine and "
  .. "the channel's methods are 3 KB more."

-- A channel of 128 from one isolate to another: n values of a kind. C moves blocks of `bytes`.
local function between(kind, title, n, goal, bytes, peers)
  local subjects = {
    weft("isolates", { "channel", n.weft, kind }),
    { name = "weft, a thread each", kind = "weft", program = "isolates", args = { "channel", n.weft, kind, "thread" } },
    go("isolates", { "channel", n.go, kind }),
    bytes and c("C mutex + conditions", "limit_isolates", { "channel", n.go, bytes }) or nil,
  }
  if peers then table.insert(subjects, 3, erlang2("erlang", { "channel", n.erlang, kind })) end
  return {
    name = "between-" .. kind, title = "channel (128) between two isolates: " .. title,
    metric = "rate", unit = "msg/s", more = true, seconds = 15, subjects = subjects,
    goals = { { number = goal, least = 1, why = kind == "table" and TABLE or nil } },
  }
end

local parked_rows = { { "bytes" }, { "mib", "resident in all" }, { "seconds", "start, park, answer" } }
local sleepers = { { "cpu" }, { "wall", "wall" }, { "rss", "peak rss" } }
local sleepers_units = { cpu = "s cpu", wall = "s", rss = "MiB" }

return {
  {
    name = "switch", title = "task yield, two tasks taking turns, per switch",
    metric = "ns", unit = "ns", pin = true, seconds = 20,
    subjects = {
      weft("switch", { size(2 * M) }),
      go("switch", { size(2 * M) }),
      erlang("switch", { size(M) }),
      node("switch", { size(2 * M) }),
      lua("lua", "lua_switch", { size(M) }, { { "ns" }, { "bare_ns", "coroutine.wrap" } }),
      lua("cqueues", "cqueues_switch", { size(200 * K) }),
      lua("copas", "copas_switch", { size(50 * K) }),
      c("C resume+yield", "limit_switch", { size(5 * M) }, { { "ns" }, { "c_body_ns", "C body" } }),
    },
    goals = { { subject = "go", most = 0.9 } },
  },
  {
    name = "roundtrip", title = "unbuffered channel round trip, one thread",
    metric = "ns", unit = "ns", pin = true, seconds = 25,
    subjects = {
      weft("roundtrip", { size(M) }),
      { name = "weft, methods in locals", kind = "weft", program = "roundtrip_locals", args = { size(M) } },
      go("roundtrip", { size(M) }),
      node("roundtrip", { size(500 * K) }),
      erlang("roundtrip", { size(500 * K) }),
      lua("lua", "lua_roundtrip", { size(500 * K) }),
      lua("cqueues", "cqueues_roundtrip", { size(200 * K) }),
      lua("copas", "copas_roundtrip", { size(50 * K) }),
      c("C 2 x resume+yield", "limit_roundtrip", { size(2 * M) }),
      c("C bare channels", "limit_channel", { size(M) }, { { "ns" }, { "locals_ns", "C bare channels, methods in locals" } }),
    },
    goals = { { subject = "go", most = 0.8 } },
  },
  {
    name = "buffered", title = "buffered channel (128), one thread, integers",
    metric = "rate", unit = "msg/s", more = true, pin = true, seconds = 25,
    subjects = {
      weft("buffered", { size(5 * M) }),
      go("buffered", { size(10 * M) }),
      erlang("buffered", { size(3 * M) }),
      node("buffered", { size(5 * M) }),
      lua("lua", "lua_buffered", { size(2 * M) }),
    },
    goals = { { subject = "erlang", least = 1.2 }, { subject = "go", least = 1 / 3 } },
  },
  {
    name = "start", title = "start + finish a task, batches of 1000",
    metric = "ns", unit = "ns", pin = true, seconds = 30,
    subjects = {
      weft("start", { size(M), K }),
      { name = "weft, joining each", kind = "weft", program = "start", args = { size(M), K, "join" } },
      go("start", { size(M), K, 1 }),
      node("start", { size(M), K }),
      erlang("start", { size(M), K }),
      lua("lua", "lua_start", { size(M), K }),
      lua("cqueues", "cqueues_start", { size(500 * K), K }),
      lua("copas", "copas_start", { size(100 * K), K }),
      c("C reused coroutine", "limit_task", { size(M) }, { { "ns" }, { "new_ns", "C new coroutine" } }),
    },
    goals = { { subject = "go", most = 0.8, why = START } },
  },
  {
    name = "burst", title = "start 1,000,000 tasks, then run them",
    metric = "ns", unit = "ns", pin = true, seconds = 45, rounds = quick and 1 or nil,
    subjects = {
      weft("start", { M, M }),
      go("start", { M, M, 1 }),
      erlang("start", { M, M }),
      node("start", { M, M }),
      lua("lua", "lua_start", { M, M }),
      heavy(lua("cqueues", "cqueues_start", { M, M })),
      { name = "go, two processors", kind = "go", program = "start", args = { M, M, 2 }, pin = false },
    },
    goals = { { subject = "go", most = 0.8 } },
  },
  {
    name = "parked", title = "memory of a parked task, slope over n",
    metric = "bytes", unit = "B", pin = true, seconds = 30, rounds = 3,
    subjects = {
      weft("parked", { 100 * K, 500 * K }),
      c("C coroutine", "limit_parked", { 100 * K, 500 * K }),
      go("parked", { 100 * K, 500 * K }),
      erlang("parked", { 100 * K, 500 * K }),
      node("parked", { 100 * K, 500 * K }),
      lua("lua", "lua_parked", { 100 * K, 500 * K }),
      lua("cqueues", "cqueues_parked", { 100 * K, 500 * K }),
    },
    goals = { { number = 1300, most = 1, why = PARKED } },
  },
  {
    name = "sleepers", title = size(M) .. " sleeping tasks created and fired, CPU time",
    metric = "cpu", unit = "s cpu", units = sleepers_units, pin = true, seconds = 100, rounds = quick and 1 or 3,
    subjects = {
      { name = "weft", kind = "weft", program = "sleepers", args = { size(M) }, rows = sleepers },
      { name = "go", kind = "go", program = "sleepers", args = { size(M), 1 }, rows = sleepers },
      { name = "erlang", kind = "erlang", program = "sleepers", args = { size(M) }, rows = sleepers },
      heavy(node("sleepers", { size(M) }, sleepers)),
      heavy(lua("cqueues", "cqueues_sleepers", { size(M) }, sleepers)),
      heavy(lua("luv", "luv_sleepers", { size(M) }, sleepers)),
      heavy(lua("copas, from a tenth", "copas_sleepers", { size(M) // 10, size(M) }, { { "cpu" }, { "rss", "peak rss" } })),
      c("C wheel", "limit_wheel", { size(M) }, { { "cpu" }, { "heap_cpu", "C heap" } }),
    },
    goals = { { subject = "go", most = 0.5, why = SLEEPERS } },
  },
  {
    name = "sleep", title = "one sleep of 1 ms, of 1,000 tasks that do it again and again, CPU time",
    metric = "ns", unit = "ns", pin = true, seconds = 30, rounds = 3,
    subjects = {
      weft("sleep", { K, size(K) }),
      go("sleep", { K, size(K), 1 }),
      lua("cqueues", "cqueues_sleep", { K, size(K) }),
      lua("luv", "luv_sleep", { K, size(K) }),
    },
    goals = { { number = 500, most = 1 } },
  },
  {
    name = "thread", title = "weft.thread start + join of an empty function",
    metric = "us", unit = "us", seconds = 25,
    subjects = {
      weft("thread", { size(2 * K) }),
      c("C thread + lean state", "limit_thread", { size(3 * K) },
        { { "us" }, { "bare_us", "C thread alone" }, { "base_us", "C thread + base" }, { "full_us", "C thread + all libraries" } }),
      lua("lanes", "lanes_thread", { size(500) }, { { "us" }, { "full_us", "lanes, all libraries" } }),
      lua("luv", "luv_thread", { size(500) }),
      go("thread", { size(3 * K) }),
      heavy(node("thread", { 15 })),
    },
    goals = { { subject = "C thread + lean state", most = 1.3, why = THREAD } },
  },
  {
    name = "process", title = "programs and worker processes: posix_spawn of `true` and wait",
    metric = "exec_us", unit = "us", seconds = 30, units = { message_ns = "ns", buffer_ns = "ns" },
    subjects = {
      weft("process", { size(400) }, process_rows { lua_us = "a process of an empty function + join",
        buffer_us = "round trip of a 1 MiB buffer",
        buffer_ns = "buffers of 1 MiB one way" }),
      c("C", "limit_process", { size(400) }, process_rows { lua_us = "posix_spawn of lua5.4 -e ''" }),
    },
    goals = {
      { subject = "C", most = 1.1 },
      { own = "weft, 8 at once", subject = "C, 8 at once", most = 1.1 },
      { own = "weft, a process of an empty function + join", subject = "C, posix_spawn of lua5.4 -e ''", most = 1.3,
        why = PROCESS },
      { own = "weft, round trip of an integer", subject = "C, round trip of an integer", most = 1.3 },
      { own = "weft, buffers of 1 MiB one way", number = 10 * K, most = 1 },
      { own = "weft, 64 bytes one way", number = 1000, most = 1 },
    },
  },
  {
    name = "cat", title = "256 MiB through the standard input and output of `cat`",
    metric = "rate", unit = "MiB/s", more = true, seconds = 15,
    subjects = { weft("cat", { size(256) }), c("C", "limit_cat", { size(256) }) },
    goals = { { subject = "C", least = 0.8 } },
  },
  {
    name = "thread-1cpu", title = "the same with both threads on one CPU",
    metric = "us", unit = "us", pin = true, seconds = 15,
    subjects = {
      weft("thread", { size(2 * K) }),
      c("C thread + lean state", "limit_thread", { size(3 * K) }, { { "us" }, { "bare_us", "C thread alone" } }),
      go("thread", { size(3 * K) }),
    },
    goals = { { subject = "C thread + lean state", most = 1.3 } },
  },
  {
    name = "map", title = "weft.map of CPU-bound Lua on two cores, 64 chunks: speed-up over one",
    metric = "speedup", unit = "x", units = { speedup = "x", item_us = "us" }, more = true, seconds = 40,
    subjects = {
      { name = "weft", kind = "weft", program = "map", args = { size(M), 3, size(M) },
        rows = { { "speedup" }, { "item_us", "an empty function, per item" } } },
      { name = "weft, isolates", kind = "weft", program = "map", args = { size(M), 3, size(M), "isolate" },
        rows = { { "speedup" }, { "item_us", "an empty function, per item" } } },
      { name = "weft, worker processes", kind = "weft", program = "map", args = { size(M), 3, size(100 * K), "process" },
        rows = { { "speedup" }, { "item_us", "an empty function, per item" } } },
      { name = "two processes", kind = "lua", program = "lua_map", args = { size(M), 3 }, rows = { { "speedup" } } },
      { name = "go", kind = "go", program = "map", args = { size(4 * M), 3 }, rows = { { "speedup" } } },
      { name = "lanes", kind = "lua", program = "lanes_map", args = { size(M), 3 }, rows = { { "speedup" } } },
    },
    goals = {
      { subject = "two processes", least = 0.97, why = MAP },
      { own = "weft, isolates", subject = "two processes", least = 0.97, why = MAP },
      { own = "weft, worker processes", subject = "two processes", least = 0.97, why = MAP },
    },
  },
  {
    name = "isolate", title = "weft.spawn and join of an empty function, 10,000 at once",
    metric = "us", unit = "us", seconds = 15,
    subjects = {
      weft("isolates", { "start", size(50 * K), 10 * K }),
      c("C bare state", "limit_isolates", { "state", size(20 * K) }, { { "us" }, { "full_us", "C state with all libraries" } }),
      erlang2("erlang", { "start", size(200 * K), 10 * K }),
      go("isolates", { "start", size(2 * M), 10 * K }),
    },
    goals = { { number = 6, most = 1 } },
  },
  {
    name = "isolate-parked", title = "memory of a parked isolate, slope to 100,000; then all are answered",
    metric = "bytes", unit = "B", units = { bytes = "B", mib = "MiB", seconds = "s" }, seconds = 30, rounds = quick and 1 or 3,
    subjects = {
      weft("isolates", { "parked", size(100 * K) }, parked_rows),
      c("C bare state", "limit_isolates", { "parked", size(100 * K) }),
      erlang2("erlang", { "parked", size(100 * K) }, parked_rows),
    },
    goals = {
      { number = 10240, most = 1, why = ISOLATE },
      { own = "weft, resident in all", number = 1200 * 1000 * 1000 / (1 << 20), most = 1, why = ISOLATE },
    },
  },
  {
    name = "isolate-trip", title = "round trip between two isolates, one worker",
    metric = "ns", unit = "ns", seconds = 15,
    subjects = {
      weft("isolates", { "trip", size(500 * K), 1 }),
      go("isolates", { "trip", size(M), 1 }),
      erlang("isolates", { "trip", size(500 * K) }),
      c("C spin, then futex, two threads", "limit_isolates", { "trip", size(300 * K) },
        { { "ns" }, { "sleep_ns", "C futex, two threads" } }),
    },
    goals = { { number = 500, most = 1 } },
  },
  {
    name = "isolate-trip-2", title = "the same with two workers awake",
    metric = "ns", unit = "ns", seconds = 15,
    subjects = {
      weft("isolates", { "trip", size(500 * K), 2 }, { { "ns" }, { "apart_ns", "weft, a thread each" } }),
      go("isolates", { "trip", size(M), 2 }, "go", { { "ns" }, { "apart_ns", "go, locked to two threads" } }),
      erlang2("erlang", { "trip", size(500 * K) }),
      erlang2("erlang, bound to two schedulers", { "trip", size(50 * K), "apart" }),
    },
    goals = { { number = 1500, most = 1 } },
  },
  between("integers", "integers", { weft = size(2 * M), go = size(5 * M), erlang = size(2 * M) }, 5 * M, 0, true),
  between("table", "a table of 10 string keys", { weft = size(500 * K), go = size(M), erlang = size(500 * K) },
    2500 * K, 200, true),
  between("string", "a string of 1 MiB", { weft = size(5 * K), go = size(5 * K) }, 10 * K, 1 << 20),
  between("buffer", "a buffer of 1 MiB", { weft = size(M), go = size(5 * M) }, M),
  {
    name = "across", title = "a table of 100,000 integers from one isolate to another",
    metric = "ms", unit = "ms", seconds = 10,
    subjects = {
      weft("isolates", { "across", size(100), 100 * K }),
      erlang2("erlang", { "across", size(100), 100 * K }),
      go("isolates", { "across", size(500), 100 * K }),
      c("C malloc + memcpy", "limit_isolates", { "across", size(500), 100 * K }),
    },
    goals = { { number = 3, most = 1 } },
  },
  {
    name = "preempt", title = "what being preempted costs a tight loop: more time than without, %",
    metric = "isolate", unit = "%", seconds = 15,
    subjects = {
      weft("preempt", { size(10 * M) }, { { "isolate" }, { "shared", "weft, two isolates on a worker" },
        { "tasks", "weft, two tasks under weft.preempt" }, { "hook", "a count hook, every 1000 instructions" } }),
    },
    goals = { { number = 2, most = 1 } },
  },
  {
    name = "skynet", title = "a tree of tasks with 1,000,000 leaves",
    metric = "ms", unit = "ms", pin = true, seconds = 25,
    subjects = {
      weft("skynet", { M }),
      go("skynet", { M, 1 }),
      { name = "go, two processors", kind = "go", program = "skynet", args = { M, 2 }, pin = false },
    },
    goals = { { subject = "go", most = 1 } },
  },
  {
    name = "explore", title = "weft.explore, a lost update of two tasks: schedules a second",
    metric = "random", unit = "/s", more = true, pin = true, seconds = 20,
    subjects = {
      weft("explore", { size(20 * K) }, { { "random" }, { "exhaustive", "exhaustive, two additions each" },
        { "lines", "at every line" }, { "instructions", "at every instruction" },
        { "watched", "a watched table under a mutex" }, { "plain", "the two tasks without it" } }),
    },
    goals = { { number = 20 * K, least = 1 } },
  },
  {
    name = "trace-event", title = "an event of a running trace, in the round trip of two tasks",
    metric = "event_ns", unit = "ns", units = { event_ns = "ns", off_ns = "ns", on_ns = "ns" }, more = true, pin = true,
    seconds = 15,
    subjects = {
      weft("trace", { "run", size(200 * K) },
        { { "event_ns" }, { "off_ns", "the round trip, no trace" }, { "on_ns", "the same, traced" } }),
    },
    goals = { { number = 15, most = 1 } },
  },
  {
    name = "trace-pingpong", title = "that round trip, traced over not traced",
    metric = "ratio", unit = "x", more = true, pin = true, seconds = 15,
    subjects = { weft("trace", { "run", size(200 * K) }, { { "ratio" } }) },
    goals = { { number = 1.05, most = 1, why = PINGPONG } },
  },
  {
    name = "trace-draw", title = "the timeline of a trace of 1,000,000 events",
    metric = "timeline_s", unit = "s", units = { timeline_s = "s", summary_s = "s", svg_s = "s", chrome_s = "s" }, more = true,
    pin = true, seconds = 60, rounds = quick and 1 or 3,
    subjects = {
      weft("trace", { "draw", M },
        { { "timeline_s" }, { "summary_s", "summary" }, { "svg_s", "SVG of 100,000" }, { "chrome_s", "Perfetto, 100,000" } }),
    },
    goals = { { number = 1, most = 1 } },
  },
  {
    name = "trace-page", title = "the page of a trace of 100,000 events, opened in a headless browser",
    metric = "page_ms", unit = "ms", units = { page_ms = "ms", write_ms = "ms" }, more = true, seconds = 30, rounds = 1,
    subjects = {
      { name = "weft", kind = "browser", program = "page", args = { 100 * K },
        rows = { { "page_ms" }, { "write_ms", "writing it" } } },
    },
    goals = { { number = 2000, most = 1 } },
  },
  {
    name = "encode", title = "encode + decode of 1,000 records of 10 mixed fields",
    metric = "us", unit = "us", pin = true, seconds = 20,
    subjects = {
      { name = "weft", kind = "part", program = "pack_bench", args = { "bench/data.lua", size(100) } },
      c("C state to state copy", "limit_copy", { "bench/data.lua", size(20) }),
      erlang("encode", { size(100) }),
      node("encode", { size(100) }, { { "us" }, { "json_us", "node JSON" } }),
      go("encode", { size(100) }),
      lua("lua copy in a state", "lua_encode", { size(100) }),
      lua("cjson", "cjson_encode", { size(100) }),
    },
    goals = { { subject = "C state to state copy", most = 1.2 } },
  },
  {
    name = "element", title = "one element of a buffer, from a loop in Lua",
    metric = "get_ns", unit = "ns", pin = true, seconds = 20,
    subjects = {
      weft("buffer", { "one", size(5 * M) }, {
        { "get_ns" }, { "set_ns", "weft, b[i] = v" }, { "load_ns", "weft, load(b, i)" }, { "add_ns", "weft, add(b, i, v)" },
        { "cas_ns", "weft, cas(b, i, v, w)" }, { "method_ns", "weft, b:add(i, v)" },
        { "table_get_ns", "table t[i]" }, { "table_set_ns", "table t[i] = v" },
        { "bare_get_ns", "C metamethod, b[i]" }, { "bare_set_ns", "C metamethod, b[i] = v" },
      }),
    },
    goals = { { subject = "C metamethod, b[i]", most = 1.3 } },
  },
  {
    name = "bulk", title = "a million f64: sum and others, an element",
    metric = "sum_ns", unit = "ns", pin = true, seconds = 25,
    subjects = {
      weft("buffer", { "many", M }, {
        { "sum_ns" }, { "fill_ns", "weft, fill" }, { "copy_ns", "weft, copy" }, { "max_ns", "weft, max" },
        { "sort_ns", "weft, sort" },
        { "table_sum_ns", "lua, sum" }, { "table_fill_ns", "lua, fill" }, { "table_copy_ns", "lua, table.move" },
        { "table_max_ns", "lua, max" }, { "table_sort_ns", "lua, table.sort" },
      }),
      c("C, sum", "limit_buffer", { M }, { { "sum_ns" }, { "fill_ns", "C, fill" }, { "copy_ns", "C, memcpy" },
        { "max_ns", "C, max" }, { "sort_ns", "C, qsort" } }),
    },
    goals = { { subject = "C, sum", most = 1.2 } },
  },
  {
    name = "share", title = "buffers of 1 MiB through a channel (128), thread to thread, by reference",
    metric = "rate", unit = "buf/s", more = true, seconds = 15,
    subjects = {
      weft("buffer", { "share", size(M) }),
      { name = "go", kind = "go", program = "share", args = { size(5 * M) },
        rows = { { "rate" }, { "locked_rate", "go, locked to two threads" } } },
    },
    goals = { { number = M, least = 1 } },
  },
  {
    name = "echo", title = "TCP echo, 50 connections, 64 bytes, closed loop; server and client on a CPU each",
    metric = "rate", unit = "/s", units = served_units, more = true, seconds = 40,
    subjects = {
      server("weft", "weft", "net", "echo", echo, served),
      server("C libuv", "uv", "limit_net", "echo", echo, served),
      server("luv", "lua", "luv_net", "echo", echo, served),
      server("go, one thread", "go", "net", "echo", echo, served),
      server("node", "node", "net", "echo", echo, served),
    },
    goals = { { subject = "C libuv", least = 0.95 } },
  },
  {
    name = "http", title = "HTTP/1.1 hello, headers parsed, 100 connections",
    metric = "rate", unit = "/s", units = served_units, more = true, seconds = 30,
    subjects = {
      server("weft", "weft", "net", "http", { "http", 100, seconds }, served),
      server("go, one thread", "go", "net", "http", { "http", 100, seconds }, served),
      server("node", "node", "net", "http", { "http", 100, seconds }, served),
    },
    goals = { { subject = "go, one thread", least = 1.2 } },
  },
  {
    name = "resp", title = "redis protocol: PING from redis-benchmark, 50 connections",
    metric = "rate", unit = "/s", units = { rate = "/s", pipelined = "/s" }, more = true, seconds = 40, rounds = 3,
    subjects = {
      { name = "weft", kind = "weft", program = "resp", through = resp, rows = resp_rows },
      { name = "redis-server", kind = "installed", program = "redis-server", through = resp, rows = resp_rows },
    },
    goals = {
      { subject = "redis-server", least = 1, why = RESP },
      { own = "weft, 16 at once", subject = "redis-server, 16 at once", least = 0.5 },
    },
  },
  {
    name = "stream", title = "1 GiB through a TCP connection: MiB/s",
    metric = "rate", unit = "MiB/s", units = { rate = "MiB/s", cpu_us = "us" }, more = true, seconds = 25,
    subjects = {
      server("weft", "weft", "net", "bulk", bulk, { { "rate" }, { "cpu_us", "CPU of the server for a MiB" } }),
      server("C libuv", "uv", "limit_net", "bulk", bulk, { { "rate" }, { "cpu_us", "CPU of the server for a MiB" } }),
      server("luv", "lua", "luv_net", "bulk", bulk, { { "rate" } }),
      server("go, one thread", "go", "net", "bulk", bulk, { { "rate" } }),
      server("node", "node", "net", "bulk", bulk, { { "rate" } }),
    },
    goals = { { subject = "C libuv", least = 0.8 } },
  },
  {
    name = "accept", title = "connect, one byte there and back, close; 8 at a time",
    metric = "rate", unit = "/s", units = { rate = "/s", cpu_us = "us" }, more = true, seconds = 25,
    subjects = {
      server("weft", "weft", "net", "echo", accepts, { { "rate" }, { "cpu_us", "CPU of the server for each" } }),
      server("C libuv", "uv", "limit_net", "echo", accepts, { { "rate" }, { "cpu_us", "CPU of the server for each" } }),
      server("go, one thread", "go", "net", "echo", accepts, { { "rate" } }),
      server("node", "node", "net", "echo", accepts, { { "rate" } }),
    },
    goals = { { subject = "C libuv", least = 0.8 } },
  },
  {
    name = "idle", title = "memory of the server for each of 10,000 idle connections, the kernel's not counted",
    metric = "bytes", unit = "B", seconds = 25, rounds = quick and 1 or 3,
    subjects = {
      server("weft", "weft", "net", "echo", { "idle", size(10 * K) }),
      server("C libuv", "uv", "limit_net", "echo", { "idle", size(10 * K) }),
      server("go", "go", "net", "echo", { "idle", size(10 * K) }),
      server("node", "node", "net", "echo", { "idle", size(10 * K) }),
    },
    goals = { { number = 4096, most = 1 } },
  },
  {
    name = "file", title = size(10 * K) .. " files of 4 KiB, one after the other, for each",
    metric = "us", unit = "us", seconds = 15,
    subjects = {
      weft("files", { "one", size(10 * K) }),
      lua("io.open", "lua_files", { size(10 * K) }),
      lua("luv, blocking", "luv_files", { "one", size(10 * K) }),
      { name = "go", kind = "go", program = "files", args = { "one", size(10 * K) } },
      node("files", { "one", size(10 * K) }),
      c("C", "limit_files", { size(10 * K) }),
    },
    goals = { { subject = "io.open", most = 1.3 } },
  },
  {
    name = "files", title = size(10 * K) .. " files of 4 KiB, 64 at a time, for each",
    metric = "us", unit = "us", seconds = 15,
    subjects = {
      weft("files", { "many", size(10 * K) }),
      lua("luv, async", "luv_files", { "many", size(10 * K) }),
      { name = "go", kind = "go", program = "files", args = { "many", size(10 * K) } },
      node("files", { "many", size(10 * K) }),
      c("C, one after the other", "limit_files", { size(10 * K) }),
    },
    goals = { { subject = "luv, async", most = 1 } },
  },
  curve("start", "start + finish of n tasks at once", M),
  curve("among", "channel round trip among n parked tasks", 500 * K),
  curve("visit", "channel round trip with each of n tasks in turn", 500 * K),
  {
    name = "parts", title = "parts of weft by themselves, one run",
    programs = { "trace_bench", "wheel_bench", "thread_bench", "lean_bench" }, pin = true, seconds = 25,
  },
}
