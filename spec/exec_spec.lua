-- weft.exec: programs, their streams, what they are given, how they end. What needs another user is in exec_root_spec.lua.

local helper = require "spec.helper"
local weft = require "weft"

-- The output of a shell script run with these options.
local function sh(script, opts)
  opts = opts or {}
  local args = { "sh", "-c", script, stdout = "pipe" }
  for k, v in pairs(opts) do args[k] = v end
  local out, err, status = assert(weft.exec(args)):output()
  return out, status, err
end

weft.exec({ "true" }):wait() -- the loop of this thread stays: no test is to be blamed for it

local FDS = "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 20 30; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; done; true"

describe("weft.exec", function()
  it("runs a program and tells its exit code", function()
    assert.same({ 0, 1, 7 }, { weft.exec { "true" }:wait().code, weft.exec { "false" }:wait().code,
      weft.exec { "sh", "-c", "exit 7" }:wait().code })
  end)

  it("gives arguments byte for byte, and no shell sees them", function()
    local odd = {}
    for i = 1, 255 do odd[#odd + 1] = string.char(i) end
    local args = { "a b", "", "$HOME", "`id`", "*", "'\"", "--", "\n", table.concat(odd), "ü", 12, 1.5 }
    local out = weft.exec { "printf", "%s\\0", stdout = "pipe", table.unpack(args) }:output()
    local want = {}
    for i, a in ipairs(args) do want[i] = tostring(a) .. "\0" end
    assert.equal(table.concat(want), out)
  end)

  it("takes ten thousand arguments", function()
    local args = { "sh", "-c", "echo $# ${10000}", "x", stdout = "pipe" }
    for i = 1, 10000 do args[#args + 1] = tostring(i) end
    assert.equal("10000 10000\n", (weft.exec(args):output()))
  end)

  it("says what cannot be started, at once", function()
    assert.equal("ENOENT: no such file or directory: no-such-program", helper.fails("ENOENT", weft.exec, { "no-such-program" }))
    helper.fails("ENOENT", weft.exec, { "/no/such" })
    helper.fails("ENOENT", weft.exec, { "" })
    helper.fails("EACCES", weft.exec, { "/etc" })
    assert.truthy(helper.fails("ENOENT", weft.exec, { "true", cwd = "/no/such/folder" }):find("/no/such/folder", 1, true))
    assert.truthy(helper.fails("ENOENT", weft.exec, { "true", stdin = "/no/such/file" }):find("/no/such/file", 1, true))
    helper.fails("EBADF", weft.exec, { "true", stdout = 999 })
    helper.fails("EINVAL", weft.exec, { "true", affinity = { 1000 } })
    assert.truthy(helper.fails("EINVAL", weft.exec, { "true", limits = { nofile = { soft = 1, hard = 1 } },
      priority = 5 }):find "policy")
    local many = { "true" }
    for i = 2, 200000 do many[i] = "an argument of some length, again and again" end
    helper.fails("E2BIG", weft.exec, many)
  end)

  it("does not run a text without interpreter through a shell", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/script", "echo hello\n")
    os.execute("chmod +x " .. dir .. "/script")
    helper.fails("ENOEXEC", weft.exec, { dir .. "/script" })
    helper.remove_dir(dir)
  end)

  it("looks for the program in the PATH that it will have", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/only-here", "#!/bin/sh\necho found\n")
    os.execute("chmod +x " .. dir .. "/only-here")
    helper.fails("ENOENT", weft.exec, { "only-here" })
    assert.equal("found\n", (weft.exec { "only-here", env = { PATH = dir }, stdout = "pipe" }:output()))
    assert.equal("found\n", (weft.exec { "./only-here", cwd = dir, stdout = "pipe" }:output()))
    helper.remove_dir(dir)
  end)

  it("raises for what cannot be meant", function()
    helper.raises("table expected", weft.exec, 5)
    helper.raises("empty list", weft.exec, {})
    helper.raises("argument 2: string expected, got table", weft.exec, { "ls", {} })
    helper.raises("argument 2 has a zero in it", weft.exec, { "ls", "a\0b" })
    helper.raises("not a list without holes", weft.exec, { "ls", [5] = "x", [2.5] = "y" })
    helper.raises('a list such as { "ls", "-l" } expected', weft.exec, "ls -l")
    helper.raises("unknown option 'stdinn'", weft.exec, { "ls", stdinn = "null" })
    helper.raises("option 'stdin'", weft.exec, { "ls", stdin = {} })
    helper.raises("option 'stdout'", weft.exec, { "ls", stdout = true })
    helper.raises("option 'stdout'", weft.exec, { "ls", stdout = { data = "x" } })
    helper.raises("option 'stdout': a path without zeros", weft.exec, { "ls", stdout = "" })
    helper.raises("option 'stdin': a descriptor's number", weft.exec, { "ls", stdin = -1 })
    helper.raises("option 'env': its keys are names", weft.exec, { "ls", env = { "A=B" } })
    helper.raises("'A=' is no name", weft.exec, { "ls", env = { ["A="] = "B" } })
    helper.raises("'A' is a string, or false", weft.exec, { "ls", env = { A = {} } })
    helper.raises("'A' has a zero in it", weft.exec, { "ls", env = { A = "\0" } })
    helper.raises("option 'timeout'", weft.exec, { "ls", timeout = -1 })
    helper.raises("option 'group'", weft.exec, { "ls", group = 0 })
    helper.raises("option 'umask'", weft.exec, { "ls", umask = 512 })
    helper.raises("option 'fds': its keys", weft.exec, { "ls", fds = { [1] = "null" } })
    helper.raises("option 'uid'", weft.exec, { "ls", uid = "root" })
    helper.raises("item 1 is not a group", weft.exec, { "ls", groups = { "root" } })
    helper.raises("option 'pty'", weft.exec, { "ls", pty = 1 })
    helper.raises("option 'cwd'", weft.exec, { "ls", cwd = 1 })
  end)
end)

describe("the streams of a child", function()
  it("are read and written as streams", function()
    local c = weft.exec { "cat", stdin = "pipe", stdout = "pipe" }
    c.stdin:write "one\n"
    assert.equal("one", c.stdout:read "l")
    c.stdin:write("two\nthree")
    c.stdin:close()
    assert.equal("two\nthree", c.stdout:read "a")
    assert.is_nil(c.stderr)
    assert.equal(0, c:wait().code)
    c.stdout:close()
  end)

  it("come from a string, a path, a table, nothing", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/in", "from a file")
    assert.equal("from a string", sh("cat", { stdin = "from a string" }))
    assert.equal("from a file", sh("cat", { stdin = dir .. "/in" }))
    assert.equal("from a file", sh("cat", { stdin = { path = dir .. "/in" } }))
    assert.equal("/etc/passwd", sh("cat", { stdin = { data = "/etc/passwd" } }))
    assert.equal("", sh("cat", { stdin = "null" }))
    local large = ("0123456789"):rep(100000)
    assert.equal(large, (sh("cat", { stdin = large })))
    helper.remove_dir(dir)
  end)

  it("go to files, new or longer, and to the same place", function()
    local dir = helper.tmpdir()
    local path = dir .. "/out"
    weft.exec { "echo", "one", stdout = path }:wait()
    weft.exec { "echo", "two", stdout = { path = path, append = true } }:wait()
    assert.equal("one\ntwo\n", helper.read_file(path))
    weft.exec { "sh", "-c", "echo a; echo b >&2; echo c", stdout = path, stderr = "stdout" }:wait()
    assert.equal("a\nb\nc\n", helper.read_file(path))
    local out, err = weft.exec { "sh", "-c", "echo a; echo b >&2", stdout = "pipe", stderr = "pipe" }:output()
    assert.same({ "a\n", "b\n" }, { out, err })
    local f = assert(io.open(path, "w"))
    f:close()
    helper.remove_dir(dir)
  end)

  it("carry much both ways without a stall", function()
    local piece = ("x"):rep(65536)
    local c = weft.exec { "cat", stdin = "pipe", stdout = "pipe" }
    local n = helper.scale(400, 40)
    local writer = weft.go(function()
      for _ = 1, n do c.stdin:write(piece) end
      c.stdin:close()
    end)
    local got = 0
    for data in function() return c.stdout:read() end do got = got + #data end
    writer:join()
    assert.equal(n * #piece, got)
    c.stdout:close()
    assert.equal(0, c:wait().code)
  end)

  it("join programs to a pipeline, with back-pressure", function()
    local a = weft.exec { "seq", "1", "100000", stdout = "pipe" }
    local b = weft.exec { "grep", "7", stdin = a.stdout, stdout = "pipe" }
    local c = weft.exec { "wc", "-l", stdin = b.stdout, stdout = "pipe" }
    assert.is_true(a.stdout:is_closed()) -- given away
    assert.equal(40951, tonumber((c:output())))
    assert.same({ 0, 0 }, { a:wait().code, b:wait().code })
    local endless = weft.exec { "yes", stdout = "pipe" }
    local head = weft.exec { "head", "-n", "2", stdin = endless.stdout, stdout = "pipe" }
    assert.equal("y\ny\n", (head:output()))
    assert.equal("SIGPIPE", endless:wait().signal)
  end)

  it("cannot be given away with input that was read ahead", function()
    local a = weft.exec { "printf", "one\ntwo\n", stdout = "pipe" }
    assert.equal("one", a.stdout:read "l")
    helper.raises("input that was read ahead", weft.exec, { "cat", stdin = a.stdout })
    a.stdout:close()
    a:wait()
    helper.fails("EBADF", weft.exec, { "cat", stdin = a.stdout })
  end)

  it("are the only descriptors it gets, with those that are listed", function()
    local f = assert(io.open("/dev/zero")) -- C's, open at exec
    assert.equal("0 1 2 ", (sh(FDS)))
    assert.equal("0 1 2 7 20 ", (sh(FDS, { fds = { [7] = "null", [20] = 1 } })))
    local license = helper.read_file(helper.root .. "/LICENSE")
    assert.equal(license, sh("cat <&5", { fds = { [5] = { path = helper.root .. "/LICENSE", mode = "r" } } }))
    assert.equal("data", sh("cat <&5", { fds = { [5] = { data = "data" } } }))
    assert.equal(license, helper.read_file(helper.root .. "/LICENSE"))
    f:close()
  end)

  it("may be a terminal", function()
    local c = weft.exec { "sh", "-c", "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; read x; echo got $x",
      pty = { rows = 33, cols = 99 } }
    assert.truthy(c.pty:read("l"):match "^/dev/")
    assert.equal("33 99\r", c.pty:read "l")
    assert.equal("terminal\r", c.pty:read "l")
    c.pty:write "hello\n"
    local rest = c:output()
    assert.truthy(rest:find "got hello\r\n")
    assert.equal(0, c:wait().code)
    local hung = weft.exec { "sh", "-c", "read x", pty = true }
    hung.pty:write "\3" -- Ctrl-C
    assert.equal("SIGINT", hung:wait().signal)
    hung.pty:close()
  end)

  it("that break do not kill the script", function()
    local c = weft.exec { "true", stdin = "pipe" }
    c:wait()
    helper.fails("EPIPE", function() return c.stdin:write(("x"):rep(1 << 20)) end)
    c.stdin:close()
  end)
end)

describe("what a child is given", function()
  it("is an environment", function()
    assert.equal("A=1\nB=x y\n", (weft.exec { "sh", "-c", "env | sort | grep -v '^PWD\\|^_=\\|^SHLVL\\|^OLDPWD'",
      env = { A = "1", B = "x y" }, stdout = "pipe" }:output()))
    local with = sh("echo $EXTRA; env | grep -c =", { env = { inherit = true, EXTRA = "e", WEFT_ROOT = false } })
    local n = 0
    for name in pairs(weft.info().env) do n = n + (name ~= "WEFT_ROOT" and 1 or 0) end
    assert.equal("e", with:match "^[^\n]*")
    assert.is_true(tonumber(with:match "\n(%d+)") >= n)
  end)

  it("is a folder, a mask, limits, a priority, a place", function()
    assert.equal("/usr\n0077\n50\n60\n0\n", (sh("pwd; umask; ulimit -Sn; ulimit -Hn; ulimit -Sc",
      { cwd = "/usr", umask = 63, limits = { nofile = { soft = 50, hard = 60 }, core = 0 } })))
    assert.equal("9\n", (sh("nice", { nice = 9 })))
    local cpu = weft.info().affinity[1]
    assert.equal(cpu .. "\n", (sh("grep Cpus_allowed_list /proc/self/status | cut -f2", { affinity = { cpu } })))
    assert.equal("SCHED_BATCH\n", (sh("chrt -p $$ | sed -n 's/.*policy: //p'", { policy = "batch" })))
    assert.equal("1\n", (sh("sed -n 's/NoNewPrivs:\t//p' /proc/self/status", { no_new_privs = true })))
  end)

  it("is memory up to a limit, and time", function()
    local out, status = sh("head -c 200M /dev/zero | tail | wc -c", { limits = { as = 50 << 20 }, stderr = "null" })
    assert.equal(0, tonumber(out) or 0)
    assert.equal(0, status.code) -- that of wc
    local c = weft.exec { "sh", "-c", "while :; do :; done", limits = { cpu = 1 } }
    local s = c:wait()
    assert.is_true(s.signal == "SIGXCPU" or s.signal == "SIGKILL")
    assert.is_true(s.usage.user + s.usage.system > 0.5)
  end)

  it("is a session or a group of its own", function()
    local ids = "set -- $(sed 's/.*) //' /proc/$$/stat); echo $(( $3 == $$ )) $(( $4 == $$ ))"
    assert.equal("0 0\n", (sh(ids)))
    assert.equal("1 0\n", (sh(ids, { group = true })))
    assert.equal("1 1\n", (sh(ids, { session = true })))
  end)

  it("are signals as a fresh program has them", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      io.write((weft.exec { "sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status", stdout = "pipe" }:output()))
    ]], { shell = "env --ignore-signal=PIPE,INT --block-signal=TERM,USR1" })
    assert.equal("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", out)
    out = weft.thread(function() return (weft.exec { "grep", "SigBlk", "/proc/self/status", stdout = "pipe" }:output()) end):join()
    assert.equal("SigBlk:\t0000000000000000\n", out)
  end)
end)

describe("the end of a child", function()
  it("is told as code or signal, with what it used", function()
    local s = weft.exec { "sh", "-c", "kill -9 $$" }:wait()
    assert.same({ nil, "SIGKILL" }, { s.code, s.signal })
    local c = weft.exec { "sh", "-c", "exit 3" }
    s = c:wait()
    assert.equal(s, c:wait())
    assert.equal(s, c:status())
    assert.same({ 3, nil }, { s.code, s.signal })
    for _, key in ipairs { "user", "system", "peak", "minor_faults", "voluntary" } do assert.is_number(s.usage[key]) end
    assert.is_true(s.usage.peak > 0)
  end)

  it("can be waited for by many, with limits, and by select", function()
    local slow = weft.exec { "sleep", "60" }
    assert.is_nil(slow:status())
    helper.fails("ETIMEDOUT", slow.wait, slow, 0.001)
    local waiters = {}
    for i = 1, 3 do waiters[i] = weft.go(function() return slow:wait().signal end) end
    local quick = weft.exec { "sh", "-c", "exit 4" }
    local i, status = weft.select { { slow }, { quick } }
    assert.same({ 2, 4 }, { i, status.code })
    assert.same({ nil, "default" }, { weft.select { { slow }, default = true } })
    assert.same({ nil, "timeout" }, { weft.select { { slow }, timeout = 0.001 } })
    local ch = weft.channel()
    weft.go(function() ch:send "x" end)
    assert.same({ 1, "x", true }, { weft.select { { ch }, { slow } } })
    assert.is_true(slow:kill())
    assert.same({ "SIGTERM", "SIGTERM", "SIGTERM", n = 3 }, weft.all(waiters))
    assert.equal(slow:status(), select(2, weft.select { { slow } }))
    helper.raises("a channel, a job or a child expected", weft.select, { { 1 } })
  end)

  it("is brought about by signals, by name or number", function()
    local function killed(...)
      local c = weft.exec { "sleep", "60" }
      assert.is_true(c:kill(...))
      return c:wait().signal
    end
    assert.same({ "SIGTERM", "SIGINT", "SIGUSR1", "SIGKILL", "SIGTERM" }, { killed(), killed "SIGINT", killed "USR1", killed(9),
      killed(15) })
    local c = weft.exec { "sleep", "60" }
    assert.is_true(c:kill(0))
    helper.raises("no signal is called 'SIGFOO'", c.kill, c, "SIGFOO")
    helper.raises("from 0 to 64", c.kill, c, 65)
    helper.raises("not started with a process group", c.kill, c, "TERM", "group")
    c:kill "KILL"
    c:wait()
    helper.fails("ESRCH", c.kill, c)
  end)

  it("comes to a whole group", function()
    local c = weft.exec { "sh", "-c", "sleep 60 & echo $!; wait", group = true, stdout = "pipe" }
    local other = tonumber(c.stdout:read "l")
    assert.is_true(c:kill("TERM", "group"))
    assert.equal("SIGTERM", c:wait().signal)
    helper.eventually(function() return not weft.info(other) or weft.info(other).state == "Z" end, "the grandchild has ended")
    c.stdout:close()
  end)

  it("comes with its time-out, gently or not", function()
    local s = weft.exec { "sleep", "60", timeout = 0.01 }:wait()
    assert.same({ "SIGTERM", true }, { s.signal, s.timed_out })
    s = weft.exec { "sh", "-c", "trap '' TERM; while :; do sleep 0.01; done", timeout = 0.3 }:wait()
    assert.same({ "SIGKILL", true }, { s.signal, s.timed_out })
    s = weft.exec { "true", timeout = 60 }:wait()
    assert.same({ 0, nil }, { s.code, s.timed_out })
  end)

  it("comes when its block is left", function()
    local pid
    do
      local c <close> = weft.exec { "sleep", "60" }
      pid = c.pid
    end
    assert.is_nil((weft.info(pid)))
  end)

  it("is not missed when the script has forgotten the child", function()
    local pids = {}
    for i = 1, 20 do pids[i] = weft.exec { "true" }.pid end
    helper.collect()
    for _, pid in ipairs(pids) do
      helper.eventually(function()
        weft.sleep(0.001)
        return not weft.info(pid)
      end, "no zombie stays")
    end
  end)

  it("cancels nothing but the wait when a task is cancelled", function()
    local c = weft.exec { "sleep", "60" }
    local job = weft.go(c.wait, c)
    weft.yield()
    job:cancel()
    assert.is_false((job:result()))
    assert.is_nil(c:status())
    c:kill()
    c:wait()
  end)

  it("leaves no zombie when it was detached by an isolate that has ended", function()
    assert.equal("0\n", (helper.run_ok [[
      local weft = require "weft"
      for _, verb in ipairs { "spawn", "thread", "spawn", "thread" } do
        weft[verb](function() require "weft".exec { "true", detached = true } end):join()
      end
      local zombies
      for _ = 1, 200 do
        weft.exec({ "true" }):wait() -- when a program is started, others are reaped
        zombies = 0
        local own = weft.info().pid
        for _, name in ipairs(weft.fs.scandir "/proc") do
          local stat = name.name:find "^%d+$" and weft.fs.read("/proc/" .. name.name .. "/stat")
          local state, parent = (stat or ""):match "%) (%a) (%d+)"
          if state == "Z" and tonumber(parent) == own then zombies = zombies + 1 end
        end
        if zombies == 0 then break end
        weft.sleep(0.01)
      end
      print(zombies)
    ]]))
  end)

  it("comes to those who run when the script ends", function()
    for _, how in ipairs { "", "os.exit(0)", "os.exit(0, true)", "error('x', 0)" } do
      local out = helper.run_script([[
        local weft = require "weft"
        local a = weft.exec { "sleep", "60" }
        local b = weft.exec { "sh", "-c", "trap '' TERM; echo; while :; do sleep 0.01; done", stdout = "pipe" }
        local c = weft.exec { "sleep", "0.4", detached = true }
        b.stdout:read "l"
        print(a.pid, b.pid, c.pid)
      ]] .. how)
      local a, b, c = out:match "(%d+)\t(%d+)\t(%d+)"
      assert.is_nil((weft.info(tonumber(a))))
      assert.is_nil((weft.info(tonumber(b))))
      assert.truthy(weft.info(tonumber(c)))
      helper.eventually(function() return not weft.info(tonumber(c)) or weft.info(tonumber(c)).state == "Z" end)
    end
  end)

  it("comes to a thread's children with the thread", function()
    local pid = weft.thread(function() return weft.exec { "sleep", "60" }.pid end):join()
    assert.is_nil((weft.info(pid)))
  end)

  it("is no deadlock to wait for", function()
    local done = weft.go(function() return weft.exec { "sleep", "0.05" }:wait().code end)
    assert.equal(0, done:join())
  end)
end)

describe("many children", function()
  it("come and go, at once and one after the other", function()
    for _ = 1, helper.scale(10, 2) do
      local jobs = {}
      for i = 1, 20 do
        jobs[i] = weft.go(function() return weft.exec { "sh", "-c", "exit " .. i }:wait().code end)
      end
      for i, code in ipairs(weft.all(jobs)) do assert.equal(i, code) end
    end
    local kills = helper.knob("WEFT_KILLS", helper.scale(1000, 30))
    for _ = 1, kills do
      local c = weft.exec { "sleep", "60" }
      c:kill "KILL"
      assert.equal("SIGKILL", c:wait().signal)
    end
    helper.injected(kills)
  end)

  it("are started by threads at the same time", function()
    local jobs = {}
    for t = 1, 3 do
      jobs[t] = weft.thread(function(n)
        local sum = 0
        for _ = 1, n do sum = sum + tonumber((weft.exec { "echo", "1", stdout = "pipe" }:output())) end
        return sum
      end, helper.scale(100, 10))
    end
    assert.same({ helper.scale(100, 10), helper.scale(100, 10), helper.scale(100, 10), n = 3 }, weft.all(jobs))
  end)

  it("leave nothing behind", function()
    helper.no_growth(function() weft.exec { "true", stdout = "pipe", stderr = "pipe" }:output() end, { n = 40, lua = 128,
      rss = 4096 })
    helper.no_growth(function() weft.exec { "/no/such", stdout = "pipe" } end, { n = 100, lua = 64 })
  end)
end)
