-- weft.process: what a worker process gets, gives and is; how it ends, and how it dies. Channels and buffers between
-- processes are in process_channel_spec.lua.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop of this thread stays: no test is to be blamed for it

describe("a worker process", function()
  it("runs a function with arguments in a process of its own", function()
    local mark = { deep = { 1, 2, "x" } }
    local job = weft.process(function(...)
      local weft = require "weft" -- luacheck: ignore 431
      return weft.info().pid, mark.deep[3], select("#", ...), ...
    end, 1, nil, "two", nil)
    assert.equal("process", job.kind)
    local pid, x, n, a, b, c, d = job:join()
    assert.is_true(pid ~= weft.info().pid)
    assert.same({ "x", 4, 1, nil, "two", nil }, { x, n, a, b, c, d, n = nil })
    assert.equal("done", job:status())
    assert.equal(pid, (job:join())) -- twice: the same results
  end)

  it("finds the modules that its starter finds, and weft", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/only_here.lua", "return { answer = 42 }")
    local path = package.path
    package.path = dir .. "/?.lua;" .. path
    local job = weft.process(function() return require("only_here").answer, package.path end)
    local answer, seen = job:join()
    package.path = path
    assert.same({ 42, dir .. "/?.lua;" .. path }, { answer, seen })
    helper.remove_dir(dir)
    assert.equal("user 7 main process", weft.process({ name = "user" }, function()
      local weft = require "weft" -- luacheck: ignore 431
      local ch = weft.channel()
      weft.go(function() ch:send(7) end)
      local v = ch:recv()
      local me = weft.current()
      return ("%s %d main %s"):format(me.name, v, me.kind)
    end):join())
  end)

  it("shares upvalues within a message, knows the globals as its own", function()
    local n = 0
    local function up() n = n + 1 return n end
    local function get() return n end
    assert.same({ 1, 1, true }, { weft.process(function() return up(), get(), _G.print == print end):join() })
    assert.equal(0, n)
  end)

  it("inherits task-locals", function()
    weft.current():set("who", "starter")
    assert.equal("starter", weft.process(function() return require("weft").current():get "who" end):join())
    weft.current():set("who", nil)
  end)

  it("returns much", function()
    local s, t = weft.process(function()
      local t = {}
      for i = 1, 10000 do t[i] = { i, tostring(i) } end
      return ("x"):rep(3000000), t
    end):join()
    assert.equal(3000000, #s)
    assert.equal("10000", t[10000][2])
    assert.equal(2000000, weft.process(function(big) return #big end, ("y"):rep(2000000)):join())
  end)

  it("takes options", function()
    local info = weft.process({ name = "n", nice = 7, umask = 63, limits = { nofile = 123 }, env = { inherit = true,
      SPEC = "e" }, cwd = "/usr",
      affinity = { weft.info().affinity[1] }, no_new_privs = true }, function()
      local i = require("weft").info()
      return { nice = i.nice, umask = i.umask, nofile = i.limits.nofile.hard, env = os.getenv "SPEC", cwd = i.cwd,
        cpus = #i.affinity, nnp = i.no_new_privs }
    end):join()
    assert.same({ nice = 7, umask = 63, nofile = 123, env = "e", cwd = "/usr", cpus = 1, nnp = true }, info)
    helper.raises("unknown option 'stack'", weft.process, { stack = 1 }, print)
    helper.raises("option 'nice'", weft.process, { nice = 99 }, print)
    helper.raises("bad argument #1", weft.process, 1)
    helper.raises("bad argument #2", weft.process, {}, 1)
    helper.fails("ENOENT", weft.process, { cwd = "/no/such" }, print)
  end)

  it("has no more memory than it may", function()
    local ok, err = weft.process({ memory = 4 << 20 }, function() return #("x"):rep(1 << 24) end):result()
    assert.is_false(ok)
    assert.truthy(tostring(err):find "not enough memory")
    assert.equal(1000, weft.process({ memory = 4 << 20 }, function() return #("x"):rep(1000) end):join())
  end)

  it("is a process like others to weft.info", function()
    local up, go = weft.channel(), weft.channel()
    local job = weft.process(function()
      up:send(true) -- what opens files as it is loaded, a sanitizer as well, has done so
      go:recv()
    end)
    up:recv()
    local info = weft.info(job)
    assert.equal("process", info.kind)
    assert.equal(weft.info().pid, info.ppid)
    for _, f in ipairs(info.fds) do assert.is_true(f.fd <= 3 or f.cloexec, f.fd .. " " .. f.target) end
    go:send(1)
    job:join()
    helper.fails("ESRCH", weft.info, job)
  end)

  it("finds weft's own module by its file, whatever the paths are", function()
    local path, cpath = package.path, package.cpath
    package.path, package.cpath = "", ""
    local job = weft.process(function() return 7, package.cpath end)
    package.path, package.cpath = path, cpath
    assert.same({ 7, "" }, { job:join() })
  end)

  it("goes without libuv unless it uses weft, which says when there is none", function()
    local function maps()
      local f <close> = assert(io.open "/proc/self/maps")
      return f:read "a":find("libuv", 1, true) ~= nil
    end
    if not maps() then return pending "libuv is linked into the module" end
    local ch = weft.channel(1)
    ch:send(2)
    assert.same({ false, 2 }, { weft.process(function() return maps(), (ch:recv()) end):join() })
    assert.is_true(weft.process(function() return require "weft" and maps() end):join())
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/libuv.so.1", "no library")
    local opts = { env = { inherit = true, LD_LIBRARY_PATH = dir } }
    assert.equal("fine", weft.process(opts, function() return "fine" end):join())
    local job = weft.process(opts, function() return require "weft" end)
    local ok, err = pcall(job.join, job)
    assert.is_false(ok)
    assert.truthy(tostring(err):find("weft needs libuv, which cannot be loaded: " .. dir .. "/libuv.so.1", 1, true))
    helper.remove_dir(dir)
  end)

  it("can start others", function()
    assert.equal(6, weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local a = weft.process(function() return 1 end)
      local b = weft.thread(function() return require("weft").process(function() return 2 end):join() end)
      return a:join() + b:join() + weft.exec({ "sh", "-c", "exit 3" }):wait().code
    end):join())
  end)

  it("runs another interpreter when told", function()
    local before = weft.interpreter()
    assert.truthy(before:find "lua")
    assert.equal("/no/such/lua", weft.interpreter "/no/such/lua")
    assert.truthy(helper.fails("ENOENT", weft.process, print):find "/no/such/lua")
    weft.interpreter(before)
    assert.equal(1, weft.process(function() return 1 end):join())
    helper.raises("a path expected", weft.interpreter, "")
  end)
end)

describe("the errors of a worker process", function()
  it("come back as what they are, with where", function()
    local job = weft.process(function()
      local function inner() error("boom") end
      inner()
    end)
    local ok, err = job:result()
    assert.is_false(ok)
    assert.truthy(err:find "process_spec.lua:%d+: boom")
    local trace = job:traceback()
    assert.truthy(trace:find "in upvalue 'inner'" or trace:find "in local 'inner'")
    assert.truthy(trace:find "started at spec/process_spec.lua:%d+")
    helper.raises("boom", job.join, job)
    assert.same({ code = 7 }, select(2, weft.process(function() error { code = 7 } end):result()))
    assert.is_nil(select(2, weft.process(function() error() end):result()))
  end)

  it("tell what cannot cross", function()
    helper.raises_kind("transfer", weft.process, function() end, weft.mutex())
    for _, lock in ipairs { weft.mutex(), weft.rwlock(), weft.semaphore(1), weft.condition(), weft.barrier(2), weft.waitgroup(),
      weft.once(function() end), weft.event() } do
      local name = tostring(lock):match "^weft%.%l+"
      helper.raises(("arg 2[1]: a %s cannot leave the process (between processes use a channel that holds a token"):format(name),
        weft.process, function() end, { lock })
    end
    local err = helper.raises_kind("transfer", weft.process, print, { a = { io.tmpfile() } })
    assert.truthy(tostring(err):find("arg 2.a[1]", 1, true))
    local ok, message = weft.process(function() return 1, io.tmpfile() end):result()
    assert.is_false(ok)
    assert.truthy(tostring(message):find "result 2")
    ok, message = weft.process(function() error(io.tmpfile()) end):result()
    assert.is_false(ok)
    assert.truthy(tostring(message):find "file")
  end)

  it("are reported when nobody looks", function()
    local _, err, code = helper.run_script [[
      local weft = require "weft"
      weft.process({ name = "lost" }, function() error "unseen" end)
      weft.wait()
      collectgarbage() collectgarbage()
    ]]
    assert.equal(0, code)
    assert.truthy(err:find "weft: process %d+ lost failed" and err:find "unseen", err)
  end)
end)

describe("the end of a worker process", function()
  it("can be asked for, while it waits and while it computes", function()
    local waits = weft.process(function() require("weft").sleep(1000) end)
    local spins = weft.process(helper.spin)
    local begun = weft.channel(1)
    local catches = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      local ok, err = pcall(function()
        begun:send(true)
        weft.sleep(1000)
      end)
      return ok, err.reason
    end)
    begun:recv()
    assert.is_true(waits:cancel "enough")
    assert.is_true(spins:cancel())
    assert.is_true(catches:cancel { why = "test" })
    local ok, err = waits:result()
    assert.same({ false, "enough", "cancelled" }, { ok, err.reason, waits:status() })
    assert.is_true(weft.is(err, "cancelled"))
    assert.same({ false, "cancelled" }, { (spins:result()), spins:status() })
    assert.same({ false, { why = "test" } }, { catches:join() })
    assert.is_false(waits:cancel())
  end)

  it("comes with its time-out, its scope, its block", function()
    helper.raises_kind("timeout", weft.timeout, 0.2, function()
      local job <close> = weft.process(function() require("weft").sleep(1000) end)
      job:join()
    end)
    helper.raises("first", weft.scope, function(s)
      s:process(function() require("weft").sleep(1000) end)
      s:process(function() error("first", 0) end)
    end)
    local pid
    do
      local job <close> = weft.process(function() require("weft").sleep(1000) end)
      pid = weft.info(job).pid
    end
    assert.is_nil((weft.info(pid)))
  end)

  it("has what its starter has put into package.preload and package.searchers", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      local secret = { 42 }
      package.preload.here = function(name, extra) return { name = name, extra = extra, secret = secret[1] } end
      package.preload.c = math.type
      local own = package.loadlib(package.searchpath("weft.core", package.cpath), "luaopen_weft_core")
      package.preload.unnamed = own
      package.searchers[5] = function(name) return name == "magic" and function() return "found" end or nil end
      local here = require "here"
      local job = weft.process(function()
        local function tried(name) return (select(2, pcall(require, name))) end
        return here.secret, require("here").extra, require "magic", tried "c", tried "unnamed",
          require "weft".process(function() return require("magic") end):join()
      end)
      for _, v in ipairs(table.pack(job:join())) do print(v) end
    ]]
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.same({ "42", ":preload:", "found" }, { table.unpack(lines, 1, 3) })
    assert.truthy(out:find("found\n", #out - 6, true), out)
    assert.truthy(lines[4]:find("package.preload['c'] of the isolate that started this one is not here", 1, true), out)
    assert.truthy(out:find("a loader in C cannot go to another process", 1, true), out)
  end)

  it("ends by os.exit as it says, with what it had written and sent", function()
    local out = helper.run_ok [[
      local weft = require "weft"
      for _, close in ipairs { false, true } do
        for _, code in ipairs { 0, 3, true, false } do
          local ch = weft.channel(10)
          local job = weft.process(function()
            setmetatable({}, { __gc = function() io.write "finalised " end })
            io.write "written "
            ch:send "sent"
            os.exit(code, close)
          end)
          local _, err = job:result()
          print(code, close, (ch:try_recv()), (tostring(err):match "exited with code %d+"))
        end
      end
    ]]
    local expected = {}
    for _, close in ipairs { false, true } do
      for i, code in ipairs { "0", "3", "true", "false" } do
        local written = close and "written finalised " or "written "
        expected[#expected + 1] = ("%s%s\t%s\tsent\texited with code %d\n"):format(written, code, close, ({ 0, 3, 0, 1 })[i])
      end
    end
    assert.equal(table.concat(expected), out)
  end)

  it("says what it had started and what still ran, but when it was cancelled", function()
    local _, said = helper.run_script [[
      local weft = require "weft"
      local function starts(name)
        local weft = require "weft"
        weft.go({ name = name }, weft.sleep, 100)
        weft.yield()
      end
      weft.process(starts, "first"):join()
      weft.thread(starts, "second"):join()
      weft.spawn(starts, "third"):join()
      weft.spawn(weft.go, print):join()
      local job = weft.process(function()
        starts "fourth"
        require "weft".sleep(100)
      end)
      weft.sleep(0.1)
      job:cancel()
      job:wait()
      starts "last"
    ]]
    local expected = {}
    for i, ended in ipairs {
      "function of a process", "function of a thread", "function of an isolate", "function of an isolate", "script",
    } do
      local name = ({ "first", "second", "third", "", "last" })[i]
      expected[i] = ("weft: the %s ended while 1 job still ran, now cancelled: task %%d+%s\n"):format(ended,
        name == "" and "" or " " .. name .. " started at [^\n]*script.lua:4")
    end
    assert.truthy(said:find("^" .. table.concat(expected) .. "$"), said)
  end)

  it("is an error of kind process when it dies", function()
    local job = weft.process(function() os.exit(3) end)
    local err = select(2, job:result())
    assert.is_true(weft.is(err, "process"))
    assert.truthy(tostring(err):find "exited with code 3")
    assert.equal("failed", job:status())
    local killed = weft.process(function() require("weft").sleep(1000) end)
    os.execute("kill -9 " .. weft.info(killed).pid)
    assert.truthy(tostring(select(2, killed:result())):find "killed by SIGKILL")
    local crashed = weft.process(function() os.execute("kill -USR1 " .. require("weft").info().pid) end)
    assert.truthy(tostring(select(2, crashed:result())):find "killed by SIGUSR1")
  end)

  it("comes when the starter dies, however it dies", function()
    for _, how in ipairs { "os.exit(0)", "error('x', 0)", "os.execute('kill -9 ' .. weft.info().pid)", "" } do
      local out = helper.run_script([[
        local weft = require "weft"
        local ready = weft.channel(2)
        local a = weft.process(function() ready:send(1) while true do end end)
        local b = weft.process(function() ready:send(1) require("weft").sleep(1000) end)
        ready:recv() ready:recv()
        io.stdout:write(weft.info(a).pid, " ", weft.info(b).pid, "\n") io.stdout:flush()
      ]] .. how)
      for pid in out:gmatch "%d+" do
        helper.eventually(function() return not weft.info(tonumber(pid)) or weft.info(tonumber(pid)).state == "Z" end, how)
      end
    end
  end)

  it("cancels and joins what it has started itself", function()
    local go = weft.channel(1)
    local job = weft.process(function()
      local weft = require "weft" -- luacheck: ignore 431
      weft.go(function()
        local guard <close> = setmetatable({}, { __close = function() go:send "cleaned up" end }) -- luacheck: ignore 211
        weft.sleep(1000)
      end):detach()
      weft.yield()
      return "over"
    end)
    assert.equal("over", job:join())
    assert.equal("cleaned up", go:recv())
  end)

  it("can be waited for with others", function()
    local slow, quick = weft.process(function() require("weft").sleep(1000) end), weft.process(function() return "q" end)
    assert.same({ 2, true, "q" }, { weft.select { { slow }, { quick } } })
    assert.is_false(slow:wait(0.001))
    slow:cancel()
    slow:wait()
    local list = weft.all { weft.process(function() return 1 end), weft.process(function() return 2 end) }
    assert.same({ 1, 2, n = 2 }, list)
    local order = {}
    for job in weft.completed { weft.process(function() return "a" end),
      weft.process(function() return "b" end) } do order[#order + 1] = job:join() end
    table.sort(order)
    assert.same({ "a", "b" }, order)
  end)
end)

describe("many worker processes", function()
  it("leave nothing behind", function()
    for _ = 1, helper.scale(20, 2) do
      local jobs = {}
      for i = 1, 4 do jobs[i] = weft.process(function(n) return n end, i) end
      assert.same({ 1, 2, 3, 4, n = 4 }, weft.all(jobs))
    end
    helper.no_growth(function() weft.process(function() end):join() end, { n = 12, lua = 512, rss = 16384 })
  end)

  it("are started from threads at once", function()
    local jobs = {}
    for i = 1, 3 do
      jobs[i] = weft.thread(function(n)
        local weft, sum = require "weft", 0 -- luacheck: ignore 431
        for _ = 1, n do sum = sum + weft.process(function() return 1 end):join() end
        return sum
      end, helper.scale(20, 2))
    end
    local n = helper.scale(20, 2)
    assert.same({ n, n, n, n = 3 }, weft.all(jobs))
  end)
end)
