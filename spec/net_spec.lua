-- weft.net: connections and servers, what their streams read and write, names.
-- What moves is in net_move_spec.lua, faults are in net_fault_spec.lua, datagrams in udp_spec.lua.

local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

local HOST, pair = net.HOST, net.pair

-- Handlers are tasks, which end when they see the end of their connection.
after_each(function() weft.wait() end)

describe("a stream", function()
  local a, b
  before_each(function() a, b = pair() end)
  after_each(function()
    a:close()
    b:close()
  end)

  it("reads what has arrived, then nil at the end", function()
    a:write("hello", " ", 42)
    assert.equal("hello 42", b:read())
    a:close()
    assert.is_nil(b:read())
    assert.is_nil(b:read())
  end)

  it("reads exactly n bytes", function()
    weft.go(function()
      for _, piece in ipairs { "ab", "cde", "fgh" } do
        a:write(piece)
        weft.yield()
      end
      a:close()
    end)
    assert.equal("abcd", b:read(4))
    assert.equal("", b:read(0))
    assert.equal("efg", b:read(3))
    assert.equal("h", b:read(5))
    assert.is_nil(b:read(1))
  end)

  it("reads lines, with and without their ends", function()
    a:write "one\ntwo\r\n\nlast"
    a:shutdown()
    assert.equal("one", b:read "l")
    assert.equal("two\r\n", b:read "L")
    assert.equal("", b:read "l")
    assert.equal("last", b:read "L")
    assert.is_nil(b:read "l")
  end)

  it("reads all", function()
    weft.go(function()
      for i = 1, 500 do a:write(("%d,"):format(i)) end
      a:shutdown()
    end)
    local all = b:read "a"
    assert.equal("1,2,3,", all:sub(1, 6))
    assert.equal("500,", all:sub(-4))
    assert.equal("", b:read "a")
  end)

  it("gives lines to a loop", function()
    a:write "1\n2\n3"
    a:shutdown()
    local got = {}
    for line in b:lines() do got[#got + 1] = line end
    assert.same({ "1", "2", "3" }, got)
  end)

  it("gives pieces of a size to a loop", function()
    a:write "abcde"
    a:shutdown()
    local got = {}
    for piece in b:lines(2) do got[#got + 1] = piece end
    assert.same({ "ab", "cd", "e" }, got)
  end)

  it("refuses a line that is longer than allowed", function()
    a:write(("x"):rep(50), "\n", ("x"):rep(51), "\n")
    assert.equal(50, #b:read("l", 50))
    helper.fails("EMSGSIZE", b.read, b, "l", 50)
    helper.fails("EMSGSIZE", b.read, b, "a", 50)
    assert.equal(51, #b:read("L", 51) - 1)
    a:write(("x"):rep(100))
    helper.fails("EMSGSIZE", b.read, b, "l", 50)
  end)

  it("keeps a long line whole", function()
    local line = ("0123456789"):rep(50000)
    weft.go(function() a:write(line, "\nnext\n") end)
    assert.equal(line, b:read "l")
    assert.equal("next", b:read "l")
  end)

  it("carries megabytes in both directions at once", function()
    local data = ("weft"):rep(300000)
    local function exchange(s)
      local job = weft.go(function()
        s:write(data)
        s:shutdown()
      end)
      local got = s:read "a"
      job:join()
      return got
    end
    local other = weft.go(exchange, b)
    assert.equal(data, exchange(a))
    assert.equal(data, other:join())
  end)

  it("writes many strings as one", function()
    local list = {}
    for i = 1, 200 do list[i] = ("%03d"):format(i) end
    a:write(table.unpack(list))
    a:shutdown()
    assert.equal(table.concat(list), b:read "a")
  end)

  it("writes buffers", function()
    local buf = weft.buffer("u8", 4)
    for i = 1, 4 do buf[i] = 96 + i end
    assert.is_true(a:write(buf, "!", buf:slice(2, 3)))
    assert.equal("abcd!bc", b:read(7))
    helper.raises("without gaps", a.write, a, weft.buffer("u8", 2, { stride = 8 }))
  end)

  it("parks the writer until there is room, and then goes on", function()
    local done = false
    local job = weft.go(function()
      a:write(("x"):rep(8 << 20))
      done = true
    end)
    weft.yield()
    assert.is_false(done)
    local n = 0
    while n < 8 << 20 do n = n + #b:read() end
    job:join()
    assert.is_true(done)
  end)

  it("never tears a write by another one", function()
    local jobs = {}
    for i = 1, 8 do
      local line = tostring(i):rep(300000) .. "\n"
      jobs[i] = weft.go(function() a:write(line) end)
    end
    weft.go(function()
      weft.all(jobs)
      a:shutdown()
    end)
    local seen = {}
    for line in b:lines() do
      assert.equal(300000, #line)
      assert.equal(line:sub(1, 1):rep(300000), line)
      seen[#seen + 1] = line:sub(1, 1)
    end
    table.sort(seen)
    assert.equal("12345678", table.concat(seen))
  end)

  it("serves several readers in the order of their coming", function()
    local got = {}
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(function() got[i] = b:read "l" end) end
    weft.yield()
    a:write "first\nsecond\nthird\n"
    weft.all(jobs)
    table.sort(got)
    assert.same({ "first", "second", "third" }, got)
  end)

  it("is half-closed by shutdown", function()
    assert.is_true(a:shutdown())
    assert.is_nil(b:read())
    b:write "still here"
    b:close()
    assert.equal("still here", a:read "a")
    helper.fails("EPIPE", a.write, a, "x")
  end)

  it("limits the time of reads and writes", function()
    a:timeout(0.01)
    helper.fails("ETIMEDOUT", a.read, a)
    local full = { a:write(("x"):rep(16 << 20)) }
    assert.is_nil(full[1])
    assert.equal("ETIMEDOUT", full[3])
    assert.truthy(full[4] > 0 and full[4] < 16 << 20)
    a:timeout(nil)
    weft.go(function() b:write "now" end)
    assert.equal("now", a:read())
  end)

  it("says that it is closed", function()
    assert.is_false(a:is_closed())
    assert.is_true(a:close())
    assert.is_true(a:close())
    assert.is_true(a:is_closed())
    assert.truthy(helper.fails("EBADF", a.read, a):find "tcp [%d.:]+ %(closed%)$")
    helper.fails("EBADF", a.write, a, "x")
    helper.fails("EBADF", a.shutdown, a)
    helper.fails("EBADF", a.sockname, a)
    assert.truthy(tostring(a):find "closed")
  end)

  it("wakes who waits when it is closed", function()
    local reader = weft.go(function() return a:read() end)
    local writer = weft.go(function() return a:write(("x"):rep(16 << 20)) end)
    weft.yield()
    a:close()
    assert.equal("ECANCELED", select(3, reader:join()))
    assert.equal("ECANCELED", select(3, writer:join()))
  end)

  it("closes at the end of its block", function()
    do
      local s <close> = a -- luacheck: ignore 211
    end
    assert.is_true(a:is_closed())
    assert.is_nil(b:read())
  end)

  it("is closed by the collector", function()
    local server = weft.net.listen(HOST, 0)
    do
      local lost = weft.net.connect(server:sockname())
      lost:write "bye"
    end
    local other = server:accept()
    helper.collect()
    assert.equal("bye", other:read "a")
    other:close()
    server:close()
  end)

  it("has options and names", function()
    assert.equal(a, a:nodelay(false))
    assert.equal(a, a:nodelay())
    assert.equal(a, a:keepalive(30))
    assert.equal(a, a:keepalive(false))
    local host, port = a:sockname()
    assert.equal(HOST, host)
    assert.same({ b:peername() }, { host, port })
    assert.equal(HOST, (a:peername()))
    assert.truthy(a:fileno() > 2)
  end)

  it("refuses nonsense", function()
    helper.raises("expected, got \"x\"", a.read, a, "x")
    helper.raises("bytes >= 0", a.read, a, -1)
    helper.raises("string or buffer", a.write, a, {})
    helper.raises("string or buffer", a.write, a, "x", nil)
    helper.raises("seconds >= 0", a.timeout, a, -1)
    helper.raises("weft.stream expected", a.read, {})
    helper.raises("weft.stream expected", a.read, weft.channel())
  end)
end)

describe("collected output", function()
  it("reaches a client that sends ahead", function()
    local server <close> = weft.net.listen(HOST, 0, function(conn)
      for line in conn:lines() do conn:write("<", line, ">") end
    end)
    local conn <close> = weft.net.connect(server:sockname())
    local n = 1000
    weft.go(function()
      for i = 1, n do conn:write(i, "\n") end
    end)
    for i = 1, n do assert.equal(("<%d>"):format(i), conn:read(#tostring(i) + 2)) end
  end)

  it("goes out before the task waits for something else", function()
    local hold = weft.channel()
    local server <close> = weft.net.listen(HOST, 0, function(conn)
      conn:read "l"
      conn:write "answer" -- the second line is there already
      hold:recv()
    end)
    local conn <close> = weft.net.connect(server:sockname())
    conn:write "one\ntwo\n"
    assert.equal("answer", conn:read(6))
    hold:send(true)
  end)

  it("goes out before the stream closes", function()
    local server <close> = weft.net.listen(HOST, 0, function(conn)
      conn:read "l"
      conn:write "answer"
    end)
    local conn <close> = weft.net.connect(server:sockname())
    conn:write "one\n"
    conn:write "two\n"
    assert.equal("answer", conn:read(6))
  end)
end)

describe("a server", function()
  it("gives each connection to a task of its own, and closes it at the end", function()
    local server <close> = weft.net.listen(HOST, 0, function(conn)
      conn:write(conn:read "l", "\n")
    end)
    local jobs = {}
    for i = 1, 50 do
      jobs[i] = weft.go(function()
        local conn <close> = assert(weft.net.connect(server:sockname()))
        conn:write(i, "\n")
        return tonumber((conn:read "a"))
      end)
    end
    local sum = 0
    for _, r in ipairs(weft.all(jobs)) do sum = sum + r end
    assert.equal(50 * 51 / 2, sum)
    assert.equal(50, select(2, server:connections()))
  end)

  it("closes the connection of a handler that fails, and tells", function()
    local told = weft.channel(1)
    local before = weft.on_unhandled(function(_, err) told:send(err) end)
    local server <close> = weft.net.listen(HOST, 0, function() error "handler failed" end)
    local conn <close> = weft.net.connect(server:sockname())
    assert.is_nil(conn:read())
    assert.truthy(tostring(told:recv()):find "handler failed")
    weft.on_unhandled(before)
  end)

  it("accepts one after the other without a handler", function()
    local server <close> = weft.net.listen(HOST, 0)
    local accepted = weft.go(function() return server:accept() end)
    local conn <close> = weft.net.connect(server:sockname())
    local other <close> = accepted:join()
    conn:write "x"
    assert.equal("x", other:read())
    helper.fails("ETIMEDOUT", server.accept, server, 0.01)
  end)

  it("serves no more than max at once", function()
    local now, most = 0, 0
    local server <close> = weft.net.listen(HOST, 0, { max = 3 }, function(conn)
      now = now + 1
      most = math.max(most, now)
      conn:read "l"
      now = now - 1
    end)
    local jobs = {}
    for i = 1, 12 do
      jobs[i] = weft.go(function()
        local conn <close> = weft.net.connect(server:sockname())
        weft.yield()
        conn:write "\n"
        return conn:read "a"
      end)
    end
    weft.all(jobs)
    assert.equal(3, most)
  end)

  it("stops at close; what is being handled goes on", function()
    local go_on = weft.channel()
    local server = weft.net.listen(HOST, 0, function(conn)
      go_on:recv()
      conn:write "done"
    end)
    local host, port = server:sockname()
    local conn <close> = weft.net.connect(host, port)
    weft.sleep(0)
    while select(2, server:connections()) == 0 do weft.sleep(0.001) end
    server:close()
    server:close()
    helper.fails("ECONNREFUSED", weft.net.connect, host, port)
    go_on:send(true)
    assert.equal("done", conn:read "a")
    helper.fails("EBADF", server.sockname, server)
    helper.fails("EBADF", server.accept, server)
  end)

  it("wakes who accepts when it is closed", function()
    local server = weft.net.listen(HOST, 0)
    local job = weft.go(function() return server:accept() end)
    weft.yield()
    server:close()
    assert.equal("ECANCELED", select(3, job:join()))
  end)

  it("says who has the port already", function()
    local server <close> = weft.net.listen(HOST, 0)
    local host, port = server:sockname()
    helper.fails("EADDRINUSE", weft.net.listen, host, port)
  end)

  it("shares a port with others by reuseport", function()
    local first <close> = weft.net.listen(HOST, 0, { reuseport = true })
    local host, port = first:sockname()
    local second <close> = weft.net.listen(host, port, { reuseport = true })
    assert.same({ host, port }, { second:sockname() })
  end)

  it("listens on all addresses by \"*\"", function()
    local server <close> = assert(weft.net.listen("*", 0, function(conn) conn:write "hi" end))
    local _, port = server:sockname()
    local conn <close> = assert(weft.net.connect(HOST, port))
    assert.equal("hi", conn:read "a")
  end)

  it("gives its time limit to connections", function()
    local server <close> = weft.net.listen(HOST, 0, { timeout = 0.01 }, function(conn)
      local _, _, code = conn:read()
      conn:write(code)
    end)
    local conn <close> = weft.net.connect(server:sockname())
    assert.equal("ETIMEDOUT", conn:read "a")
  end)

  it("refuses nonsense", function()
    helper.raises("port from 0 to 65535", weft.net.listen, HOST, 70000)
    helper.raises("port from 1 to 65535", weft.net.connect, HOST, 0)
    helper.raises("unknown option 'nonsense'", weft.net.listen, HOST, 0, { nonsense = 1 })
    helper.raises("unknown option 'nonsense'", weft.net.connect, HOST, 1, { nonsense = 1 })
    -- Those of the other kind are unknown too.
    helper.raises("unknown option 'mode'", weft.net.listen, HOST, 0, { mode = 384 })
    for _, option in ipairs { "nodelay", "reuseport" } do
      helper.raises(("unknown option '%s'"):format(option), weft.net.unix.listen, "none", { [option] = true })
    end
    for _, option in ipairs { "nodelay", "keepalive" } do
      helper.raises(("unknown option '%s'"):format(option), weft.net.unix.connect, "none", { [option] = true })
    end
    helper.raises("'max'", weft.net.listen, HOST, 0, { max = 0 })
    helper.raises("function expected", weft.net.listen, HOST, 0, nil, "no function")
    helper.raises("weft.server expected", function() weft.net.listen(HOST, 0).accept {} end)
  end)
end)

describe("connecting", function()
  it("finds names", function()
    local server <close> = weft.net.listen(HOST, 0, function(conn) conn:write "found" end)
    local _, port = server:sockname()
    local conn <close> = assert(weft.net.connect("localhost", port))
    assert.equal("found", conn:read "a")
  end)

  it("says what a name's trouble is", function()
    local conn, message, code = weft.net.connect("no-such-host.invalid", 80)
    assert.is_nil(conn)
    assert.truthy(code:match "^EAI_")
    assert.truthy(message:find("no-such-host.invalid", 1, true))
    assert.is_nil((weft.net.connect("nul\0byte", 80)))
    assert.is_nil((weft.net.connect("", 80)))
  end)

  it("is refused by a closed port", function()
    local server = weft.net.listen(HOST, 0)
    local host, port = server:sockname()
    server:close()
    local message = helper.fails("ECONNREFUSED", weft.net.connect, host, port)
    assert.truthy(message:find(tostring(port), 1, true))
  end)

  it("tries all addresses of a name", function()
    local core = require "weft.core"
    local resolve = core.resolve
    core.resolve = function()
      return { { address = "127.0.0.2", family = "inet" }, { address = "::1", family = "inet6" },
        { address = HOST, family = "inet" } }
    end
    local server <close> = weft.net.listen(HOST, 0, function(conn) conn:write "third" end)
    local _, port = server:sockname()
    local conn <close> = assert(weft.net.connect("some-name", port))
    assert.equal("third", conn:read "a")
    server:close()
    helper.fails("ECONNREFUSED", weft.net.connect, "some-name", port)
    core.resolve = resolve
  end)

  it("ends within its time", function()
    -- A backlog that is full: connections beyond it are not answered.
    local server <close> = weft.net.listen(HOST, 0, { backlog = 1 })
    local host, port = server:sockname()
    local held, last, _, code = {}, nil, nil, nil
    for i = 1, 8 do
      last, _, code = weft.net.connect(host, port, { timeout = 0.05 })
      if not last then break end
      held[i] = last
    end
    assert.is_nil(last)
    assert.equal("ETIMEDOUT", code)
    for _, c in ipairs(held) do c:close() end
  end)
end)

describe("unix sockets", function()
  local dir
  before_each(function() dir = helper.tmpdir() end)
  after_each(function() helper.remove_dir(dir) end)

  it("connect by path, and the path goes with the server", function()
    local path = dir .. "/sock"
    local server = weft.net.unix.listen(path, function(conn) conn:write(conn:read "l") end)
    assert.equal(path, server:sockname())
    local conn <close> = assert(weft.net.unix.connect(path))
    conn:write "over unix\n"
    assert.equal("over unix", conn:read "a")
    server:close()
    helper.fails("ENOENT", weft.net.unix.connect, path)
  end)

  it("take the place of a socket that nobody listens at", function()
    local path = dir .. "/stale"
    helper.run_script(([[require("weft").net.unix.listen(%q); os.execute "kill -9 $PPID"]]):format(path))
    helper.fails("ECONNREFUSED", weft.net.unix.connect, path)
    local server <close> = assert(weft.net.unix.listen(path)) -- luacheck: ignore 211
    assert(weft.net.unix.connect(path)):close()
  end)

  it("refuse a path in use, one that is too long, one with a NUL", function()
    local path = dir .. "/used"
    local server <close> = weft.net.unix.listen(path)
    helper.fails("EADDRINUSE", weft.net.unix.listen, path)
    helper.fails("ENAMETOOLONG", weft.net.unix.listen, dir .. ("/x"):rep(100))
    helper.fails("EINVAL", weft.net.unix.connect, "a\0b")
    helper.fails("EINVAL", weft.net.unix.connect, "")
    server:close()
  end)
end)
