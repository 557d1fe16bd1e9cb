-- weft.socket: what programs written for LuaSocket expect, and such programs: redis-lua, LuaSocket's own socket.http.

local helper = require "spec.helper"
local weft = require "weft"
local socket = require "weft.socket"

local HOST = "127.0.0.1"
assert(not socket.connect("localhost", 1)) -- the loop stays once it is used

after_each(function() weft.wait() end)

-- A server that runs f with each client; its port.
local function serve(f)
  local server = assert(socket.bind(HOST, 0))
  local _, port = server:getsockname()
  local job = weft.go(function()
    local client = server:accept()
    if client then
      f(client)
      client:close()
    end
    server:close()
  end)
  job:detach()
  return port
end

describe("a tcp socket", function()
  it("connects, sends, receives", function()
    local port = serve(function(c)
      assert.equal("hello", c:receive())
      c:send "a line\r\nexactly ten|the rest"
    end)
    local s = socket.tcp()
    assert.equal(1, s:settimeout(5))
    assert.equal(1, s:connect(HOST, port))
    assert.equal(6, s:send "hello\n")
    assert.equal("a line", s:receive "*l")
    assert.equal("exactly ten", s:receive(11))
    assert.same({ "|the rest" }, { s:receive "*a" })
    assert.same({ nil, "closed", "" }, { s:receive() })
    assert.equal(1, s:close())
    assert.same({ nil, "closed", "" }, { s:receive() })
    assert.same({ nil, "closed", 0 }, { s:send "x" })
  end)

  it("gives what it has when it ends early", function()
    local port = serve(function(c) c:send "half a li" end)
    local s <close> = assert(socket.connect(HOST, port))
    assert.same({ nil, "closed", "half a li" }, { s:receive "*l" })
    port = serve(function(c) c:send "abc" end)
    local t <close> = assert(socket.connect(HOST, port))
    assert.same({ nil, "closed", "abc" }, { t:receive(10) })
  end)

  it("gives what it has when the time is over, and takes it back as a prefix", function()
    local port = serve(function(c)
      c:send "first "
      c:receive()
      c:send "second\n"
    end)
    local s <close> = assert(socket.connect(HOST, port))
    s:settimeout(0.05)
    local line, problem, part = s:receive()
    assert.same({ nil, "timeout", "first " }, { line, problem, part })
    s:settimeout(nil)
    s:send "go on\n"
    assert.equal("first second", (s:receive("*l", part)))
    assert.equal("ab", s:receive(2, "abc"):sub(1, 2))
  end)

  it("sends parts, and says how far it came", function()
    local got
    local port = serve(function(c) got = c:receive "*a" end)
    local s = assert(socket.connect(HOST, port))
    assert.equal(4, s:send("abcdef", 2, 4))
    assert.equal(6, s:send("abcdef", -2))
    assert.equal(0, s:send "")
    s:shutdown "send"
    s:close()
    weft.wait()
    assert.equal("bcdef", got)
  end)

  it("has names, options, statistics", function()
    local port = serve(function(c) c:receive() end)
    local s <close> = assert(socket.connect(HOST, port))
    assert.equal(1, s:setoption("tcp-nodelay", true))
    assert.equal(1, s:setoption("keepalive", true))
    assert.equal(1, s:setoption("reuseaddr", true))
    local host, p, family = s:getpeername()
    assert.same({ HOST, port, "inet" }, { host, p, family })
    assert.equal(HOST, (s:getsockname()))
    s:send "x\n"
    local received, sent, age = s:getstats()
    assert.same({ 0, 2 }, { received, sent })
    assert.truthy(age >= 0)
    assert.truthy(s:getfd() > 2)
    assert.is_false(s:dirty())
    assert.truthy(tostring(s):find "tcp{client}")
    assert.same({ nil, "not connected" }, { socket.tcp():getpeername() })
  end)

  it("says what goes wrong in LuaSocket's words", function()
    local server = socket.bind(HOST, 0)
    local _, port = server:getsockname()
    assert.same({ nil, "address already in use" }, { socket.bind(HOST, port) })
    server:settimeout(0.01)
    assert.same({ nil, "timeout" }, { server:accept() })
    server:close()
    assert.same({ nil, "closed" }, { server:accept() })
    assert.same({ nil, "connection refused" }, { socket.connect(HOST, port) })
    assert.is_nil((socket.connect("no-such-host.invalid", 80)))
  end)
end)

describe("a udp socket", function()
  it("sends and receives", function()
    local a, b = socket.udp(), socket.udp()
    assert.equal(1, a:setsockname(HOST, 0))
    assert.equal(1, b:setsockname(HOST, 0))
    local _, port = b:getsockname()
    assert.equal(4, a:sendto("ping", HOST, port))
    local data, host, from = b:receivefrom()
    assert.same({ "ping", HOST }, { data, host })
    assert.equal(1, b:setpeername(host, from))
    assert.equal(4, b:send "pong")
    assert.equal("pong", a:receive())
    a:settimeout(0.01)
    assert.same({ nil, "timeout" }, { a:receive() })
    a:close()
    b:close()
    assert.is_nil((a:receive()))
  end)
end)

describe("select", function()
  it("tells who is ready", function()
    local port = serve(function(c)
      c:receive()
      c:send "x"
      c:receive()
    end)
    local s <close> = assert(socket.connect(HOST, port))
    local other <close> = socket.bind(HOST, 0)
    local r, w, problem = socket.select({ s, other }, nil, 0)
    assert.same({ 0, 0, "timeout" }, { #r, #w, problem })
    r, w = socket.select(nil, { s })
    assert.equal(s, w[1])
    assert.equal(1, w[s])
    assert.equal(0, #r)
    s:send "\n"
    r = socket.select({ other, s }, {}, 10)
    assert.same({ s }, { r[1] })
    r, w, problem = socket.select({ other }, {}, 0.01)
    assert.same({ 0, 0, "timeout" }, { #r, #w, problem })
    s:send "\n"
  end)
end)

describe("the rest", function()
  it("is there", function()
    assert.truthy(math.abs(socket.gettime() - os.time()) < 5)
    socket.sleep(0)
    assert.equal("c", (socket.skip(2, "a", "b", "c")))
    assert.equal("string", type(socket.dns.gethostname()))
    assert.equal("127.0.0.1", (socket.dns.toip "127.0.0.1"))
  end)

  it("turns errors into results", function()
    local finalized = false
    local try = socket.newtry(function() finalized = true end)
    local f = socket.protect(function(...) return try(...) end)
    assert.same({ 1, 2 }, { f(1, 2) })
    assert.same({ nil, "problem" }, { f(nil, "problem") })
    assert.is_true(finalized)
    helper.raises("other", socket.protect(function() error "other" end))
  end)
end)

-- Programs that were written for LuaSocket, in a child where it is replaced.
local function has(module)
  return package.searchpath(module, package.path .. ";/usr/share/lua/5.1/?.lua") ~= nil
end

describe("programs for LuaSocket", function()
  local test = has "socket.http" and package.searchpath("mime.core", package.cpath) and it or pending
  test("fetch by socket.http, several at once", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      require("weft.socket").install()
      local http = require "socket.http"
      local server = weft.net.listen("127.0.0.1", 0, function(conn)
        local path = conn:read "l":match "GET (%S+)"
        repeat local line = conn:read "l" until line == "\r"
        weft.sleep(0.01)
        conn:write("HTTP/1.1 200 OK\r\nContent-Length: ", #path, "\r\n\r\n", path)
      end)
      local _, port = server:sockname()
      local jobs = {}
      for i = 1, 5 do
        jobs[i] = weft.go(function()
          local body, code = http.request(("http://127.0.0.1:%d/%d"):format(port, i))
          return code .. body
        end)
      end
      print(table.concat(weft.all(jobs), " "))
    ]])
    assert.equal("200/1 200/2 200/3 200/4 200/5\n", out)
  end)

  local p = io.popen "command -v redis-server"
  local redis_there = p:read "a" ~= "" and has "redis"
  p:close()
  test = redis_there and it or pending
  test("talk to redis by redis-lua", function()
    local dir = helper.tmpdir()
    local out = helper.run_ok(([[
      package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
      local weft = require "weft"
      require("weft.socket").install()
      local redis = require "redis"
      local path = %q
      local server = io.popen("exec redis-server --port 0 --unixsocket " .. path .. " --save '' --appendonly no")
      while not weft.net.unix.connect(path) do weft.sleep(0.01) end
      local jobs = {}
      for i = 1, 10 do
        jobs[i] = weft.go(function()
          local client = redis.connect("unix://" .. path)
          client:set("key" .. i, ("v"):rep(i * 10000))
          client:incrby("sum", i)
          local n = #client:get("key" .. i)
          client:quit()
          return n
        end)
      end
      local total = 0
      for _, n in ipairs(weft.all(jobs)) do total = total + n end
      local client = redis.connect("unix://" .. path)
      print(total, client:get "sum")
      pcall(client.shutdown, client)
      server:close()
    ]]):format(dir .. "/redis"), { cwd = dir })
    helper.remove_dir(dir)
    assert.equal("550000\t55\n", out)
  end)
end)
