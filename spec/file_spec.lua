-- weft.file: open files.

local helper = require "spec.helper"
local weft = require "weft"

local fs = weft.fs
assert(fs.exists "/")

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.end_folder(dir) end)

local function at(name) return dir .. "/" .. name end

describe("an open file", function()
  it("reads as a stream does", function()
    helper.write_file(at "f", "one\ntwo\n\nlast")
    local f = fs.open(at "f")
    assert.equal("weft.file", getmetatable(f).__name)
    assert.equal(at "f", f.path)
    assert.truthy(tostring(f):find(at "f", 1, true))
    assert.equal("one", f:read "l")
    assert.equal("two\n", f:read "L")
    assert.equal("", f:read(0))
    assert.equal("", f:read "l")
    assert.equal("la", f:read(2))
    assert.equal("st", f:read "a")
    assert.equal("", f:read "a")
    assert.is_nil(f:read "l")
    assert.is_nil(f:read(1))
    assert.is_nil(f:read())
    assert.is_true(f:close())
    assert.is_true(f:close())
    assert.truthy(helper.fails("EBADF", f.read, f):find "/[^/]+ %(closed%)$")
    assert.truthy(tostring(f):find "closed")
    local n = 0
    for line in fs.open(at "f"):lines() do n = n + #line end
    assert.equal(10, n)
  end)

  it("has all the modes of io.open, and one for new files", function()
    helper.fails("ENOENT", fs.open, at "f")
    helper.fails("ENOENT", fs.open, at "f", "r+")
    local f = fs.open(at "f", "wb")
    f:write("hello", " ", 5, "\n")
    helper.fails("EBADF", f.read, f)
    assert.is_true(f:close())
    assert.equal("hello 5\n", fs.read(at "f"))
    f = fs.open(at "f", "r")
    f:write "x"
    helper.fails("EBADF", f.flush, f)
    f:close()
    f = fs.open(at "f", "a")
    f:write "more"
    f:close()
    assert.equal("hello 5\nmore", fs.read(at "f"))
    f = fs.open(at "f", "r+")
    assert.equal("hell", f:read(4))
    f:write "O"
    assert.equal(" 5", f:read(2))
    f:close()
    assert.equal("hellO 5\nmore", fs.read(at "f"))
    f = fs.open(at "f", "a+")
    assert.equal("hellO", f:read(5))
    f:write "!"
    assert.is_nil(f:read(1))
    f:seek "set"
    assert.equal("hellO 5\nmore!", f:read "a")
    f:close()
    helper.fails("EEXIST", fs.open, at "f", "wx")
    f = fs.open(at "f", "w+")
    assert.equal("", f:read "a")
    f:close()
    f = fs.open(at "new", "w+x", { mode = "600" })
    f:close()
    assert.equal(tonumber("600", 8), fs.stat(at "new").mode)
    for _, mode in ipairs { "", "q", "rw", "r++", "rx", "w\0" } do helper.raises("a mode such as", fs.open, at "f", mode) end
    helper.fails("EISDIR", fs.open, dir)
  end)

  it("collects what is written, and writes it by itself", function()
    local f = fs.open(at "f", "w")
    f:write "line\n"
    assert.equal("", helper.read_file(at "f"))
    helper.eventually(function()
      weft.sleep(0)
      return helper.read_file(at "f") == "line\n"
    end)
    f:write "more\n"
    assert.is_true(f:flush())
    assert.equal("line\nmore\n", helper.read_file(at "f"))
    assert.is_true(f:flush())
    f:close()
  end)

  it("keeps a great deal in order, whatever the pieces", function()
    local f = fs.open(at "f", "w")
    local pieces, size = {}, 0
    for i = 1, 300 do
      local n = (i * 7919) % 30000
      if i % 100 == 0 then n = 2500000 end
      pieces[i] = string.char(32 + i % 90):rep(n)
      size = size + n
      assert.is_true(f:write(pieces[i]))
    end
    assert.is_true(f:close())
    assert.equal(size, fs.stat(at "f").size)
    assert.is_true(helper.read_file(at "f") == table.concat(pieces))
    f = fs.open(at "f")
    for _, piece in ipairs(pieces) do
      if #piece > 0 then assert.is_true(f:read(#piece) == piece) end
    end
    assert.is_nil(f:read(1))
    f:close()
  end)

  it("takes buffers, numbers and many pieces at once", function()
    local b = weft.buffer("u8", 3)
    b:fill(66)
    local pieces = {}
    for i = 1, 100 do pieces[i] = i end
    local f = fs.open(at "f", "w")
    assert.is_true(f:write(b, "-", table.unpack(pieces)))
    f:close()
    assert.equal("BBB-" .. table.concat(pieces), fs.read(at "f"))
    helper.raises("string or buffer expected", f.write, f, {})
  end)

  it("is read and written at any place", function()
    local f = fs.open(at "f", "w+")
    f:write "0123456789"
    assert.same({ 10, 3, 5, 8 }, { f:seek(), f:seek("set", 3), f:seek("cur", 2), f:seek("end", -2) })
    assert.equal("89", f:read "a")
    f:seek("set", 2)
    f:write "AB"
    f:seek("set", 7)
    f:write "C"
    f:seek("set", 0)
    assert.equal("01AB456C89", f:read "a")
    f:seek("set", 1)
    assert.equal("1", f:read(1))
    assert.equal(2, f:seek())
    f:write "xy"
    assert.equal("45", f:read(2))
    assert.equal("1xy", f:pread(3, 1))
    assert.equal(6, f:seek())
    assert.is_true(f:pwrite("PP", 12))
    assert.equal("9\0\0PP", f:pread(100, 9))
    assert.is_nil(f:pread(1, 14))
    assert.equal("", f:pread(0, 0))
    assert.equal(14, f:stat().size)
    assert.is_true(f:truncate(4))
    assert.equal("01xy", f:pread(10, 0))
    assert.is_true(f:sync())
    helper.fails("EINVAL", f.seek, f, "set", -1)
    helper.raises("bad argument #1 to 'seek'", f.seek, f, "middle")
    helper.raises("bad argument #2 to 'seek'", f.seek, f, "set", 1.5)
    helper.raises("place in the file", f.pread, f, 1, -1)
    helper.raises("bytes >= 0", f.pread, f, -1, 0)
    f:close()
    for _, name in ipairs { "seek", "stat", "sync", "flush" } do helper.fails("EBADF", f[name], f) end
    helper.fails("EBADF", f.pread, f, 1, 1)
    helper.fails("EBADF", f.pwrite, f, "x", 1)
    helper.fails("EBADF", f.truncate, f, 1)
    helper.fails("EBADF", f.write, f, "x")
  end)

  it("grows under its readers", function()
    local w, r = fs.open(at "f", "w"), fs.open(at "f")
    assert.is_nil(r:read "l")
    w:write "one\ntw"
    w:flush()
    assert.equal("one", r:read "l")
    assert.equal("tw", r:read "l")
    assert.is_nil(r:read "l")
    w:write "o\n"
    w:flush()
    assert.equal("o", r:read "l")
    w:close()
    r:close()
  end)

  it("serves several tasks, each line to one", function()
    local lines = {}
    for i = 1, 3000 do lines[i] = ("%d %s"):format(i, ("x"):rep(i % 100)) end
    helper.write_file(at "f", table.concat(lines, "\n") .. "\n")
    local f, got, jobs = fs.open(at "f"), {}, {}
    for k = 1, 4 do
      jobs[k] = weft.go(function()
        for line in f:lines() do
          got[#got + 1] = line
          if #got % 7 == 0 then weft.yield() end
        end
      end)
    end
    weft.all(jobs)
    f:close()
    assert.same(lines, got)
    local out = fs.open(at "out", "w")
    for k = 1, 4 do
      jobs[k] = weft.go(function()
        for i = 1, 500 do out:write(("%d-%d\n"):format(k, i):rep(100)) end
      end)
    end
    weft.all(jobs)
    out:close()
    local next_of = { 0, 0, 0, 0 }
    local n = 0
    for k, i in fs.read(at "out"):gmatch "(%d)-(%d+)\n" do
      if n % 100 == 0 then
        assert.equal(next_of[tonumber(k)] + 1, tonumber(i))
        next_of[tonumber(k)] = tonumber(i)
      end
      n = n + 1
    end
    assert.equal(4 * 500 * 100, n)
  end)

  it("lets others run while one reads a great deal", function()
    helper.write_file(at "f", ("x"):rep(8 << 20))
    local turns, over = 0, false
    weft.go(function()
      while not over do
        turns = turns + 1
        weft.yield()
      end
    end)
    local f = fs.open(at "f")
    assert.equal(8 << 20, #f:read "a")
    over = true
    f:close()
    assert.truthy(turns >= 2, turns)
  end)

  it("is closed, and written, when it is forgotten or its block is left", function()
    do
      local f <close> = fs.open(at "a", "w")
      f:write "closed"
    end
    assert.equal("closed", fs.read(at "a"))
    fs.open(at "b", "w"):write "forgotten"
    helper.eventually(function()
      helper.collect()
      weft.sleep(0)
      return fs.read(at "b") == "forgotten"
    end)
    local written = weft.channel()
    local job = weft.go(function()
      local f <close> = fs.open(at "c", "w")
      f:write(("c"):rep(200000))
      written:send(true)
      weft.sleep(100)
    end)
    written:recv()
    job:cancel()
    job:wait()
    assert.equal(200000, #fs.read(at "c"))
  end)

  it("does not cross to another isolate", function()
    local f <close> = fs.open(at "f", "w")
    helper.raises("an open file cannot cross", weft.thread, print, f)
  end)

  it("is a stream when there is no file behind it", function()
    os.execute("mkfifo " .. helper.quote(at "pipe"))
    helper.fails("ENXIO", fs.open, at "pipe", "w")
    local r <close> = fs.open(at "pipe")
    local w <close> = fs.open(at "pipe", "w")
    assert.equal("weft.stream", getmetatable(r).__name)
    w:write "x\n"
    assert.equal("x", r:read "l")
    local null <close> = fs.open("/dev/null", "w")
    assert.is_true(null:write(("x"):rep(100000)))
    local zero <close> = fs.open "/dev/zero"
    assert.equal(("\0"):rep(70000), zero:read(70000))
  end)

  it("has time-outs and limits as a stream", function()
    helper.write_file(at "f", ("x"):rep(1000))
    local f <close> = fs.open(at "f")
    assert.equal(f, f:timeout(5))
    helper.fails("EMSGSIZE", f.read, f, "l", 10)
    assert.equal(1000, f:buffered())
    assert.truthy(f:fileno() > 2)
    assert.is_false(f:is_closed())
    assert.is_nil(f.shutdown)
    assert.is_nil(f.nothing)
  end)
end)
