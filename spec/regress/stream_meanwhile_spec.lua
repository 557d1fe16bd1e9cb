-- Things that happen to a stream in the middle of something else: a finaliser that reads or closes while a read makes its string, a
-- writer that gives up as the other side makes room, a cancellation between two waits of weft.poll; and reads that give less than
-- there is, as terminals do.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop stays, and the pool
weft.fs.access "/"
weft.net.listen("127.0.0.1", 0):close()
weft.dns.resolve "127.0.0.1"

-- A connection whose end `server` has read ahead `lines` lines of nine digits each.
local READ_AHEAD = [[
  local weft = require "weft"
  local listener <close> = weft.net.listen("127.0.0.1", 0)
  local function read_ahead()
    local client = assert(weft.net.connect(listener:sockname()))
    local server = assert(listener:accept(20))
    local list = {}
    for i = 1, 1000 do list[i] = ("%09d\n"):format(i) end
    client:write(table.concat(list))
    client:close()
    return server
  end
  -- Finalisers that do it once, while `inside`.
  local inside, done = false, false
  local function arm(act)
    collectgarbage "stop"
    local function one()
      setmetatable({}, { __gc = function()
        if done then return end
        if not inside then return one() end
        done = true
        act()
      end })
    end
    for _ = 1, 50 do one() end
    collectgarbage "restart"
    collectgarbage("incremental", 10, 1000, 8)
  end
]]

describe("a finaliser that runs while a read makes its string", function()
  it("may close the stream", function()
    assert.equal("nil\tEBADF\t0\nnil\tEBADF\n", (helper.run_ok(READ_AHEAD .. [[
      local s = read_ahead()
      assert(s:read "l")
      arm(function() s:close() end)
      for _ = 1, 900 do
        inside = true
        local line, _, code = s:read(10)
        inside = false
        if done then
          if line then line, _, code = s:read(10) end -- it was just before the string
          print(line, code, s:buffered())
          break
        end
      end
      assert(done, "no finaliser has run")
      local more, _, code = s:read(100000)
      print(more, code)
    ]])))
  end)

  it("may read from it: each byte is given once", function()
    assert.equal("true\ttrue\n", (helper.run_ok(READ_AHEAD .. [[
      local s, seen, n = read_ahead(), {}, 0
      local function take(line)
        if line then
          n = n + 1
          seen[line] = (seen[line] or 0) + 1
        end
        return line
      end
      take(s:read "l")
      arm(function() take(s:read "l") end)
      repeat
        inside = true
        local line = s:read "l"
        inside = false
      until not take(line)
      local once = true
      for i = 1, 1000 do once = once and seen[("%09d"):format(i)] == 1 end
      print(done, once and n == 1000)
    ]])))
  end)

  it("may read from it while it is detached", function()
    assert.equal("true\ttrue\n", (helper.run_ok(READ_AHEAD .. [[
      local sound = true
      for round = 1, 200 do
        local s = read_ahead()
        local taken = #s:read "l" + 1
        local took = 0
        arm(function() took = #s:read(100) end)
        for k = 1, round do local _ = { k } end
        inside = true
        local fd, rest = s:detach()
        inside = false
        local other = assert(weft.net.attach(fd))
        sound = sound and taken + took + #(rest or "") + #other:read "a" == 10000
        other:close()
        if done then break end
      end
      print(done, sound)
    ]])))
  end)
end)

describe("a terminal to which several lines have come at once", function()
  it("gives all of them", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/reader.lua", [[
      local weft = require "weft"
      print "ready"
      io.stdout:flush()
      weft.stdin:timeout(20)
      for _ = 1, 3 do print((weft.stdin:read "l"):upper()) end
    ]])
    local c = weft.exec { helper.lua, dir .. "/reader.lua", pty = true }
    local said = ""
    local function expect(text)
      weft.timeout(30, function()
        while not said:find(text, 1, true) do said = said .. assert(c.pty:read()) end
      end)
    end
    expect "ready"
    c.pty:write "one\ntwo\nthree\n"
    for _, word in ipairs { "ONE", "TWO", "THREE" } do expect(word) end
    assert.equal(0, c:wait(20).code)
    helper.end_folder(dir)
  end)
end)

describe("what was collected to be written", function()
  it("goes out though the writer behind it gave up as room came", function()
    local dir = helper.tmpdir()
    local listener <close> = assert(weft.net.unix.listen(dir .. "/socket"))
    local client <close> = assert(weft.net.unix.connect(dir .. "/socket"))
    local server <close> = assert(listener:accept(20))
    server:timeout(0.02)
    local block = ("b"):rep(4096)
    while server:write(block) do end -- until the system takes no more
    server:timeout()
    client:write "q1\nq2\nq3\n"
    assert.equal("q1", server:read "l")
    assert.is_true(server:write "ANSWER\n") -- collected, as there is more input
    weft.sleep(0.02)
    local writer = weft.go(function() server:write(("w"):rep(400000)) end)
    weft.sleep(0.02)
    local seen, from = "", nil
    local function take(piece)
      if piece then seen = (seen .. piece):sub(-10000) end
      from = from or seen:find("ANSWER", 1, true)
      return piece
    end
    -- Before the writer has its turn, the loop is looked at.
    local busy = {}
    for i = 1, 200 do
      busy[i] = weft.go(function()
        for _ = 1, 3 do
          local from_here = os.clock()
          repeat until os.clock() - from_here > 0.0001
          weft.yield()
        end
      end)
    end
    local drainer = weft.go(function()
      writer:cancel()
      client:timeout(0)
      while take(client:read()) do end
    end)
    writer:wait()
    drainer:join()
    weft.all(busy)
    client:timeout(20)
    weft.timeout(10, function() while not from and take(client:read()) do end end)
    assert.truthy(from)
    helper.end_folder(dir)
  end)
end)

describe("weft.poll that is cancelled after it was woken in vain", function()
  it("leaves nothing behind", function()
    assert.equal("true\n", (helper.run_ok [[
      local weft = require "weft"
      local listener <close> = weft.net.listen("127.0.0.1", 0)
      local client = assert(weft.net.connect(listener:sockname()))
      local server = assert(listener:accept(20))
      local function round()
        local jobs, first = {}, nil
        for i = 1, 2 do
          jobs[i] = weft.go(function()
            weft.poll(server:fileno(), "r")
            if first then return end
            first = i
            server:read(1)
            jobs[3 - i]:cancel()
          end)
        end
        weft.sleep(0.01)
        client:write "x"
        for i = 1, 2 do jobs[i]:wait() end
      end
      collectgarbage "stop"
      round()
      client:write "y" -- which nobody reads, nor waits for
      local busy = os.clock()
      weft.sleep(0.4)
      print(os.clock() - busy < 0.2) -- it has slept
    ]]))
  end)
end)
