-- Ends of the process while things run: every way to end, crossed with everything that may run then, at moments
-- that chance picks. The exit status is right, nothing crashes, nothing hangs. For exit_spec.lua and exit_spawn_spec.lua.
-- WEFT_ROUNDS=n tries each pair n times instead of twice, SEED=n repeats a run.
--
--   require "spec.exit_cases" (function(what, how) return true end)   -- which pairs

local helper = require "spec.helper"

local ROUNDS = helper.knob("WEFT_ROUNDS", 2)
local DEEP = ROUNDS > 100
local seed = tonumber(os.getenv "SEED") or os.time()
math.randomseed(seed)

-- Each end: the code, and the status that it means.
local ends = {
  ["the end of the chunk"] = { "", 0 },
  ["an error"] = { "error 'the end'", 1 },
  ["an error that is a table"] = { "error({})", 1 },
  ["os.exit(7)"] = { "os.exit(7)", 7 },
  ["os.exit(7, true)"] = { "os.exit(7, true)", 7 },
  ["os.exit(false)"] = { "os.exit(false)", 1 },
  ["os.exit in a task"] = { "weft.go(os.exit, 7) weft.sleep(1e6)", 7 },
  ["os.exit(.., true) in a task"] = { "weft.go(os.exit, 7, true) weft.sleep(1e6)", 7 },
  ["os.exit in a generator"] = { "coroutine.wrap(function() weft.yield() os.exit(7) end)()", 7 },
  ["os.exit in a comparator"] = { "table.sort({ 1, 2 }, function() weft.yield() os.exit(7) end)", 7 },
  ["os.exit in a finaliser"] = { "setmetatable({}, { __gc = function() os.exit(7) end }) collectgarbage()", 7 },
  ["os.exit in a <close> handler"] = { "do local _ <close> = setmetatable({}, { __close = function() os.exit(7) end }) end", 7 },
  ["os.exit in a cancelled task"] = {
    "local j = weft.go(function() pcall(weft.sleep, 1e6) os.exit(7) end) weft.yield() j:cancel() weft.sleep(1e6)", 7,
  },
  ["os.exit in an isolate"] = { "weft.spawn(function() os.exit(7) end) weft.sleep(1e6)", 7 },
  ["os.exit in a thread"] = { "weft.thread(function() os.exit(7) end) weft.sleep(1e6)", 7 },
}

-- What runs. `stuck`: it cannot be stopped, the end comes after the deadline.
local running = {
  ["nothing"] = { "" },
  ["tasks that have not begun"] = { "for _ = 1, 100 do weft.go(weft.sleep, 1e6) end" },
  ["tasks that wait"] = { [[
    local ch, m = weft.channel(), weft.mutex()
    m:lock()
    for _ = 1, 20 do
      weft.go(weft.sleep, 1e6)
      weft.go(ch.recv, ch)
      weft.go(m.lock, m)
      weft.go(weft.select, { { ch }, timeout = 1e6 })
      weft.go(function() weft.go(weft.sleep, 1e6):join() end)
      weft.go(coroutine.wrap(weft.sleep), 1e6)
      weft.go(weft.timeout, 1e6, weft.sleep, 1e6)
    end
    weft.yield()
    m:unlock()
  ]] },
  ["tasks that clean up"] = { [[
    for i = 1, 20 do
      weft.go(function()
        local _ <close> = setmetatable({}, { __close = function()
          weft.sleep(i * 1e-4)
          weft.go(print)
        end })
        weft.sleep(1e6)
      end)
    end
    weft.yield()
  ]] },
  ["tasks that swallow and spin"] = { [[
    for _ = 1, 3 do weft.go(function() while true do pcall(weft.sleep, 1e6) end end) end
    weft.go(function() pcall(weft.sleep, 1e6) while true do end end)
    weft.go(function() while true do pcall(function() weft.yield() end) end end)
    weft.yield()
  ]] },
  ["waits on top of each other"] = { [[
    for _ = 1, 5 do weft.go(table.sort, { 1, 2, 3 }, function(a, b) weft.sleep(1e-3) return a < b end) end
    weft.yield()
  ]] },
  ["threads that begin"] = { "for i = 1, 4 do weft.thread(function(k) return k end, i) end" },
  ["threads that end"] = { [[
    for i = 1, 4 do weft.thread(function(k) for _ = 1, k * 100 do weft.now() end end, i) end
    weft.sleep(math.random() * 1e-3)
  ]] },
  ["threads that wait"] = { [[
    local ch = weft.channel()
    for _ = 1, 2 do
      weft.thread(function() weft.sleep(1e6) end)
      weft.thread(function(c) c:recv() end, ch)
      weft.go(function() weft.thread(function() weft.sleep(1e6) end):join() end)
    end
    weft.yield()
  ]] },
  ["threads that spin"] = { [[
    for _ = 1, 2 do
      weft.thread(function() while true do end end)
      weft.thread(function() while true do pcall(function() while true do end end) end end)
    end
  ]] },
  ["threads of threads"] = { [[
    weft.thread(function()
      for _ = 1, 2 do weft.thread(function() weft.thread(function() while true do end end) weft.sleep(1e6) end) end
      weft.sleep(1e6)
    end)
  ]] },
  ["threads that send and receive"] = { [[
    local ch = weft.channel(3)
    for _ = 1, 2 do
      weft.thread(function(c) for i = 1, math.huge do c:send { i } end end, ch)
      weft.thread(function(c) for _ in c do end end, ch)
    end
    weft.go(function() for _ in ch do end end)
    weft.yield()
  ]] },
  ["threads that fail"] = { "for _ = 1, 3 do weft.thread(error, 'x'):detach() end" },
  ["isolates that have not begun"] = { "for i = 1, 30 do weft.spawn(function(k) return k end, i) end" },
  ["isolates that end"] = { [[
    for i = 1, 30 do weft.spawn(function(k) for _ = 1, k * 10 do weft.yield() end end, i) end
    weft.sleep(math.random() * 1e-3)
  ]] },
  ["isolates that wait"] = { [[
    local ch = weft.channel()
    for _ = 1, 10 do
      weft.spawn(weft.sleep, 1e6)
      weft.spawn(function(c) c:recv() end, ch)
      weft.spawn(table.sort, { 2, 1 }, function() weft.sleep(1e6) end)
      weft.spawn(function() weft.spawn(weft.sleep, 1e6):join() end)
    end
    weft.yield()
  ]] },
  ["isolates that spin"] = { [[
    for _ = 1, 2 do
      weft.spawn(function() while true do end end)
      weft.spawn(function() while true do pcall(function() while true do end end) end end)
      weft.spawn(table.sort, { 2, 1 }, function() while true do end end)
    end
  ]] },
  ["isolates of isolates"] = { [[
    local function f(n) for _ = 1, 2 do if n > 0 then weft.spawn(f, n - 1) end end weft.sleep(1e6) end
    weft.spawn(f, 4)
  ]] },
  ["isolates that start each other for ever"] = { [[
    local function f() weft.spawn(f):join() end
    weft.spawn(f)
  ]] },
  ["isolates that send and receive"] = { [[
    local ch = weft.channel(3)
    for _ = 1, 3 do
      weft.spawn(function(c) for i = 1, math.huge do c:send { i } end end, ch)
      weft.spawn(function(c) for _ in c do end end, ch)
      weft.thread(function(c) for _ in c do end end, ch)
    end
    weft.yield()
  ]] },
  ["isolates that fail"] = { "for _ = 1, 10 do weft.spawn(error, 'x'):detach() end" },
  ["an isolate in a C function that runs"] = {
    "weft.spawn(function() ('x'):rep(300):find(('.-'):rep(20) .. 'y') end) weft.sleep(0.02)", stuck = true,
  },
  ["an isolate in a finaliser that spins"] = { [[
    weft.spawn(function()
      setmetatable({}, { __gc = function() while true do end end })
      collectgarbage()
    end)
    weft.sleep(0.02)
  ]], stuck = true },
  ["a trace"] = { "weft.trace.start() weft.thread(function() weft.sleep(1e6) end) weft.go(weft.sleep, 1e6) weft.yield()" },
  ["a thread in a C function that runs"] = {
    "weft.thread(function() ('x'):rep(300):find(('.-'):rep(20) .. 'y') end) weft.sleep(0.02)", stuck = true,
  },
  ["a thread in a C function that waits"] = {
    "weft.thread(function(p) io.open(p, 'r+'):read() end, arg[1]) weft.sleep(0.02)", stuck = true,
  },
  ["a thread in a finaliser that spins"] = { [[
    weft.thread(function()
      setmetatable({}, { __gc = function() while true do end end })
      collectgarbage()
    end)
    weft.sleep(0.02)
  ]], stuck = true },
}

-- A task in each wait there is, alone: what it waits with is then the first thing that the closing state finalises. And one that
-- waits so again when it is cancelled.
local waits = {
  ["ps"] = "weft.thread(function() while true do end end) local f = weft.ps",
  ["result"] = "local j = weft.thread(weft.sleep, 1e6) local function f() j:result() end",
  ["race"] = "local a, b = weft.spawn(weft.sleep, 1e6), weft.go(weft.sleep, 1e6) local function f() weft.race { a, b } end",
  ["completed"] = "local j = weft.thread(weft.sleep, 1e6) local function f() for _ in weft.completed { j } do end end",
  ["a channel"] = [[local ch = weft.channel() weft.spawn(function(c) weft.sleep(1e6) c:recv() end, ch)
    local function f() ch:recv() end]],
  ["select"] = [[local ch, j = weft.channel(), weft.thread(weft.sleep, 1e6)
    weft.spawn(function(c) weft.sleep(1e6) c:recv() end, ch)
    local function f() weft.select { { ch, send = { 1 } }, { weft.channel() }, { j } } end]],
  ["a shared mutex"] = [[local m = weft.mutex() weft.spawn(function(n) n:lock() weft.sleep(1e6) end, m) weft.sleep(0.01)
    local function f() m:lock() end]],
  ["a shared condition"] = [[local m, c = weft.mutex(), weft.condition()
    weft.spawn(function(n, d) weft.sleep(1e6) n:lock() d:signal() end, m, c)
    local function f() m:with(c.wait, c, m) end]],
  ["a shared event"] = [[local e = weft.event() weft.spawn(function(x) weft.sleep(1e6) x:set() end, e)
    local function f() e:wait() end]],
  ["a buffer"] = [[local b = weft.buffer('i64', 1) weft.spawn(function(c) weft.sleep(1e6) c:wake(1) end, b)
    local function f() b:wait(1, 0) end]],
  ["poll"] = "local u = weft.net.udp('127.0.0.1', 0) local function f() weft.poll(u:fileno(), 'r') end",
  ["accept"] = "local s = weft.net.listen('127.0.0.1', 0) local function f() s:accept() end",
  ["read"] = [[local s = weft.net.listen('127.0.0.1', 0) local c, n = weft.net.connect(s:sockname()), 0
    local function f() n = n + 1 if n % 2 == 0 then c:read(1) else c:write(('x'):rep(1 << 25)) end end]],
  ["udp"] = "local u = weft.net.udp('127.0.0.1', 0) local function f() u:recv() end",
  ["a child"] = "local c = weft.exec { 'cat', stdin = 'pipe', stdout = 'pipe' } local function f() c:wait() end",
  ["a child's output"] = "local c = weft.exec { 'cat', stdin = 'pipe', stdout = 'pipe' } local function f() c.stdout:read 'a' end",
  ["a process"] = "local function f() weft.process(weft.sleep, 1e6):join() end",
  ["a fifo"] = "local function f() weft.fs.read(arg[1]) end",
  ["a file"] = "local function f() for _ = 1, 1000 do weft.fs.write('/dev/null', ('x'):rep(1 << 20), { sync = true }) end end",
  ["names"] = "local function f() weft.dns.resolve 'localhost' end",
  ["blocking"] = "local function f() weft.blocking(function() os.execute 'sleep 0.02' end) end",
  ["a ticker"] = "local t = weft.ticker(1e6) local function f() t:recv() end",
  ["a signal"] = "local s = weft.signal 'WINCH' local function f() s:recv() end",
  ["a watch"] = "local w = weft.fs.watch '/tmp' local function f() w:recv() end",
  ["map"] = "local function f() weft.map(weft.sleep, { 1e6, 1e6 }, { kind = 'isolate' }) end",
  ["a pool"] = "local p = weft.pool { kind = 'thread', size = 1 } local function f() p:submit(weft.sleep, 1e6):join() end",
  ["a scope"] = "local function f() weft.scope(function(s) s:spawn(weft.sleep, 1e6) s:go(weft.sleep, 1e6) end) end",
}
for name, text in pairs(waits) do
  running["a task that waits: " .. name] = { text .. [[

    weft.go(f)
    weft.go(function()
      local _ <close> = setmetatable({}, { __close = function() pcall(weft.timeout, 1e-3, f) end })
      f()
    end)
    weft.yield()
  ]], few = true }
end

local function check(how, what, fifo)
  local delay = math.random(0, 3) * math.random() * 1e-3
  local script = string.format("local weft = require 'weft'\nmath.randomseed(%d)\n%s\n%s\n%s", math.random(1 << 30), what[1],
    delay > 0 and string.format("weft.sleep(%.9f)", delay) or "", how[1])
  local out, err, code, signal = helper.run_script(script, { timeout = helper.sanitizer and 90 or 20, args = { fifo } })
  if code ~= how[2] then
    error(string.format("SEED=%d: ended with %s instead of %d\n%s\nstdout: %s\nstderr: %s", seed, signal or code, how[2], script,
      out, err), 2)
  end
  -- Nothing is said but by weft, and about the error.
  for line in err:gmatch "[^\n]+" do
    if not (line:find "^weft: " or line:find "^started at" or line:find "^%s" or line:find "^stack traceback"
      or line:find "the end" or line:find "error object is a table") then
      error(string.format("SEED=%d: unexpected on stderr: %s\n%s\n%s", seed, line, script, err), 2)
    end
  end
end

return function(wanted)

for what_name, what in pairs(running) do
  describe("while there is " .. what_name, function()
    local dir
    setup(function()
      dir = helper.tmpdir()
      os.execute("mkfifo " .. dir .. "/fifo")
    end)
    teardown(function() helper.remove_dir(dir) end)

    for how_name, how in pairs(ends) do
      -- A whole deadline each: not all of them, unless there is time.
      local skip = what.stuck and not DEEP and not how_name:find "chunk" and how_name ~= "os.exit(7)"
        or what.few and not DEEP and not how_name:find "chunk" and how_name ~= "os.exit(.., true) in a task"
      -- The thread sanitizer holds signals back until its thread calls what it knows: a tight loop is not interrupted.
      local spins = what[1]:find("while true do end", 1, true)
      local deaf = helper.sanitizer == "tsan" and spins and (how_name:find "in an isolate" or what_name == "threads of threads")
      local it = deaf and pending or it
      if not skip and wanted(what_name, how_name) then
        it("comes " .. how_name, function()
          local rounds = (what.stuck or helper.sanitizer) and 1 or ROUNDS
          for _ = 1, rounds do check(how, what, dir .. "/fifo") end
          helper.injected(rounds)
        end)
      end
    end
  end)
end

end
