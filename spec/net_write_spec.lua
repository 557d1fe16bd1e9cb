-- weft.stream's output: what is collected while there is input to read, what waits while the system takes no more, and how
-- such waits end.

local core = require "weft.core"
local helper = require "spec.helper"
local net = require "spec.net"
local weft = require "weft"

local a, b
before_each(function() a, b = net.pair() end)
after_each(function()
  core.inject "send"
  core.inject "recv"
  a:close()
  b:close()
  weft.wait()
end)

-- The system takes nothing from now on, n times.
local function full(n) core.inject("send", { code = "EAGAIN", times = n or 1000000 }) end

-- a has read one of two lines, so that it collects what is written.
local function collect_from_now_on()
  b:write "one\ntwo\n"
  assert.equal("one", a:read "l")
end

-- How a job ended that has called something of a stream: its code, or the kind of the error that it raised.
local function ending(job)
  local ok, value, _, code = job:result()
  if not ok then return value.kind end
  return value and "done" or code
end

local BYTES = weft.buffer("u8", 3)
BYTES:fill(65)

local big = ("x"):rep(8 * 1024 * 1024)

-- Fills the connection: a task that writes, and waits. Who reads from b lets it go on.
local function writer()
  local job = weft.go(function() return a:write(big) end)
  weft.yield()
  return job
end

describe("what is collected", function()
  before_each(collect_from_now_on)

  it("goes out when the system takes something again", function()
    full(1)
    a:write "later"
    assert.equal("later", b:read(5))
  end)

  it("goes out in front of what is not collected", function()
    a:write "first "
    a:write(("y"):rep(20000))
    a:write "last"
    assert.equal("first " .. ("y"):rep(20000) .. "last", b:read(20010))
  end)

  it("goes out in pieces, in their order", function()
    a:write("one ", BYTES, " two ")
    a:write(("z"):rep(10000), "three ")
    a:write(("z"):rep(10000), "four")
    core.inject("send", { most = 3, times = 3 })
    assert.equal("one AAA two " .. ("z"):rep(10000) .. "three " .. ("z"):rep(10000) .. "four", b:read(20022))
  end)

  it("is not added to while it is being sent", function()
    a:write "begun, "
    core.inject("send", { most = 2, times = 1000000 })
    full(1)
    weft.yield() -- it is tried, and waits
    a:write "then one"
    a:write(", then ", "two")
    core.inject "send"
    assert.equal("begun, then one, then two", b:read(25))
  end)

  it("tells its failure to the next write, once", function()
    core.inject("send", { code = "EIO" })
    a:write "lost"
    weft.yield()
    helper.fails("EIO", a.write, a, "next")
    assert.is_true(a:write "after")
    assert.is_true(a:write("and ", "more"))
    assert.equal("afterand more", b:read(13))
  end)

  it("tells its failure to a write of several pieces, to shutdown, to close", function()
    for _, name in ipairs { "write", "shutdown", "close" } do
      core.inject("send", { code = "EIO" })
      a:write "lost"
      weft.yield()
      helper.fails("EIO", a[name], a, table.unpack(name == "write" and { "x", "y" } or {}))
    end
    assert.is_true(a:close())
  end)

  for _, name in ipairs { "close", "shutdown" } do
    it(("is waited for by %s, as often as it takes"):format(name), function()
      full(2)
      a:write "the end"
      local job = weft.go(function() return a[name](a) end)
      for _ = 1, 100 do weft.yield() end -- both attempts are over
      b:write "poke" -- so that the poller tells once more
      assert.is_true(job:join())
      assert.equal("the end", b:read(7))
    end)
  end

  it("is waited for by close within the time that the stream has, which tells what is lost", function()
    a:timeout(0.01)
    full()
    a:write "lost"
    helper.fails("ETIMEDOUT", a.close, a)
    assert.is_true(a:is_closed())
    core.inject "send"
    assert.equal("", b:read "a")
  end)

  it("is not waited for by a task that is cancelled", function()
    full()
    a:write "lost"
    local job = weft.go(function() a:close() end)
    weft.yield()
    job:cancel()
    assert.equal("cancelled", ending(job))
    assert.is_true(a:is_closed())
    core.inject "send"
    local c, d = net.pair()
    d:write "one\ntwo\n"
    c:read "l"
    full()
    c:timeout(0.01) -- of the close, too, which a cancelled task's block does in peace
    job = weft.go(function()
      local _ <close> = c
      c:write "lost"
      weft.sleep(100)
    end)
    weft.yield()
    job:cancel()
    assert.equal("cancelled", ending(job))
    assert.is_true(c:is_closed())
    d:close()
  end)

  it("is the last thing before a half-close", function()
    full(1)
    a:write "the end"
    assert.is_true(a:shutdown())
    assert.equal("the end", b:read "a")
    helper.fails("ENOTCONN", a.shutdown, a)
    helper.fails("EPIPE", a.write, a, "x")
    helper.fails("EPIPE", a.write, a, "x", "y")
  end)

  for how, expected in pairs { timeout = "ETIMEDOUT", close = "ECANCELED", cancel = "cancelled" } do
    it(("and a shutdown that waits for it: %s"):format(how), function()
      full()
      a:write "lost"
      if how == "timeout" then a:timeout(0.01) end
      local job = weft.go(function() return a:shutdown() end)
      weft.yield()
      if how == "close" then weft.go(function() a:timeout(0):close() end):wait() end
      if how == "cancel" then job:cancel() end
      assert.equal(expected, ending(job))
    end)
  end

  it("does not go with a descriptor that is given away", function()
    full()
    a:write "kept"
    helper.fails("EAGAIN", a.detach, a)
    core.inject "send"
    local fd, rest = a:detach()
    assert.equal("two\n", rest)
    local again <close> = weft.net.attach(fd, rest)
    assert.equal("two", again:read "l")
    assert.equal("kept", b:read(4))
  end)

  it("is sent before a task waits for input, but not in the middle of another's write", function()
    a:write "question"
    local job = writer()
    local reader = weft.go(function() return a:read "a" end)
    weft.yield()
    assert.equal("question", b:read(8))
    assert.equal(#big, #b:read(#big))
    assert.is_true(job:join())
    b:close()
    assert.equal("two\n", reader:join())
  end)
end)

describe("a write that waits for a shutdown", function()
  before_each(collect_from_now_on)

  -- A shutdown that waits for what is collected, and a write that waits for it.
  local function start()
    full(2)
    a:write "collected"
    local ends = weft.go(function() return a:shutdown() end)
    for _ = 1, 100 do weft.yield() end
    local late = weft.go(function() return a:write "too late" end)
    weft.yield()
    return ends, late
  end

  it("is told that the stream has ended", function()
    local ends, late = start()
    b:write "poke"
    assert.is_true(ends:join())
    assert.equal("EPIPE", ending(late))
    assert.equal("collected", b:read "a")
  end)

  for how, expected in pairs { timeout = "ETIMEDOUT", cancel = "cancelled" } do
    it(("goes on when that ends otherwise: %s"):format(how), function()
      if how == "timeout" then a:timeout(0.05) end
      local ends, late = start()
      a:timeout()
      if how == "cancel" then ends:cancel() end
      assert.equal(expected, ending(ends))
      late = ending(late)
      assert.truthy(late == "done" or how == "timeout" and late == "ETIMEDOUT", late)
      if late == "done" then assert.equal("collectedtoo late", b:read(17)) end
    end)
  end
end)

describe("a write that waits for another one", function()
  it("has its turn", function()
    local first = weft.go(function()
      a:write(big)
      return a:write(big) -- begins before those who wait have run
    end)
    local others = {}
    weft.yield()
    for i = 1, 3 do others[i] = weft.go(function() return a:write("<", i, ">") end) end
    weft.yield()
    local got = b:read(2 * #big + 9)
    assert.is_true(first:join())
    for i = 1, 3 do assert.is_true(others[i]:join()) end
    assert.equal("<1><2><3>", (got:gsub("x", "")))
  end)

  for how, expected in pairs { timeout = "ETIMEDOUT", close = "ECANCELED", cancel = "cancelled" } do
    it(("or not: %s"):format(how), function()
      writer():detach()
      for _, name in ipairs { "write", "shutdown" } do
        if a:is_closed() then break end
        a:timeout(how == "timeout" and 0.01 or nil)
        local job = weft.go(function() return a[name](a, name == "write" and "never" or nil) end)
        weft.yield()
        if how == "close" then a:close() end
        if how == "cancel" then job:cancel() end
        assert.equal(expected, ending(job))
      end
    end)
  end

  it("and a shutdown that does", function()
    local job = writer()
    local ends = weft.go(function() return a:shutdown() end)
    weft.yield()
    assert.equal(#big, #b:read "a")
    assert.is_true(job:join())
    assert.is_true(ends:join())
  end)

  it("and a shutdown whose stream is closed meanwhile", function()
    writer():detach()
    local ends = weft.go(function() return a:shutdown() end)
    weft.yield()
    a:close()
    assert.equal("ECANCELED", ending(ends))
  end)

  it("is left alone by who gives the descriptor away", function()
    local job = writer()
    helper.raises("tasks wait for", a.detach, a)
    b:read(#big)
    assert.is_true(job:join())
  end)
end)

describe("a write of many pieces", function()
  it("keeps their order, however few the system takes", function()
    local pieces, bytes = {}, weft.buffer("u8", 10)
    bytes:fill(66)
    for i = 1, 40 do pieces[i] = i % 10 == 0 and bytes or i % 7 == 0 and "" or ("piece %d;"):format(i) end
    local expected = {}
    for i, piece in ipairs(pieces) do expected[i] = piece == bytes and ("B"):rep(10) or piece end
    expected = table.concat(expected)
    for _, most in ipairs { 1, 5, 1000000 } do
      core.inject("send", { most = most, times = 1000000 })
      assert.is_true(a:write(table.unpack(pieces)))
      assert.equal(expected, b:read(#expected))
    end
  end)

  it("takes no buffer with gaps, and nothing else", function()
    local gaps = weft.buffer("u8", 10, { stride = 2 })
    helper.raises("without gaps", a.write, a, gaps)
    helper.raises("without gaps", a.write, a, "x", a)
    helper.raises("string or buffer expected, got boolean", a.write, a, true)
  end)

  it("of nothing is done at once", function()
    assert.is_true(a:write())
    assert.is_true(a:write "")
    assert.is_true(a:write("", weft.buffer("u8", 0)))
  end)
end)
