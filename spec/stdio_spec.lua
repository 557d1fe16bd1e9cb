-- weft.stdin, stdout, stderr on pipes, files, terminals; weft.poll.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.net.connect("127.0.0.1", 1) == nil) -- the loop stays once it is used

describe("standard streams", function()
  it("read and write pipes", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/cat.lua", [[
      local weft = require "weft"
      weft.go(function() -- the second line comes when this one has run
        weft.sleep(0.001)
        io.open(arg[1], "w"):close()
      end)
      for line in weft.stdin:lines() do weft.stdout:write("<", line, ">\n") end
      weft.stderr:write "end\n"
    ]])
    local go_on, script = helper.quote(dir .. "/go_on"), helper.quote(dir .. "/cat.lua")
    local p = io.popen(("(echo one; until [ -e %s ]; do sleep 0.01; done; printf two) | %s %s %s 2>&1 | cat")
      :format(go_on, helper.lua, script, go_on))
    assert.equal("<one>\n<two>\nend\n", p:read "a")
    p:close()
    helper.remove_dir(dir)
  end)

  it("read and write files", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      assert(weft.stdin:read "l" == "first")
      assert(weft.stdin:read(3) == "sec")
      assert(weft.stdin:read "a" == "ond\n")
      assert(weft.stdin:read "l" == nil)
      weft.stdout:write("to a file\n", 1, " ", 2.5, "\n")
    ]], { stdin = "first\nsecond\n" })
    assert.equal("to a file\n1 2.5\n", out)
  end)

  it("carry more than a pipe holds", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/pump.lua", [[
      local weft = require "weft"
      local line = ("x"):rep(99) .. "\n"
      weft.stdout:write(line:rep(20000))
    ]])
    local p = io.popen(("%s %s | wc -c"):format(helper.lua, helper.quote(dir .. "/pump.lua")))
    assert.equal(2000000, p:read "n")
    p:close()
    helper.remove_dir(dir)
  end)

  it("do not set the terminal of others to non-blocking", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/stdin.lua", [[
      local weft = require "weft"
      assert(weft.stdin:read "l" == "typed")
      local flags = io.open("/proc/self/fdinfo/0"):read("a"):match "flags:%s*(%d+)"
      print(tonumber(flags, 8) & 0x800) -- O_NONBLOCK
    ]])
    local p = io.popen(("echo typed | %s %s"):format(helper.lua, helper.quote(dir .. "/stdin.lua")))
    assert.equal("0\n", p:read "a")
    p:close()
    helper.remove_dir(dir)
  end)

  it("give EPIPE when nobody reads, not a signal", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/pipe.lua", [[
      local weft = require "weft"
      local line, code = ("x"):rep(1000) .. "\n", nil
      repeat code = select(3, weft.stdout:write(line)) until code
      io.stderr:write(code, "\n")
    ]])
    local p = io.popen(("(%s %s | true) 2>&1"):format(helper.lua, helper.quote(dir .. "/pipe.lua")))
    assert.equal("EPIPE\n", p:read "a")
    p:close()
    helper.remove_dir(dir)
  end)

  it("say that they are closed", function()
    helper.run_ok([[
      local weft = require "weft"
      assert(select(3, weft.stdin:read()) == "EBADF")
      assert(select(3, weft.stdout:write "x") == "EBADF")
    ]], { shell = "sh -c 'exec \"$0\" \"$@\" <&- >&-'" })
  end)

  it("leave nothing to take their numbers once closed", function()
    helper.run_ok([[
      local weft = require "weft"
      weft.stdin:close()
      assert(weft.net.listen("127.0.0.1", 0))
      assert(io.open("/dev/null"))
      local link = io.popen("readlink /proc/$PPID/fd/0"):read "l"
      assert(link == "/dev/null", link)
    ]], { stdin = "x" })
  end)
end)

describe("poll", function()
  local a, b
  before_each(function()
    local server = assert(weft.net.listen("127.0.0.1", 0))
    a = assert(weft.net.connect(server:sockname()))
    b = assert(server:accept())
    server:close()
  end)
  after_each(function()
    a:close()
    b:close()
  end)

  it("says at once what is ready", function()
    assert.equal("w", weft.poll(a:fileno(), "w"))
    assert.equal("w", weft.poll(a:fileno(), "rw"))
    b:write "x"
    assert.equal("r", weft.poll(a:fileno(), "r", 10))
    assert.equal("r", weft.poll(a:fileno(), "rw"))
  end)

  it("waits for it, and leaves the data", function()
    local job = weft.go(function() return weft.poll(a:fileno(), "r") end)
    weft.yield()
    b:write "x"
    assert.equal("r", job:join())
    assert.equal("x", a:read())
  end)

  it("may be called by several tasks, beside a stream that reads", function()
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(function() return weft.poll(a:fileno(), "r", 10) end) end
    local reader = weft.go(function()
      weft.all(jobs)
      return a:read()
    end)
    weft.yield()
    b:write "x"
    assert.equal("x", reader:join())
    local fd = a:fileno()
    local waits = weft.go(function() return a:read() end)
    weft.yield()
    local polls = weft.go(function() return weft.poll(fd, "r", 10) end)
    weft.yield()
    b:write "y"
    assert.equal("y", waits:join())
    b:write "z"
    assert.equal("r", polls:join())
  end)

  it("ends in time, and by cancellation", function()
    helper.fails("ETIMEDOUT", weft.poll, a:fileno(), "r", 0.001)
    local job = weft.go(function() weft.poll(a:fileno(), "r") end)
    weft.yield()
    job:cancel()
    assert.is_false((job:result()))
    job = weft.go(function() weft.poll(a:fileno(), "r") end)
    weft.yield()
    job:cancel()
    job:wait()
  end)

  it("sees a peer that has gone", function()
    local job = weft.go(function() return weft.poll(a:fileno(), "r", 10) end)
    weft.yield()
    b:close()
    assert.equal("r", job:join())
  end)

  it("refuses what is no descriptor", function()
    helper.fails("EBADF", weft.poll, 9999, "r")
    helper.raises("descriptor expected", weft.poll, -1, "r")
    helper.raises("\"r\", \"w\" or \"rw\"", weft.poll, 0, "x")
    helper.raises("seconds >= 0", weft.poll, 0, "r", -1)
  end)
end)
