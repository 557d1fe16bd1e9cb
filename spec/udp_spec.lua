-- weft.net.udp: datagrams.

local core = require "weft.core"
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

  it("hands what has come to who still waits", function()
    local first = weft.go(function() return a:recv() end)
    local second = weft.go(function() return (a:recv()) end)
    weft.yield()
    first:cancel()
    b:send("for the second", a:sockname())
    assert.equal("for the second", second:join())
    assert.equal("cancelled", first:status())
  end)

  it("ends by itself with its isolate, and by the collector", function()
    local _, port = b:sockname()
    weft.spawn(function(host, to)
      local u = require "weft".net.udp(host, 0)
      u:send("bye", host, to)
      _G.kept = u -- still open at the end
    end, HOST, port):join()
    assert.equal("bye", (b:recv()))
    local dropped = setmetatable({ weft.net.udp(HOST, 0) }, { __mode = "v" })
    helper.collect()
    assert.is_nil(dropped[1])
  end)

  it("says by its name in a trace what is waited for", function()
    local trace = weft.trace(function()
      local job = weft.go(function() return a:recv() end)
      weft.yield()
      b:send("x", a:sockname())
      job:join()
    end)
    local host, port = a:sockname()
    assert.truthy(trace:chrome():find(("udp %s:%d"):format(host, port), 1, true))
  end)

  it("is bound to no port without a host", function()
    local u <close> = weft.net.udp()
    assert.same({ "0.0.0.0", 0 }, { u:sockname() })
    assert.is_true(u:send("from anywhere", b:sockname()))
    assert.equal("from anywhere", (b:recv()))
    local v <close> = weft.net.udp(HOST)
    assert.truthy(select(2, v:sockname()) > 0)
    local w <close> = weft.net.udp("localhost", 0)
    assert.truthy(select(2, w:sockname()) > 0)
    helper.fails("EADDRNOTAVAIL", weft.net.udp, "203.0.113.1", 0)
  end)

  it("shares its port when all of them say so", function()
    local one <close> = weft.net.udp(HOST, 0, { reuseport = true })
    local two <close> = weft.net.udp(HOST, select(2, one:sockname()), { reuseport = true })
    assert.same({ one:sockname() }, { two:sockname() })
  end)

  it("has options, which it can change while it is open", function()
    assert.equal(a, a:broadcast())
    assert.equal(a, a:broadcast(false))
    assert.equal(a, a:multicast_loop())
    assert.equal(a, a:multicast_loop(false))
    assert.equal(a, a:multicast_ttl(255))
    for _, n in ipairs { -1, 256 } do helper.raises("from 0 to 255", a.multicast_ttl, a, n) end
    helper.fails("EINVAL", a.join, a, "no address")
    helper.fails("EINVAL", a.join, a, "239.1.2.3", "no address")
    helper.fails("EINVAL", a.join, a, HOST) -- it is no group
    assert.truthy(a:fileno() >= 0)
    helper.fails("EINVAL", a.connect, a, "no address", 1)
    helper.fails("EAFNOSUPPORT", a.connect, a, "::1", 1)
  end)

  it("has nothing any more when it is closed", function()
    assert.is_true(a:close())
    assert.is_true(a:close())
    for name, args in pairs {
      connect = { HOST, 1 }, broadcast = {}, join = { "239.1.2.3" }, leave = { "239.1.2.3" }, multicast_ttl = { 1 },
      multicast_loop = {}, detach = {}, fileno = {}, sockname = {}, recv = {}, send = { "x" },
    } do
      assert.truthy(helper.fails("EBADF", a[name], a, table.unpack(args)):find "closed", name)
    end
    assert.equal(a, a:timeout(1))
  end)

  it("says what the system says when its descriptor is closed elsewhere", function()
    weft.net.attach(a:fileno()):close()
    for name, args in pairs {
      sockname = {}, detach = {}, broadcast = {}, connect = { HOST, 1 }, send = { "x", HOST, 1 }, recv = {},
    } do
      assert.is_nil(helper.fails("EBADF", a[name], a, table.unpack(args)):find("(closed)", 1, true), name)
    end
    assert.truthy(tostring(a):find "weft.udp %d+ %(udp%)")
  end)
end)

describe("a udp socket of IPv6", function()
  local a, b
  before_each(function()
    a, b = weft.net.udp("::1", 0), weft.net.udp("::1", 0)
  end)
  after_each(function()
    for _, u in pairs { a, b } do u:close() end
  end)
  -- No test on a machine without IPv6.
  local function six(what, f)
    it(what, function()
      if a and b then f() end
    end)
  end

  six("sends to IPv6", function()
    a:send("six", b:sockname())
    assert.same({ "six", a:sockname() }, { b:recv() })
    assert.truthy(tostring(a):find("(udp [::1]:", 1, true))
  end)

  six("has the options of IPv6", function()
    assert.equal(a, a:multicast_ttl(3))
    assert.equal(a, a:multicast_loop(false))
  end)

  six("joins groups by an interface's name or number", function()
    for _, interface in ipairs { "fe80::1%lo", "fe80::1%1" } do
      local joined, message, code = a:join("ff02::1:3", interface)
      if joined then assert.equal(a, a:leave("ff02::1:3", interface)) else assert.truthy(message and code) end
    end
    local joined, message, code = a:join "ff02::1:3"
    if joined then assert.equal(a, a:leave "ff02::1:3") else assert.truthy(message and code) end
    helper.fails("EINVAL", a.join, a, "ff02::1:3", "fe80::1%none")
  end)

  six("takes no interface of the other family", function()
    assert.truthy(helper.fails("EINVAL", a.join, a, "ff02::1:3", HOST):find(HOST, 1, true))
    local four <close> = weft.net.udp(HOST, 0)
    assert.truthy(helper.fails("EINVAL", four.join, four, "239.1.2.3", "::1"):find("::1", 1, true))
  end)
end)

describe("a udp socket whose system is full", function()
  local a, b
  before_each(function()
    a, b = weft.net.udp(HOST, 0), weft.net.udp(HOST, 0)
  end)
  after_each(function()
    core.inject "send"
    core.inject "recv"
    a:close()
    b:close()
  end)

  it("waits until it can send", function()
    core.inject("send", { code = "EAGAIN", times = 3 })
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(function() return a:send(tostring(i), b:sockname()) end) end
    for i = 1, 3 do assert.is_true(jobs[i]:join()) end
    local got = {}
    for i = 1, 3 do got[i] = b:recv() end
    table.sort(got)
    assert.same({ "1", "2", "3" }, got)
  end)

  it("limits the time of a send, and ends it when it is closed or cancelled", function()
    core.inject("send", { code = "EAGAIN", times = 1000000 })
    a:timeout(0)
    helper.fails("ETIMEDOUT", a.send, a, "x", b:sockname())
    a:timeout()
    for _, how in ipairs { "cancel", "close" } do
      local job = weft.go(function() return a:send("x", b:sockname()) end)
      weft.yield()
      if how == "cancel" then job:cancel() else a:close() end
      local ok, err, _, code = job:result()
      if ok then assert.is_nil(err) else assert.is_true(weft.is(err, "cancelled")) end
      if how == "close" and ok then assert.truthy(code == "ECANCELED" or code == "EBADF", code) end
    end
  end)
end)
