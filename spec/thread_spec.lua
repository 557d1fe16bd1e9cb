-- weft.thread: what a thread gets, gives and is, its options, its failures; storms of threads.
-- What stops one is in thread_stop_spec.lua, what crosses in values_spec.lua.

local helper = require "spec.helper"
local weft = require "weft"

local function status_field(text, name) return text:match("\n" .. name .. ":%s*([^\n]*)") end

describe("a thread", function()
  it("runs beside the others, in a state of its own", function()
    local mark = {}
    _G.spec_mark = mark
    local job = weft.thread(function(...)
      local there = rawget(_G, "spec_mark")
      _G.spec_mark = "its own"
      return there, select("#", ...), ...
    end, 1, nil, "x", nil)
    assert.same({ n = 6, nil, 4, 1, nil, "x", nil }, table.pack(job:join()))
    assert.equal(mark, _G.spec_mark)
    _G.spec_mark = nil
  end)

  it("has every library, as a fresh interpreter has them", function()
    local names = weft.thread(function()
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
    local job = weft.thread(function() return require("only_here").answer, package.path end)
    package.path = path
    local answer, seen = job:join()
    assert.equal(42, answer)
    assert.equal(dir .. "/?.lua;" .. path, seen)
    helper.remove_dir(dir)
  end)

  it("uses all of weft", function()
    local job = weft.thread(function()
      local ch = weft.channel()
      for i = 1, 10 do weft.go(function() ch:send(i) end) end
      local sum = 0
      for _ = 1, 10 do sum = sum + ch:recv() end
      weft.sleep(0.001)
      local ok, err = pcall(weft.timeout, 0.001, weft.sleep, 1000)
      weft.scope(function(s) s:go(weft.yield) end)
      return sum, ok, err.kind, weft.current().kind, weft.current().name
    end)
    local sum, ok, kind, me = job:join()
    assert.same({ 55, false, "timeout", "thread" }, { sum, ok, kind, me })
  end)

  it("starts threads", function()
    local function nest(depth)
      if depth == 0 then return 1 end
      local a, b = weft.thread(nest, depth - 1), weft.thread(nest, depth - 1)
      return a:join() + b:join()
    end
    assert.equal(8, weft.thread(nest, 3):join())
  end)

  it("is a job like others", function()
    local job = weft.thread({ name = "seven" }, function() return 7 end)
    assert.equal("thread", job.kind)
    assert.equal("seven", job.name)
    assert.is_true(math.type(job.id) == "integer")
    assert.truthy(tostring(job):find "^weft.job thread %d+ seven %(%a+%)$")
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
    assert.not_equal(job.id, weft.thread(function() end).id)
    weft.wait()
  end)

  it("does not keep the tasks of its joiner from running", function()
    local turns = 0
    local job = weft.thread(function() weft.sleep(0.02) end)
    local ticker = weft.go(function()
      while true do
        turns = turns + 1
        weft.sleep(0.001)
      end
    end)
    job:join()
    ticker:cancel()
    assert.is_true(turns > 1)
  end)

  it("is joined by many tasks", function()
    local job = weft.thread(function() return { "r" } end)
    local joiners = {}
    for i = 1, 20 do joiners[i] = weft.go(function() return job:join() end) end
    local first = joiners[1]:join()
    for i = 2, 20 do assert.equal(first, (joiners[i]:join())) end
  end)

  it("does not wait longer than it was told", function()
    local stop = weft.channel()
    local job = weft.thread(function(c) c:recv() end, stop)
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
      local j <close> = weft.thread(function() weft.sleep(1000) end)
      job = j
    end
    assert.equal("cancelled", job:status())
  end)

  it("leaves no task behind", function()
    local ch = weft.channel(10)
    local out, err = helper.run_ok [[
      local weft = require "weft"
      local ch = weft.channel(10)
      weft.thread(function(ch)
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
    local job = weft.thread(function()
      local there = weft.current():get "color"
      return there, weft.go(function() return weft.current():get "color" end):join()
    end)
    me:set("color", nil)
    local a, b = job:join()
    assert.same({ { "red" }, { "red" } }, { a, b })
  end)
end)

describe("the options of a thread:", function()
  -- What the system says of a thread, asked by the thread itself.
  local function self_status(opts)
    return weft.thread(opts, function()
      local f = assert(io.open "/proc/thread-self/status")
      local text = f:read "a"
      f:close()
      local stat = assert(io.open "/proc/thread-self/stat")
      local fields = stat:read("a"):match "%) (.*)"
      stat:close()
      local list = {}
      for word in fields:gmatch "%S+" do list[#list + 1] = word end
      return text, tonumber(list[17]), tonumber(list[38]), tonumber(list[39]) -- nice, rt_priority, policy
    end)
  end

  it("a name, which the system knows too", function()
    local job = self_status { name = "spinner" }
    assert.equal("spinner", status_field("\n" .. job:join(), "Name"))
    assert.equal("spinner", job.name)
    -- The system keeps 15 bytes, and no half of a character.
    local long = ("näme"):rep(5)
    job = self_status { name = long }
    local kept = status_field("\n" .. job:join(), "Name")
    assert.equal(long:sub(1, #kept), kept)
    assert.is_truthy(utf8.len(kept))
    assert.equal(long, job.name)
  end)

  it("the CPUs that it may use", function()
    local here = status_field("\n" .. self_status({}):join(), "Cpus_allowed_list")
    local cpu = tonumber(here:match "%d+")
    assert.equal(tostring(cpu), status_field("\n" .. self_status({ affinity = { cpu } }):join(), "Cpus_allowed_list"))
    assert.equal(1, weft.thread({ affinity = { cpu } }, function() return weft.cpus() end):join())
    local job, message, code = weft.thread({ affinity = { 1023 } }, function() end)
    assert.same({ nil, "EINVAL" }, { job, code })
    assert.truthy(message:find("affinity", 1, true))
  end)

  it("how nice it is", function()
    local _, nice = self_status({ nice = 7 }):join()
    assert.equal(7, nice)
  end)

  it("how it is scheduled", function()
    local _, _, _, policy = self_status({ policy = "batch" }):join()
    assert.equal(3, policy)
    _, _, _, policy = self_status({ policy = "idle" }):join()
    assert.equal(5, policy)
    local job, message, code = self_status { policy = "fifo", priority = 10 }
    if job then
      local _, _, priority, fifo = job:join()
      assert.same({ 10, 1 }, { priority, fifo })
    else -- not for everyone
      assert.equal("EPERM", code)
      assert.truthy(message:find("policy", 1, true))
    end
    job, message, code = weft.thread({ policy = "other", priority = 10 }, function() end)
    assert.same({ nil, "EINVAL" }, { job, code })
    assert.truthy(message:find("priority", 1, true))
  end)

  it("a stack that is as large as was asked", function()
    -- Nests of pattern matching: each level takes C stack, the limit is Lua's own.
    local function deep()
      local function level(n)
        return n == 0 and 0 or 1 + select(2, ("x"):gsub(".", function() level(n - 1) end))
      end
      return pcall(level, 1000)
    end
    for _, stack in ipairs { 1, 1 << 20, 16 << 20 } do
      local ok, err = weft.thread({ stack = stack }, deep):join()
      assert.is_false(ok)
      assert.truthy(err:find "stack overflow", err)
    end
    local job, message, code = weft.thread({ stack = 1 << 40 }, function() end)
    if not job then
      assert.truthy(code == "EAGAIN" or code == "ENOMEM", code)
      assert.truthy(message:find("stack", 1, true))
    else
      job:join()
    end
  end)

  it("the memory of its state", function()
    local sibling = weft.thread(function(c)
      c:recv()
      return ("x"):rep(4 << 20):len()
    end, nil)
    sibling:cancel()
    local greedy = weft.thread({ memory = 1 << 20 }, function()
      local list = {}
      repeat list[#list + 1] = ("x"):rep(1000) .. #list until false
    end)
    local modest = weft.thread({ memory = 4 << 20 }, function()
      for _ = 1, 100 do local _ = ("x"):rep(100000) end
      return "fine"
    end)
    local ok, err = greedy:result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find("not enough memory", 1, true))
    assert.equal("failed", greedy:status())
    assert.equal("fine", modest:join())
    -- It may catch it, and go on with less.
    assert.equal("caught", weft.thread({ memory = 1 << 20 }, function()
      local caught, message = pcall(string.rep, "x", 4 << 20)
      return not caught and message:find "not enough memory" and "caught"
    end):join())
    -- Not even for the state itself.
    local tiny = weft.thread({ memory = 1 }, function() end)
    ok, err = tiny:result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find("not enough memory", 1, true))
  end)
end)

describe("a failing thread", function()
  it("raises the same in whoever joins it", function()
    for _, value in ipairs { "text", 42, 1.5, false, true, "", ("long"):rep(1000) } do
      local job = weft.thread(function(v) error(v, 0) end, value)
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
    local ok, err = weft.thread(function() error(nil) end):result()
    assert.same({ false, nil }, { ok, err })
  end)

  it("raises tables as copies, cycles and all, huge strings whole", function()
    local job = weft.thread(function()
      local t = { code = 7, list = { 1, 2, 3 } }
      t.self = t
      error(t)
    end)
    local _, err = job:result()
    assert.equal(7, err.code)
    assert.equal(err, err.self)
    assert.equal(err, (select(2, job:result())))
    _, err = weft.thread(function() error(("0123456789"):rep(1 << 20), 0) end):result()
    assert.equal(10 << 20, #err)
  end)

  it("keeps what kind of error it was", function()
    local _, err = weft.thread(function()
      weft.timeout(0.001, weft.sleep, 1000)
    end):result()
    assert.is_true(weft.is(err, "timeout"))
    assert.truthy(tostring(err):find "^timeout")
    _, err = weft.thread(function() weft.channel():recv() end):result()
    assert.is_true(weft.is(err, "deadlock"))
  end)

  it("tells where it failed and where it was started", function()
    local job = weft.thread(function()
      local function inner() error "here" end
      inner()
    end)
    job:wait()
    local text = job:traceback()
    assert.truthy(text:find("inner", 1, true), text)
    assert.truthy(text:find "started at .*thread_spec.lua:%d+", text)
  end)

  it("by a stack overflow, in Lua or C, is caught as others are", function()
    local ok, err = weft.thread(function()
      local function f() return 1 + f() end
      return f()
    end):result()
    assert.is_false(ok)
    assert.truthy(err:find("stack overflow", 1, true))
    ok, err = weft.thread(function()
      local function f() return (("x"):gsub(".", f)) end
      return f()
    end):result()
    assert.is_false(ok)
    assert.truthy(err:find("stack overflow", 1, true))
    ok = weft.thread(function()
      local t = setmetatable({}, {})
      getmetatable(t).__index = function(self, k) return self[k .. "x"] end
      return t.a
    end):result()
    assert.is_false(ok)
  end)

  it("while tasks overflow on top of its own waits, too", function()
    -- The function's nest, then a wait there, then a task's nest: all on one C stack.
    local ok, err = weft.thread(function()
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
    local _, err, code = helper.run_script [[
      local weft = require "weft"
      weft.thread({ name = "sour" }, function() local function inner() error "the message" end inner() end)
      weft.wait()
    ]]
    assert.equal(0, code)
    for _, text in ipairs { "sour", "the message", "inner", "started at" } do assert.truthy(err:find(text, 1, true), err) end
    _, err = helper.run_ok [[
      local weft = require "weft"
      weft.thread(error, "looked at"):wait()
      weft.thread(error, "detached"):detach()
      pcall(weft.all, { weft.thread(error, "all") })
      for job in weft.completed { weft.thread(error, "completed") } do assert(job) end
      weft.select { { weft.thread(error, "select") } }
      weft.wait()
    ]]
    assert.equal("", err)
  end)

  it("is told to on_unhandled", function()
    local out, err = helper.run_ok [[
      local weft = require "weft"
      weft.on_unhandled(function(job, err, traceback)
        print(tostring(job):find "^weft.job thread" ~= nil, err.code, traceback:find "started at" ~= nil)
      end)
      weft.thread(function() error { code = 7 } end)
      weft.wait()
      collectgarbage() collectgarbage()
    ]]
    assert.equal("true\t7\ttrue\n", out)
    assert.equal("", err)
  end)
end)

describe("storms of threads", function()
  it("start and end, many at once", function()
    local n, most = helper.scale(1000, 60), 50
    local running, sum = {}, 0
    for i = 1, n do
      running[#running + 1] = weft.thread(function(k) return k end, i)
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
      local job = weft.thread(function(k)
        if k % 3 == 0 then weft.sleep(1000) end
        if k % 3 == 1 then while true do end end
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
      weft.thread(function(k) if k % 2 == 0 then weft.sleep(k * 1e-6) end end, i)
      if i % 20 == 0 then helper.collect() end
    end
    weft.wait()
  end)

  it("run while traces start and stop", function()
    for round = 1, helper.scale(20, 3) do
      weft.trace.start()
      local jobs = {}
      for i = 1, 8 do
        jobs[i] = weft.thread({ name = "t" .. i }, function(k)
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
      weft.thread(function(a) return { a } end, { "x" }):join()
      local job = weft.thread(function() weft.sleep(1000) end)
      job:cancel()
      job:wait()
    end, { n = helper.scale(300, 20), lua = 64, rss = 1024 })
  end)
end)
