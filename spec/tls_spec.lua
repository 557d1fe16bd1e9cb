-- weft.tls: TLS over OpenSSL, which is optional: without the module these tests are pending, but for the first.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.net.connect("localhost", 1) == nil) -- the loop stays once it is used

local there, tls = pcall(require, "weft.tls")
local test = there and it or pending
local HOST = "127.0.0.1"

after_each(function() weft.wait() end)

-- A certificate authority, a certificate for localhost and 127.0.0.1, one for another name, by the openssl command.
local made
local function certificates()
  if made then return made end
  local dir = helper.tmpdir()
  local function openssl(...) assert(os.execute(("cd %s && openssl %s >/dev/null 2>&1"):format(dir, string.format(...)))) end
  openssl "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=spec-ca"
  for name, alt in pairs { good = "DNS:localhost,IP:127.0.0.1", other = "DNS:other.example" } do
    helper.write_file(dir .. "/ext", "subjectAltName=" .. alt .. "\n")
    openssl("req -newkey rsa:2048 -nodes -keyout %s.key -out %s.csr -subj /CN=%s", name, name, name)
    openssl("x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out %s.pem", name, name)
  end
  made = {}
  for _, name in ipairs { "ca.pem", "good.pem", "good.key", "other.pem", "other.key" } do
    made[name] = helper.read_file(dir .. "/" .. name)
  end
  helper.remove_dir(dir)
  return made
end

-- A server that runs f with each stream.
local function serve(f, opts)
  local c = certificates()
  opts = opts or {}
  opts.cert, opts.key = opts.cert or c["good.pem"], opts.key or c["good.key"]
  return assert(tls.listen(HOST, 0, opts, f))
end

local function connect(server, opts)
  local _, port = server:sockname()
  opts = opts or {}
  if opts.ca == nil then opts.ca = certificates()["ca.pem"] end
  return tls.connect(HOST, port, opts)
end

describe("weft.tls", function()
  it("says what is missing without OpenSSL", function()
    local out = helper.run_ok [[
      package.preload["weft.tls_core"] = function() error "no such module" end
      print(pcall(require, "weft.tls"))
    ]]
    assert.truthy(out:find "weft.tls needs the module weft.tls_core, which needs OpenSSL")
  end)

  test("reads and writes as other streams do", function()
    local server <close> = serve(function(s)
      for line in s:lines() do s:write("<", line, ">\n") end
    end)
    local s <close> = assert(connect(server))
    s:write("one\ntwo\n", 3, "\n")
    assert.equal("<one>", s:read "l")
    assert.equal("<two>\n", s:read "L")
    assert.equal("<3>", s:read(3))
    assert.equal("\n", s:read())
    s:shutdown()
    assert.equal("", s:read "a")
    assert.is_nil(s:read())
    assert.is_nil(s:read(1))
    assert.equal(HOST, (s:peername()))
    local info = s:info()
    assert.truthy(info.version:find "TLSv1%.[23]")
    assert.truthy(info.subject:find "CN=good")
    s:close()
    helper.fails("EBADF", s.read, s)
    helper.fails("EBADF", s.write, s, "x")
  end)

  test("carries megabytes in both directions at once", function()
    local data = ("tls"):rep(500000)
    local server <close> = serve(function(s)
      local job = weft.go(function() return s:read(#data) end)
      s:write(data)
      assert(job:join() == data)
      s:write "same"
    end)
    local s <close> = assert(connect(server))
    local job = weft.go(function() s:write(data) end)
    assert.equal(data, s:read(#data))
    job:join()
    assert.equal("same", s:read "a")
  end)

  test("verifies the peer", function()
    local told = {}
    local before = weft.on_unhandled(function(_, err) told[#told + 1] = tostring(err) end)
    local server <close> = serve(function(s) s:read() end)
    local message = helper.fails("EPROTO", connect, server, { ca = certificates()["other.pem"] })
    assert.truthy(message:find "certificate not accepted", message)
    message = helper.fails("EPROTO", connect, server, { name = "wrong.example" })
    assert.truthy(message:find "hostname mismatch" or message:find "not accepted", message)
    local wrong <close> = serve(function(s) s:read() end, { cert = certificates()["other.pem"], key = certificates()["other.key"] })
    helper.fails("EPROTO", connect, wrong)
    local named <close> = assert(connect(wrong, { name = "other.example" }))
    assert.equal("other.example", named:info().name)
    local unverified <close> = assert(connect(wrong, { verify = false, ca = false }))
    unverified:write "x"
    named:close()
    unverified:close()
    weft.on_unhandled(before)
    assert.same({}, told)
  end)

  test("asks for the client's certificate when it has a ca", function()
    local seen
    local server <close> = serve(function(s)
      seen = s:info().subject
      s:write "welcome"
    end, { ca = certificates()["ca.pem"] })
    local s <close> = assert(connect(server, { cert = certificates()["other.pem"], key = certificates()["other.key"] }))
    assert.equal("welcome", s:read "a")
    assert.truthy(seen:find "CN=other")
    local without = connect(server) -- TLS 1.3: the refusal comes with the first read
    local data = without and without:read "a"
    assert.is_nil(data)
    if without then without:close() end
  end)

  test("agrees on a protocol", function()
    local server <close> = serve(function(s) s:write(s:info().alpn or "none") end, { alpn = { "h2", "http/1.1" } })
    local s <close> = assert(connect(server, { alpn = { "http/1.1" } }))
    assert.equal("http/1.1", s:read "a")
    assert.equal("http/1.1", s:info().alpn)
  end)

  test("tells a cut from an end", function()
    local server <close> = serve(function(s)
      s:write "half"
      s._conn:close() -- no orderly end
    end)
    local s <close> = assert(connect(server))
    assert.equal("half", s:read(4))
    helper.fails("EPROTO", s.read, s)
  end)

  test("refuses what is no TLS, and lets nobody wait for ever", function()
    local plain <close> = weft.net.listen(HOST, 0, function(conn) conn:write "hello, this is no TLS\n" end)
    local _, port = plain:sockname()
    helper.fails("EPROTO", tls.connect, HOST, port, { verify = false })
    local mute <close> = weft.net.listen(HOST, 0, function(conn) conn:read "a" end)
    helper.fails("ETIMEDOUT", tls.connect, HOST, select(2, mute:sockname()), { verify = false, timeout = 0.05 })
    local server <close> = serve(function() error "must not come here" end)
    local conn = weft.net.connect(server:sockname())
    conn:write "GET / HTTP/1.1\r\n\r\n"
    conn:read "a"
    conn:close()
  end)

  test("has time limits and cancellation", function()
    local server <close> = serve(function(s) s:read() end)
    local s <close> = assert(connect(server))
    helper.fails("ETIMEDOUT", s.read, s:timeout(0.01))
    s:timeout(nil)
    helper.raises_kind("timeout", weft.timeout, 0.01, function() s:read() end)
    s:write "still works"
  end)

  test("refuses nonsense", function()
    helper.raises("unknown option", tls.connect, HOST, 1, { nonsense = 1 })
    helper.raises("'cert' and 'key' expected", tls.listen, HOST, 0, {}, function() end)
    helper.raises("option 'cert'", tls.listen, HOST, 0, { cert = "/nowhere", key = "x" }, function() end)
    helper.raises("certificate", tls.listen, HOST, 0, { cert = "-----BEGIN nonsense", key = "-----BEGIN" }, function() end)
    helper.raises("function expected", tls.listen, HOST, 0, {})
    helper.fails("ECONNREFUSED", tls.connect, HOST, 1)
  end)

  test("speaks with curl", function()
    local p = io.popen "command -v curl"
    local has_curl = p:read "a" ~= ""
    p:close()
    if not has_curl then return pending "no curl here" end
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/ca.pem", certificates()["ca.pem"])
    local server <close> = serve(function(s)
      repeat local line = s:read "l" until line == "\r" or not line
      s:write "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret"
    end)
    local _, port = server:sockname()
    local curl = io.popen(("curl -s --cacert %s/ca.pem https://localhost:%d/ & echo started"):format(dir, port))
    curl:read "l"
    while select(2, server:connections()) == 0 do weft.sleep(0.001) end
    weft.sleep(0)
    while server:connections() > 0 do weft.sleep(0.001) end
    assert.equal("secret", curl:read "a")
    curl:close()
    helper.remove_dir(dir)
  end)
end)
