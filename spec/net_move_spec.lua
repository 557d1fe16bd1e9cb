-- weft.net across isolates: connections and listening sockets that move, ports that are shared.

local helper = require "spec.helper"
local weft = require "weft"

local HOST = "127.0.0.1"

-- The loop, libuv's threads and the look-up of names stay once they are used.
assert(weft.net.connect("localhost", 1) == nil)

-- Handlers are tasks, which end when they see the end of their connection.
after_each(function() weft.wait() end)

-- A connection and its other side.
local function pair(opts)
  local server = assert(weft.net.listen(HOST, 0, opts))
  local client = assert(weft.net.connect(server:sockname()))
  local other = assert(server:accept())
  server:close()
  return client, other
end

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
end)
