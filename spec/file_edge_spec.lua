-- Open files at their edges: flushes that wait, failures told late, seeking in between, what is no file, what is closed; weft.poll.

local core = require "weft.core"
local helper = require "spec.helper"
local lfs = require "lfs"
local net = require "spec.net"
local weft = require "weft"

weft.fs.read "/dev/null" -- its threads stay
weft.exec({ "true" }):wait()

local _, steps = core.file_methods()

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function()
  for _, kind in ipairs { "write", "read", "open", "close", "recv", "send" } do core.inject(kind) end
  helper.end_folder(dir)
end)

local big = ("x"):rep(8 * 1024 * 1024)

-- A file that a task is writing to, and waits.
local function written()
  local f = assert(weft.fs.open(dir .. "/f", "w+"))
  local job = weft.go(function() return f:write(big) end)
  weft.yield()
  return f, job
end

local function is_open(path)
  for fd in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
    if target and target:find(path, 1, true) then return true end
  end
  return false
end

describe("a flush", function()
  it("waits for the writes before it, and others for it", function()
    local f, job = written()
    local flushes = {}
    for i = 1, 3 do flushes[i] = weft.go(function() return f:flush() end) end
    local after = weft.go(function() return f:write "after" end)
    for i = 1, 3 do assert.is_true(flushes[i]:join()) end
    assert.is_true(job:join())
    assert.is_true(after:join())
    assert.is_true(f:close())
    assert.equal(#big + 5, weft.fs.stat(dir .. "/f").size)
  end)

  it("of an other's write ends when it is cancelled, or closed, or its time is over", function()
    local f, job = written()
    local cancelled = weft.go(function() return f:flush() end)
    f:timeout(0)
    local late = weft.go(function() return f:flush() end)
    f:timeout()
    weft.yield()
    cancelled:cancel()
    assert.is_true(weft.is(select(2, cancelled:result()), "cancelled"))
    local ok, _, code = late:join()
    assert.truthy(ok or code == "ETIMEDOUT")
    assert.is_true(job:join())
    f:write(big)
    f:timeout(0)
    ok, _, code = f:flush()
    assert.truthy(ok or code == "ETIMEDOUT")
    f:timeout()
    assert.is_true(f:flush())
    local waits = weft.go(function()
      f:write "more"
      return f:flush()
    end)
    weft.yield()
    f:close()
    ok, _, code = waits:join()
    assert.truthy(ok or code == "ECANCELED" or code == "EBADF", code)
    helper.fails("EBADF", f.flush, f)
    helper.eventually(function() -- what was being written goes out first, and the loop must run for that
      weft.sleep(1e-3)
      return not is_open(dir .. "/f")
    end, "the file closed")
  end)

  it("tells what has failed before, once, the first of it", function()
    local f <close> = weft.fs.open(dir .. "/f", "w")
    core.inject("write", { code = "ENOSPC", times = 1 })
    f:write "lost"
    helper.fails("ENOSPC", f.flush, f)
    assert.is_true(f:flush())
    core.inject("write", { code = "EIO", times = 100 })
    local told = {}
    for _ = 1, 20 do
      local ok, _, code = f:write(("y"):rep(200000))
      if not ok then told[code] = true end
      weft.yield()
    end
    told[select(3, f:flush()) or "none"] = true
    assert.is_true(told.EIO)
    core.inject "write"
    f:flush()
    assert.is_true(f:flush())
  end)
end)

describe("a file that is closed while it is written", function()
  it("has what was written", function()
    local f, job = written()
    local fd = f:fileno()
    local ok, _, code = f:close()
    assert.truthy(ok or code)
    local done, _, how = job:join()
    assert.truthy(done or how == "ECANCELED" or how == "EBADF", how)
    helper.eventually(function() -- jobs that are on their way come back, and then it is closed
      weft.sleep(0.001)
      return not (weft.fs.readlink("/proc/self/fd/" .. fd) or ""):find(dir, 1, true)
    end)
  end)

  it("and fails, tells it", function()
    local f = weft.fs.open(dir .. "/f", "w")
    core.inject("write", { code = "EIO", times = 100 })
    f:write(("z"):rep(100000))
    helper.fails("EIO", f.close, f)
    assert.is_true(f:close())
    core.inject "write"
    f = weft.fs.open(dir .. "/f", "w")
    core.inject("write", { code = "EIO", times = 100 })
    f:write(("z"):rep(100000))
    f = nil -- luacheck: ignore 311
    helper.collect()
  end)
end)

describe("seeking", function()
  it("between reads and writes never mixes places", function()
    local f <close> = weft.fs.open(dir .. "/f", "w+")
    local text = {}
    for i = 1, 300000 do text[i] = ("%d"):format(i % 10) end
    text = table.concat(text)
    f:write(text)
    for _, at in ipairs { 0, 299999, 5, 100000, 64 * 1024, 1 } do
      assert.equal(at, f:seek("set", at))
      assert.equal(text:sub(at + 1, at + 10), f:read(10) or "")
      f:seek("set", at)
      f:write "X"
      f:seek("set", 200000)
      f:write "Y"
      text = text:sub(1, at) .. "X" .. text:sub(at + 2)
      text = text:sub(1, 200000) .. "Y" .. text:sub(200002)
      f:seek("set", at)
      assert.equal(text:sub(at + 1, at + 3), f:read(3) or "")
    end
    f:seek("set", 0)
    assert.equal(text, f:read "a")
    assert.is_nil((f:read()))
    f:seek("cur", -3)
    assert.equal(text:sub(-3), f:read "a")
  end)

  it("while a block is fetched reads from the new place", function()
    helper.write_file(dir .. "/f", ("a"):rep(1 << 20) .. ("b"):rep(1 << 20) .. ("c"):rep(1 << 20))
    local f <close> = weft.fs.open(dir .. "/f")
    local reader = weft.go(function() return f:read(1 << 20) end)
    weft.yield()
    f:seek("set", 2 << 20)
    local got = reader:join()
    assert.equal(1 << 20, #got)
    f:seek("set", 1 << 20)
    assert.equal("b", f:read(1))
  end)

  it("does not move where an appending file writes", function()
    local f <close> = weft.fs.open(dir .. "/f", "a+")
    f:write "one"
    f:seek("set", 0)
    f:write "two"
    f:flush()
    f:seek("set", 1)
    assert.equal("netwo", f:read "a")
    f:write "three"
    f:flush()
    assert.equal("onetwothree", helper.read_file(dir .. "/f"))
  end)
end)

describe("what is opened and is no file", function()
  it("is a stream as it is", function()
    local null <close> = weft.fs.open("/dev/null", "r+")
    assert.is_true(null:write "gone")
    assert.is_nil((null:read()))
    os.execute("mkfifo " .. dir .. "/fifo")
    local fifo <close> = weft.fs.open(dir .. "/fifo", "r+")
    fifo:write "through"
    assert.equal("through", fifo:read(7))
    helper.fails("EISDIR", weft.fs.open, dir, "w")
    helper.fails("ENOENT", weft.fs.open, dir .. "/none")
  end)
end)

describe("the steps of files", function()
  it("refuse what is no file", function()
    local f = weft.fs.open(dir .. "/f", "w+")
    local a, b = net.pair()
    for name, args in pairs {
      pread = { 1, 0 }, pwrite = { "x", 0 }, sync = {}, stat = {}, tell = {}, truncate = { 0 }, move = { 0 },
    } do
      helper.raises("weft.file expected", steps[name], {}, table.unpack(args))
      helper.raises("weft.file expected", steps[name], a, table.unpack(args))
      if name ~= "truncate" and name ~= "move" then assert(steps[name](f, table.unpack(args)) ~= false) end
    end
    assert.is_nil(f[1])
    assert.is_nil(f.nothing)
    assert.is_nil(f[true])
    assert.equal(dir .. "/f", f.path)
    local index = getmetatable(f).__index
    assert.is_nil(index(a, "path"))
    assert.is_nil(index({}, "path"))
    helper.raises(">= 0", steps.pread, f, -1, 0)
    helper.raises(">= 0", steps.pread, f, 1, -1)
    helper.raises(">= 0", steps.truncate, f, -1)
    helper.fails("EINVAL", steps.move, f, -1)
    assert.equal("", steps.pread(f, 0, 0))
    assert.is_nil((steps.pread(f, 10, 1000)))
    assert.is_nil((steps.pread(f, 10000, 1000)))
    assert.is_true(steps.pwrite(f, "", 0))
    f:close()
    for name, args in pairs {
      pread = { 1, 0 }, pwrite = { "x", 0 }, sync = {}, stat = {}, tell = {}, truncate = { 0 }, move = { 0 },
    } do
      assert.truthy(helper.fails("EBADF", steps[name], f, table.unpack(args)):find("closed", 1, true), name)
    end
    a:close()
    b:close()
  end)

  it("say what the system says when the descriptor is closed elsewhere", function()
    local f = weft.fs.open(dir .. "/f", "w+")
    f:write "collected"
    os.execute("mkfifo " .. dir .. "/fifo")
    local fifo = weft.fs.open(dir .. "/fifo", "r+")
    weft.net.attach(fifo:fileno()):close()
    helper.fails("EBADF", fifo.read, fifo)
    helper.fails("EBADF", fifo.write, fifo, "x")
    fifo:close()
    assert.is_true(f:close())
  end)

  it("fail as the system fails", function()
    local f <close> = weft.fs.open(dir .. "/f", "w+")
    core.inject("write", { code = "EIO" })
    local ok, _, code, n = f:pwrite("x", 0)
    assert.same({ nil, "EIO", 0 }, { ok, code, n })
    core.inject("read", { code = "EIO", times = 2 })
    helper.fails("EIO", f.pread, f, 10000, 0)
    core.inject "read"
    assert.is_nil((f:truncate(math.maxinteger)))
    local r <close> = weft.fs.open(dir .. "/f", "r")
    helper.fails("EBADF", r.pwrite, r, "x", 0)
  end)
end)

describe("weft.poll", function()
  it("goes on waiting when another has taken what came", function()
    local a, b = net.pair()
    local polls, got = {}, {}
    for i = 1, 2 do
      polls[i] = weft.go(function()
        assert(weft.poll(a:fileno(), "r", 20) == "r")
        got[#got + 1] = a:read(1)
      end)
    end
    weft.yield()
    b:write "x"
    while #got == 0 do weft.yield() end
    for _ = 1, 20 do weft.yield() end
    b:write "y"
    for i = 1, 2 do polls[i]:join() end
    table.sort(got)
    assert.same({ "x", "y" }, got)
    a:close()
    b:close()
  end)

  it("waits for room", function()
    os.execute("mkfifo " .. dir .. "/fifo")
    local fifo <close> = weft.fs.open(dir .. "/fifo", "r+")
    local filler = weft.go(function() fifo:write(("x"):rep(1 << 20)) end)
    weft.yield()
    helper.fails("ETIMEDOUT", weft.poll, fifo:fileno(), "w", 0)
    local job = weft.go(function() return weft.poll(fifo:fileno(), "w", 20) end)
    weft.yield()
    filler:cancel()
    filler:wait()
    fifo:read(60000)
    assert.equal("w", job:join())
  end)

  it("takes what is a descriptor alone", function()
    helper.raises("descriptor expected", weft.poll, 2 ^ 31, "r")
    local file <close> = weft.fs.open(dir .. "/f", "w+")
    assert.equal("r", weft.poll(file:fileno(), "r"))
    assert.equal("w", weft.poll(file:fileno(), "w"))
  end)
end)

describe("reading", function()
  it("of a file that is closed meanwhile is told so", function()
    local f = assert(weft.fs.open("/dev/zero"))
    local job = weft.go(f.read, f, "a")
    weft.yield()
    f:close()
    assert.equal("ECANCELED", select(3, job:join()))
    assert.equal("EBADF", select(3, f:read "a"))
  end)

  it("nothing tells the end of a file, and does not wait", function()
    weft.fs.write(dir .. "/two", "ab")
    local f <close> = weft.fs.open(dir .. "/two")
    assert.same({ "", "ab" }, { f:read(0), f:read(2) })
    assert.is_nil(f:read(0))
    local n = 0
    for _ in weft.fs.open(dir .. "/two"):lines(0) do
      n = n + 1
      if n == 3 then break end -- nothing was taken: it would go on
    end
    assert.equal(3, n)
    local server <close> = weft.net.listen("127.0.0.1", 0)
    local a <close> = weft.net.connect(server:sockname())
    local b = server:accept(20)
    assert.equal("", b:read(0)) -- nothing has come
    a:write "x"
    assert.same({ "x", "" }, { b:read(1), b:read(0) })
    a:close()
    assert.is_nil(b:read(1))
    assert.is_nil(b:read(0))
    b:close()
  end)
end)
