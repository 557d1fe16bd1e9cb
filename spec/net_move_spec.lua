-- weft.net across isolates: connections and listening sockets that move, ports that are shared.

local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

local HOST, pair = net.HOST, net.pair

-- Handlers are tasks, which end when they see the end of their connection.
after_each(function() weft.wait() end)

describe("a moved connection", function()
  it("goes on in a thread, with what was read already", function()
    local a, b = pair()
    a:write "first\nsecond\n"
    assert.equal("first", b:read "l")
    local fd, rest = b:detach()
    assert.equal("second\n", rest)
    assert.is_true(b:is_closed())
    local job = weft.thread(function(number, input)
      local conn <close> = weft.net.attach(number, input)
      conn:write(conn:read "l", " in a thread")
    end, fd, rest)
    assert.equal("second in a thread", a:read "a")
    job:join()
    a:close()
  end)

  it("is refused while tasks wait for it", function()
    local a <close>, b = pair()
    local job = weft.go(function() return b:read() end)
    weft.yield()
    helper.raises("tasks wait", b.detach, b)
    b:close()
    job:wait()
    assert.truthy(a)
  end)

  it("cannot be sent as it is", function()
    local a, b = pair()
    local err = helper.raises_kind("transfer", weft.thread, function() end, { sock = a })
    assert.truthy(tostring(err):find "a tcp stream cannot cross isolates")
    assert.truthy(tostring(err):find("sock", 1, true))
    a:close()
    b:close()
  end)

  it("may be a listening socket", function()
    local server = weft.net.listen(HOST, 0)
    local host, port = server:sockname()
    local job = weft.thread(function(fd)
      local again <close> = weft.net.attach(fd)
      local conn <close> = again:accept()
      conn:write "accepted there"
    end, server:detach())
    local conn <close> = weft.net.connect(host, port)
    assert.equal("accepted there", conn:read "a")
    job:join()
  end)

  it("is no descriptor at all: says so", function()
    helper.fails("EBADF", weft.net.attach, 9999)
    helper.raises("descriptor expected", weft.net.attach, -1)
  end)
end)

describe("isolates", function()
  it("share a port by reuseport", function()
    local first = weft.net.listen(HOST, 0, { reuseport = true })
    local host, port = first:sockname()
    local ready, stop = weft.channel(), weft.channel()
    local jobs = {}
    for i = 1, 2 do
      jobs[i] = weft.thread(function(n)
        local server <close> = assert(weft.net.listen(host, port, { reuseport = true }, function(conn)
          conn:write(n)
        end))
        ready:send(true)
        stop:recv()
        return select(2, server:connections())
      end, i)
    end
    ready:recv()
    ready:recv()
    first:close()
    for _ = 1, 40 do
      local conn <close> = assert(weft.net.connect(host, port))
      assert.truthy(conn:read "a":match "^[12]$")
    end
    stop:send(true)
    stop:send(true)
    local served = 0
    for _, job in ipairs(jobs) do served = served + job:join() end
    assert.equal(40, served)
  end)

  it("of the worker pool serve and connect, many on few workers", function()
    local ports, stop = weft.channel(), weft.channel()
    local servers = {}
    for i = 1, 4 do
      servers[i] = weft.spawn(function()
        local server = assert(weft.net.listen(HOST, 0, function(conn)
          for line in conn:lines() do conn:write(line:upper(), "\n") end
        end))
        ports:send((select(2, server:sockname())))
        stop:recv()
        server:close()
        weft.wait()
        return select(2, server:connections())
      end)
    end
    local list, clients = {}, {}
    for i = 1, 4 do list[i] = ports:recv() end
    for i = 1, 40 do
      clients[i] = weft.spawn(function(port)
        local conn <close> = assert(weft.net.connect("localhost", port))
        for k = 1, 10 do
          conn:write("abc", k, "\n")
          if conn:read "l" ~= "ABC" .. k then return false end
        end
        return true
      end, list[i % 4 + 1])
    end
    for _, ok in ipairs(weft.all(clients)) do assert.is_true(ok) end
    for _ = 1, 4 do stop:send(true) end
    for _, served in ipairs(weft.all(servers)) do assert.equal(10, served) end
  end)

  -- TSan holds back the signals that end the slices of those who compute.
  local test = helper.sanitizer == "tsan" and pending or it
  test("of the worker pool are not starved by one that computes", function()
    local port = weft.channel()
    local server = weft.spawn(function()
      local s = assert(weft.net.listen(HOST, 0, function(conn)
        for line in conn:lines() do conn:write(line, "\n") end
      end))
      port:send((select(2, s:sockname())))
      weft.wait()
    end)
    local n = port:recv()
    local busy = {}
    for i = 1, 4 do busy[i] = weft.spawn(function() while true do end end) end
    local conn <close> = weft.net.connect(HOST, n)
    for i = 1, 10 do
      conn:write(i, "\n")
      assert.equal(tostring(i), conn:read "l")
    end
    for _, job in ipairs(busy) do job:cancel() end
    server:cancel()
    for _, job in ipairs(busy) do job:wait() end
    server:wait()
  end)

  it("of the worker pool wait in a read without being a deadlock", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0)
      local host, port = server:sockname()
      local job = weft.spawn(function()
        local conn = weft.net.connect(host, port)
        return conn:read "l"
      end)
      local conn = server:accept()
      local side = weft.thread(function() require("weft").sleep(0.1) end)
      weft.go(function() side:join() conn:write "not dead\n" end)
      print(job:join())
    ]])
    assert.equal("not dead\n", out)
  end)
end)
