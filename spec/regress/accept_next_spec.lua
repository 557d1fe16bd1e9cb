-- The poller tells once of several connections that have come: the first task in accept took one, and the next one was left
-- waiting for the second until a third came. And an error of accept that is no shortage, as a network that is down gives,
-- silently ended the task of a server with a handler: nobody was served any more.

local core = require "weft.core"
local helper = require "spec.helper"
local weft = require "weft"

assert(weft.net.connect("127.0.0.1", 1) == nil) -- the loop stays once it is used

local dir, path
before_each(function()
  dir = helper.tmpdir()
  path = dir .. "/socket"
end)
after_each(function()
  core.inject "accept"
  weft.wait()
  helper.remove_dir(dir)
end)

describe("connections that come at once", function()
  it("are each given to a task that accepts", function()
    local server <close> = weft.net.unix.listen(path)
    local jobs, clients = {}, {}
    for i = 1, 3 do jobs[i] = weft.go(function() return server:accept(20) end) end
    weft.yield()
    for i = 1, 3 do clients[i] = assert(weft.net.unix.connect(path)) end -- which waits for nothing
    for i = 1, 3 do assert(jobs[i]:join()):close() end
    for i = 1, 3 do clients[i]:close() end
  end)

  it("are, when accept fails for the first of them", function()
    local server <close> = weft.net.unix.listen(path)
    local first = weft.go(function() return server:accept(20) end)
    local second = weft.go(function() return server:accept(20) end)
    weft.yield()
    core.inject("accept", { code = "EIO" })
    local client <close> = assert(weft.net.unix.connect(path))
    helper.fails("EIO", first.join, first)
    assert(second:join()):write "accepted"
    assert.equal("accepted", client:read(8))
  end)
end)

describe("a server with a handler", function()
  it("goes on after an error of accept", function()
    local server <close> = weft.net.unix.listen(path, function(conn) conn:write "served" end)
    weft.yield()
    core.inject("accept", { code = "EIO", times = 2 })
    local client <close> = assert(weft.net.unix.connect(path))
    client:timeout(20)
    assert.equal("served", client:read "a")
    assert.same({ 0, 1 }, { server:connections() })
  end)
end)
