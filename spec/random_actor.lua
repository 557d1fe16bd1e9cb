-- A random program: so many calls of weft's functions and methods, with arguments of all kinds, within every kind of wait. What
-- a call gives or raises does not matter; no call may crash, hang, or break the next one. For random_calls_spec.lua.
--
--   require "spec.random_actor" (seed, calls, shared, dir, log)
--
-- seed: an integer. shared: a list of values that other actors have too. dir: a folder for files and sockets.
-- log: a path; each call is written there before it is made. The same seed gives the same calls, but for what other actors and
-- the clock make of them.

local weft = require "weft"

local unpack, pack = table.unpack, table.pack

-- math.random is the isolate's, and tasks of one isolate share it.
local function numbers(seed)
  local state = seed * 2654435761 + 12345
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n + 1
  end
end

local function is(value, kind)
  local meta = debug.getmetatable(value)
  return meta ~= nil and meta.__name == "weft." .. kind
end

-- Of objects whose __index is a function.
local METHODS = { "join", "result", "wait", "cancel", "on_done", "status", "detach", "traceback", "get", "set", "type", "stride",
  "slice", "fill", "copy", "string", "sum", "min", "max", "sort", "load", "store", "exchange", "add", "cas", "wake", "close",
  "kill", "output" }
local METAMETHODS = { "__len", "__call", "__close", "__tostring", "__eq", "__index", "__newindex", "__pairs" }

-- They write where they are told to.
local AVOIDED = { remove = true, html = true, svg = true, chrome = true, save = true, dump = true }

local function methods_of(value)
  local meta = debug.getmetatable(value) or {}
  local list = {}
  if type(meta.__index) == "table" then
    for name in pairs(meta.__index) do list[#list + 1] = name end
  elseif meta.__index then
    for _, name in ipairs(METHODS) do
      local ok, f = pcall(function() return value[name] end)
      if ok and type(f) == "function" then list[#list + 1] = name end
    end
  end
  for _, name in ipairs(METAMETHODS) do
    if type(meta[name]) == "function" then list[#list + 1] = name end
  end
  table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
  return list
end

local function method(value, name)
  return name:find "^__" and debug.getmetatable(value)[name] or value[name]
end

local KINDS = { "inline", "task", "isolate", "thread" }
local TYPES = { "i8", "u8", "i16", "i32", "i64", "f32", "f64" }
local FILES = { "a", "b", "c", "none" }
local KEYS = { "timeout", "capacity", "name", "stack", "send", "exclusive", "sync", "append", "memory", "kind", "ordered", "chunk",
  "init", "size", "backlog", "max", "mode", "recursive", "shared", "width", "default", "window", "reuseport", "strict" }
local ODD = { -1, math.mininteger, math.maxinteger, 0 / 0, 1 / 0, -1 / 0, -0.0, 1e308, 255, 65536, 2 ^ 53, 1 << 31, 1 << 32 }
local TEXTS = { "", "l", "L", "a", "n", "r", "w", "rw", "r+", "i32", "f64", "USR1", "relaxed", "seq_cst", "127.0.0.1", "task",
  "a\0b", ("y"):rep(70000) }

-- What jobs run, handlers do, pools map.
local FUNCTIONS = {
  function(...) return ... end, function() error "raised" end, function() error({}) end, function(a, b) return tostring(a), b end,
  function() weft.yield() return 1 end, function() weft.sleep(0.001) return 2, 3 end, weft.yield, weft.now,
  function() weft.go(weft.sleep, 0.01) end,
  function()
    local _ <close> = setmetatable({}, { __close = function() pcall(weft.sleep, 0.001) end })
    weft.sleep(0.002)
  end,
  function(ch) if is(ch, "channel") then for _ in ch do end end end,
  function(ch)
    if not is(ch, "channel") then return end
    for i = 1, 3 do ch:send(i) end
    ch:close()
  end,
  function(c) if is(c, "stream") then for line in c:lines() do c:write(line, "\n") end end end,
  function() while true do weft.yield() end end,
  function() for i = 1, 20000 do local _ = i * i end end,
  function() return coroutine.wrap(function() weft.yield() return 5 end)() end,
  function() table.sort({ 3, 2, 1 }, function(a, b) weft.yield() return a < b end) end,
  function()
    local self = weft.current()
    if self.cancel then self:cancel() end
    weft.yield()
  end,
}
local SHORT <const> = 12 -- of these, from the first on, end by themselves

return function(seed, calls, shared, dir, log)
  local random = numbers(seed)
  local out = log and assert(io.open(log, "w"))
  local pool = { unpack(shared) }

  local function pick(list) return list[random(#list)] end
  local function held() return pool[random(#pool)] end
  local function path() return dir .. "/" .. pick(FILES) end

  local function keep(value)
    local kind = type(value)
    if kind ~= "userdata" and kind ~= "table" and kind ~= "function" then return end
    if is(value, "job") and random(4) > 1 then return end -- they would be all there is
    pool[#pool < 60 and #pool + 1 or random(60)] = value
  end

  -- Something that is held of this kind, if it is found soon.
  local function some(kind)
    for _ = 1, 40 do
      local value = held()
      if is(value, kind) then return value end
    end
  end

  local function argument()
    local n = random(30)
    if n <= 4 then return nil end
    if n <= 9 then return random(4) - 1 end
    if n <= 11 then return pick { 0.001, 0.0001, 0.5, 1e-9 } end
    if n == 12 then return pick(ODD) end
    if n <= 15 then return pick(TEXTS) end
    if n == 16 then return path() end
    if n <= 18 then return random(2) == 1 end
    if n <= 24 then return held() end
    if n <= 28 then return pick(FUNCTIONS) end
    local t = {}
    for i = 1, random(4) - 1 do t[i] = random(2) == 1 and held() or random(5) end
    for _ = 1, random(3) - 1 do t[pick(KEYS)] = pick { 1, 0, 0.001, true, "a", "task", held(), 2, -1, {} } end
    return t
  end

  local function arguments()
    local list = { n = random(5) - 1 }
    for i = 1, list.n do list[i] = argument() end
    return list
  end

  -- Calls that mean something: {name, function, what gives its arguments}.
  local meant = {
    { "channel", weft.channel, function() return pick { 0, 1, 2, 16 } end },
    { "go", weft.go, function() return pick(FUNCTIONS), held(), argument() end },
    { "spawn", weft.spawn, function() return pick(FUNCTIONS), held(), argument() end },
    { "thread", weft.thread, function() return pick(FUNCTIONS), held() end },
    { "buffer", weft.buffer, function() return pick(TYPES), pick { 0, 1, 5, 100 } end },
    { "atomic", weft.atomic, function() return random(9) end },
    { "mutex", weft.mutex, function() end },
    { "rwlock", weft.rwlock, function() end },
    { "semaphore", weft.semaphore, function() return random(4) - 1 end },
    { "condition", weft.condition, function() end },
    { "barrier", weft.barrier, function() return random(3) end },
    { "waitgroup", weft.waitgroup, function() end },
    { "once", weft.once, function() return pick(FUNCTIONS) end },
    { "event", weft.event, function() end },
    { "select", weft.select, function()
      local cases = { timeout = random(3) > 1 and pick { 0, 0.001, 0.0001 } or nil }
      for i = 1, random(4) do
        local object = random(3) > 1 and some "channel" or held()
        cases[i] = random(2) == 1 and { object } or { object, send = argument() }
      end
      return cases
    end },
    { "try_send", function(ch, value) return ch and ch:try_send(value) end, function() return some "channel", held() end },
    { "try_recv", function(ch) return ch and ch:try_recv() end, function() return some "channel" end },
    { "ticker", weft.ticker, function() return pick { 0.001, 0.01, 0.0005 } end },
    { "every", weft.every, function() return pick { 0.001, 0.01 }, pick(FUNCTIONS) end },
    { "scope", weft.scope, function()
      local f, cancels = pick(FUNCTIONS), random(3) == 1
      return function(scope)
        keep(scope)
        scope:go(f)
        scope:go(weft.sleep, 0.001)
        if cancels then scope:cancel() end
        weft.sleep(0.001)
      end
    end },
    { "all", weft.all, function() return { held(), some "job" } end },
    { "race", weft.race, function() return { some "job", held() } end },
    { "completed", weft.completed, function() return { some "job", some "job" } end },
    { "timeout", weft.timeout, function() return pick { 0, 0.001, 0.0001 }, pick(FUNCTIONS), held() end },
    { "shield", weft.shield, function() return FUNCTIONS[random(SHORT - 2)], random(9) end },
    { "current", weft.current, function() end },
    { "ps", weft.ps, function() end },
    { "info", weft.info, function() return some "job" end },
    { "preempt", weft.preempt, function() return random(2) == 1 and 0.001 end },
    { "pool", weft.pool, function()
      return { kind = pick(KINDS), size = random(2), init = random(3) == 1 and pick(FUNCTIONS) or nil }
    end },
    { "map", weft.map, function()
      return pick(FUNCTIONS), { 1, 2, 3, 4 }, { kind = pick(KINDS), size = 2, chunk = random(3) }
    end },
    { "collect", collectgarbage, function() return pick { "collect", "step" } end },
    { "sleep", weft.sleep, function() return pick { 0, 0.0001, 0.001 } end },
    { "yield", weft.yield, function() end },
    { "is", weft.is, function() return held(), random(2) == 1 and "timeout" or nil end },
    { "listen", weft.net.listen, function()
      return "127.0.0.1", 0, { max = random(2) == 1 and 2 or nil }, random(2) == 1 and pick(FUNCTIONS) or nil
    end },
    { "listen unix", weft.net.unix.listen, function()
      return dir .. "/socket" .. random(3), {}, random(2) == 1 and pick(FUNCTIONS) or nil
    end },
    { "connect", function(server)
      if not server then return end
      local host, port = server:sockname()
      local connect = port and weft.net.connect or weft.net.unix.connect
      local c = assert(connect(host, port or { timeout = 0.1 }, port and { timeout = 0.1 }))
      keep(c)
      c:timeout(0.002)
      c:write("hello\n", ("z"):rep(random(3) * 4000), "\n")
    end, function() return some "server" end },
    { "udp", weft.net.udp, function() return "127.0.0.1", 0 end },
    { "udp send", function(u) return u and u:send("text", u:sockname()) end, function() return some "udp" end },
    { "poll", function(u) return u and weft.poll(u:fileno(), "r", 0.001) end, function()
      return some(pick { "udp", "stream" })
    end },
    { "fs.write", weft.fs.write, function()
      return path(), pick { "x", ("y"):rep(100000), "" }, random(3) == 1 and { exclusive = true } or nil
    end },
    { "fs.read", weft.fs.read, path },
    { "fs.open", weft.fs.open, function() return path(), pick { "r", "w", "a", "r+", "w+" } end },
    { "fs.remove", weft.fs.remove, path },
    { "fs.rename", weft.fs.rename, function() return path(), path() end },
    { "fs.copy", weft.fs.copy, function() return path(), path() end },
    { "fs.stat", weft.fs.stat, path },
    { "fs.scandir", weft.fs.scandir, function() return dir end },
    { "fs.walk", weft.fs.walk, function() return dir end },
    { "fs.watch", weft.fs.watch, function() return dir end },
    { "fs.tempfile", weft.fs.tempfile, function() return { dir = dir } end },
    { "dns", weft.dns.resolve, function() return "localhost" end },
    { "blocking", weft.blocking, function() return FUNCTIONS[random(SHORT - 2)], random(9) end },
    { "submit", weft.blocking.submit, function() return FUNCTIONS[random(SHORT - 2)], random(9) end },
    { "exec", weft.exec, function()
      return { pick { "cat", "true", "sleep", "no-such-program" }, random(2) == 1 and pick { "0.01", "5" } or nil,
        stdin = pick { "pipe", "null" }, stdout = pick { "pipe", "null" }, stderr = "null",
        timeout = random(3) == 1 and 0.05 or nil }
    end },
    { "signal", weft.signal, function() return pick { "USR1", "USR2", "WINCH" } end },
    { "trace", weft.trace.start, function() return { capacity = pick { 100, 1000 } } end },
    { "trace.stop", weft.trace.stop, function() end },
    { "trace.snapshot", weft.trace.snapshot, function() end },
    { "recorder", weft.trace.recorder, function() return { seconds = 1, path = dir .. "/recorder" } end },
    { "mark", weft.mark, function() return "here" end },
    { "region", weft.region, function() return "there", pick(FUNCTIONS) end },
    { "process", weft.process, function() return pick(FUNCTIONS), some "channel", random(9) end, seldom = true },
    { "forget", function()
      for _ = 1, random(10) do
        if #pool > 8 then table.remove(pool, random(#pool)) end
      end
    end, function() end },
  }
  local functions = { weft.channel, weft.select, weft.buffer, weft.atomic, weft.go, weft.spawn, weft.timeout, weft.all, weft.race,
    weft.completed, weft.ticker, weft.every, weft.scope, weft.pool, weft.map, weft.net.udp, weft.semaphore, weft.barrier, weft.once,
    weft.ps, weft.is, weft.dns.resolve, weft.dns.reverse, weft.mark, weft.region }

  -- Within a bound, on any stack, cancelled, left behind, or collected meanwhile.
  local contexts = {
    function(limit, f, ...) return weft.timeout(limit, f, ...) end,
    function(limit, f, ...)
      local args = pack(...)
      local results
      table.sort({ 1, 2 }, function()
        results = pack(weft.timeout(limit, f, unpack(args, 1, args.n)))
        return false
      end)
      return unpack(results, 1, results.n)
    end,
    function(limit, f, ...)
      local args = pack(...)
      return weft.timeout(limit, coroutine.wrap(function() return f(unpack(args, 1, args.n)) end))
    end,
    function(_, f, ...)
      local job = weft.go(f, ...)
      for _ = 1, random(3) - 1 do weft.yield() end
      job:cancel()
      if random(2) == 1 then job:wait(0.001) end
      return job
    end,
    function(_, f, ...) return weft.go(weft.timeout, 0.02, f, ...) end,
    function(_, f, ...)
      local job = weft.go(f, ...)
      weft.yield()
      collectgarbage()
      job:cancel()
    end,
  }

  local function call(name, f, ...)
    local how = random(12)
    if out then
      local words = {}
      for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))):sub(1, 60) end
      out:write(("%d %s(%s)\n"):format(how, name, table.concat(words, ", ")))
      out:flush()
    end
    local results = pack(pcall(contexts[math.max(1, how - 6)], pick { 0.0005, 0.001, 0.003 }, f, ...))
    if results[1] then
      for i = 2, math.min(results.n, 4) do keep(results[i]) end
    end
  end

  for _ = 1, calls do
    local n = random(10)
    local value = held()
    local names = n > 5 and n < 10 and methods_of(value) or {}
    if n == 10 then
      local i = random(#functions)
      local args = arguments()
      call("function " .. i, functions[i], unpack(args, 1, args.n))
    elseif #names > 0 then
      local name = pick(names)
      local args = random(4) == 1 and { n = 0 } or arguments()
      if type(name) == "string" and not AVOIDED[name] then
        call(debug.getmetatable(value).__name .. ":" .. name, method(value, name), value, unpack(args, 1, args.n))
      end
    else
      local m = pick(meant)
      if not m.seldom or random(10) == 1 then call(m[1], m[2], m[3]()) end
    end
  end
  if out then out:close() end
end
