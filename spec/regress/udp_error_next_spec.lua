-- A receive or send of UDP that failed took the readiness that the socket was told of once, and did not hand it on: the next
-- task waited although there was something for it.

local core = require "weft.core"
local helper = require "spec.helper"
local weft = require "weft"

local HOST = "127.0.0.1"
weft.net.udp(HOST, 0):timeout(0.001):recv() -- the loop stays once it is used

describe("a udp operation that fails", function()
  it("leaves the turn to the next receiver", function()
    local a <close> = weft.net.udp(HOST, 0)
    local b <close> = weft.net.udp(HOST, 0)
    local first = weft.go(function() return a:recv() end)
    local second = weft.go(function() return a:timeout(10):recv() end)
    weft.yield()
    core.inject("recv", { code = "EIO" })
    b:send("for the second", a:sockname())
    helper.fails("EIO", first.join, first)
    assert.equal("for the second", (second:join()))
  end)

  it("leaves the turn to the next sender", function()
    local a <close> = weft.net.udp(HOST, 0)
    local b <close> = weft.net.udp(HOST, 0)
    local host, port = b:sockname()
    core.inject("send", { code = "EAGAIN", times = 2 })
    a:timeout(10)
    local first = weft.go(function()
      local ok, message, code = a:send("x", host, port)
      return ok, message, code
    end)
    local second = weft.go(function() return a:send("from the second", host, port) end)
    weft.yield()
    core.inject("send", { code = "EIO" })
    helper.fails("EIO", first.join, first)
    assert.is_true(second:join())
    assert.equal("from the second", (b:recv()))
  end)
end)
