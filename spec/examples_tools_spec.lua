-- The examples' servers under programs that others have written: nc, curl, wrk. A tool that is not there is named, and its test
-- is skipped (make test installs them where it can).

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait()
assert(weft.net.connect("127.0.0.1", 1) == nil)

local function have(program)
  local p = io.popen("command -v " .. program)
  local path = p:read "a"
  p:close()
  return path ~= ""
end

-- A test that needs a tool.
local function with(tool, title, f)
  if have(tool) then it(title, f) else pending(("%s (%s is not installed)"):format(title, tool)) end
end

-- Starts an example as a server, gives f its port, ends it. Its first line with a number has the port.
local function with_server(example, args, ending, f)
  local command = ("exec %s %s/examples/%s.lua %s"):format(helper.lua, helper.quote(helper.root), example, args)
  local server = weft.exec { "env", "WEFT_QUICK=1", "sh", "-c", command, stdout = "pipe", stderr = "pipe" }
  local port
  repeat
    local line = server.stdout:read "l"
    port = line and (line:match "127%.0%.0%.1:(%d+)" or line:match "port (%d+)")
  until port or not line
  local ok, err = pcall(f, port or error(server.stderr:read "a"))
  server:kill(ending)
  local said = server.stderr:read "a"
  local status = server:wait()
  if not ok then error(err, 0) end
  assert.equal("", (said:gsub("^weft: the script ended while %d+ jobs? still ran, now cancelled: [^\n]*\n", "")))
  assert.equal(0, status.code, status.signal)
end

describe("nc", function()
  with("nc", "gets its lines back from echo_server", function()
    with_server("echo_server", "serve", "SIGTERM", function(port)
      local nc = weft.exec { "nc", "127.0.0.1", port, stdin = "pipe", stdout = "pipe" }
      for i = 1, 3 do
        nc.stdin:write("line ", i, "\n")
        nc.stdout:timeout(20)
        assert.equal("line " .. i, nc.stdout:read "l")
      end
      nc.stdin:close()
      nc:kill "SIGTERM"
      nc:wait()
    end)
  end)

  with("nc", "talks in the chat", function()
    local free = weft.net.listen("127.0.0.1", 0)
    local _, free_port = free:sockname()
    free:close()
    with_server("chat", tostring(free_port), "SIGINT", function(port)
      local function enter(name)
        local nc = weft.exec { "nc", "127.0.0.1", port, stdin = "pipe", stdout = "pipe" }
        assert.equal("your name? ", nc.stdout:read(11))
        nc.stdin:write(name, "\n")
        return nc
      end
      local function leave(nc)
        nc.stdin:close()
        nc:kill "SIGTERM"
        nc:wait()
      end
      local ann = enter "ann"
      -- Ann is in when the chat has taken her name: only then does she hear that Bob comes.
      local bob, heard
      repeat
        bob = enter "bob"
        bob.stdin:write "hello\n"
        ann.stdout:timeout(1)
        heard = ann.stdout:read "l"
        if not heard then leave(bob) end
      until heard
      while heard ~= "bob: hello" do heard = assert(ann.stdout:read "l") end
      ann.stdin:write "hello bob\n"
      repeat heard = assert(bob.stdout:read "l") until heard == "ann: hello bob"
      leave(bob)
      repeat heard = assert(ann.stdout:read "l") until heard == "* bob has left"
      leave(ann)
    end)
  end)

  with("nc", "gets a page from http_server, and an error", function()
    with_server("http_server", "0", "SIGTERM", function(port)
      for request, answer in pairs {
        ["GET / HTTP/1.0\r\n\r\n"] = "^HTTP/1.1 200 OK\r\n.*Hello, world\n$", ["hello\r\n\r\n"] = "^HTTP/1.1 400 ",
      } do
        local nc = weft.exec { "nc", "127.0.0.1", port, stdin = "pipe", stdout = "pipe" }
        nc.stdin:write(request)
        nc.stdin:close()
        nc.stdout:timeout(20)
        local got = nc.stdout:read "a" or "nothing in 20 s"
        nc:kill "SIGTERM"
        nc:wait()
        assert.truthy(got:find(answer), got)
      end
    end)
  end)
end)

describe("curl", function()
  local function curl(...)
    local words = { "curl", "-sS", ... }
    words.stdout, words.stderr = "pipe", "pipe"
    local out, err, status = weft.exec(words):output()
    assert.equal(0, status.code, err)
    return out
  end

  with("curl", "uses one connection for several requests, posts, asks for the head", function()
    with_server("http_server", "0", "SIGTERM", function(port)
      local url = ("http://127.0.0.1:%d/"):format(port)
      local out = curl("-w", "%{num_connects} ", url, url, url)
      assert.equal("Hello, world\n1 Hello, world\n0 Hello, world\n0 ", out)
      assert.equal("some text", curl("-d", "some text", url))
      assert.truthy(curl("-I", url):find "^HTTP/1.1 200 OK\r\n")
      assert.equal("404", curl("-o", "/dev/null", "-w", "%{http_code}", url .. "none"))
    end)
  end)
end)

describe("wrk", function()
  with("wrk", "finds no error in http_server", function()
    with_server("http_server", "0", "SIGTERM", function(port)
      local url = ("http://127.0.0.1:%d/"):format(port)
      local out = weft.exec({ "wrk", "-t", "1", "-c", "50", "-d", "1s", url, stdout = "pipe" }):output()
      assert.truthy(tonumber(out:match "(%d+) requests in") > 50, out)
      assert.is_nil(out:find "Non%-2xx", out)
      assert.is_nil(out:find "Socket errors", out)
    end)
  end)
end)
