-- The examples of IO, each run in a child in its small size; servers under real clients.

local helper = require "spec.helper"
local example = require "spec.example"
local weft = require "weft"

local it = example.deaf and pending or it
assert(weft.net.connect("127.0.0.1", 1) == nil) -- the loop stays once it is used
assert(weft.fs.access "/") -- so does the pool

local function run(name, opts)
  opts = opts or {}
  opts.env = { WEFT_QUICK = "1", NO_UNICODE = opts.ascii and "1" or false, LC_ALL = "C.UTF-8" }
  local out, err = helper.run_ok(helper.root .. "/examples/" .. name .. ".lua", opts)
  assert.equal("", err)
  return out
end

local read, has = example.read, example.has

local function there(program)
  local p = io.popen("command -v " .. program)
  local path = p:read "a"
  p:close()
  return path ~= ""
end

describe("async_one_thread", function()
  it("overlaps the waits on one thread", function()
    local out = run "async_one_thread"
    read(out, "^(an async call hands the wait)")
    assert.equal(1, read(out, "OS threads = (%d+)"))
    has(out, "io tcp 127.0.0.1")
    read(out, "\ntask %d+ +[^\n]*(~~~)")
  end)
end)

describe("async_database", function()
  it("asks a true redis, or says what is missing", function()
    local out = run "async_database"
    if not there "redis-server" or out:find "^async_database needs" then
      has(out, "apt install redis-server")
      return
    end
    for _, how in ipairs { "one after the other", "direct style, at once", "callback style, at once" } do
      read(out, how:gsub("%p", "%%%0") .. " +[█#]+ ([%d.]+)[ %a]* queries/s")
    end
    assert.same({ 30, 30 }, { read(out, "the server counts (%d+) queries, (%d+) were sent") })
    has(out, "on a thread of its own")
  end)
end)

describe("async_files_lie", function()
  it("shows reads that end in steps, and waits that end together", function()
    local out = run "async_files_lie"
    local function row(what, per_step)
      local list = read(out, "\n" .. what:gsub("%p", "%%%0") .. " +([%d |]+) ms")
      local steps, last = 0, 0
      for step in (list .. "|"):gmatch "([^|]+)|" do
        local n = 0
        for t in step:gmatch "%d+" do
          assert.truthy(tonumber(t) >= last, list)
          last, n = tonumber(t), n + 1
        end
        assert.equal(math.min(per_step, 12 - steps * per_step), n, list)
        steps = steps + 1
      end
      return steps
    end
    assert.equal(3, row("files, 4 threads:", 4))
    assert.equal(2, row("files, 8 threads:", 8))
    assert.equal(1, row("sockets, no thread:", 12))
    read(out, "a file in memory: +([%d.]+) us each")
    assert.equal(12, select(2, out:gsub("\nread %d+ +[^\n]*~[^\n]*io /dev/urandom", "")))
  end)
end)

describe("tail", function()
  it("prints what is written, across a rotation", function()
    local out = run "tail"
    has(out, "old 2\nold 3\nline 1\nline 2\nline 10, into a new file\nline 11\n")
    assert.is_nil(out:find("old 1", 1, true))
    assert.equal(20, read(out, "(%d+) lines, none lost; from before the write to after the read %d+ us"))
  end)

  it("follows a file that grows, is rotated, cut off, removed and made again", function()
    local fs, dir = weft.fs, helper.tmpdir()
    local log = dir .. "/log"
    fs.write(log, ("x\n"):rep(5000) .. "one\ntwo\nhal")
    local child = weft.exec { helper.lua, helper.root .. "/examples/tail.lua", "-n", "2", log, stdout = "pipe" }
    local function expects(...)
      for _, line in ipairs { ... } do assert.equal(line, child.stdout:read "l") end
    end
    expects("two")
    fs.append(log, "f\nthree\n")
    expects("half", "three")
    fs.rename(log, log .. ".1")
    fs.append(log .. ".1", "last of the old\n")
    fs.append(log, "first of the new\n")
    expects("last of the old", "first of the new")
    local f = fs.open(log, "r+")
    f:truncate(0)
    f:write "cut\n"
    f:close()
    expects "cut"
    fs.remove(log)
    fs.append(log, "made again\n")
    expects "made again"
    child:kill "SIGTERM"
    assert.equal(0, child:wait().code)
    child.stdout:close()
    helper.remove_dir(dir)
  end)
end)

describe("echo_server", function()
  it("serves all connections", function()
    local out = run "echo_server"
    local n = read(out, "one thread serves (%d+) connections")
    assert.equal(n, read(out, "\n(%d+) connections, [%d.]+[ %a]* requests/s, p50 %d+ us, p99 %d+ us, [%d.]+ KiB a connection"))
    local sum = 0
    for count in out:gmatch "\n< %d+ us +[█#]+ (%d+)" do sum = sum + tonumber(count) end
    assert.equal(2 * n, sum)
  end)
end)

describe("http_server", function()
  -- Starts the server, gives f its port, ends it by SIGTERM.
  local function with_server(f)
    local p = io.popen(("echo $$; exec %s %s/examples/http_server.lua 0"):format(helper.lua, helper.quote(helper.root)))
    local pid = p:read "n"
    local port = read(p:read "l" .. p:read "l", "http://127.0.0.1:(%d+)/")
    local ok, err = pcall(f, port)
    os.execute("kill " .. pid)
    assert.is_true(p:close())
    if not ok then error(err, 0) end
  end

  local function exchange(port, request)
    local conn <close> = assert(weft.net.connect("127.0.0.1", port))
    conn:timeout(20)
    conn:write(request)
    conn:shutdown()
    return conn:read "a"
  end

  it("answers itself", function() has(run "http_server", "HTTP/1.1 200 OK") end)

  it("answers requests that are right, and refuses others", function()
    with_server(function(port)
      local out = exchange(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n")
      read(out, "^(HTTP/1.1 200 OK\r\n.-\r\n\r\nHello, world\n)HTTP/1.1 404 Not Found\r\n.-nothing here\n"
        .. "HTTP/1.1 200 OK\r\n.-\r\n\r\n$")
      has(exchange(port, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"), "\r\n\r\nbody")
      for request, status in pairs {
        ["nonsense\r\n\r\n"] = 400, ["GET / HTTP/2.0\r\n\r\n"] = 400, ["GET / HTTP/1.1\r\nbad header\r\n\r\n"] = 400,
        ["GET /" .. ("x"):rep(10000) .. " HTTP/1.1\r\n\r\n"] = 400,
        ["POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"] = 413, ["POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"] = 400,
        ["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"] = 501, ["DELETE / HTTP/1.1\r\n\r\n"] = 405,
      } do
        assert.equal(status, read(exchange(port, request), "^HTTP/1.1 (%d+)"), request:sub(1, 40))
      end
    end)
  end)

  local test = there "curl" and it or pending
  test("speaks with curl, and http_client with it", function()
    with_server(function(port)
      local p = io.popen(("curl -s http://127.0.0.1:%d/ http://127.0.0.1:%d/count"):format(port, port))
      assert.equal("Hello, world\n2\n", p:read "a")
      p:close()
      local urls = { ("http://127.0.0.1:%d/"):format(port), ("http://localhost:%d/none"):format(port) }
      local out = run("http_client", { args = urls })
      has(out, "\t200\t13 bytes")
      has(out, "\t404\t13 bytes")
    end)
  end)
end)

describe("http_client", function()
  it("reads chunks", function()
    local out = run "http_client"
    assert.equal(5, select(2, out:gsub("\t200\t12 bytes\n", "")))
  end)

  it("says what goes wrong", function()
    local out = run("http_client", { args = { "http://127.0.0.1:1/", "ftp://x" } })
    has(out, "failed\tECONNREFUSED")
    has(out, "not an http URL")
  end)
end)

describe("chat", function()
  it("lets everyone hear the others", function()
    local out = run "chat"
    for _, line in ipairs { "bob hears ann: hello", "cy hears ann: hello", "ann hears bob: hello ann", "cy hears ann: bye" } do
      has(out, line)
    end
    assert.is_nil(out:find("ann hears ann", 1, true))
  end)
end)

describe("port_scan", function()
  it("finds what is open and what is silent", function()
    local out = run "port_scan"
    local _, silent, open = read(out, "(%d+) ports tried, (%d+) of them silent, (%d+) open:")
    assert.truthy(silent >= 3 and open >= 1)
  end)
end)

describe("herd", function()
  it("counts the wakes", function()
    local out = run "herd"
    assert.truthy(read(out, "broadcast +[█#]+ ([%d.]+) wakes an event") > 50)
    assert.equal(1, read(out, "signal +[█#]+ ([%d.]+) wakes an event"))
    assert.equal(1, read(out, "channel +[█#]+ ([%d.]+) wakes an event"))
    assert.equal(1, read(out, "accept +[█#]+ ([%d.]+) wakes an event"))
  end)
end)

describe("jitter", function()
  it("finds no sleep that ends early", function()
    local out = run "jitter"
    assert.equal(4, select(2, out:gsub("p50 [%d.]+ us, p99 [%d.]+ us, max [%d.]+ us", "")))
    has(out, "none ended early")
  end)
end)

describe("the bench's redis server", function()
  local test = there "redis-cli" and it or pending
  test("speaks with redis-cli and redis-benchmark", function()
    local p = io.popen(("echo $$; exec %s %s/bench/weft/resp.lua"):format(helper.lua, helper.quote(helper.root)))
    local pid, port = p:read("n", "n")
    local function cli(words)
      local c = io.popen(("redis-cli -p %d %s"):format(port, words))
      local out = c:read "a"
      c:close()
      return out
    end
    assert.equal("PONG\n", cli "ping")
    assert.equal("OK\n", cli "set k 'some value'")
    assert.equal("some value\n", cli "get k")
    assert.equal("1\n", cli "incr n")
    assert.truthy(cli "nonsense":find "unknown command")
    local b = io.popen(("redis-benchmark -p %d -t ping,set,get -n 2000 -P 16 --csv 2>/dev/null"):format(port))
    local out = b:read "a"
    b:close()
    read(out, '"GET","([%d.]+)"')
    os.execute("kill " .. pid)
    p:close()
  end)
end)
