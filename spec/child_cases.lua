-- What a function does in an isolate of another carrier, whichever verb started it: what it gets, gives and is, its
-- failures, storms of many. For thread_spec.lua and spawn_spec.lua; what stops one is in child_stop_cases.lua.
--
--   require "spec.child_cases" ("spawn", "isolate")

local helper = require "spec.helper"
local weft = require "weft"

return function(verb, kind)

local start = weft -- a verb may be a path: "blocking.submit"
for name in verb:gmatch "%w+" do start = start[name] end

-- Scripts say start(...) and KIND too.
local function in_script(text) return (text:gsub("%f[%w_]start%(", "weft." .. verb .. "("):gsub("KIND", kind)) end
local function run_script(text) return helper.run_script(in_script(text)) end
local function run_ok(text) return helper.run_ok(in_script(text)) end

describe((kind == "isolate" and "an " or "a ") .. kind, function()
  it("runs beside the others, in a state of its own", function()
    local mark = {}
    _G.spec_mark = mark
    local job = start(function(...)
      local there = rawget(_G, "spec_mark")
      _G.spec_mark = "its own"
      return there, select("#", ...), ...
    end, 1, nil, "x", nil)
    assert.same({ n = 6, nil, 4, 1, nil, "x", nil }, table.pack(job:join()))
    assert.equal(mark, _G.spec_mark)
    _G.spec_mark = nil
  end)

  it("has every library, as a fresh interpreter has them", function()
    local names = start(function()
      local list = {}
      for name, value in pairs(_G) do
        if type(value) == "table" and name ~= "_G" and name ~= "arg" then
          for key, v in pairs(value) do list[#list + 1] = name .. "." .. tostring(key) .. " " .. type(v) end
        else
          list[#list + 1] = name .. " " .. type(value)
        end
      end
      table.sort(list)
      return table.concat(list, "\n")
    end):join()
    for _, name in ipairs { "assert function", "coroutine.wrap function", "debug.traceback function", "io.open function",
      "math.pi number", "os.exit function", "package.loaded table", "string.rep function", "table.sort function",
      "utf8.char function", "_VERSION string", "require function" } do
      assert.truthy(("\n" .. names .. "\n"):find("\n" .. name .. "\n", 1, true), name)
    end
  end)

  it("finds the modules that its starter finds", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/only_here.lua", "return { answer = 42 }")
    local path = package.path
    package.path = dir .. "/?.lua;" .. path
    local job = start(function() return require("only_here").answer, package.path end)
    package.path = path
    local answer, seen = job:join()
    assert.equal(42, answer)
    assert.equal(dir .. "/?.lua;" .. path, seen)
    helper.remove_dir(dir)
  end)

  it("has what its starter has put into package.preload", function()
    local secret = { 42 }
    package.preload.spec_here = function(name, extra) return { name = name, extra = extra, secret = secret[1] } end
    package.preload.spec_stuck = function() return _G, coroutine.create(print) and secret end
    package.preload.spec_c = math.floor -- called with two strings, it complains of the first
    local stuck = coroutine.create(print)
    package.preload.spec_bound = function() return stuck end
    local job = start(function()
      local m = require "spec_here"
      local ok, err = pcall(require, "spec_bound")
      -- And so on, to whoever it starts.
      local deep = weft.spawn(function() return require("spec_here").secret end):join()
      assert(select(2, pcall(require, "spec_c")):find("number expected", 1, true))
      return m.name, m.extra, m.secret, m == package.loaded.spec_here, deep, ok, err, package.preload.spec_here ~= nil
    end)
    local name, extra, number, same, deep, ok, err, listed = job:join()
    for _, key in ipairs { "spec_here", "spec_stuck", "spec_bound", "spec_c" } do package.preload[key] = nil end
    assert.same({ "spec_here", ":preload:", 42, true, 42, false, true }, { name, extra, number, same, deep, ok, listed })
    assert.truthy(err:find("package.preload['spec_bound'] of the isolate that started this one is not here", 1, true), err)
    assert.truthy(err:find("a coroutine cannot cross isolates", 1, true), err)
    assert.is_false((start(pcall, require, "spec_here"):join()))
  end)

  it("has the searchers of its starter", function()
    local prefix = "made_up."
    local searchers = package.searchers
    local function made_up(name)
      if name:sub(1, #prefix) == prefix then return function(n, extra) return { n, extra } end, "from nowhere" end
      return "\n\tno made-up '" .. name .. "'"
    end
    package.searchers = { searchers[1], made_up, searchers[3], searchers[2] }
    local function inside()
      local m, where = require "made_up.x"
      local ok, err = pcall(require, "no_such_module")
      return m, where, #package.searchers, ok, err, (pcall(require, "lfs")), weft.now() > 0
    end
    local job = start(function(f) return weft.spawn(f):join() end, inside)
    local job2 = start(inside)
    package.searchers = searchers
    for _, j in ipairs { job, job2 } do
      local m, where, n, ok, err, lfs, now = j:join()
      assert.same({ { "made_up.x", "from nowhere" }, "from nowhere", 4, false, true, true }, { m, where, n, ok, lfs, now })
      assert.truthy(err:find("no made-up 'no_such_module'", 1, true), err)
    end
    assert.equal(4, (start(function() return #package.searchers end):join()))
    assert.is_false((start(pcall, require, "made_up.x"):join()))
  end)

  it("uses all of weft", function()
    local job = start(function()
      local ch = weft.channel()
      for i = 1, 10 do weft.go(function() ch:send(i) end) end
      local sum = 0
      for _ = 1, 10 do sum = sum + ch:recv() end
      weft.sleep(0.001)
      local ok, err = pcall(weft.timeout, 0.001, weft.sleep, 1000)
      weft.scope(function(s) s:go(weft.yield) end)
      return sum, ok, err.kind, weft.current().kind, weft.current().name
    end)
    local sum, ok, what, me = job:join()
    assert.same({ 55, false, "timeout", kind }, { sum, ok, what, me })
  end)

  it("starts others of its kind", function()
    local function nest(depth)
      if depth == 0 then return 1 end
      local a, b = start(nest, depth - 1), start(nest, depth - 1)
      return a:join() + b:join()
    end
    assert.equal(8, start(nest, 3):join())
  end)

  it("is a job like others", function()
    local job = start({ name = "seven" }, function() return 7 end)
    assert.equal(kind, job.kind)
    assert.equal("seven", job.name)
    assert.is_true(math.type(job.id) == "integer")
    assert.truthy(tostring(job):find("^weft.job " .. kind .. " %d+ seven %(%a+%)$"))
    assert.equal("weft.job", getmetatable(job).__name)
    assert.is_true(job:wait())
    assert.equal("done", job:status())
    assert.is_true(job:wait(0))
    for _ = 1, 3 do assert.equal(7, job:join()) end
    assert.same({ true, 7 }, { job:result() })
    assert.is_false(job:cancel())
    local seen
    job:on_done(function(...) seen = table.pack(...) end)
    weft.wait()
    assert.same({ n = 2, true, 7 }, seen)
    assert.not_equal(job.id, start(function() end).id)
    weft.wait()
  end)

  it("does not keep the tasks of its joiner from running", function()
    local ch, turns = weft.channel(), 0
    local job = start(function(c) return (c:recv()) end, ch)
    weft.go(function()
      for _ = 1, 5 do
        turns = turns + 1
        weft.sleep(0.001)
      end
      ch:send "now"
    end)
    assert.equal("now", job:join())
    assert.equal(5, turns)
  end)

  it("is joined by many tasks", function()
    local job = start(function() return { "r" } end)
    local joiners = {}
    for i = 1, 20 do joiners[i] = weft.go(function() return job:join() end) end
    local first = joiners[1]:join()
    for i = 2, 20 do assert.equal(first, (joiners[i]:join())) end
  end)

  it("does not wait longer than it was told", function()
    local stop = weft.channel()
    local job = start(function(c) c:recv() end, stop)
    assert.is_false(job:wait(0))
    assert.is_false(job:wait(0.001))
    local _, err = pcall(weft.timeout, 0.001, job.join, job)
    assert.is_true(weft.is(err, "timeout"))
    stop:send(1)
    assert.is_true(job:wait(60))
  end)

  it("closed by <close> is cancelled and joined", function()
    local job
    do
      local j <close> = start(function() weft.sleep(1000) end)
      job = j
    end
    assert.equal("cancelled", job:status())
  end)

  it("leaves no task behind", function()
    local ch = weft.channel(10)
    local out, err = run_ok [[
      local weft = require "weft"
      local ch = weft.channel(10)
      start(function(ch)
        local weft = require "weft"
        weft.go(function()
          local _ <close> = setmetatable({}, { __close = function() ch:send "closed" end })
          weft.sleep(1000)
        end):detach()
        weft.yield()
      end, ch):join()
      print((ch:recv()))
    ]]
    assert.equal("closed\n", out)
    assert.equal("", err)
    ch:close()
  end)

  it("has the locals of the task that starts it", function()
    local me = weft.current()
    me:set("color", { "red" })
    local job = start(function()
      local there = weft.current():get "color"
      return there, weft.go(function() return weft.current():get "color" end):join()
    end)
    me:set("color", nil)
    local a, b = job:join()
    assert.same({ { "red" }, { "red" } }, { a, b })
  end)

  it("lives in the memory that it was given", function()
    local sibling = start(function(c)
      c:recv()
      return ("x"):rep(4 << 20):len()
    end, nil)
    sibling:cancel()
    local greedy = start({ memory = 1 << 20 }, function()
      local list = {}
      repeat list[#list + 1] = ("x"):rep(1000) .. #list until false
    end)
    local modest = start({ memory = 4 << 20 }, function()
      for _ = 1, 100 do local _ = ("x"):rep(100000) end
      return "fine"
    end)
    local ok, err = greedy:result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find("not enough memory", 1, true))
    assert.equal("failed", greedy:status())
    assert.equal("fine", modest:join())
    -- It may catch it, and go on with less.
    assert.equal("caught", start({ memory = 1 << 20 }, function()
      local caught, message = pcall(string.rep, "x", 4 << 20)
      return not caught and message:find "not enough memory" and "caught"
    end):join())
    -- Not even for the state itself.
    local tiny = start({ memory = 1 }, function() end)
    ok, err = tiny:result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find("not enough memory", 1, true))
  end)
end)

describe("a failing " .. kind, function()
  it("raises the same in whoever joins it", function()
    for _, value in ipairs { "text", 42, 1.5, false, true, "", ("long"):rep(1000) } do
      local job = start(function(v) error(v, 0) end, value)
      for _ = 1, 2 do
        local ok, err = job:result()
        assert.is_false(ok)
        assert.equal(value, err)
        ok, err = pcall(job.join, job)
        assert.is_false(ok)
        assert.equal(value, err)
      end
      assert.equal("failed", job:status())
    end
    local ok, err = start(function() error(nil) end):result()
    assert.same({ false, nil }, { ok, err })
  end)

  it("raises tables as copies, cycles and all, huge strings whole", function()
    local job = start(function()
      local t = { code = 7, list = { 1, 2, 3 } }
      t.self = t
      error(t)
    end)
    local _, err = job:result()
    assert.equal(7, err.code)
    assert.equal(err, err.self)
    assert.equal(err, (select(2, job:result())))
    _, err = start(function() error(("0123456789"):rep(1 << 20), 0) end):result()
    assert.equal(10 << 20, #err)
  end)

  it("keeps what kind of error it was", function()
    local _, err = start(function()
      weft.timeout(0.001, weft.sleep, 1000)
    end):result()
    assert.is_true(weft.is(err, "timeout"))
    assert.truthy(tostring(err):find "^timeout")
    _, err = start(function() weft.channel():recv() end):result()
    assert.is_true(weft.is(err, "deadlock"))
  end)

  it("tells where it failed and where it was started", function()
    local job = start(function()
      local function inner() error "here" end
      inner()
    end)
    job:wait()
    local text = job:traceback()
    assert.truthy(text:find("inner", 1, true), text)
    assert.truthy(text:find "started at .*child_cases%.lua:%d+", text)
  end)

  it("by a stack overflow, in Lua or C, is caught as others are", function()
    local ok, err = start(function()
      local function f() return 1 + f() end
      return f()
    end):result()
    assert.is_false(ok)
    assert.truthy(err:find("stack overflow", 1, true))
    ok, err = start(function()
      local function f() return (("x"):gsub(".", f)) end
      return f()
    end):result()
    assert.is_false(ok)
    assert.truthy(err:find("stack overflow", 1, true))
    ok = start(function()
      local t = setmetatable({}, {})
      getmetatable(t).__index = function(self, k) return self[k .. "x"] end
      return t.a
    end):result()
    assert.is_false(ok)
  end)

  it("while tasks overflow on top of its own waits, too", function()
    -- The function's nest, then a wait there, then a task's nest: all on one C stack.
    local ok, err = start(function()
      local message
      local function f(n, last)
        if n == 0 then return last() end
        return (("x"):gsub(".", function() f(n - 1, last) end))
      end
      f(150, function()
        local job = weft.go(function() return pcall(f, 1000, function() end) end)
        local _, caught = job:join()
        message = caught
      end)
      return message
    end):result()
    assert.is_true(ok, err)
    assert.truthy(tostring(err):find "stack overflow" or tostring(err):find "nested too deep", err)
  end)

  it("is reported when nobody looks", function()
    local _, err, code = run_script [[
      local weft = require "weft"
      start({ name = "sour" }, function() local function inner() error "the message" end inner() end)
      weft.wait()
    ]]
    assert.equal(0, code)
    for _, text in ipairs { "sour", "the message", "inner", "started at" } do assert.truthy(err:find(text, 1, true), err) end
    _, err = run_ok [[
      local weft = require "weft"
      start(error, "looked at"):wait()
      start(error, "detached"):detach()
      pcall(weft.all, { start(error, "all") })
      for job in weft.completed { start(error, "completed") } do assert(job) end
      weft.select { { start(error, "select") } }
      weft.wait()
    ]]
    assert.equal("", err)
  end)

  it("is told to on_unhandled", function()
    local out, err = run_ok [[
      local weft = require "weft"
      weft.on_unhandled(function(job, err, traceback)
        print(tostring(job):find "^weft.job KIND" ~= nil, err.code, traceback:find "started at" ~= nil)
      end)
      start(function() error { code = 7 } end)
      weft.wait()
      collectgarbage() collectgarbage()
    ]]
    assert.equal("true\t7\ttrue\n", out)
    assert.equal("", err)
  end)
end)

describe("storms of " .. kind .. "s", function()
  it("start and end, many at once", function()
    local n, most = helper.scale(1000, 60), 50
    local running, sum = {}, 0
    for i = 1, n do
      running[#running + 1] = start(function(k) return k end, i)
      if #running == most then
        for _, job in ipairs(running) do sum = sum + job:join() end
        running = {}
      end
    end
    for _, job in ipairs(running) do sum = sum + job:join() end
    assert.equal(n * (n + 1) // 2, sum)
  end)

  it("are cancelled at any moment", function()
    for i = 1, helper.scale(500, 40) do
      local job = start(function(k)
        if k % 3 == 0 then weft.sleep(1000) end
        if k % 3 == 1 then while true do local _ = {} end end -- signals come to the thread sanitizer in C only
        for _ = 1, k % 100 do weft.yield() end
        return k
      end, i)
      for _ = 1, (i * 7919) % 200 do weft.now() end
      if i % 2 == 0 then weft.sleep((i * 31) % 13 * 1e-5) end
      job:cancel(i)
      local ok, v = job:result()
      if ok then assert.equal(i, v) else assert.equal(i, v.reason) end
      assert.equal(ok and "done" or "cancelled", job:status())
    end
  end)

  it("are forgotten", function()
    for i = 1, helper.scale(500, 40) do
      start(function(k) if k % 2 == 0 then weft.sleep(k * 1e-6) end end, i)
      if i % 20 == 0 then helper.collect() end
    end
    weft.wait()
  end)

  it("run while traces start and stop", function()
    for round = 1, helper.scale(20, 3) do
      weft.trace.start()
      local jobs = {}
      for i = 1, 8 do
        jobs[i] = start({ name = "t" .. i }, function(k)
          weft.go(function() weft.yield() end):join()
          if k == 3 then
            local ok = pcall(weft.trace.start)
            if ok then weft.trace.stop() end
          end
          return k
        end, i)
        if i == round % 8 then pcall(weft.trace.stop) end
      end
      for i = 1, 8 do assert.equal(i, jobs[i]:join()) end
      pcall(weft.trace.stop)
    end
  end)

  it("leave no memory behind", function()
    helper.no_growth(function()
      start(function(a) return { a } end, { "x" }):join()
      local job = start(function() weft.sleep(1000) end)
      job:cancel()
      job:wait()
    end, { n = helper.scale(300, 20), lua = 64, rss = 1024 })
  end)
end)

end
