-- weft.fs: whole files, names, attributes. Open files are in file_spec, folders in fs_dir_spec.

local helper = require "spec.helper"
local weft = require "weft"

local fs = weft.fs
assert(fs.exists "/") -- the loop and the pool stay once they are used

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.end_folder(dir) end)

local function at(name) return dir .. "/" .. name end

describe("weft.fs.read", function()
  it("gives all of a file, of any size", function()
    for _, n in ipairs { 0, 1, 4095, 16383, 16384, 16385, 262143, 262144, 262145, 3000000 } do
      local text = ("0123456789\0\n"):rep(n // 12 + 1):sub(1, n)
      helper.write_file(at "f", text)
      assert.is_true(fs.read(at "f") == text, n)
      assert.is_true(fs.read(at "f") == text, n)
    end
  end)

  it("reads what says that it is empty, and what has no size", function()
    assert.truthy(fs.read("/proc/self/status"):find "Threads:")
    assert.equal("", fs.read "/dev/null")
  end)

  it("fails as the system says", function()
    assert.equal("ENOENT: no such file or directory: " .. at "none", helper.fails("ENOENT", fs.read, at "none"))
    helper.fails("ENOENT", fs.read, at "none") -- the kernel remembers it now
    helper.fails("EISDIR", fs.read, dir)
    helper.write_file(at "f", "x")
    helper.fails("ENOTDIR", fs.read, at "f/below")
    helper.fails("ENAMETOOLONG", fs.read, at(("n"):rep(300)))
    helper.fails("ENOENT", fs.read, "")
  end)

  it("reads no more than is allowed", function()
    helper.write_file(at "f", ("x"):rep(100000))
    assert.equal(100000, #fs.read(at "f", { max = 100000 }))
    helper.fails("EFBIG", fs.read, at "f", { max = 99999 })
    helper.fails("EFBIG", fs.read, "/dev/zero", { max = 100000 })
  end)

  it("waits for a pipe as for a stream", function()
    os.execute("mkfifo " .. helper.quote(at "pipe"))
    local job = weft.go(fs.read, at "pipe")
    local out = helper.eventually(function() -- ENXIO as long as nobody reads
      weft.yield()
      return (fs.open(at "pipe", "w"))
    end, "a reader of the pipe")
    assert.not_equal("done", job:status())
    out:write "through "
    weft.yield()
    out:write "a pipe"
    out:close()
    assert.equal("through a pipe", job:join())
  end)

  it("refuses names that no file can have", function()
    helper.raises("without zero bytes", fs.read, "a\0b")
    helper.raises("string expected, got no value", fs.read)
    helper.raises("string expected, got number", fs.read, 5)
    helper.raises("unknown option 'size'", fs.read, "x", { size = 1 })
    helper.raises("option 'max'", fs.read, "x", { max = -1 })
  end)

  it("lets others run in between", function()
    helper.write_file(at "f", "x")
    fs.read(at "f")
    local turns, over = 0, false
    weft.go(function()
      while not over do
        turns = turns + 1
        weft.yield()
      end
    end)
    for _ = 1, 1000 do fs.read(at "f") end
    over = true
    assert.truthy(turns >= 50, turns)
  end)
end)

describe("weft.fs.write", function()
  it("makes a file, or replaces it as a whole", function()
    assert.is_true(fs.write(at "f", "one"))
    assert.equal("one", helper.read_file(at "f"))
    local before = assert(io.open(at "f"))
    assert.is_true(fs.write(at "f", "two, longer"))
    assert.equal("one", before:read "a") -- who has it open keeps the old one
    before:close()
    assert.equal("two, longer", helper.read_file(at "f"))
    assert.is_true(fs.write(at "f", ""))
    assert.equal("", helper.read_file(at "f"))
    assert.equal(1, #fs.scandir(dir)) -- and nothing beside it
  end)

  it("takes strings, numbers and buffers, of any size", function()
    fs.write(at "f", 42)
    assert.equal("42", helper.read_file(at "f"))
    local text = ("0123456789abcdef"):rep(200000)
    fs.write(at "f", text)
    assert.is_true(helper.read_file(at "f") == text)
    local b = weft.buffer("u8", 5)
    b:fill(65)
    fs.write(at "f", b)
    assert.equal("AAAAA", helper.read_file(at "f"))
  end)

  it("keeps the permissions of what was there, and those of new files within the mask", function()
    fs.write(at "f", "x", { mode = "0751" })
    local mask = tonumber(helper.read_file("/proc/self/status"):match "Umask:%s+(%d+)", 8)
    assert.equal(tonumber("751", 8) & ~mask, fs.stat(at "f").mode)
    fs.chmod(at "f", "0604")
    fs.write(at "f", "y", { mode = 511 })
    assert.equal(tonumber("604", 8), fs.stat(at "f").mode)
  end)

  it("writes through links, and leaves the link", function()
    fs.write(at "real", "x")
    fs.symlink("real", at "link")
    fs.write(at "link", "through")
    assert.equal("link", fs.lstat(at "link").type)
    assert.equal("through", fs.read(at "real"))
    fs.symlink("nowhere", at "loose")
    helper.fails("ENOENT", fs.write, at "loose", "x")
  end)

  it("can insist that it is new", function()
    assert.is_true(fs.write(at "f", "x", { exclusive = true }))
    helper.fails("EEXIST", fs.write, at "f", "y", { exclusive = true })
    assert.equal("x", fs.read(at "f"))
    assert.equal(1, #fs.scandir(dir))
  end)

  it("goes to the disk when asked to", function()
    assert.is_true(fs.write(at "f", "x", { sync = true }))
    assert.is_true(fs.append(at "f", "y", { sync = true }))
    assert.equal("xy", fs.read(at "f"))
  end)

  it("writes to devices themselves", function()
    assert.is_true(fs.write("/dev/null", "x"))
    helper.fails("ENOSPC", fs.write, "/dev/full", "x")
    helper.fails("EISDIR", fs.write, dir, "x")
  end)

  it("names what is wrong with the arguments", function()
    helper.raises("string or buffer expected, got no value", fs.write, at "f")
    helper.raises("string or buffer expected, got table", fs.write, at "f", {})
    helper.raises("without gaps", fs.write, at "f", weft.buffer("f64", 2, { stride = 64 }))
    helper.raises("unknown option 'fsync'", fs.write, at "f", "x", { fsync = true })
    helper.raises("octal digits", fs.write, at "f", "x", { mode = "9" })
    helper.raises("octal digits", fs.write, at "f", "x", { mode = 4096 })
    helper.raises("unknown option 'exclusive'", fs.append, at "f", "x", { exclusive = true })
    helper.raises("without zero bytes", fs.write, "a\0", "x")
    assert.is_false(fs.exists(at "f"))
  end)

  it("is whole for whoever reads meanwhile", function()
    local a, b = ("a"):rep(100000), ("b"):rep(150000)
    fs.write(at "f", a)
    local writer = weft.go(function()
      for i = 1, 40 do fs.write(at "f", i % 2 == 0 and a or b) end
    end)
    repeat
      local text = fs.read(at "f")
      assert.is_true(text == a or text == b, #text)
      weft.yield()
    until writer:wait(0)
  end)
end)

describe("weft.fs.append", function()
  it("makes a file and adds to it", function()
    for i = 1, 3 do assert.is_true(fs.append(at "log", "line " .. i .. "\n")) end
    assert.equal("line 1\nline 2\nline 3\n", fs.read(at "log"))
  end)

  it("keeps the pieces of several tasks whole", function()
    local jobs = {}
    for i = 1, 20 do
      jobs[i] = weft.go(function() fs.append(at "log", (("%03d"):format(i)):rep(10000) .. "\n") end)
    end
    weft.all(jobs)
    local n = 0
    for line in fs.read(at "log"):gmatch "[^\n]+" do
      assert.equal(line:sub(1, 3):rep(10000), line)
      n = n + 1
    end
    assert.equal(20, n)
  end)
end)

describe("weft.fs.copy", function()
  it("copies contents and permissions", function()
    local text = ("x"):rep(2500000)
    helper.write_file(at "a", text)
    fs.chmod(at "a", "0640")
    assert.is_true(fs.copy(at "a", at "b"))
    assert.is_true(fs.read(at "b") == text)
    assert.equal(tonumber("640", 8), fs.stat(at "b").mode)
    helper.write_file(at "a", "")
    assert.is_true(fs.copy(at "a", at "b", { sync = true }))
    assert.equal("", fs.read(at "b"))
    assert.equal(2, #fs.scandir(dir))
  end)

  it("copies what has no size", function()
    assert.is_true(fs.copy("/proc/self/status", at "status"))
    assert.truthy(fs.read(at "status"):find "Threads:")
  end)

  it("fails and leaves nothing", function()
    helper.fails("ENOENT", fs.copy, at "none", at "b")
    helper.fails("EISDIR", fs.copy, dir, at "b")
    helper.write_file(at "a", "x")
    helper.fails("EINVAL", fs.copy, at "a", at "a")
    helper.fails("EISDIR", fs.copy, at "a", dir)
    assert.equal("x", fs.read(at "a"))
    fs.copy(at "a", at "b")
    helper.fails("EEXIST", fs.copy, at "a", at "b", { exclusive = true })
    local message = helper.fails("ENOENT", fs.copy, at "a", at "none/b")
    assert.truthy(message:find(at "a" .. " -> " .. at "none/b", 1, true))
  end)
end)

describe("names", function()
  it("stat tells what is known of a file", function()
    helper.write_file(at "f", "12345")
    local now = os.time()
    for _ = 1, 2 do -- asked for, and at once
      local st = fs.stat(at "f")
      assert.equal(5, st.size)
      assert.equal("file", st.type)
      assert.equal(1, st.nlink)
      assert.equal("number", type(st.ino + st.dev + st.uid + st.gid + st.blocks))
      for _, k in ipairs { "mtime", "atime", "ctime" } do assert.truthy(math.abs(st[k] - now) < 60, k) end
    end
    assert.equal("directory", fs.stat(dir).type)
    assert.equal("char", fs.stat("/dev/null").type)
    helper.fails("ENOENT", fs.stat, at "none")
    fs.symlink("f", at "link")
    assert.equal("file", fs.stat(at "link").type)
    assert.equal("link", fs.lstat(at "link").type)
    assert.equal("link", fs.lstat(at "link").type)
  end)

  it("exists and access answer yes or no", function()
    assert.is_false(fs.exists(at "f"))
    assert.is_false(fs.exists(at "f"))
    helper.write_file(at "f", "")
    assert.is_true(fs.exists(at "f"))
    assert.is_false(fs.exists(at "f/below"))
    fs.symlink("nowhere", at "loose")
    assert.is_false(fs.exists(at "loose"))
    assert.is_true(fs.access(at "f"))
    assert.is_true(fs.access(at "f", "rw"))
    assert.is_false(fs.access(at "f", "x"))
    helper.fails("ENOENT", fs.access, at "none")
    helper.raises("letters of", fs.access, at "f", "q")
  end)

  it("can be changed", function()
    helper.write_file(at "a", "x")
    assert.is_true(fs.rename(at "a", at "b"))
    assert.same({ false, true }, { fs.exists(at "a"), fs.exists(at "b") })
    helper.write_file(at "a", "y")
    helper.fails("EEXIST", fs.rename, at "a", at "b", { exclusive = true })
    assert.is_true(fs.rename(at "a", at "b"))
    assert.equal("y", fs.read(at "b"))
    assert.is_true(fs.rename(at "b", at "c", { exclusive = true }))
    assert.is_true(fs.link(at "c", at "d"))
    assert.equal(2, fs.stat(at "d").nlink)
    helper.fails("EEXIST", fs.link, at "c", at "d")
    assert.is_true(fs.symlink("d", at "e"))
    assert.equal("d", fs.readlink(at "e"))
    assert.equal(fs.realpath(at "d"), fs.realpath(at "e"))
    helper.fails("EINVAL", fs.readlink, at "d")
    helper.fails("ENOENT", fs.realpath, at "none")
    helper.raises("without zero bytes", fs.rename, at "c", "a\0")
    local long = ("x/"):rep(400)
    fs.symlink(long, at "long")
    assert.equal(long, fs.readlink(at "long"))
  end)

  it("have attributes that can be changed", function()
    helper.write_file(at "f", "12345")
    assert.is_true(fs.chmod(at "f", "600"))
    assert.equal(tonumber("600", 8), fs.stat(at "f").mode)
    assert.is_true(fs.chmod(at "f", tonumber("644", 8)))
    assert.is_true(fs.utime(at "f", 1000000000.25, 1100000000))
    local st = fs.stat(at "f")
    assert.same({ 1000000000.25, 1100000000.0 }, { st.mtime, st.atime })
    assert.is_true(fs.utime(at "f"))
    assert.truthy(math.abs(fs.stat(at "f").mtime - os.time()) < 60)
    assert.is_true(fs.chown(at "f", nil, nil))
    assert.is_true(fs.chown(at "f", st.uid, st.gid, { follow = false }))
    assert.is_true(fs.truncate(at "f", 2))
    assert.equal("12", fs.read(at "f"))
    fs.symlink("nowhere", at "loose")
    helper.fails("ENOENT", fs.utime, at "loose", 5)
    assert.is_true(fs.utime(at "loose", 5, 6, { follow = false }))
    assert.equal(5.0, fs.lstat(at "loose").mtime)
    helper.raises("seconds since 1970", fs.utime, at "f", 1 / 0)
    helper.raises("number of a user", fs.chown, at "f", -2)
    helper.raises("octal digits", fs.chmod, at "f", "rw")
    helper.raises("octal digits", fs.chmod, at "f")
    helper.raises("bytes >= 0", fs.truncate, at "f", -1)
  end)
end)

describe("file calls", function()
  it("work in threads, isolates, callbacks, generators and where Lua cannot yield", function()
    fs.write(at "f", "text")
    local function f(path) return require("weft").fs.read(path), require("weft").fs.stat(path).size end
    assert.same({ "text", 4 }, { weft.thread(f, at "f"):join() })
    assert.same({ "text", 4 }, { weft.spawn(f, at "f"):join() })
    local told = weft.channel(1)
    weft.go(fs.read, at "f"):on_done(function(ok, text) told:send { ok, text } end)
    assert.same({ true, "text" }, (told:recv()))
    local in_sort
    table.sort({ 2, 1 }, function(x, y)
      in_sort = in_sort or fs.append(at "f", "!") and fs.read(at "f")
      return x < y
    end)
    assert.equal("text!", in_sort)
    assert.equal("text!", coroutine.wrap(function() coroutine.yield(fs.read(at "f")) end)())
  end)

  it("are seen in weft.ps and in a trace, by their paths", function()
    local name = at "slow"
    os.execute("mkfifo " .. helper.quote(name))
    local f = fs.open(name)
    local row
    local t = weft.trace(function()
      local job = weft.go({ name = "reader" }, function() return f:read "a" end)
      local other = weft.go({ name = "writer" }, function() fs.write(at "a-file", ("x"):rep(4000000), { sync = true }) end)
      weft.yield()
      for _, r in ipairs(weft.ps()) do row = r.name == "writer" and r or row end
      other:join()
      local w = fs.open(name, "w")
      w:close()
      job:join()
    end)
    f:close()
    assert.equal(at "a-file", row.on)
    assert.equal("io", row.wait)
    local picture = t:timeline { print = false, width = 100 }
    assert.truthy(picture:find("a-file", 1, true), picture)
    assert.truthy(picture:find "~", picture)
  end)

  it("of many tasks overlap in the pool", function()
    local jobs = {}
    for i = 1, 50 do
      jobs[i] = weft.go(function()
        fs.write(at("f" .. i), ("x"):rep(i))
        return #fs.read(at("f" .. i))
      end)
    end
    for i, n in ipairs(weft.all(jobs)) do assert.equal(i, n) end
  end)

  it("leave nothing behind", function()
    fs.write(at "f", ("x"):rep(100))
    helper.no_growth(function()
      fs.read(at "f")
      fs.stat(at "f")
      fs.write(at "f", "y")
      fs.append(at "f", "z")
      fs.scandir(dir)
      fs.exists(at "none")
    end, { n = 100 })
  end)

  it("say how many threads the pool has, once and for all", function()
    assert.equal(tonumber(os.getenv "UV_THREADPOOL_SIZE" or 4), fs.pool())
    assert.equal(fs.pool(), fs.pool(fs.pool()))
    helper.fails("EBUSY", fs.pool, fs.pool() + 1)
    helper.raises("threads from 1 to 1024", fs.pool, 0)
    local out = helper.run_ok [[
      local weft = require "weft"
      print(weft.fs.pool(), weft.fs.pool(7), weft.fs.pool())
      weft.thread(type, 1):join() -- a sanitizer has threads from the first one on
      local before, more = {}, 0 -- the one that was joined may still be there, or not
      for _, t in ipairs(weft.info().threads) do before[t.tid] = true end
      weft.fs.read "/etc/passwd"
      for _, t in ipairs(weft.info().threads) do if not before[t.tid] and t.name == "weft files" then more = more + 1 end end
      print(more, weft.info().threads[1].name ~= "weft files", select(3, weft.fs.pool(2)))
    ]]
    assert.equal("4\t7\t7\n7\ttrue\tEBUSY\n", out)
  end)
end)
