-- weft.net when things go wrong: resets, slow readers, no descriptors, cancellation, the end of the script,
-- the collector at bad moments.

local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

local HOST, pair = net.HOST, net.pair

after_each(function() weft.wait() end)

-- A child that connects to the port given and does something there, in plain LuaSocket or C: one that weft does
-- not run in the same process.
describe("a peer that", function()
  it("resets gives an error once, then the end", function()
    local a, b = pair()
    -- Unread input at the close makes the kernel answer with a reset.
    a:write "unread"
    weft.sleep(0.001)
    b:close()
    local results = {}
    for _ = 1, 50 do
      local ok, _, code = a:write(("x"):rep(100000))
      results[#results + 1] = code or ok
      if code then break end
    end
    assert.truthy(results[#results] == "ECONNRESET" or results[#results] == "EPIPE", tostring(results[#results]))
    local data, _, code = a:read()
    assert.is_nil(data)
    assert.truthy(code == nil or code == "ECONNRESET")
    assert.is_nil((a:read()))
    a:close()
  end)

  it("reads slowly makes the writer wait, with bounded memory", function()
    local a, b = pair()
    local piece = ("x"):rep(1 << 16)
    local sent = 0
    local job = weft.go(function()
      for _ = 1, 256 do
        a:write(piece)
        sent = sent + #piece
      end
      a:close()
    end)
    helper.collect()
    local before, most, got = collectgarbage "count", 0, 0
    while true do
      local data = b:read(1024)
      if not data then break end
      got = got + #data
      if got % (1 << 20) == 0 then most = math.max(most, collectgarbage "count") end
    end
    job:join()
    b:close()
    assert.equal(256 << 16, got)
    assert.equal(got, sent)
    assert.truthy(most - before < 8 * 1024, ("%.0f KiB more"):format(most - before))
  end)

  it("closes while we write does not end the process by SIGPIPE", function()
    helper.run_ok([[
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0)
      local a = weft.net.connect(server:sockname())
      server:accept():close()
      local code
      for _ = 1, 100 do
        code = select(3, a:write "x")
        if code then break end
        weft.sleep(0.001)
      end
      assert(code == "EPIPE" or code == "ECONNRESET", code)
    ]])
  end)
end)

describe("a server without descriptors", function()
  it("leaves connections in the backlog and serves all of them in the end", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/server.lua", [[
      local weft = require "weft"
      local stop = weft.channel()
      local server = assert(weft.net.listen("127.0.0.1", 0, function(conn)
        local line = conn:read "l"
        conn:write(line, "\n")
        if line == "stop" then stop:send(true) end
      end))
      print(select(2, server:sockname()))
      io.stdout:flush()
      stop:recv()
      print(os.clock() < 20)
    ]])
    local out = io.popen(("prlimit --nofile=40 %s %s"):format(helper.lua, helper.quote(dir .. "/server.lua")))
    local port = out:read "n"
    local conns = {}
    for i = 1, 100 do conns[i] = assert(weft.net.connect(HOST, port)) end
    for i, conn in ipairs(conns) do conn:write(i, "\n") end
    for i, conn in ipairs(conns) do
      assert.equal(i .. "\n", conn:read "a")
      conn:close()
    end
    local last <close> = weft.net.connect(HOST, port)
    last:write "stop\n"
    assert.equal("stop\n", last:read "a")
    assert.equal("true", out:read "a":match "%a+")
    assert.is_true(out:close())
    helper.remove_dir(dir)
  end)
end)

describe("cancelling", function()
  local function cancelled(f)
    local job = weft.go(f)
    weft.yield()
    weft.yield()
    job:cancel "enough"
    local ok, err = job:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"), tostring(err))
  end

  it("ends a read, and the data are the next one's", function()
    local a, b = pair()
    cancelled(function() return b:read(10) end)
    a:write "0123456789"
    assert.equal("0123456789", b:read(10))
    a:close()
    b:close()
  end)

  it("ends a write, and others can write", function()
    local a, b = pair()
    cancelled(function() return a:write(("x"):rep(16 << 20)) end)
    local reader = weft.go(function() return #b:read "a" end)
    assert.is_true(a:write "tail")
    a:close()
    assert.truthy(reader:join() > 4)
    b:close()
  end)

  it("ends an accept and a connect", function()
    local server = weft.net.listen(HOST, 0, { backlog = 1 })
    cancelled(function() return server:accept() end)
    local host, port = server:sockname()
    local held = {}
    for i = 1, 8 do
      held[i] = weft.net.connect(host, port, { timeout = 0.02 })
      if not held[i] then break end
    end
    cancelled(function() return weft.net.connect(host, port) end)
    cancelled(function() return weft.net.connect("localhost", port) end)
    for _, c in ipairs(held) do c:close() end
    server:close()
  end)

  it("ends a look-up of a name", function()
    local job = weft.go(weft.net.connect, "no-such-name-at-all.invalid", 1)
    weft.yield()
    job:cancel "enough"
    local ok, err, message = job:result()
    -- Where nobody can be asked the answer may be there before the cancellation: then it is that answer.
    if ok then assert.truthy(err == nil and message:find "no%-such%-name%-at%-all", message)
    else assert.is_true(weft.is(err, "cancelled"), tostring(err)) end
  end)

  it("is what weft.timeout does", function()
    local a, b = pair()
    helper.raises_kind("timeout", weft.timeout, 0.01, function() b:read() end)
    a:write "x"
    assert.equal("x", b:read())
    a:close()
    b:close()
  end)

  it("closes the connections of handlers", function()
    local server = weft.net.listen(HOST, 0)
    local conn = weft.net.connect(server:sockname())
    pcall(weft.scope, function(s)
      s:go(function()
        local c <close> = server:accept()
        c:read()
      end)
      weft.sleep(0.001)
      error "the scope fails"
    end)
    assert.is_nil(conn:read())
    conn:close()
    server:close()
  end)
end)

describe("waiting for the network", function()
  it("is no deadlock, and is where it happens in the report of one", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0)
      local conn = weft.net.connect(server:sockname())
      local ok, err = pcall(weft.timeout, 0.05, function() conn:read() end)
      print(weft.is(err, "timeout"))
      local accepting = weft.go(function() server:accept() server:accept() end)
      ok, err = pcall(weft.timeout, 0.05, function() weft.channel():recv() end)
      print(weft.is(err, "timeout"))
      accepting:cancel()
      accepting:wait()
      ok, err = pcall(function() weft.channel():recv() end)
      print(weft.is(err, "deadlock"))
    ]])
    assert.equal("true\ntrue\ntrue\n", out)
  end)

  it("works where Lua cannot yield", function()
    local a, b = pair()
    local got
    weft.go(function() a:write "inside sort\n" end)
    table.sort({ 2, 1 }, function(x, y)
      got = got or b:read "l"
      return x < y
    end)
    assert.equal("inside sort", got)
    a:close()
    b:close()
  end)

  it("works inside a generator", function()
    local a, b = pair()
    weft.go(function() a:write "1\n2\n3\n" a:shutdown() end)
    local sum = 0
    for n in coroutine.wrap(function()
      for line in b:lines() do coroutine.yield(tonumber(line)) end
    end) do sum = sum + n end
    assert.equal(6, sum)
    a:close()
    b:close()
  end)

  it("has its name in a trace", function()
    local a, b = pair()
    local t = weft.trace(function()
      local job = weft.go({ name = "reader" }, function() b:read() end)
      weft.sleep(0.005)
      a:write "x"
      job:join()
    end)
    local picture = t:timeline { print = false, width = 60 }
    assert.truthy(picture:find "~", picture)
    assert.truthy(picture:find "tcp 127.0.0.1", picture)
    a:close()
    b:close()
  end)
end)

describe("the end of the script", function()
  local start = [[
    local weft = require "weft"
    local server = weft.net.listen("127.0.0.1", 0, function(conn)
      for line in conn:lines() do conn:write(line) end
    end)
    local conns = {}
    for i = 1, 5 do
      conns[i] = weft.net.connect(server:sockname())
      conns[i]:write "x"
    end
    weft.go(function() conns[1]:read() end)
    weft.go(function() conns[2]:write(("x"):rep(1 << 24)) end)
    weft.go(function() weft.net.connect("localhost", 1) end)
    local other = weft.thread(function()
      local s = weft.net.listen("127.0.0.1", 0)
      s:accept()
    end)
    weft.sleep(0.005)
  ]]
  for _, ending in ipairs { "", "os.exit(0)", "os.exit(0, true)", "weft.sleep(0)", "collectgarbage()" } do
    it(("comes while connections are open: %q"):format(ending), function()
      local _, err, code = helper.run_script(start .. ending)
      assert.equal(0, code, err)
    end)
  end

  it("comes by an error", function()
    local _, err, code = helper.run_script(start .. "error 'on purpose'")
    assert.equal(1, code)
    assert.truthy(err:find "on purpose")
  end)

  it("lets a handler say goodbye", function()
    local dir = helper.tmpdir()
    local out = helper.run_ok([[
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0, function(conn)
        local bye <close> = setmetatable({}, { __close = function()
          print(weft.shield(function() return conn:write "bye" end))
        end })
        conn:read()
        conn:read()
      end)
      local conn = weft.net.connect(server:sockname())
      conn:write "x"
      weft.sleep(0.01)
    ]])
    helper.remove_dir(dir)
    assert.equal("true\n", out)
  end)

  it("finds standard streams that are closed, and does not take their numbers", function()
    helper.run_ok([[
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0)
      local conn = weft.net.connect(server:sockname())
      assert(conn:fileno() > 2 and server:accept():fileno() > 2)
    ]], { shell = "sh -c 'exec \"$0\" \"$@\" <&- >&- 2>&-'" })
  end)
end)

describe("the collector", function()
  it("may run at every step", function()
    helper.run_ok([[
      collectgarbage("incremental", 1, 1000, 8)
      local weft = require "weft"
      local server = weft.net.listen("127.0.0.1", 0, function(conn)
        for line in conn:lines() do conn:write(line:upper(), "\n") end
      end)
      local jobs = {}
      for i = 1, 20 do
        jobs[i] = weft.go(function()
          local conn <close> = weft.net.connect(server:sockname())
          for k = 1, 20 do
            conn:write("a", k, "\n")
            assert(conn:read "l" == "A" .. k)
          end
        end)
      end
      weft.all(jobs)
    ]])
  end)

  it("takes connections and servers that are forgotten", function()
    local function forget()
      local server = weft.net.listen(HOST, 0)
      for _ = 1, 50 do
        weft.net.connect(server:sockname())
        server:accept()
      end
    end
    forget()
    helper.collect()
  end)
end)

describe("many connections", function()
  it("are served, with random resets", function()
    local n, resets = helper.scale(4000, 50), 0
    local server = weft.net.listen(HOST, 0, function(conn)
      for line in conn:lines() do
        if not conn:write(line, "\n") then return end
      end
    end)
    local host, port = server:sockname()
    local jobs = {}
    local at_once = weft.semaphore(200)
    for i = 1, n do
      jobs[i] = weft.go(function()
        at_once:with(function()
          local conn <close> = assert(weft.net.connect(host, port))
          for k = 1, 5 do
            conn:write(i, " ", k, "\n")
            if i % 100 == 0 and k == 3 then
              resets = resets + 1
              return -- the answer is unread: a reset
            end
            assert(conn:read "l" == i .. " " .. k)
          end
        end)
      end)
    end
    weft.all(jobs)
    server:close()
    assert.equal(n // 100, resets)
  end)
end)
