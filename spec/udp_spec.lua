-- weft.net.udp: datagrams.

local helper = require "spec.helper"
local weft = require "weft"

local HOST = "127.0.0.1"
weft.net.udp(HOST, 0):timeout(0.001):recv() -- the loop stays once it is used

describe("a udp socket", function()
  local a, b
  before_each(function()
    a, b = assert(weft.net.udp(HOST, 0)), assert(weft.net.udp(HOST, 0))
  end)
  after_each(function()
    a:close()
    b:close()
  end)

  it("sends and receives with the sender's name", function()
    local host, port = b:sockname()
    assert.is_true(a:send("ping", host, port))
    assert.same({ "ping", a:sockname() }, { b:recv() })
  end)

  it("keeps datagrams apart, empty ones too", function()
    local host, port = b:sockname()
    a:send("one", host, port)
    a:send("", host, port)
    a:send(("x"):rep(60000), host, port)
    assert.equal("one", (b:recv()))
    assert.equal("", (b:recv()))
    assert.equal(60000, #b:recv())
  end)

  it("waits for what comes later", function()
    local job = weft.go(function() return b:recv() end)
    weft.yield()
    a:send("late", b:sockname())
    assert.equal("late", (job:join()))
  end)

  it("serves several receivers", function()
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(function() return (b:recv()) end) end
    weft.yield()
    for i = 1, 3 do a:send(tostring(i), b:sockname()) end
    local got = weft.all(jobs)
    table.sort(got)
    assert.equal("1 2 3", table.concat(got, " "))
  end)

  it("can be connected", function()
    assert.equal(a, a:connect(b:sockname()))
    a:send "to my peer"
    assert.equal("to my peer", (b:recv()))
    b:send("back", a:sockname())
    assert.same({ "back", b:sockname() }, { a:recv() })
  end)

  it("limits the time of a wait", function()
    helper.fails("ETIMEDOUT", a.recv, a:timeout(0.01))
  end)

  it("says when a datagram is too long", function()
    helper.fails("EMSGSIZE", a.send, a, ("x"):rep(70000), b:sockname())
  end)

  it("tells that nobody listens there", function()
    local host, port = b:sockname()
    b:close()
    a:connect(host, port)
    a:send "x"
    a:timeout(5)
    helper.fails("ECONNREFUSED", a.recv, a)
  end)

  it("wakes who waits when it is closed", function()
    local job = weft.go(function() return a:recv() end)
    weft.yield()
    a:close()
    assert.equal("ECANCELED", select(3, job:join()))
    assert.truthy(helper.fails("EBADF", a.recv, a):find "udp .*%(closed%)$")
    helper.fails("EBADF", a.send, a, "x", HOST, 1)
    helper.fails("EBADF", a.sockname, a)
    assert.truthy(tostring(a):find "closed")
  end)

  it("is cancelled", function()
    local job = weft.go(function() return a:recv() end)
    weft.yield()
    job:cancel()
    local ok, err = job:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"))
  end)

  it("reaches a group", function()
    local group = "239.1.2.3"
    local receiver = assert(weft.net.udp("0.0.0.0", 0, { reuseaddr = true }))
    local joined, message, code = receiver:join(group, HOST)
    if joined then
      local sender = assert(weft.net.udp(HOST, 0))
      assert(sender:multicast_ttl(0))
      assert(sender:multicast_loop(true))
      local _, port = receiver:sockname()
      receiver:timeout(1)
      if sender:send("to all", group, port) then
        assert.equal("to all", (receiver:recv()))
      end
      sender:close()
      assert.equal(receiver, receiver:leave(group, HOST))
    else
      assert.truthy(message and code) -- no such interface here
    end
    receiver:close()
  end)

  it("sends to IPv4 from an IPv6 socket", function()
    local six = weft.net.udp("::", 0)
    if six then
      local _, port = b:sockname()
      assert.is_true(six:send("from six", HOST, port))
      local data, host = b:recv()
      assert.same({ "from six", HOST }, { data, host })
      six:close()
    end
  end)

  it("goes to a thread", function()
    local host, port = b:sockname()
    local job = weft.thread(function(fd)
      local socket <close> = weft.net.attach(fd)
      return (socket:recv())
    end, b:detach())
    a:send("there", host, port)
    assert.equal("there", job:join())
  end)

  it("refuses nonsense", function()
    helper.raises("host and a port", a.send, a, "x")
    helper.raises("port from 1", a.send, a, "x", HOST, 0)
    helper.fails("EINVAL", a.send, a, "x", "no address", 1)
    helper.fails("EADDRINUSE", weft.net.udp, a:sockname())
    helper.raises("unknown option", weft.net.udp, HOST, 0, { x = 1 })
    helper.raises("weft.udp expected", a.recv, {})
  end)
end)
