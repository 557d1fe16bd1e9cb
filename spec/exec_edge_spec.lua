-- weft.exec at its edges: odd options, streams that are given in odd ways, ends that are not usual, handles.

local core = require "weft.core"
local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

weft.exec({ "true" }):wait()
weft.fs.read "/dev/null"

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function()
  core.inject "send"
  weft.wait()
  helper.remove_dir(dir)
end)

local function sh(script, opts)
  local args = { "sh", "-c", script, stdout = "pipe" }
  for k, v in pairs(opts or {}) do args[k] = v end
  local out = assert(weft.exec(args)):output()
  return out
end

describe("options of weft.exec that make no sense", function()
  it("are refused, and nothing is started or left", function()
    local function refused(what, opts)
      table.insert(opts, 1, "true")
      helper.raises(what, weft.exec, opts)
    end
    refused("option 'env': table expected", { env = 5 })
    refused("'' is no name", { env = { [""] = "x" } })
    refused("no name", { env = { ["A\0B"] = "x" } })
    refused("'A' is a string, or false", { env = { A = true } })
    refused("option 'group'", { group = 1.5 })
    refused("option 'group'", { group = 2 ^ 40 })
    refused("option 'group'", { group = "x" })
    refused("option 'timeout'", { timeout = 0 / 0 })
    refused("option 'timeout'", { timeout = "x" })
    refused("option 'fds': table expected", { fds = 5 })
    refused("its keys are numbers above 2", { fds = { ["3"] = "null" } })
    refused("its keys are numbers above 2", { fds = { x = "null" } })
    refused("its keys are numbers above 2", { fds = { [3.5] = "null" } })
    refused("its keys are numbers above 2", { fds = { [2 ^ 21] = "null" } })
    refused("only the standard streams can be pipes", { fds = { [3] = "pipe" } })
    -- Whether it is read or written cannot be seen from the number.
    helper.write_file(dir .. "/kept", "kept")
    refused("{ path =, mode = }.- got a string", { fds = { [3] = dir .. "/kept" } })
    refused("say how the path is opened", { fds = { [3] = { path = dir .. "/kept" } } })
    for _, mode in ipairs { "x", "rw", "", 1, true } do
      refused("the table's mode is", { fds = { [3] = { path = dir .. "/kept", mode = mode } } })
      refused("the table's mode is", { stdout = { path = dir .. "/kept", mode = mode } })
    end
    refused("unknown field 'apend'", { stdout = { path = dir .. "/kept", apend = true } })
    assert.equal("kept", helper.read_file(dir .. "/kept"))
    refused("a descriptor's number", { stdout = 1.5 })
    refused("a descriptor's number", { stdout = 2 ^ 30 })
    refused("a path without zeros", { stdin = { path = "a\0b" } })
    refused("a path without zeros", { stdout = "a\0b" })
    refused("got userdata", { stdin = io.stdout })
    refused("option 'pty'", { pty = { rows = 0 } })
    refused("integers from 1 to 65535", { pty = { cols = "wide" } })
    refused("integers from 1 to 65535", { pty = { cols = 65536 } })
    refused("bad argument #1 to '.-exec' %(option 'pty'.- no other fields", { pty = { depth = 1 } })
    refused("no other fields", { pty = { 80 } })
    refused("true or a table with rows and cols", { pty = "yes" })
    refused("neither a path nor data", { stdin = {} })
    refused("has no path", { stdout = { data = "x" } })
    local many = {}
    for i = 3, 300 do many[i] = "null" end
    refused("too many", { fds = many })
    helper.raises("table expected", weft.exec)
    helper.raises("not a list without holes", weft.exec, { "true", [{}] = 1 })
  end)

  it("and files that are not there", function()
    helper.fails("ENOENT", weft.exec, { "true", fds = { [3] = { path = dir .. "/none/x", mode = "w" } } })
    helper.fails("ENOENT", weft.exec, { "true", fds = { [3] = { path = dir .. "/none", mode = "r+" } } })
    helper.fails("ENOENT", weft.exec, { "true", stdin = "../no/such/file" })
    helper.fails("ENOENT", weft.exec, { "true", stdin = "./no such file" })
    helper.fails("EISDIR", weft.exec, { "true", stdout = dir })
    helper.fails("EBADF", weft.exec, { "true", fds = { [3] = 9999 } })
  end)
end)

describe("the streams of a program", function()
  it("are all the same null, or those of this process", function()
    assert.equal("", sh("cat", { stdin = "null", stderr = "null" }))
    assert.equal(0, weft.exec({ "true", stdin = "null", stdout = "null", stderr = "null" }):wait().code)
    assert.equal(0, weft.exec({ "true", stdin = "inherit", stdout = "inherit", stderr = "inherit", pty = false }):wait().code)
  end)

  it("are text that begins like a path, when it has lines", function()
    assert.equal("/a\nb", sh("cat", { stdin = "/a\nb" }))
    assert.equal(("/x"):rep(3000), sh("cat", { stdin = ("/x"):rep(3000) }))
    assert.equal("text", sh("cat", { stdin = "text" }))
  end)

  it("go where they are sent", function()
    sh("echo out; echo err >&2", { stdout = dir .. "/out", stderr = dir .. "/err" })
    assert.same({ "out\n", "err\n" }, { helper.read_file(dir .. "/out"), helper.read_file(dir .. "/err") })
    sh("echo more", { stdout = { path = dir .. "/out", append = true } })
    assert.equal("out\nmore\n", helper.read_file(dir .. "/out"))
    sh("echo five >&5; echo six >&6", { fds = { [5] = { path = dir .. "/5", append = true }, [6] = 1 }, stdout = dir .. "/out" })
    assert.equal("five\n", helper.read_file(dir .. "/5"))
    assert.equal("five\n", sh("cat <&5; echo more >&5", { fds = { [5] = { path = dir .. "/5", mode = "r+" } } }))
    assert.equal("five\nmore\n", (sh("cat", { stdin = { path = dir .. "/5", mode = "r" } })))
    sh("echo anew", { stdout = { path = dir .. "/5", mode = "w" } })
    assert.equal("anew\n", helper.read_file(dir .. "/5"))
    assert.equal("data", sh("cat", { stdin = { data = "data" } }))
    assert.equal("anew\n", sh("cat", { stdin = { path = dir .. "/5" } }))
  end)

  it("may be one connection for all, which is the program's then", function()
    local a, b = net.pair()
    local c = weft.exec { "sh", "-c", "read x; echo out $x; echo err >&2", stdin = a, stdout = a, stderr = a }
    assert.is_true(a:is_closed())
    b:write "line\n"
    assert.equal("out line\nerr\n", b:read "a")
    assert.equal(0, c:wait().code)
    b:close()
    helper.fails("EBADF", weft.exec, { "true", stdin = a })
  end)

  it("cannot be a connection with something in between", function()
    local a, b = net.pair()
    b:write "one\ntwo\n"
    a:read "l"
    helper.raises("read ahead", weft.exec, { "true", stdin = a })
    core.inject("send", { code = "EAGAIN", times = 1000000 })
    a:write "collected"
    a:read "l"
    helper.raises("not written yet", weft.exec, { "true", stdout = a })
    core.inject "send"
    assert.equal(0, weft.exec({ "true", stdout = a }):wait().code)
    assert.equal("collected", b:read "a")
    b:close()
  end)

  it("may be those of the script", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      weft.stdout:write "first\n"
      weft.exec({ "sh", "-c", "cat; echo second", stdin = weft.stdin, stdout = weft.stdout }):wait()
      weft.stdout:write "third\n"
    ]], { stdin = "of the file\n" })
    assert.equal("first\nof the file\nsecond\nthird\n", out)
  end)
end)

describe("the environment of a program", function()
  it("is what is said, added to, taken from", function()
    assert.equal("1 unset", sh("echo $A ${HOME-unset}", { env = { A = 1 } }):gsub("\n", ""))
    assert.equal("1 unset", sh("echo $A ${HOME-unset}", { env = { A = 1, HOME = false, inherit = true } }):gsub("\n", ""))
    assert.equal("x unset", sh("echo $inherit ${HOME-unset}", { env = { inherit = "x" } }):gsub("\n", ""))
    assert.equal("unset", sh("echo ${HOME-unset}", { env = { inherit = false } }):gsub("\n", ""))
  end)
end)

describe("a handle", function()
  it("says what it is of, and how that ended", function()
    local c = weft.exec { "sleep", "100" }
    assert.equal(("weft.child %d (running)"):format(c.pid), tostring(c))
    assert.is_nil(c:status())
    c:kill(9)
    c:wait()
    assert.equal(("weft.child %d (SIGKILL)"):format(c.pid), tostring(c))
    assert.equal("SIGKILL", c:status().signal)
    assert.equal(c:status(), c:wait())
    c = weft.exec { "false" }
    c:wait()
    assert.equal(("weft.child %d (exit 1)"):format(c.pid), tostring(c))
  end)

  it("has no fields but its own", function()
    local c = weft.exec { "true", stdout = "pipe" }
    assert.same({}, { c.nothing, c[1], c[true], c.stdin, c.std, c.stdouts })
    c.stdout:close()
    c:wait()
    helper.raises("weft.child expected", c.wait, {})
    helper.raises("weft.child expected", getmetatable(c).__index, {}, "pid")
  end)

  it("takes signals by number and name", function()
    local c = weft.exec { "sleep", "100", group = true }
    assert.is_true(c:kill(0))
    helper.raises("from 0 to 64", c.kill, c, -1)
    helper.raises("from 0 to 64", c.kill, c, 65)
    helper.raises("no signal is called 'SIGNONE'", c.kill, c, "SIGNONE")
    helper.raises("invalid option 'all'", c.kill, c, "SIGTERM", "all")
    helper.fails("ETIMEDOUT", c.wait, c, 0)
    assert.is_true(c:kill(nil, "group"))
    assert.equal("SIGTERM", c:wait().signal)
    helper.fails("ESRCH", c.kill, c)
    local d = weft.exec { "sleep", "100" }
    helper.raises("process group of its own", d.kill, d, "SIGTERM", "group")
    d:kill()
    d:wait()
  end)

  it("joins a group that is there", function()
    local leader = weft.exec { "sleep", "100", group = true }
    local member = weft.exec { "sleep", "100", group = leader.pid }
    leader:kill("SIGTERM", "group")
    assert.same({ "SIGTERM", "SIGTERM" }, { leader:wait().signal, member:wait().signal })
    helper.fails("EPERM", weft.exec, { "true", group = 2 ^ 31 - 1 })
  end)

  it("ends what does not want to end, at the end of its block", function()
    local c <const> = weft.exec { "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done", stdout = "pipe", group = true }
    assert.equal("ready", c.stdout:read "l")
    do
      local _ <close> = c
    end
    assert.equal("SIGKILL", c:status().signal)
    c.stdout:close()
    do
      local _ <close> = c -- which has ended
    end
  end)

  it("knows of no exit code that another has taken", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local c = weft.exec { "false" }
      print(c:wait().unknown, c:wait().code, tostring(c):match "%((.-)%)")
    ]], { shell = "env --ignore-signal=CHLD" })
    assert.equal("true\tnil\tended\n", out)
  end)

  it("says that a core was written, where it was", function()
    local status = weft.exec({ "sh", "-c", "kill -QUIT $$", cwd = dir, limits = { core = math.huge } }):wait()
    assert.equal("SIGQUIT", status.signal)
    assert.truthy(status.core == nil or status.core == true)
  end)
end)

describe("a program of a script that ends", function()
  it("is not started by finalisers", function()
    local out, err = helper.run_ok [[
      local weft = require "weft"
      weft.go(weft.sleep, 100):detach()
      local x = setmetatable({}, { __gc = function()
        local ok, what = pcall(weft.exec, { "echo", "started" })
        io.stderr:write(tostring(ok), " ", tostring(what), "\n")
      end })
      weft.exec { "sleep", "100" }
      weft.exec { "sh", "-c", "trap '' TERM; sleep 100", group = true }
      _G.x = x
      os.exit(0, true)
    ]]
    assert.equal("", out)
    assert.truthy(err:find "^false" or err == "")
  end)
end)
