-- weft.dns: names and addresses. What depends on a resolver that misbehaves is in spec/c/dns_test.c, but for the last part,
-- which needs root.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.net.connect("localhost", 1) == nil)

after_each(function() weft.wait() end)

local function addresses(list)
  local out = {}
  for i, a in ipairs(list) do out[i] = a.address end
  return table.concat(out, " ")
end

describe("weft.dns.resolve", function()
  it("gives numeric addresses at once, in the system's spelling", function()
    local ran = false
    weft.go(function() ran = true end):detach()
    assert.same({ { address = "127.0.0.1", family = "inet" } }, weft.dns.resolve "127.0.0.1")
    assert.same({ { address = "::1", family = "inet6" } }, weft.dns.resolve "0:0:0:0:0:0:0:1")
    assert.same({ { address = "192.0.2.7", family = "inet", port = 80, socktype = "stream" } },
      weft.dns.resolve("192.0.2.7", { service = 80 }))
    assert.is_false(ran)
  end)

  it("finds localhost", function()
    local list = assert(weft.dns.resolve "localhost")
    assert.truthy(addresses(list):find "127.0.0.1" or addresses(list):find "::1")
    for _, a in ipairs(list) do assert.truthy(a.family == "inet" or a.family == "inet6") end
    for _, a in ipairs(assert(weft.dns.resolve("localhost", { family = "inet" }))) do assert.equal("inet", a.family) end
  end)

  it("finds services", function()
    local list = assert(weft.dns.resolve("127.0.0.1", { service = "7", socktype = "dgram" }))
    assert.same({ { address = "127.0.0.1", family = "inet", port = 7, socktype = "dgram" } }, list)
    helper.fails("EAI_SERVICE", weft.dns.resolve, "127.0.0.1", { service = "no-such-service" })
    local named, _, code = weft.dns.resolve("127.0.0.1", { service = "http" })
    if named then assert.equal(80, named[1].port) else assert.equal("EAI_SERVICE", code) end -- there may be no /etc/services
  end)

  it("tells the canonical name when it is asked to", function()
    assert.is_string(assert(weft.dns.resolve("localhost", { canonname = true }))[1].canonname)
    assert.is_nil(assert(weft.dns.resolve "localhost")[1].canonname)
    local list, _, code = weft.dns.resolve("localhost", { addrconfig = true, family = "inet" })
    assert.truthy(list or code:find "^EAI_") -- without an address but loopback some systems find nothing
  end)

  it("fails for names that cannot be", function()
    for _, name in ipairs {
      "", "a\0b", "127.0.0.1\0", "\0", ("x"):rep(300), ("x."):rep(2000), ("y"):rep(1 << 20), "no such name", "a..b",
    } do
      local list, message, code = weft.dns.resolve(name)
      assert.is_nil(list)
      assert.truthy(code:find "^EAI_" and message:sub(1, #code) == code, message)
    end
    local list, _, code = weft.dns.resolve "no-such-name.invalid"
    assert.is_nil(list)
    assert.truthy(code == "EAI_NONAME" or code == "EAI_AGAIN", code)
    helper.fails("EAI_ADDRFAMILY", weft.dns.resolve, "::1", { family = "inet" })
  end)

  it("refuses misuse", function()
    helper.raises("bad argument #1", weft.dns.resolve)
    helper.raises("bad argument #1", weft.dns.resolve, {})
    helper.raises("bad argument #2", weft.dns.resolve, "localhost", 5)
    for message, opts in pairs {
      ["'inet' or 'inet6' expected, got 'ipx'"] = { family = "ipx" }, ["'stream' or 'dgram'"] = { socktype = "raw" },
      ["unknown option 'timout'"] = { timout = 1 }, ["option 'timeout'"] = { timeout = -1 },
      ["option 'canonname'"] = { canonname = 1 }, ["a port from 0 to 65535 expected, got 65536"] = { service = 65536 },
      ["option 'service'"] = { service = {} },
      ["with a NUL in it"] = { service = "http\0" },
    } do
      helper.raises(message, weft.dns.resolve, "localhost", opts)
    end
  end)

  it("looks up many names at once, in every kind of isolate", function()
    local function many()
      local w = require "weft"
      local n, jobs = 0, {}
      for i = 1, 50 do jobs[i] = w.go(function() return #assert(w.dns.resolve "localhost") end) end
      for _, found in ipairs(w.all(jobs)) do n = n + (found > 0 and 1 or 0) end
      return n
    end
    for _, job in ipairs { weft.go(many), weft.spawn(many), weft.thread(many), weft.process(many) } do
      assert.equal(50, job:join())
    end
    assert.equal(50, weft.blocking(many))
  end)

  it("works where Lua cannot yield", function()
    local found
    table.sort({ 2, 1 }, function(a, b)
      found = found or weft.dns.resolve "localhost"
      return a < b
    end)
    assert.truthy(#found > 0)
  end)

  it("shows the name in a trace", function()
    local picture = weft.trace(function()
      weft.go({ name = "looker" }, function() weft.dns.resolve "localhost" end):join()
    end):timeline { print = false, width = 60 }
    assert.truthy(picture:find("name localhost", 1, true), picture)
  end)

  it("leaves nothing", function()
    helper.no_growth(function()
      weft.dns.resolve "localhost"
      weft.dns.resolve("localhost", { timeout = 0 })
      weft.dns.reverse("127.0.0.1", { numeric = true })
    end, { n = helper.scale(1000, 20) })
  end)
end)

describe("weft.dns.reverse", function()
  it("gives the name of an address, and of a port", function()
    local name, _, code = weft.dns.reverse "127.0.0.1"
    assert.truthy(name and name ~= "127.0.0.1" or code and code:find "^EAI_")
    local host, service = weft.dns.reverse("127.0.0.1", { port = 9, numeric = true })
    assert.is_string(host)
    assert.truthy(service == "discard" or service == "9")
    assert.equal(1, select("#", weft.dns.reverse("127.0.0.1", { numeric = true })))
    assert.truthy(weft.dns.reverse("::1", { numeric = true }))
  end)

  it("refuses misuse", function()
    for _, bad in ipairs { "localhost", "", "1.2.3", "127.0.0.1\0" } do
      helper.raises("a numeric address expected", weft.dns.reverse, bad)
    end
    helper.raises("option 'port'", weft.dns.reverse, "127.0.0.1", { port = -1 })
    helper.raises("unknown option", weft.dns.reverse, "127.0.0.1", { family = "inet" })
  end)
end)

describe("the end of the script", function()
  for _, ending in ipairs { "", "os.exit(0)", "error 'on purpose'" } do
    it(("finds look-ups on their way: %q"):format(ending), function()
      local _, err, code = helper.run_script([[
        local weft = require "weft"
        for i = 1, 100 do weft.go(weft.dns.resolve, "localhost"):detach() end
        for i = 1, 3 do weft.spawn(function() require("weft").dns.resolve "no-such-name.invalid" end):detach() end
        weft.yield()
      ]] .. ending)
      assert.equal(ending:find "error" and 1 or 0, code, err)
    end)
  end
end)

-- A private /etc/resolv.conf names a server of ours, which hears the questions and says nothing.
describe("a DNS server that never answers #root", function()
  local dir = helper.tmpdir()
  helper.write_file(dir .. "/resolv.conf", "nameserver 127.0.0.77\noptions timeout:30 attempts:5\n")
  helper.write_file(dir .. "/nsswitch.conf", "hosts: files dns\n")
  local private = ("unshare -m sh -c 'mount --bind %s/resolv.conf /etc/resolv.conf && "
    .. "mount --bind %s/nsswitch.conf /etc/nsswitch.conf && exec \"$0\" \"$@\"'"):format(dir, dir)
  local possible = os.execute(private:gsub("%%", "%%%%") .. " true 2>/dev/null")
  local test = possible and it or pending

  test("is a wait like others, and does not hold up the end", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local server = weft.net.udp("127.0.0.77", 53)
      if not server then print "no port 53" return end
      local asked = weft.event()
      weft.go(function()
        server:recv()
        asked:set()
        while server:recv() do end
      end):detach()
      local job = weft.go(weft.dns.resolve, "example.test")
      asked:wait()
      print(weft.dns.resolve("localhost")[1].address ~= nil)           -- others are not held up
      print(select(3, weft.dns.resolve("example.test", { timeout = 0.01 })))
      print(select(3, weft.net.connect("example.test", 1, { timeout = 0.01 })))
      print(weft.is(select(2, pcall(weft.timeout, 0.01, weft.dns.resolve, "example.test")), "timeout"))
      job:cancel()
      print(job:result())
      for i = 1, 40 do weft.go(weft.dns.resolve, "example.test"):detach() end
      weft.yield()
      print(select(3, weft.dns.resolve("localhost", { timeout = 0.01 }))) -- 32 at once, who comes then has to wait
    ]], { shell = private })
    if out == "no port 53\n" then return pending "somebody else has port 53" end
    assert.equal("true\nETIMEDOUT\nETIMEDOUT\ntrue\nfalse\tcancelled\nETIMEDOUT\n", out)
  end)

  teardown(function() helper.remove_dir(dir) end)
end)
