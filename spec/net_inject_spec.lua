-- Reads and writes that are interrupted or done in part, by order (core.inject, test builds): nobody sees it. And what the
-- world does at the worst places: resets at each byte of a message, half-closes, cancellation at every step.

local core = require "weft.core"
local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

local HOST, pair = net.HOST, net.pair
weft.exec({ "true" }):wait()
weft.signal("SIGUSR1"):close() -- libuv keeps what it opens for signals

local KINDS = { "recv", "send", "accept", "connect" }

local function heal()
  for _, kind in ipairs(KINDS) do core.inject(kind) end
end

after_each(function()
  heal()
  weft.wait()
end)

-- Something of everything: lines, blocks, the rest; buffers; pieces; UDP; a unix socket; a program's pipes; a terminal's
-- size of line. Returns what came, as one string.
local function session()
  local got = {}
  local function add(x) got[#got + 1] = tostring(x) end
  local server = assert(weft.net.listen(HOST, 0, function(conn)
    for line in conn:lines() do conn:write("<", line, ">\n") end
    conn:write(("end"):rep(2000))
  end))
  local conn = assert(weft.net.connect(server:sockname()))
  for i = 1, 3 do
    conn:write("line ", i, "\n")
    add(conn:read "l")
  end
  conn:write(("x"):rep(10000), "\n")
  add(#conn:read "L")
  conn:write "a\nb\n"
  add(conn:read(4))
  add(conn:read(4))
  conn:shutdown()
  add(#conn:read "a")
  add(conn:read())
  conn:close()
  server:close()

  local path = helper.tmpdir()
  server = assert(weft.net.unix.listen(path .. "/s", function(c) c:write((c:read "a"):reverse()) end))
  conn = assert(weft.net.unix.connect(path .. "/s"))
  local bytes = weft.buffer("u8", 300)
  bytes:fill(65)
  conn:write(bytes, "tail")
  conn:shutdown()
  add(conn:read "a")
  conn:close()
  server:close()
  helper.remove_dir(path)

  local a, b = weft.net.udp(HOST, 0), weft.net.udp(HOST, 0)
  a:send("datagram", b:sockname())
  add((b:recv()))
  a:close()
  b:close()

  local cat = weft.exec { "cat", stdin = "pipe", stdout = "pipe" }
  local reader = weft.go(function() return cat.stdout:read "a" end)
  cat.stdin:write(("pipe"):rep(3000), "\n")
  cat.stdin:close()
  add(#reader:join())
  cat:wait()
  return table.concat(got, "\n")
end

local expected = session()

describe("without faults", function()
  it("the session is what it should be", function()
    local lines = {
      "<line 1>", "<line 2>", "<line 3>", "10003", "<a>\n", "<b>\n", "6000", "nil", "liat" .. ("A"):rep(300), "datagram", "12001",
    }
    assert.equal(table.concat(lines, "\n"), expected)
  end)
end)

describe("EINTR", function()
  for _, kind in ipairs(KINDS) do
    it(("at each %s is invisible"):format(kind), function()
      core.inject(kind, { code = "EINTR", times = 0 })
      session()
      local calls = core.inject(kind)
      assert.truthy(calls > 0)
      local step = helper.quick and math.max(1, calls // 40) or 1
      for at = 0, calls - 1, step do
        core.inject(kind, { code = "EINTR", after = at, times = 1 + at % 3 })
        assert.equal(expected, session())
      end
    end)
  end

  it("everywhere at once is invisible", function()
    for round = 1, helper.scale(100, 3) do
      for i, kind in ipairs(KINDS) do core.inject(kind, { code = "EINTR", after = round % (i + 2), times = 40 }) end
      assert.equal(expected, session())
    end
  end)

  it("between worker processes is invisible", function()
    for at = 0, 12, helper.quick and 3 or 1 do
      for _, kind in ipairs { "recv", "send" } do core.inject(kind, { code = "EINTR", after = at, times = 3 }) end
      local ch = weft.channel(2)
      local job = weft.process(function(c)
        local sum = 0
        for v in c do sum = sum + v end
        return sum
      end, ch)
      for i = 1, 20 do ch:send(i) end
      ch:close()
      assert.equal(210, job:join())
    end
  end)

  it("by true signals, many of them, is invisible", function()
    local usr1 <close> = weft.signal "SIGUSR1"
    local storm = weft.exec { "sh", "-c", "while kill -USR1 $0 2>/dev/null; do :; done", tostring(weft.info().pid) }
    usr1:recv()
    for _ = 1, helper.scale(50, 3) do assert.equal(expected, session()) end
    storm:kill "SIGKILL"
    storm:wait()
  end)
end)

describe("reads and writes of few bytes", function()
  it("are invisible", function()
    for _, most in ipairs { 1, 2, 7, 4095 } do
      for _, kinds in ipairs { { "recv" }, { "send" }, { "recv", "send" } } do
        for _, kind in ipairs(kinds) do core.inject(kind, { most = most, times = 0x7fffffff }) end
        assert.equal(expected, session())
        heal()
      end
    end
  end)

  it("of all sizes are invisible", function()
    for round = 1, helper.scale(300, 5) do
      core.inject("recv", { most = math.random(300), after = math.random(0, 20), times = math.random(50) })
      core.inject("send", { most = math.random(300), after = math.random(0, 20), times = math.random(50) })
      assert.equal(expected, session(), round)
    end
  end)
end)

describe("an accept that fails", function()
  it("for want of descriptors or memory is tried again", function()
    for _, code in ipairs { "EMFILE", "ENOMEM" } do
      core.inject("accept", { code = code, times = 3 })
      local server = weft.net.listen(HOST, 0, function(conn) conn:write "served" end)
      local conn = weft.net.connect(server:sockname())
      assert.equal("served", conn:read "a")
      conn:close()
      server:close()
    end
  end)

  it("for another reason is its caller's", function()
    core.inject("accept", { code = "EIO" })
    local server = weft.net.listen(HOST, 0)
    local conn = weft.net.connect(server:sockname())
    helper.fails("EIO", server.accept, server)
    local other = assert(server:accept())
    conn:close()
    other:close()
    server:close()
  end)
end)

describe("a connection that fails", function()
  it("in a read tells it once", function()
    local a, b = pair()
    a:write "some"
    core.inject("recv", { code = "EIO" })
    helper.fails("EIO", b.read, b)
    assert.equal("some", b:read())
    a:close()
    b:close()
  end)

  it("in a write tells it, and how much was sent", function()
    local a, b = pair()
    core.inject("send", { code = "EIO", after = 1 })
    assert.is_true(a:write "first")
    local ok, _, code, sent = a:write("second", "third")
    assert.same({ nil, "EIO", 0 }, { ok, code, sent })
    assert.is_true(a:write "fourth")
    a:close()
    assert.equal("firstfourth", b:read "a")
    b:close()
  end)
end)

---------------------------------------------------------------------- resets

local MESSAGE = {}
for i = 1, 10 do MESSAGE[i] = ("line %d of the message"):format(i) end
MESSAGE = table.concat(MESSAGE, "\n") .. "\n"

local function offsets() return helper.sanitizer and 23 or helper.quick and 3 or 1 end
local function count_resets() helper.injected(#MESSAGE // offsets() + 1) end

-- How a reader may go about it: gets the connection, returns what it read and the codes that it saw.
local READERS = {
  ["what has come"] = function(conn) return conn:read() end,
  ["blocks"] = function(conn) return conn:read(7) end,
  ["lines"] = function(conn) return conn:read "L" end,
}

describe("a reset after each byte of a message", function()
  for name, read in pairs(READERS) do
    it(("is told once to who reads %s"):format(name), function()
      for at = 0, #MESSAGE, offsets() do
        local a, b = pair()
        a:write "never read" -- so that the close is a reset
        weft.poll(b:fileno(), "r", 10)
        b:write(MESSAGE:sub(1, at))
        b:close()
        local got, codes = "", {}
        for _ = 1, #MESSAGE + 3 do
          local data, _, code = read(a)
          if data then got = got .. data end
          if code then codes[#codes + 1] = code end
        end
        assert.equal(MESSAGE:sub(1, #got), got)
        assert.truthy(#got <= at)
        assert.same({ "ECONNRESET" }, codes)
        local ok, _, code = a:write "x"
        assert.truthy(not ok and (code == "EPIPE" or code == "ECONNRESET"), code)
        a:close()
      end
      count_resets()
    end)
  end

  it("is told to who writes, and ends it", function()
    for at = 0, #MESSAGE - 1, offsets() do
      local a, b = pair()
      local writer = weft.go(function()
        local told = 0
        for _ = 1, 1000 do
          local ok, _, code = a:write(MESSAGE, MESSAGE)
          if not ok then
            assert(code == "EPIPE" or code == "ECONNRESET", code)
            told = told + 1
            if told == 3 then return told end -- it stays so
          end
          weft.yield()
        end
        return told
      end)
      if at > 0 then assert.equal(MESSAGE:sub(1, at), b:read(at)) else weft.poll(b:fileno(), "r", 10) end
      b:close()
      assert.equal(3, writer:join())
      a:close()
    end
    count_resets()
  end)

  it("of a request does not hurt the server", function()
    local served = 0
    local server = weft.net.listen(HOST, 0, function(conn)
      conn:write "hello\n"
      while true do
        local line = conn:read "l"
        if not line then break end
        if line:find "^line 10 " then
          conn:write "done\n"
          served = served + 1
        end
      end
    end)
    for at = 0, #MESSAGE - 1, offsets() do
      local conn = weft.net.connect(server:sockname())
      conn:write(MESSAGE:sub(1, at))
      weft.poll(conn:fileno(), "r", 10) -- "hello" is there, and stays unread
      conn:close()
    end
    local conn = weft.net.connect(server:sockname())
    conn:write(MESSAGE)
    assert.same({ "hello", "done" }, { conn:read "l", conn:read "l" })
    conn:close()
    server:close()
    assert.equal(1, served)
    count_resets()
  end)
end)

describe("a half-close", function()
  it("is the end of what is read, and writing goes on", function()
    local a, b = pair()
    a:write "question"
    a:shutdown()
    assert.equal("question", b:read "a")
    assert.is_nil((b:read()))
    local big = ("answer "):rep(200000)
    local writer = weft.go(function() return b:write(big) end)
    assert.equal(#big, #a:read(#big))
    assert.is_true(writer:join())
    local ok, _, code = a:write "more"
    assert.same({ nil, "EPIPE" }, { ok, code })
    b:shutdown()
    assert.is_nil((a:read()))
    a:close()
    b:close()
  end)
end)

describe("cancelling at every step", function()
  it("of a conversation leaves nothing behind", function()
    local server = weft.net.listen(HOST, 0, function(conn)
      for line in conn:lines() do
        if not conn:write(line, "\n") then return end
      end
    end)
    local host, port = server:sockname()
    local function talk()
      local conn <close> = assert(weft.net.connect(host, port))
      for i = 1, 5 do
        conn:write(i, "\n", ("x"):rep(100000), "\n")
        assert(conn:read "l" == tostring(i))
        assert(#conn:read "l" == 100000)
      end
      return "all"
    end
    local done
    local steps = 0
    repeat
      local job = weft.go(talk)
      for _ = 1, steps do weft.yield() end
      if job:status() ~= "done" then job:cancel() end
      local ok, what = job:result()
      assert.truthy(ok and what == "all" or weft.is(what, "cancelled"), what)
      done = ok
      steps = steps + (helper.quick and 3 or 1)
    until done or steps > 5000
    assert.equal("all", weft.go(talk):join())
    server:close()
  end)

  it("of a conversation in isolates leaves nothing behind", function()
    for steps = 0, helper.scale(60, 5) do
      local job = weft.spawn(function(n)
        local w = require "weft"
        local srv = w.net.listen("127.0.0.1", 0, function(conn) conn:write(conn:read "l" or "", "\n") end)
        local talk = w.go(function()
          local conn <close> = w.net.connect(srv:sockname())
          conn:write "hello\n"
          return conn:read "l"
        end)
        for _ = 1, n do w.yield() end
        talk:cancel()
        talk:wait()
        w.sleep(100)
      end, steps)
      for _ = 1, steps do weft.yield() end
      job:cancel()
      job:wait()
      assert.equal("cancelled", job:status())
    end
  end)
end)
