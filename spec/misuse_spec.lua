-- Misuse of every public function raises an error, in Lua's own manner, that names the function and the argument;
-- and nothing has happened then. (What locks refuse to whom is in their specs.)

local helper = require "spec.helper"
local weft = require "weft"

local NAN, INF, HUGE = 0 / 0, math.huge, 2 ^ 63
local function nop() end

-- The call, written as a script would write it, so that Lua knows the name: "weft.sleep" or "self:send".
local calls = {}
local function call(name, n)
  local key = name .. n
  if not calls[key] then
    local args = {}
    for i = 1, n do args[i] = "a" .. i end
    local list = table.concat(args, ", ")
    local code = ("local weft, self%s = ...\nlocal result = %s(%s)\nreturn result"):format(n > 0 and ", " .. list or "", name, list)
    calls[key] = assert(load(code, "=call"))
  end
  return calls[key]
end

local function check(what, ok, err)
  assert.is_false(ok, "no error raised")
  assert.equal("string", type(err), tostring(err))
  if not err:find "^call:2: " then error("the error does not tell the script's line:\n" .. err, 3) end
  for _, text in ipairs(type(what) == "table" and what or { what }) do
    if not err:find(text, 1, true) then error(("the error does not have %q:\n%s"):format(text, err), 3) end
  end
end

-- weft.NAME(...) must raise a string that contains all the texts of `what`, plain.
local function refuses(what, name, ...) check(what, pcall(call("weft." .. name, select("#", ...)), weft, nil, ...)) end

-- self:NAME(...) must.
local function self_refuses(what, self, name, ...) check(what, pcall(call("self:" .. name, select("#", ...)), weft, self, ...)) end

local function argument(n, name) return ("bad argument #%d to '%s'"):format(n, name) end

-- Values that are no number of seconds.
local not_seconds = { "soon", {}, true, print, -1, -1e-9, -INF, NAN }

-- Values that are no function and cannot be called, and no table either.
local not_functions = { 5, "x", true, io.stdout }

describe("the network", function()
  it("blames the script's call and its own arguments, not those within weft", function()
    refuses({ argument(1, "connect"), "string expected" }, "net.connect")
    refuses({ argument(2, "connect"), "got nil" }, "net.connect", "127.0.0.1")
    refuses({ argument(2, "connect"), "1 to 65535" }, "net.connect", "127.0.0.1", 70000)
    refuses({ argument(3, "connect"), "'timout'" }, "net.connect", "127.0.0.1", 80, { timout = 1 })
    refuses({ argument(1, "listen"), "string expected" }, "net.listen", nop)
    refuses({ argument(2, "listen"), "0 to 65535" }, "net.listen", "*", -1)
    refuses({ argument(3, "listen"), "'backlg'" }, "net.listen", "127.0.0.1", 0, { backlg = 1 }, nop)
    refuses({ argument(4, "listen"), "function expected" }, "net.listen", "127.0.0.1", 0, {}, 7)
    refuses({ argument(1, "connect"), "string expected" }, "net.unix.connect", {})
    refuses({ argument(2, "connect"), "'nonsense'" }, "net.unix.connect", "nowhere", { nonsense = 1 })
    refuses({ argument(2, "listen"), "'nonsense'" }, "net.unix.listen", "nowhere", { nonsense = 1 })
    refuses({ argument(3, "listen"), "function expected" }, "net.unix.listen", "nowhere", {}, 7)
    refuses({ argument(2, "udp"), "0 to 65535" }, "net.udp", "127.0.0.1", 99999)
  end)
end)

describe("weft.every", function()
  it("takes a period and a function", function()
    refuses({ argument(1, "every"), "number expected, got function" }, "every", nop, 1)
    refuses({ argument(1, "every"), "a period" }, "every", 0, nop)
    refuses({ argument(2, "every"), "function expected, got nil" }, "every", 1)
    refuses({ argument(2, "every"), "function expected, got weft.mutex" }, "every", 1, weft.mutex())
  end)
end)

describe("weft.fs", function()
  it("takes tables of options", function()
    refuses({ argument(2, "walk"), "table expected, got string" }, "fs.walk", "/tmp", "deep")
    refuses({ argument(1, "tempfile"), "table expected, got string" }, "fs.tempfile", "/tmp")
    refuses({ argument(1, "tempdir"), "table expected, got string" }, "fs.tempdir", "/tmp")
  end)
end)

describe("the methods of a trace", function()
  it("want the trace", function()
    local t = weft.trace(nop)
    for _, name in ipairs { "timeline", "summary", "events", "save", "svg", "html", "chrome" } do
      check({ argument(1, name), "colon" }, pcall(call("self." .. name, 1), weft, t, { width = 40 }))
    end
  end)
end)

describe("weft.wait", function()
  it("takes no time, which job:wait does", function()
    refuses({ argument(1, "wait"), "weft.timeout" }, "wait", 0.1)
  end)
end)

describe("an option that is not there", function()
  it("is refused with those that are", function()
    refuses("unknown option 'nme': one of name memory expected", "spawn", { nme = "x" }, nop)
    refuses("unknown option 'nme': one of name expected", "go", { nme = "x" }, nop)
    refuses("unknown option 'workers': one of chunk init kind progress size", "map", nop, {}, { workers = 2 })
    refuses("one of timeout nodelay keepalive expected", "net.connect", "127.0.0.1", 1, { timout = 1 })
    refuses({ "unknown option 'stdot': one of ", " stdout " }, "exec", { "ls", stdot = "pipe" })
  end)
end)

describe("a case of weft.select", function()
  it("has no other fields than send", function()
    local ch = weft.channel()
    refuses({ argument(1, "select"), "case 2", "'sned'", "'send' expected" }, "select", { { weft.channel() }, { ch, sned = 1 } })
    refuses({ argument(1, "select"), "case 1", "'timeout'" }, "select", { { ch, timeout = 1 } })
    refuses({ argument(1, "select"), "'timeot'", "'timeout' or 'default' expected" }, "select", { { ch }, timeot = 1 })
  end)
end)

describe("weft.go", function()
  it("takes a function, or options and a function", function()
    refuses(argument(1, "go"), "go")
    refuses(argument(1, "go"), "go", nil)
    for _, v in ipairs(not_functions) do refuses(argument(1, "go"), "go", v) end
    refuses(argument(2, "go"), "go", {})
    refuses(argument(2, "go"), "go", {}, 5)
    refuses({ argument(1, "go"), "'speed'" }, "go", { speed = 1 }, nop)
    refuses({ argument(1, "go"), "'memory'" }, "go", { memory = 1 }, nop)
    refuses({ argument(1, "go"), "'name'", "string expected" }, "go", { name = 5 }, nop)
    refuses({ argument(1, "go"), "option names are strings" }, "go", { "x" }, nop)
    assert.equal(0, select("#", weft.wait())) -- nothing was started
  end)
end)

describe("weft.thread", function()
  it("takes a function, or options and a function", function()
    refuses(argument(1, "thread"), "thread")
    for _, v in ipairs(not_functions) do refuses(argument(1, "thread"), "thread", v) end
    refuses(argument(2, "thread"), "thread", {}, 5)
  end)

  for option, values in pairs {
    name = { 5, {}, true },
    memory = { 0, -1, 1.5, "x", {}, NAN, HUGE },
    stack = { 0, -1, 1.5, "x", NAN, HUGE, 2 ^ 50 },
    nice = { -21, 20, 1.5, "x", NAN },
    policy = { "fast", "", 5, {} },
    priority = { -1, 100, 1.5, "x", NAN },
    affinity = { {}, 5, "0", { -1 }, { 1.5 }, { "x" }, { 0, 1e9 } },
    cpu = { 1 }, -- there is no such option
  } do
    it("refuses a wrong " .. option, function()
      for _, v in ipairs(values) do
        refuses({ argument(1, "thread"), "'" .. option .. "'" }, "thread", { [option] = v }, nop)
      end
    end)
  end
end)

describe("a time", function()
  it("is a number that is not negative", function()
    for _, v in ipairs(not_seconds) do
      refuses(argument(1, "sleep"), "sleep", v)
      refuses(argument(1, "timeout"), "timeout", v, nop)
      local job = weft.go(nop)
      self_refuses(argument(1, "wait"), job, "wait", v)
      refuses({ "select", "timeout" }, "select", { timeout = v })
    end
    refuses(argument(1, "sleep"), "sleep")
    refuses(argument(1, "timeout"), "timeout", nil, nop)
    weft.wait()
  end)
end)

describe("a function", function()
  it("is one, or can be called", function()
    for _, v in ipairs { table.unpack(not_functions), {} } do -- luacheck: ignore
      refuses(argument(2, "timeout"), "timeout", 1, v)
      refuses(argument(1, "shield"), "shield", v)
      refuses({ "#1", "scope", "function expected" }, "scope", v)
      refuses(argument(1, "once"), "once", v)
      refuses(argument(1, "on_unhandled"), "on_unhandled", v)
      local job = weft.go(nop)
      self_refuses({ "on_done", "function expected" }, job, "on_done", v)
      for _, lock in ipairs { weft.mutex(), weft.semaphore(1) } do self_refuses("with", lock, "with", v) end
      local rw = weft.rwlock()
      self_refuses("reading", rw, "reading", v)
      self_refuses("writing", rw, "writing", v)
    end
    for _, f in ipairs { weft.timeout, weft.shield, weft.scope, weft.once } do assert.is_false((pcall(f))) end
    weft.wait()
  end)

  it("that can be called will do", function()
    local callable = setmetatable({}, { __call = function(_, v) return v end })
    assert.equal(1, weft.go(callable, 1):join())
    assert.equal(1, weft.timeout(1, callable, 1))
    assert.equal(1, weft.shield(callable, 1))
    weft.scope(callable)
  end)
end)

describe("a channel", function()
  it("has a capacity that is a whole number", function()
    for _, v in ipairs { -1, 1.5, "x", {}, true, NAN, INF, HUGE, math.mininteger } do
      refuses(argument(1, "channel"), "channel", v)
    end
    assert.equal(math.maxinteger, weft.channel(math.maxinteger):capacity())
    assert.equal(3, weft.channel(3.0):capacity())
  end)

  it("sends a value, which may be nil but must be there", function()
    local ch = weft.channel(1)
    self_refuses(argument(1, "send"), ch, "send")
    self_refuses(argument(1, "try_send"), ch, "try_send")
    assert.equal(0, #ch)
  end)

  it("gives as many as there can be", function()
    local ch = weft.channel(1)
    ch:send "kept"
    for _, v in ipairs { 0, -1, 1.5, "x", {}, NAN, INF, HUGE, (1 << 26) + 1 } do
      self_refuses(argument(1, "recv_many"), ch, "recv_many", v)
    end
    self_refuses(argument(1, "recv_many"), ch, "recv_many")
    assert.equal("kept", (ch:recv()))
  end)
end)

describe("weft.select", function()
  it("takes a list of cases", function()
    local ch = weft.channel(1)
    for _, v in ipairs { 5, "x", true, ch } do refuses(argument(1, "select"), "select", v) end
    refuses(argument(1, "select"), "select")
    for _, case in ipairs { 5, "x", ch, {}, { 5 }, { "x" }, { io.stdout }, { weft.mutex() } } do
      refuses({ argument(1, "select"), "case 2" }, "select", { { ch }, case })
    end
    refuses({ "case 1", "send" }, "select", { { ch, "recv" } })
    refuses({ "case 1", "send" }, "select", { { ch, 5, 5 } })
    refuses("select", "select", { { ch }, after = 1 })
    assert.same({ n = 3, nil, false, "empty" }, table.pack(ch:try_recv()))
  end)

  it("does not wait for the job that waits", function()
    local job
    job = weft.go(function() return pcall(weft.select, { { job } }) end)
    local ok, err = job:join()
    assert.is_false(ok)
    assert.truthy(err:find("itself", 1, true))
  end)
end)

describe("a job", function()
  it("does not wait for itself", function()
    for _, verb in ipairs { "join", "result", "wait" } do
      local job
      job = weft.go(function() return pcall(job[verb], job) end)
      local ok, err = job:join()
      assert.is_false(ok, verb)
      assert.truthy(err:find("itself", 1, true), err)
    end
  end)

  it("that others hold has its locals for itself", function()
    local job = weft.go(weft.yield)
    self_refuses("cannot set", job, "set", "k", 1)
    self_refuses("cannot get", job, "get", "k")
    job:wait()
    local me = weft.current()
    self_refuses("nil", me, "set", nil, 1)
    self_refuses("NaN", me, "set", NAN, 1)
    assert.is_false((pcall(me.set, me)))
  end)
end)

describe("groups", function()
  it("take lists of jobs", function()
    for _, name in ipairs { "all", "race", "completed" } do
      for _, v in ipairs { 5, "x", true } do refuses({ "#1", name, "list of jobs" }, name, v) end
      refuses({ "#1", name }, name)
      refuses({ "#1", name, "item 2" }, name, { weft.go(nop), 5 })
      refuses({ "#1", name, "item 1" }, name, { {} })
      refuses({ "#1", name, "item 1" }, name, { weft.channel() })
    end
    refuses({ "race", "at least one" }, "race", {})
    weft.wait()
  end)

  it("are over when they are over", function()
    local s
    weft.scope(function(scope) s = scope end)
    self_refuses("ended", s, "go", nop)
    self_refuses("ended", s, "thread", nop)
    self_refuses("ended", s, "cancel")
    weft.scope(function(scope)
      assert.is_false((pcall(scope.go, nop)))
      self_refuses("'go'", scope, "go", 5)
      self_refuses("'thread'", scope, "thread", 5)
    end)
  end)
end)

describe("errors, names, reports", function()
  it("are asked for by values", function()
    refuses(argument(1, "is"), "is")
    refuses(argument(2, "is"), "is", 1, {})
    refuses(argument(2, "is"), "is", 1, print)
  end)

  it("have a metatable and a name each", function()
    refuses(argument(1, "register"), "register")
    refuses(argument(1, "register"), "register", {}, {})
    refuses(argument(2, "register"), "register", "misuse_spec.x")
    refuses(argument(2, "register"), "register", "misuse_spec.x", 5)
    local meta = {}
    weft.register("misuse_spec.x", meta)
    refuses("misuse_spec.x", "register", "misuse_spec.x", {})
    refuses("register", "register", "misuse_spec.y", meta)
  end)
end)

describe("locks", function()
  it("are made with numbers that make sense", function()
    for _, v in ipairs { -1, 1.5, "x", {}, NAN, HUGE } do refuses(argument(1, "semaphore"), "semaphore", v) end
    for _, v in ipairs { 0, -1, 1.5, "x", {}, NAN, HUGE } do refuses(argument(1, "barrier"), "barrier", v) end
    refuses(argument(1, "semaphore"), "semaphore")
    refuses(argument(1, "barrier"), "barrier")
  end)

  it("wait for times that make sense", function()
    local m, rw, s, e, g = weft.mutex(), weft.rwlock(), weft.semaphore(0), weft.event(), weft.waitgroup()
    g:add(1)
    local holder = weft.go(function()
      m:lock()
      rw:lock()
      weft.sleep(1e6)
    end)
    weft.yield()
    for _, v in ipairs(not_seconds) do
      self_refuses("try_lock", m, "try_lock", v)
      self_refuses("try_lock", rw, "try_lock", v)
      self_refuses("try_rlock", rw, "try_rlock", v)
      self_refuses("try_acquire", s, "try_acquire", v)
      self_refuses("wait", e, "wait", v)
      self_refuses("wait", g, "wait", v)
    end
    holder:cancel()
    holder:wait()
  end)

  it("count in whole numbers", function()
    local s, g = weft.semaphore(1), weft.waitgroup()
    for _, v in ipairs { 0, -1, 1.5, "x", {}, NAN } do self_refuses("release", s, "release", v) end
    for _, v in ipairs { 1.5, "x", {}, NAN } do self_refuses("add", g, "add", v) end
    self_refuses("below zero", g, "add", -1)
    assert.is_false((pcall(g.done, g)))
    assert.is_true(g:wait(0))
    assert.is_true(s:try_acquire())
  end)
end)

describe("other functions", function()
  it("refuse what makes no sense", function()
    for _, v in ipairs { -1, 0, NAN, "x", {} } do refuses("preempt", "preempt", v) end
    weft.trace.start()
    refuses("running", "trace.start")
    weft.trace.stop()
    assert.is_false((pcall(weft.trace.stop)))
    assert.is_false((pcall(weft.trace.mark, {})))
  end)
end)

describe("a method", function()
  -- An object of each kind, and the methods that it has.
  local function objects()
    return {
      job = weft.go(nop), thread = weft.thread(nop), channel = weft.channel(1), mutex = weft.mutex(), rwlock = weft.rwlock(),
      semaphore = weft.semaphore(1), condition = weft.condition(), barrier = weft.barrier(2), waitgroup = weft.waitgroup(),
      event = weft.event(),
    }
  end

  local methods = {
    job = { "join", "result", "wait", "cancel", "on_done", "status", "detach", "traceback", "set", "get" },
    channel = { "send", "try_send", "recv", "try_recv", "recv_many", "close", "is_closed", "capacity" },
    mutex = { "lock", "try_lock", "unlock", "with", "guard" },
    rwlock = { "lock", "unlock", "rlock", "runlock", "try_lock", "try_rlock", "reading", "writing" },
    semaphore = { "acquire", "try_acquire", "release", "with" },
    condition = { "wait", "signal", "broadcast" },
    barrier = { "wait" },
    waitgroup = { "add", "done", "wait" },
    event = { "set", "clear", "is_set", "wait" },
  }
  methods.thread = methods.job

  it("works on its own kind of object alone", function()
    local all = objects()
    for kind, names in pairs(methods) do
      for _, name in ipairs(names) do
        local f = all[kind][name]
        assert.equal("function", type(f), kind .. "." .. name)
        for _, self in ipairs { 5, "x", true, {}, io.stdout, print, coroutine.create(nop) } do
          assert.is_false((pcall(f, self, 1, 1)), kind .. "." .. name)
        end
        assert.is_false((pcall(f)), kind .. "." .. name)
        for other, object in pairs(all) do
          local alike = other == kind or (methods[other] == methods[kind])
          if not alike then assert.is_false((pcall(f, object, 1, 1)), kind .. "." .. name .. " of a " .. other) end
        end
      end
    end
    weft.wait()
  end)

  it("names what it wants instead", function()
    for kind, names in pairs(methods) do
      local f = objects()[kind][names[1]]
      local _, err = pcall(f, {})
      local class = (kind == "thread" or kind == "job") and "weft.job" or "weft." .. kind
      assert.truthy(err:find(class, 1, true), err)
    end
    weft.wait()
  end)

  it("is not found under a wrong name", function()
    for kind, object in pairs(objects()) do assert.is_nil(object.no_such_method, kind) end
    weft.wait()
  end)
end)

describe("the metamethods of objects", function()
  it("survive strangers", function()
    for _, object in pairs { weft.go(nop), weft.channel(), weft.mutex(), weft.rwlock(), weft.semaphore(1), weft.condition(),
      weft.barrier(1), weft.waitgroup(), weft.once(nop), weft.event(), weft.mutex():guard(), weft.thread(nop) } do
      local meta = debug.getmetatable(object)
      for name, f in pairs(meta) do
        if type(f) == "function" and name ~= "__gc" then
          for _, self in ipairs { {}, 5, io.stdout, "x" } do pcall(f, self, 1, 1) end
          pcall(f)
        end
      end
      assert.equal("string", type(tostring(object)))
    end
    weft.wait()
  end)

  it("survive finalisers that are called by hand", function()
    -- That looks like the end of the state, and nothing may be started then. It is no crash.
    helper.run_ok [[
      local weft = require "weft"
      local ch = weft.channel()
      weft.thread(function() end, ch):join()
      local job = weft.thread(function() weft.sleep(0.01) end)
      for _, object in ipairs { ch, job } do
        local gc = debug.getmetatable(object).__gc
        if gc then
          for _ = 1, 2 do pcall(gc, object) end
          for _, self in ipairs { {}, 5, io.stdout, "x", weft.mutex(), weft.channel() } do pcall(gc, self) end
        end
      end
      pcall(job.join, job) pcall(ch.send, ch, 1) pcall(tostring, job) pcall(tostring, ch)
    ]]
  end)
end)
