-- weft.info and weft.set, against what ps, /proc and the shell say of the same processes.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop stays

local function output(command)
  local p = assert(io.popen(command))
  local text = p:read "a"
  p:close()
  return (text:gsub("%s+$", ""))
end

local function status_of(pid, tid)
  local path = tid and ("/proc/%d/task/%d/status"):format(pid, tid) or ("/proc/%d/status"):format(pid)
  return helper.read_file(path)
end

local function field(text, name) return text:match("\n" .. name .. ":[ \t]*([^\n]*)") end

local function numbers(text)
  local list = {}
  for n in text:gmatch "%d+" do list[#list + 1] = tonumber(n) end
  return list
end

local function is_root() return output "id -u" == "0" end

-- A child that sleeps until its input ends, with a few things set by the shell.
local function with_child(setup, f)
  local dir = helper.tmpdir()
  local fifo = dir .. "/fifo"
  assert(os.execute("mkfifo " .. fifo))
  local p = assert(io.popen(("%s exec 3<>%s; echo $$ >%s/pid; exec sh -c 'read x <&3; exit' one 'two  three'"):format(setup,
    fifo, dir), "w"))
  local pid = helper.eventually(function()
    local f_pid = io.open(dir .. "/pid", "r")
    local n = f_pid and f_pid:read "n"
    if f_pid then f_pid:close() end
    return n and weft.info(n) and (weft.info(n).argv or {})[5] == "two  three" and n
  end, "the child has started")
  local ok, err = pcall(f, pid)
  helper.write_file(fifo, "\n")
  p:close()
  helper.remove_dir(dir)
  if not ok then error(err, 0) end
end

describe("weft.info of this process", function()
  it("says what /proc says", function()
    local info = weft.info()
    local text = status_of(info.pid)
    assert.equal("process", info.kind)
    assert.equal(tonumber(field(text, "PPid")), info.ppid)
    assert.same(numbers(field(text, "Uid")), { info.uid, info.euid, info.suid, info.fsuid })
    assert.same(numbers(field(text, "Gid")), { info.gid, info.egid, info.sgid, info.fsgid })
    assert.same(numbers(field(text, "Groups")), info.groups)
    assert.equal(field(text, "NoNewPrivs") == "1", info.no_new_privs)
    assert.equal(tonumber(field(text, "Threads")), #info.threads)
    assert.equal(output(("readlink /proc/%d/exe"):format(info.pid)), info.exe)
    assert.equal(output(("readlink /proc/%d/cwd"):format(info.pid)), info.cwd)
    assert.equal(output(("tr '\\0' '\\n' </proc/%d/cmdline"):format(info.pid)), table.concat(info.argv, "\n"))
    assert.equal(tonumber(output(("ps -o pgid= -p %d"):format(info.pid))), info.pgid)
    assert.equal(tonumber(output(("ps -o sid= -p %d"):format(info.pid))), info.sid)
    assert.equal(tonumber(output(("ps -o ni= -p %d"):format(info.pid))), info.nice)
    assert.equal("other", info.policy)
    assert.equal(0, info.priority)
    assert.equal(weft.cpus(), #info.affinity)
  end)

  it("tells its memory", function()
    assert.is_nil(tostring(weft.info()):find("limit no limit", 1, true))
    local m = weft.info().memory
    local text = status_of(weft.info().pid)
    assert.is_true(m.rss > 0 and m.rss <= m.peak and m.rss < m.size and m.size <= m.size_peak)
    assert.is_true(math.abs(m.size - tonumber(field(text, "VmSize"):match "%d+") * 1024) < 16 << 20)
    assert.is_true(m.limit > 0)
    assert.is_true(math.abs(m.mappings - tonumber(output("wc -l </proc/" .. weft.info().pid .. "/maps"))) < 20)
  end)

  it("tells its open handles, their kinds, and no more", function()
    local dir = helper.tmpdir()
    local before = {}
    for _, f in ipairs(weft.info().fds) do before[f.fd] = true end
    local file, pipe = assert(io.open(dir .. "/a", "w")), assert(io.popen("true", "r"))
    local new = {}
    for _, f in ipairs(weft.info().fds) do
      if not before[f.fd] then new[f.kind] = f end
    end
    assert.equal(dir .. "/a", new.file.target)
    assert.truthy(new.pipe.target:match "^pipe:%[%d+%]$")
    assert.is_boolean(new.pipe.cloexec)
    file:close()
    pipe:close()
    helper.remove_dir(dir)
    local after = 0
    for _, f in ipairs(weft.info().fds) do after = after + (before[f.fd] and 0 or 1) end
    assert.equal(0, after)
  end)

  it("tells limits as the shell tells them", function()
    local l = weft.info().limits
    local function shell(flag)
      local text = output("ulimit " .. flag)
      return text == "unlimited" and math.huge or tonumber(text)
    end
    assert.equal(shell "-Sn", l.nofile.soft)
    assert.equal(shell "-Hn", l.nofile.hard)
    assert.equal(shell "-t", l.cpu.soft)
    local stack = shell "-s"
    assert.equal(stack == math.huge and stack or stack * 1024, l.stack.soft)
  end)

  it("counts CPU time and switches", function()
    local before = weft.info()
    local deadline = os.clock() + 0.02
    while os.clock() < deadline do end
    weft.sleep(0.001)
    local after = weft.info()
    assert.is_true(after.cpu.user + after.cpu.system >= before.cpu.user + before.cpu.system + 0.01)
    assert.is_true(after.switches.voluntary > before.switches.voluntary)
    assert.is_true(math.abs(after.started - before.started) < 1)
    assert.is_true(after.started <= os.time() + 1 and after.started > os.time() - 86400)
  end)

  it("names capabilities by what capsh and the mask say", function()
    local info = weft.info()
    local bits = 0
    for _ in pairs(info.caps.effective) do bits = bits + 1 end
    local mask, ones = tonumber(field(status_of(info.pid), "CapEff"), 16), 0
    while mask ~= 0 do
      ones = ones + (mask & 1)
      mask = mask >> 1
    end
    assert.equal(ones, bits)
  end)
end)

describe("weft.info of a thread of ours", function()
  it("tells name, priority, place, stack, signals and the Lua side", function()
    local go, ready = weft.channel(), weft.channel(1)
    local job = weft.thread({ name = "measured", nice = 7, affinity = { weft.info().affinity[1] }, stack = 2 << 20 }, function()
      local keep = ("x"):rep(1 << 20)
      weft.go(function() go:recv() end)
      weft.yield()
      ready:send(true)
      go:recv()
      return #keep
    end)
    ready:recv()
    local t = helper.eventually(function()
      local t = weft.info(job)
      return t.tasks == 2 and t
    end, "the thread waits")
    local text = status_of(t.pid, t.tid)
    assert.equal("thread", t.kind)
    assert.equal("measured", t.name)
    assert.equal(7, t.nice)
    assert.same({ weft.info().affinity[1] }, t.affinity)
    assert.equal(t.affinity[1], t.last_cpu)
    assert.equal(field(text, "Cpus_allowed_list"), tostring(t.affinity[1]))
    assert.is_true(t.memory >= 1 << 20)
    if not helper.sanitizer then assert.equal(2 << 20, t.stack.size + 4095 & ~4095) end
    assert.is_true(t.stack.used >= 4096 and t.stack.used <= t.stack.size)
    assert.equal(job.id >> 32, t.isolate)
    local blocked = {}
    for _, name in ipairs(t.sigmask) do blocked[name] = true end
    assert.is_true(blocked.SIGINT and blocked.SIGTERM)
    assert.is_nil(blocked.SIGURG)
    assert.equal(tonumber(field(text, "voluntary_ctxt_switches")), t.switches.voluntary)
    local found = 0
    for _, each in ipairs(weft.info().threads) do
      if each.tid == t.tid then found = found + 1 assert.equal(t.isolate, each.isolate) end
    end
    assert.equal(1, found)
    go:send(1)
    go:send(1)
    assert.equal(1 << 20, job:join())
    helper.fails("ESRCH", weft.info, job)
  end)

  it("can be asked by a thread, of itself and of the others", function()
    local tid, n, isolates = weft.thread(function()
      local weft = require "weft" -- luacheck: ignore 431
      local info = weft.info()
      local found = {}
      for _, t in ipairs(info.threads) do found[#found + 1] = t.isolate end
      return weft.info(weft.go(function() end)).thread.tid, #info.threads, #found
    end):join()
    assert.is_true(tid ~= weft.info().pid)
    assert.is_true(n >= 2)
    assert.equal(2, isolates)
  end)

  it("is a thread among many that come and go", function()
    for _ = 1, helper.scale(30, 3) do
      local jobs = {}
      for i = 1, 8 do jobs[i] = weft.thread(function() return 1 end) end
      local info = weft.info()
      assert.is_true(#info.threads >= 1)
      weft.all(jobs)
    end
  end)
end)

describe("weft.info of a task", function()
  it("says where it runs", function()
    local job = weft.go({ name = "t" }, function() end)
    local t = weft.info(job)
    assert.same({ "task", job.id, "t", "ready" }, { t.kind, t.id, t.name, t.status })
    assert.truthy(t.started:match "info_spec.lua:%d+")
    assert.equal(weft.info().pid, t.thread.tid)
    job:join()
  end)
end)

describe("weft.info of another process", function()
  it("reads all of a child", function()
    with_child("cd /; ulimit -n 77; umask 027; export SPEC_MARK='a=b c';", function(pid)
      helper.eventually(function() return weft.info(pid).state == "S" end)
      local info = weft.info(pid)
      assert.same({ "sh", "-c", "read x <&3; exit", "one", "two  three" }, info.argv)
      assert.equal("a=b c", info.env.SPEC_MARK)
      assert.equal("/", info.cwd)
      assert.equal(77, info.limits.nofile.soft)
      assert.equal(tonumber("027", 8), info.umask)
      assert.equal(weft.info().pid, info.ppid)
      assert.equal("S", info.state)
      assert.equal(1, #info.threads)
      assert.is_nil(info.threads[1].isolate)
      local kinds = {}
      for _, f in ipairs(info.fds) do kinds[f.fd] = f.kind end
      assert.equal("pipe", kinds[0])
      assert.equal("pipe", kinds[3])
    end)
  end)

  it("takes the lowest of a program's limits of memory for its limit", function()
    for name, soft in pairs { as = 1 << 30, rss = 1 << 20, nofile = 50 } do
      local c = weft.exec { "sleep", "100", limits = { [name] = soft } }
      local limit = weft.info(c.pid).memory.limit
      if name == "nofile" then assert.truthy(limit > 1 << 20) else assert.equal(soft, limit) end
      c:kill()
      c:wait()
    end
  end)

  it("has no thread and no process for a task's job, or one that is over", function()
    local core = require "weft.core"
    local task, thread, process = weft.go(weft.yield), weft.thread(function() end), weft.process(function() end)
    for _, ids in ipairs { core.job_tid, core.job_pid } do
      assert.is_nil((ids(task)))
      helper.raises("weft.job expected", ids, {})
    end
    for _, job in ipairs { task, thread, process } do
      job:wait()
      assert.is_nil((core.job_pid(job)))
    end
    for _, pid in ipairs { 0, -1, 2 ^ 31 } do helper.raises("above 0", core.process_facts, pid) end
  end)

  it("says what of a stranger's may not be read (needs root)", function()
    if not is_root() then return pending "root only" end
    local script = [[
      local weft = require "weft"
      local info = assert(weft.info(1))
      print(info.ppid, info.exe, info.cwd, info.env, info.fds, info.memory.mappings, #info.threads > 0)
      print(info)
    ]]
    local stranger = "setpriv --reuid 65534 --regid 65534 --clear-groups "
    if not os.execute(stranger .. helper.lua .. " -e 'require [[weft]]' 2>/dev/null") then
      return pending "the source tree is not to be read by others"
    end
    local out = output(stranger .. helper.lua .. " -e " .. helper.quote(script))
    assert.equal("0\tnil\tnil\tnil\tnil\tnil\ttrue\n", out:match "^[^\n]*\n")
  end)

  it("says ESRCH for one that is not there, or is a thread", function()
    assert.truthy(helper.fails("ESRCH", weft.info, 2 ^ 22 + 12345 | 0):find "process 4206649")
    local job = weft.thread(function() weft.sleep(60) end)
    local tid = weft.info(job).tid
    helper.fails("ESRCH", weft.info, tid)
    job:cancel()
    job:wait()
  end)

  it("refuses what is neither a number nor a job", function()
    helper.raises("bad argument #1 to 'info'", weft.info, "x")
    helper.raises("bad argument #1 to 'info'", weft.info, 0)
    helper.raises("bad argument #1 to 'info'", weft.info, -1)
    helper.raises("bad argument #1 to 'info'", weft.info, 1.5)
    helper.raises("bad argument #1 to 'info'", weft.info, {})
  end)

  it("leaves nothing behind", function()
    helper.no_growth(function() weft.info() end, { n = 100, lua = 64, rss = 4096 })
  end)
end)

describe("the tree of weft.info", function()
  it("has a line for each thing", function()
    local job = weft.thread({ name = "drawn" }, function() weft.sleep(60) end)
    helper.eventually(function() return weft.info(job).name == "drawn" and weft.info(job).tasks end)
    local text = tostring(weft.info())
    for _, part in ipairs { "process %d+ ", "parent %d+", "executable /", "arguments ", "environment %d+ variables",
      "address space: ", "working set: ", "open handles: %d+", "security context", "capabilities ",
        "priority class: policy other, nice ",
      "CPU time: ", "switches: ", "limits\n", "nofile %d+", "threads: %d+\n", "thread %d+ drawn", "stack at 0x%x+: ",
        "blocked signals ",
      "isolate %d+: " } do
      assert.truthy(text:find(part), part .. " is not in\n" .. text)
    end
    job:cancel()
    job:wait()
  end)
end)

describe("weft.set", function()
  local function script(source, opts) return helper.run_ok("local weft = require 'weft'\n" .. source, opts) end

  it("changes the process", function()
    assert.equal("33 x nil /tmp 18 true\n", script [[
      assert(weft.set { limits = { nofile = 33 }, env = { A = "x", HOME = false }, cwd = "/tmp", umask = 18 })
      local i = weft.info()
      io.write(("%d %s %s %s %d %s\n"):format(i.limits.nofile.soft, os.getenv "A", os.getenv "HOME", i.cwd, i.umask,
        i.env.A == "x"))
    ]])
  end)

  it("changes the calling thread alone, or all", function()
    assert.equal("5\t0\t6\t6\n", script [[
      local go, ready = weft.channel(), weft.channel()
      local job = weft.thread(function() assert(weft.set { nice = 5, name = "five" }) ready:send(1) go:recv() end)
      ready:recv()
      io.write(weft.info(job).nice, "\t", weft.info().threads[1].nice, "\t")
      assert(weft.set { nice = 6, process = true })
      print(weft.info(job).nice .. "\t" .. weft.info().threads[1].nice)
      go:send(1)
      job:join()
    ]])
  end)

  it("blocks signals in the calling thread, and no others", function()
    assert.equal("SIGHUP SIGUSR2 SIGRTMIN+3\tfalse\nSIGUSR1 after\n", script [[
      local go, ready = weft.channel(), weft.channel()
      local job = weft.thread(function()
        assert(weft.set { sigmask = { "SIGUSR2", "HUP", "SIGRTMIN+3" } })
        ready:send(1)
        go:recv()
      end)
      ready:recv()
      local main = " " .. table.concat(weft.info().threads[1].sigmask, " ") .. " "
      io.write(table.concat(weft.info(job).sigmask, " "), "\t", tostring(main:find " SIGUSR2 " ~= nil), "\n")
      local thread = "/proc/self/task/" .. weft.info(job).tid .. "/comm"
      go:send(1)
      job:join()
      repeat -- its last instructions may be still to come, and it would take the signal
        local there <close> = io.open(thread)
        weft.sleep(0.001)
      until not there
      -- One that is blocked here waits until it is not.
      local signal = weft.signal "SIGUSR1"
      assert(weft.set { sigmask = { "SIGUSR1" } })
      local me = weft.info().pid
      assert(weft.exec { "kill", "-USR1", tostring(me) }):wait()
      assert(weft.info().signals.pending[1] == "SIGUSR1")
      assert(signal:try_recv() == nil)
      assert(weft.set { sigmask = {} })
      print((signal:recv()) .. " after")
    ]])
  end)

  it("keeps the hard limit unless told", function()
    assert.equal("true\t40\nEPERM\n", script [[
      local hard = weft.info().limits.nofile.hard
      assert(weft.set { limits = { nofile = 40 } })
      io.write(tostring(hard == weft.info().limits.nofile.hard), "\t", weft.info().limits.nofile.soft, "\n")
      assert(weft.set { limits = { nofile = { soft = 40, hard = 50 } } })
      local _, _, code = weft.set { limits = { nofile = 60 } }
      print(code)
    ]])
  end)

  it("gives up privileges of programs", function()
    assert.equal("false\ttrue\n", script [[
      io.write(tostring(weft.info().no_new_privs), "\t")
      assert(weft.set { no_new_privs = true })
      print(weft.info().no_new_privs)
    ]])
  end)

  it("returns what the system refuses", function()
    helper.fails("ENOENT", weft.set, { cwd = "/no/such" })
    helper.fails("EINVAL", weft.set, { affinity = { 1000 } })
    helper.fails("EINVAL", weft.set, { policy = "fifo", priority = 0 })
  end)

  it("raises for what cannot be meant, before it changes anything", function()
    local nice = weft.info().threads[1].nice
    for message, opts in pairs {
      ["unknown option 'colour'"] = { colour = 1, nice = 9 },
      ["option 'nice'"] = { nice = 20 },
      ["no limit is called 'files'"] = { limits = { files = 1 }, nice = 9 },
      ["'as' is an integer"] = { limits = { as = -1 }, nice = 9 },
      ["'as' has no soft"] = { limits = { as = {} }, nice = 9 },
      ["soft limit above"] = { limits = { as = { soft = 2, hard = 1 } }, nice = 9 },
      ["is no name of a variable"] = { env = { ["a=b"] = "c" }, nice = 9 },
      ["'A' is a string without zeros"] = { env = { A = "\0" }, nice = 9 },
      ["option 'umask'"] = { umask = 512, nice = 9 },
      ["option 'process': boolean expected"] = { process = 1, nice = 9 },
      ["not taken back"] = { no_new_privs = false, nice = 9 },
      ["sigmask': a list of signals' names"] = { sigmask = "SIGINT", nice = 9 },
      ["item 2 is not the name of a signal"] = { sigmask = { "SIGINT", "SIGNOT" }, nice = 9 },
      ["item 1 is not the name of a signal"] = { sigmask = { 2 }, nice = 9 },
      ["SIGURG cannot be blocked"] = { sigmask = { "SIGURG" }, nice = 9 },
      ["SEGV cannot be blocked"] = { sigmask = { "SIGINT", "SEGV" }, nice = 9 },
      ["the calling thread's, not the process's"] = { sigmask = {}, process = true, nice = 9 },
      ["item 1 is not a CPU number"] = { affinity = { "a" }, nice = 9 },
    } do
      helper.raises(message, weft.set, opts)
      assert.equal(nice, weft.info().threads[1].nice)
    end
  end)
end)
