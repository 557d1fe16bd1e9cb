-- weft.fs when things go wrong: full disks, interrupted and short calls, no descriptors, cancelling at every step, closing
-- under others, the end of the script, standard descriptors that are closed.

local helper = require "spec.helper"
local weft = require "weft"
local core = require "weft.core"

local fs = weft.fs
assert(fs.exists "/")

local KINDS = { "open", "read", "write", "sync", "rename", "close", "link" }

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function()
  if core.inject then
    for _, kind in ipairs(KINDS) do core.inject(kind) end
  end
  helper.end_folder(dir)
end)

local function at(name) return dir .. "/" .. name end

-- Faults can be ordered in builds with assertions only.
local ordered = core.inject and it or function(name) pending(name .. " (needs a build with assertions)") end

-- Everything that weft.fs does with a file, once.
local function use_all()
  local text = ("0123456789"):rep(20000)
  assert(fs.write(at "f", text, { sync = true }))
  assert(fs.read(at "f") == text)
  assert(fs.append(at "f", "tail"))
  assert(#fs.read(at "f") == #text + 4)
  assert(fs.copy(at "f", at "g", { sync = true }))
  assert(fs.read(at "g") == text .. "tail")
  assert(fs.copy("/proc/self/status", at "h"))
  local f <close> = assert(fs.open(at "f", "r+"))
  assert(f:read(10) == "0123456789")
  assert(f:write(("x"):rep(300000)))
  assert(f:seek("set", 5))
  assert(f:read "a" == "56789" .. ("x"):rep(300000))
  assert(f:pread(5, 8) == "89xxx")
  assert(f:pwrite("abc", 1))
  assert(f:sync())
  assert(f:truncate(4))
  assert(f:close())
  assert(fs.read(at "f") == "0abc")
  assert(#fs.scandir(dir) == 3)
  assert(fs.mkdir(at "d/e/f", { parents = true }))
  assert(fs.rename(at "f", at "d/f"))
  assert(fs.stat(at "d/f").size == 4)
  assert(fs.remove(at "d", { recursive = true }))
  assert(fs.remove(at "g") and fs.remove(at "h"))
  assert(#fs.scandir(dir) == 0)
end

describe("calls that are", function()
  for _, kind in ipairs(KINDS) do
    ordered(("interrupted (%s) are begun again, each of them"):format(kind), function()
      use_all()
      core.inject(kind)
      use_all()
      local n = core.inject(kind)
      assert.truthy(n > 0, kind .. " is never called")
      for i = 0, n, math.max(1, n // 40) do
        core.inject(kind, { after = i, times = 3, code = "EINTR" })
        use_all()
      end
    end)
  end

  ordered("short go on", function()
    for _, most in ipairs { 100000, 4097, 999 } do
      core.inject("read", { times = 1000000, most = most })
      core.inject("write", { times = 1000000, most = most })
      use_all()
    end
  end)

  ordered("interrupted and short in a thread of another identity do the same", function()
    if weft.info().euid ~= 0 then return end
    local open <close> = fs.tempdir { dir = "/tmp", prefix = "weft-spec-" } -- where others may go, too
    fs.chmod(open.path, "777")
    core.inject("read", { times = 1000000, most = 777 })
    core.inject("write", { times = 1000000, most = 777 })
    local ok, message = weft.thread({ uid = 1234 }, function(path)
      local fs = require("weft").fs -- luacheck: ignore 431
      local text = ("abc"):rep(10000)
      assert(fs.write(path, text))
      return fs.read(path) == text
    end, open.path .. "/f"):join()
    assert.is_true(ok, message)
  end)
end)

describe("a failure", function()
  -- The old contents stay, nothing is left beside them, and the code is told.
  local function fails_whole(code, f, ...)
    helper.fails(code, f, ...)
    assert.equal("old", helper.read_file(at "f"))
    for _, e in ipairs(fs.scandir(dir)) do assert.is_nil(e.name:find "^%.weft", e.name) end
  end

  for _, case in ipairs {
    { "open", "EMFILE" }, { "open", "EACCES" }, { "write", "ENOSPC" }, { "write", "EIO" }, { "write", "EDQUOT" },
    { "sync", "EIO" }, { "close", "ENOSPC" }, { "rename", "EIO" },
  } do
    local kind, code = case[1], case[2]
    ordered(("of %s with %s leaves the old file as it was"):format(kind, code), function()
      fs.write(at "f", "old")
      fs.write(at "source", ("x"):rep(3000000))
      for after = 0, 2 do
        if kind ~= "write" and after > 0 then break end
        core.inject(kind, { after = after, code = code })
        fails_whole(code, fs.write, at "f", ("new"):rep(1200000), { sync = true })
      end
      if kind ~= "open" then
        core.inject(kind, { code = code })
        fails_whole(code, fs.copy, at "source", at "f", { sync = true })
      end
      assert.is_true(fs.write(at "f", "new"))
      assert.equal("new", fs.read(at "f"))
    end)
  end

  ordered("to read is told, and to open", function()
    fs.write(at "f", "x")
    for _ = 1, 2 do
      core.inject("read", { code = "EIO" })
      helper.fails("EIO", fs.read, at "f")
      core.inject("open", { code = "EMFILE" })
      helper.fails("EMFILE", fs.read, at "f")
      core.inject("open", { code = "EMFILE" })
      helper.fails("EMFILE", fs.open, at "f")
      core.inject("open", { code = "EMFILE" })
      helper.fails("EMFILE", fs.scandir, dir)
      core.inject("read", { code = "EIO" })
      helper.fails("EIO", fs.scandir, dir)
    end
    local f <close> = fs.open(at "f")
    core.inject("read", { code = "EIO" })
    helper.fails("EIO", f.read, f)
    assert.equal("x", f:read())
  end)

  ordered("of an open file's write is told by the next call, once", function()
    local f = fs.open(at "f", "w")
    core.inject("write", { code = "ENOSPC" })
    assert.is_true(f:write "lost")
    helper.fails("ENOSPC", f.flush, f)
    assert.is_true(f:flush())
    assert.equal(0, f:seek())
    assert.is_true(f:write "kept")
    core.inject("write", { after = 0, code = "EIO" })
    helper.fails("EIO", f.close, f)
    assert.equal("", helper.read_file(at "f"))
    f = fs.open(at "f", "w")
    core.inject("write", { code = "ENOSPC", times = 2 })
    local failed
    for _ = 1, 100 do
      local ok, _, code = f:write(("x"):rep(100000))
      if not ok then
        failed = code
        break
      end
    end
    assert.equal("ENOSPC", failed)
    f:close()
  end)

  ordered("in the middle of removing a tree is told, and it can be removed later", function()
    for after = 0, 6 do
      fs.mkdir(at "t/a/b", { parents = true })
      fs.write(at "t/a/f", "")
      fs.write(at "t/a/b/g", "")
      core.inject("link", { after = after, code = "EIO" })
      local ok, _, code = fs.remove(at "t", { recursive = true })
      assert.truthy(ok or code == "EIO", code)
      core.inject "link"
      if not ok then assert.is_true(fs.remove(at "t", { recursive = true })) end
    end
  end)
end)

describe("a full disk", function()
  -- A small file system of its own when we may mount one, else a limit to the size of files.
  local script = [[
    local weft = require "weft"
    local fs, dir = weft.fs, arg[1]
    local old = ("old "):rep(1000)
    assert(fs.write(dir .. "/f", old))
    for _, n in ipairs { 2000000, 300000 } do
      local _, message, code = fs.write(dir .. "/f", ("x"):rep(n))
      print(code, message:match "^%u+: [%a ]+: " ~= nil, fs.read(dir .. "/f") == old, #fs.scandir(dir))
    end
    print(select(3, fs.append(dir .. "/g", ("x"):rep(2000000))))
    fs.remove(dir .. "/g")
    local f = fs.open(dir .. "/h", "w")
    local code
    for _ = 1, 100 do
      local ok, _, c = f:write(("y"):rep(50000))
      if not ok then code = c break end
    end
    print(code)
    f:close()
    fs.remove(dir .. "/h")
    assert(fs.write(dir .. "/big", ("z"):rep(100000)))
    print(fs.write(dir .. "/f", "new"), fs.read(dir .. "/f"))
  ]]
  local root = weft.info().euid == 0

  it("leaves the old file as it was", function()
    local mounted = root and os.execute("mount -t tmpfs -o size=256k weft-test " .. helper.quote(dir) .. " 2>/dev/null")
    if not mounted then return end
    local ok, out = pcall(helper.run_ok, script, { args = { dir } })
    os.execute("umount " .. helper.quote(dir))
    assert.is_true(ok, out)
    assert.equal(("ENOSPC\ttrue\ttrue\t1\n"):rep(2) .. "ENOSPC\nENOSPC\ntrue\tnew\n", out)
  end)

  it("does so too where the size of files is limited", function()
    local out = helper.run_ok("os.execute 'true' " .. script, {
      args = { dir }, shell = [[sh -c 'trap "" XFSZ; exec "$0" "$@"' prlimit --fsize=262144]],
    })
    assert.equal(("EFBIG\ttrue\ttrue\t1\n"):rep(2) .. "EFBIG\nEFBIG\ntrue\tnew\n", out)
  end)
end)

describe("cancelling", function()
  -- Cancels f after n looks of the scheduler; false when it had ended by then.
  local function cancelled_after(n, f)
    local job = weft.go(f)
    for _ = 1, n do weft.yield() end
    job:cancel "enough"
    local ok, err = job:result()
    if not ok and not weft.is(err, "cancelled") then error(err, 0) end
    return not ok
  end

  it("at every step leaves an old or a new file, and nothing beside it", function()
    local old, new = ("old"):rep(10), ("new"):rep(1500000)
    local hits, n = 0, 0
    repeat
      fs.write(at "f", old)
      local hit = cancelled_after(n, function() fs.write(at "f", new) end)
      local text = fs.read(at "f")
      assert.is_true(text == old or text == new)
      hits = hits + (hit and 1 or 0)
      n = n + 1 + n // 4
    until not hit or n > 1000000
    assert.truthy(hits > 0)
    helper.eventually(function()
      weft.sleep(0)
      return #fs.scandir(dir) == 1
    end, "the temporary file goes")
  end)

  it("ends calls of all kinds", function()
    fs.write(at "f", ("x"):rep(3000000))
    local f = fs.open(at "f", "r+")
    for _, call in ipairs {
      function() return fs.copy(at "f", at "g") end, function() return fs.append(at "h", ("x"):rep(5000000)) end,
      function() return fs.scandir(dir) end, function() return fs.mkdir(at "a/b/c", { parents = true }) end,
      function() return f:sync() end, function() return f:pread(3000000, 0) end, function() return f:pwrite("x", 0) end,
      function() return f:write(("y"):rep(5000000)) end, function() return f:read "a" end, function() return f:flush() end,
      function() return fs.tempfile { dir = dir } end, function() return fs.watch(dir) end, function() return fs.open(at "f") end,
    } do
      for n = 0, 3 do cancelled_after(n, call) end
    end
    assert.is_true(f:close())
    helper.eventually(function()
      weft.sleep(0)
      helper.collect()
      for _, e in ipairs(fs.scandir(dir)) do
        if e.name:find "weft" then return false end
      end
      return true
    end)
  end)

  it("is what weft.timeout does", function()
    os.execute("mkfifo " .. helper.quote(at "pipe"))
    helper.raises_kind("timeout", weft.timeout, 0.005, fs.read, at "pipe")
  end)
end)

describe("closing a file", function()
  it("ends the reads and writes of others, and writes what was taken", function()
    fs.write(at "f", ("x"):rep(1 << 20))
    for n = 0, 6 do
      local f, w = fs.open(at "f"), fs.open(at "g", "w")
      local reader = weft.go(function() return f:read "a" end)
      local writer = weft.go(function() return w:write(("y"):rep(4 << 20)) end)
      local placed = weft.go(function() return f:pread(1 << 20, 0) end)
      for _ = 1, n do weft.yield() end
      f:close()
      w:close()
      local text, _, code = reader:join()
      assert.truthy(text or code == "ECANCELED" or code == "EBADF", code)
      local ok
      ok, _, code = writer:join()
      assert.truthy(ok or code == "ECANCELED" or code == "EBADF", code)
      text, _, code = placed:join()
      assert.truthy(text == ("x"):rep(1 << 20) or code == "EBADF" or code == "ECANCELED", code)
      weft.sleep(0)
    end
    helper.eventually(function()
      weft.sleep(0)
      return fs.read(at "g"):match "^y*$"
    end)
  end)
end)

describe("the end of the script", function()
  local start = [[
    local weft = require "weft"
    local fs, dir = weft.fs, arg[1]
    kept = fs.open(dir .. "/kept", "w")
    kept:write(("k"):rep(150000))
    lost = fs.tempfile { dir = dir }
    lost:write "x"
    watch = fs.watch(dir)
    for i = 1, 8 do
      weft.go(function() while true do fs.write(dir .. "/f" .. i, ("x"):rep(2000000)) end end):detach()
      weft.go(function() while true do fs.read(dir .. "/f" .. i) weft.yield() end end):detach()
    end
    weft.go(function() for e in watch do end end):detach()
    other = weft.thread(function(d)
      local weft = require "weft"
      local f = weft.fs.open(d .. "/other", "w")
      f:write "o"
      while true do weft.fs.scandir(d) end
    end, dir):detach()
    weft.sleep(0.005)
  ]]
  for _, ending in ipairs { "", "os.exit(0)", "os.exit(0, true)", "weft.sleep(0)", "collectgarbage()" } do
    it(("comes while calls are on their way: %q"):format(ending), function()
      local out, err, code = helper.run_script(start .. ending, { args = { dir } })
      assert.same({ "", 0 }, { out, code }, err)
      assert.equal(150000, #helper.read_file(at "kept"))
      local left = {}
      for _, e in ipairs(fs.scandir(dir)) do
        if not e.name:find "^f%d$" then left[#left + 1] = e.name end
      end
      assert.equal("kept other", table.concat(left, " "))
    end)
  end

  it("comes by an error", function()
    local _, err, code = helper.run_script(start .. "error 'on purpose'", { args = { dir } })
    assert.equal(1, code)
    assert.truthy(err:find "on purpose")
    assert.equal(150000, #helper.read_file(at "kept"))
  end)
end)

describe("descriptors", function()
  it("0 to 2, when they are closed, are not used for files", function()
    helper.run_ok([[
      local weft = require "weft"
      local fs, path = weft.fs, arg[1] .. "/f"
      assert(fs.write(path, "x"))
      local f, t = fs.open(path), fs.tempfile { dir = arg[1] }
      assert(f:fileno() > 2 and t:fileno() > 2)
      assert(fs.read(path) == "x" and fs.read(path) == "x" and f:read() == "x")
      local w = fs.watch(arg[1])
      assert(#fs.scandir(arg[1]) == 2 and fs.remove(path))
    ]], { args = { dir }, shell = "sh -c 'exec \"$0\" \"$@\" <&- >&- 2>&-'" })
  end)

  it("that have run out are told, and calls work again when there are some", function()
    fs.write(at "f", "x")
    local out = helper.run_ok([[
      local weft = require "weft"
      local fs, path = weft.fs, arg[1] .. "/f"
      assert(fs.read(path) == "x")
      local held = {}
      while true do
        local f, _, code = fs.open(path)
        if not f then print(code) break end
        held[#held + 1] = f
      end
      print(select(3, fs.read(path)), select(3, fs.write(path, "y")), select(3, fs.scandir(arg[1])), select(3, fs.watch(arg[1])))
      print(#held > 20, fs.exists(path) ~= false)
      for i = 1, 3 do held[i]:close() end
      print(fs.read(path), fs.write(path, "z"), fs.read(path))
    ]], { args = { dir }, shell = "prlimit --nofile=40" })
    assert.equal("EMFILE\nEMFILE\tEMFILE\tEMFILE\tEMFILE\ntrue\ttrue\nx\ttrue\tz\n", out)
  end)

  it("of files reach no program", function()
    local f <close> = fs.open(at "f", "w")
    local w <close> = fs.watch(dir)
    local out = weft.exec({ "ls", "-l", "/proc/self/fd", stdout = "pipe" }):output()
    assert.is_nil(out:find(at "f", 1, true), tostring(f))
    assert.is_nil(out:find("inotify", 1, true), tostring(w))
  end)
end)

describe("the collector", function()
  it("may run at every step", function()
    helper.run_ok([[
      collectgarbage("incremental", 1, 1000, 8)
      local fs = require("weft").fs
      local weft, dir = require "weft", arg[1]
      local jobs = {}
      for i = 1, 10 do
        jobs[i] = weft.go(function()
          local path = dir .. "/f" .. i
          for k = 1, 5 do
            assert(fs.write(path, ("x"):rep(k * 1000)))
            assert(#fs.read(path) == k * 1000)
            local f <close> = fs.open(path, "a+")
            f:write("a\n", "b\n")
            f:seek "set"
            assert(#f:read "a" == k * 1000 + 4)
            assert(f:pread(2, k * 1000) == "a\n")
            for _, e in fs.walk(dir) do assert(e.type == "file") end
          end
        end)
      end
      weft.all(jobs)
    ]], { args = { dir } })
  end)
end)
