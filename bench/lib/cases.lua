-- cases: what is measured, with whom, and what weft wants of it. Pure data; nothing here runs.
--
-- A case: name, title, pin (all its subjects share one CPU), seconds (its share of the whole time), rounds (at most),
-- and subjects, which run in turn. A subject: name, kind and program (build.lua finds both), args, and the rows that
-- it fills: {metric, label} or the case's own metric. `heavy` ones run once. Goals compare weft's row with another's,
-- or with a number.
local quick = os.getenv "BENCH_QUICK" == "1"

local function size(full)
  return quick and full // 5 or full
end

local K, M = 1000, 1000000

local function weft(program, args, rows) return { name = "weft", kind = "weft", program = program, args = args, rows = rows } end
local function c(name, program, args, rows) return { name = name, kind = "c", program = program, args = args, rows = rows } end
local function go(program, args, name) return { name = name or "go", kind = "go", program = program, args = args } end
local function erlang(program, args) return { name = "erlang", kind = "erlang", program = program, args = args } end
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
    goals = { { subject = "go", most = 0.8 } },
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
    goals = { { number = 1300, most = 1 } },
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
    goals = { { subject = "go", most = 0.5 } },
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
    goals = { { subject = "C thread + lean state", most = 1.3 } },
  },
  {
    name = "process", title = "programs and worker processes",
    metric = "exec_us", unit = "us", seconds = 30,
    subjects = {
      weft("process", { size(400) },
        { { "exec_us", "exec{true} + wait" }, { "exec8_us", "the same, 8 at once" }, { "lua_us", "process of an empty function + join" },
          { "trip_us", "round trip of an integer" }, { "buffer_us", "round trip of a 1 MiB buffer" }, { "message_ns", "64 bytes one way, ns" } }),
      c("C", "limit_process", { size(400) },
        { { "exec_us", "posix_spawn + wait" }, { "exec8_us", "the same, 8 at once" }, { "lua_us", "posix_spawn of lua5.4 -e ''" },
          { "trip_us", "round trip over a socket pair" }, { "message_ns", "64 bytes through a pipe, ns" } }),
    },
    goals = { { subject = "C", most = 1.1 } },
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
      { name = "two processes", kind = "lua", program = "lua_map", args = { size(M), 3 }, rows = { { "speedup" } } },
      { name = "go", kind = "go", program = "map", args = { size(4 * M), 3 }, rows = { { "speedup" } } },
      { name = "lanes", kind = "lua", program = "lanes_map", args = { size(M), 3 }, rows = { { "speedup" } } },
    },
    goals = { { subject = "two processes", least = 0.97 } },
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
      { subject = "redis-server", least = 1 },
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
