-- weft.net at its edges: options, names, descriptors of all kinds, unix sockets that are full, what is closed.

local core = require "weft.core"
local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

local HOST, pair = net.HOST, net.pair
weft.exec({ "true" }):wait()
weft.fs.read "/dev/null" -- its threads stay, too

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function()
  for _, kind in ipairs { "send", "recv", "connect", "accept" } do core.inject(kind) end
  weft.wait()
  helper.remove_dir(dir)
end)

describe("the options of a connection", function()
  it("are taken", function()
    local server <close> = weft.net.listen(HOST, 0, { nodelay = false })
    local _, port = server:sockname()
    for _, opts in ipairs {
      {}, { nodelay = false }, { nodelay = true }, { keepalive = true }, { keepalive = false }, { keepalive = 30 },
      { keepalive = 0 }, { timeout = math.huge }, { timeout = 10, keepalive = 32767 },
    } do
      local conn <close> = assert(weft.net.connect(HOST, port, opts))
      assert.equal(HOST, (conn:peername()))
    end
  end)

  it("are refused when they make no sense", function()
    for _, v in ipairs { -1, 32768, 1.5, "x", {}, 2 ^ 60 } do
      helper.raises("option 'keepalive': seconds from 1 to 32767, or a boolean", weft.net.connect, HOST, 1, { keepalive = v })
    end
    for _, v in ipairs { -1, 0 / 0, "x", true } do
      helper.raises("option 'timeout': seconds >= 0", weft.net.connect, HOST, 1, { timeout = v })
      helper.raises("option 'timeout': seconds >= 0", weft.net.listen, HOST, 0, { timeout = v })
    end
  end)

  it("can be changed later", function()
    local a <close>, b = pair()
    for _, v in ipairs { 0, 1, 32767, true, false } do assert.equal(a, a:keepalive(v)) end
    for _, v in ipairs { -1, 32768, 1.5, "x" } do helper.raises("seconds from 1 to 32767", a.keepalive, a, v) end
    helper.raises("value expected", a.keepalive, a)
    assert.equal(a, a:timeout(math.huge))
    b:close()
    assert.is_nil((a:read()))
  end)
end)

describe("a stream that is closed", function()
  it("says so, whatever is asked", function()
    local a, b = pair()
    b:close()
    a:close()
    for name, args in pairs {
      nodelay = {}, keepalive = { true }, sockname = {}, detach = {}, fileno = {}, read = {}, write = { "x" }, shutdown = {},
    } do
      assert.truthy(helper.fails("EBADF", a[name], a, table.unpack(args)):find("closed", 1, true), name)
    end
    assert.equal(HOST, (a:peername())) -- which is noted
    assert.truthy(tostring(a):find("closed", 1, true))
  end)

  it("or whose descriptor was, elsewhere", function()
    local a, b = pair()
    weft.net.attach(a:fileno()):close()
    for name, args in pairs { nodelay = {}, keepalive = { 1 }, sockname = {}, shutdown = {}, read = {}, write = { "x" } } do
      assert.is_nil(helper.fails("EBADF", a[name], a, table.unpack(args)):find("closed", 1, true), name)
    end
    a:close()
    b:close()
    local server = weft.net.listen(HOST, 0)
    weft.net.attach(server:fileno()):close()
    for _, name in ipairs { "sockname", "detach", "accept" } do
      assert.is_nil(helper.fails("EBADF", server[name], server):find("closed", 1, true), name)
    end
    server:close()
  end)
end)

describe("a server that is closed", function()
  it("says so, whatever is asked", function()
    local server = weft.net.listen(HOST, 0)
    assert.is_true(server:close())
    assert.is_true(server:close())
    for _, name in ipairs { "sockname", "detach", "fileno", "accept" } do
      assert.truthy(helper.fails("EBADF", server[name], server):find("closed", 1, true), name)
    end
    assert.truthy(tostring(server):find("(closed)", 1, true))
    assert.truthy(tostring(weft.net.listen(HOST, 0)):find("127.0.0.1:%d+, 0 open"))
    assert.same({ 0, 0 }, { server:connections() })
  end)

  it("may be so by the collector", function()
    local kept = setmetatable({ weft.net.unix.listen(dir .. "/s") }, { __mode = "v" })
    helper.collect()
    assert.is_nil(kept[1])
    helper.fails("ENOENT", weft.net.unix.connect, dir .. "/s")
  end)
end)

describe("an attempt to accept", function()
  it("ends in its time, and not before, when descriptors lack", function()
    local server <close> = weft.net.listen(HOST, 0)
    local conn <close> = weft.net.connect(server:sockname())
    core.inject("accept", { code = "EMFILE", times = 2 })
    helper.fails("ETIMEDOUT", server.accept, server, 0.01)
    assert(server:accept(20)):close()
    helper.fails("ETIMEDOUT", server.accept, server, 0)
    assert.truthy(conn)
  end)

  it("goes on by turns when it is interrupted for ever", function()
    local server <close> = weft.net.listen(HOST, 0)
    local conn <close> = weft.net.connect(server:sockname())
    core.inject("accept", { code = "EINTR", times = 200 })
    assert(server:accept(20)):close()
    assert.truthy(conn)
  end)

  it("hands what came to the next one when it is cancelled", function()
    local server <close> = weft.net.listen(HOST, 0)
    local first = weft.go(function() return server:accept() end)
    local second = weft.go(function() return server:accept() end)
    weft.yield()
    first:cancel()
    local conn <close> = weft.net.connect(server:sockname())
    assert(second:join()):close()
    assert.truthy(conn)
  end)
end)

describe("a unix socket", function()
  it("has a path, or no name", function()
    local server = weft.net.unix.listen(dir .. "/s")
    local conn = weft.net.unix.connect(dir .. "/s")
    local other = server:accept()
    assert.equal("", conn:sockname())
    assert.equal(dir .. "/s", conn:peername())
    assert.equal(dir .. "/s", other:sockname())
    assert.equal("", other:peername())
    assert.is_nil((conn:nodelay()))
    for _, s in ipairs { server, conn, other } do s:close() end
  end)

  it("may have an abstract name, which no two have", function()
    local name = "\0weft " .. dir
    local server <close> = weft.net.unix.listen(name, function(conn) conn:write "abstract" end)
    assert.equal(name, server:sockname())
    local conn <close> = weft.net.unix.connect(name)
    assert.equal("abstract", conn:read "a")
    assert.truthy(helper.fails("EADDRINUSE", weft.net.unix.listen, name):find("abstract unix socket", 1, true))
  end)

  it("does not take the place of what is no socket", function()
    helper.write_file(dir .. "/file", "kept")
    helper.fails("EADDRINUSE", weft.net.unix.listen, dir .. "/file")
    assert.equal("kept", helper.read_file(dir .. "/file"))
    helper.fails("ENOENT", weft.net.unix.listen, dir .. "/none/s")
  end)

  it("leaves a path that is another's by now", function()
    local server = weft.net.unix.listen(dir .. "/s", { mode = 384 })
    os.remove(dir .. "/s")
    local second <close> = weft.net.unix.listen(dir .. "/s")
    server:close()
    assert(weft.net.unix.connect(dir .. "/s")):close()
    assert.truthy(second)
    local third = weft.net.unix.listen(dir .. "/t")
    os.remove(dir .. "/t")
    third:close()
  end)

  it("that is full lets who connects wait", function()
    local server <close> = weft.net.unix.listen(dir .. "/s", { backlog = 1 })
    local conns = {}
    while true do
      local conn, _, code = weft.net.unix.connect(dir .. "/s", { timeout = 0.02 })
      conns[#conns + 1] = conn
      if not conn then
        assert.equal("ETIMEDOUT", code)
        break
      end
    end
    local late = weft.go(function() return weft.net.unix.connect(dir .. "/s") end)
    local never = weft.go(function() return weft.net.unix.connect(dir .. "/s") end)
    weft.yield()
    never:cancel()
    assert.equal("cancelled", select(2, never:result()).kind)
    assert.is_false((pcall(weft.timeout, 0.01, weft.net.unix.connect, dir .. "/s")))
    for _ = 1, #conns do assert(server:accept()):close() end
    conns[#conns + 1] = assert(late:join())
    for _, conn in ipairs(conns) do conn:close() end
  end)
end)

describe("a connection that does not come about", function()
  it("for a reason of the system's says it", function()
    local server <close> = weft.net.listen(HOST, 0)
    local unix <close> = weft.net.unix.listen(dir .. "/s")
    core.inject("connect", { code = "EIO", times = 2 })
    local host, port = server:sockname()
    assert.truthy(helper.fails("EIO", weft.net.connect, host, port):find(("%s:%d"):format(host, port), 1, true))
    assert.truthy(helper.fails("EIO", weft.net.unix.connect, dir .. "/s"):find(dir .. "/s", 1, true))
    assert.truthy(unix)
  end)
end)

describe("attaching", function()
  it("takes the pipes of a program", function()
    local cat = weft.exec { "cat", stdin = "pipe", stdout = "pipe" }
    local to, from = cat.stdin:detach(), cat.stdout:detach()
    local w, r = assert(weft.net.attach(to)), assert(weft.net.attach(from, "in front, "))
    assert.is_true(w:write "through")
    w:close()
    assert.equal("in front, through", r:read "a")
    helper.fails("ENOTSOCK", r.shutdown, r)
    helper.fails("ENOTSOCK", r.sockname, r)
    helper.fails("ENOTSOCK", r.peername, r)
    helper.fails("ENOTSOCK", r.nodelay, r)
    r:close()
    assert.equal(0, cat:wait().code)
  end)

  it("takes a terminal", function()
    local tty = weft.exec { "cat", pty = true }
    local fd = tty.pty:detach()
    local again <close> = assert(weft.net.attach(fd))
    again:write "typed\n"
    assert.truthy(again:read "l":find "typed")
    tty:kill()
    tty:wait()
  end)

  it("does not take files, which stay who has them", function()
    helper.write_file(dir .. "/f", "text")
    local f <close> = weft.fs.open(dir .. "/f")
    helper.fails("EINVAL", weft.net.attach, f:fileno())
    assert.equal("text", f:read "a")
    helper.raises("descriptor expected", weft.net.attach, 2 ^ 31)
  end)

  it("takes servers and unix sockets", function()
    local server <close> = weft.net.attach(weft.net.unix.listen(dir .. "/s"):detach())
    local conn = weft.net.unix.connect(dir .. "/s")
    local again <close> = weft.net.attach(conn:detach())
    local other <close> = server:accept()
    again:write "moved"
    assert.equal("moved", other:read(5))
    assert.equal(dir .. "/s", again:peername())
  end)
end)

describe("the end of an isolate", function()
  it("closes what tasks wait for", function()
    helper.run_ok [[
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0)
      local conn = weft.net.connect(server:sockname())
      local udp = weft.net.udp("127.0.0.1", 0)
      weft.go(function()
        server:accept()
        server:accept()
      end):detach()
      weft.go(function() conn:read() end):detach()
      weft.go(function() udp:recv() end):detach()
      weft.yield()
      os.exit(0, true)
    ]]
  end)
end)
