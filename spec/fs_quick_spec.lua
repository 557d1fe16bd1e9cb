-- File calls that are answered at once, and those that must not be: what is in memory, what is not, file systems that are
-- servers. In builds with assertions, which count the former.

local helper = require "spec.helper"
local weft = require "weft"
local core = require "weft.core"

local fs = weft.fs
assert(fs.access "/")

local counted = core.at_once and it or function(name) pending(name .. " (needs a build with assertions)") end

local dir
local pretend = "" -- the kind of file systems that are servers
before_each(function() dir = helper.tmpdir() end)
after_each(function()
  if core.at_once then core.at_once "" end
  pretend = ""
  helper.end_folder(dir)
end)

local function at(name) return dir .. "/" .. name end

-- How many of the calls were answered at once. They come right after a look at the mounts.
local function at_once(...)
  core.at_once(pretend)
  fs.access "/"
  local before = core.at_once()
  for _, call in ipairs { ... } do call() end
  return core.at_once() - before
end

-- All of them can be: whatever else moves names about on the machine can make the kernel look twice.
local function all_at_once(...)
  local calls = table.pack(...)
  helper.eventually(function() return at_once(table.unpack(calls)) == calls.n end, calls.n .. " answers at once")
end

-- Can this system do it at all, with a file here?
local function able()
  fs.write(at "able", "x")
  fs.read(at "able")
  for _ = 1, 20 do
    if at_once(function() fs.read(at "able") end) == 1 then return true end
  end
  return false
end

describe("a file call", function()
  counted("is answered at once when all is in memory", function()
    if not able() then return end
    for _, n in ipairs { 0, 1, 5000, 100000, 256 * 1024 } do
      local text = ("x"):rep(n)
      fs.write(at "f", text)
      fs.read(at "f")
      all_at_once(
        function() assert.equal(text, fs.read(at "f")) end, function() assert.equal(n, fs.stat(at "f").size) end,
        function() assert.is_true(fs.exists(at "f")) end)
    end
    fs.exists(at "none")
    all_at_once(function() assert.is_false(fs.exists(at "none")) end)
    local f <close> = fs.open(at "f")
    all_at_once(function() f:pread(100, 1000) end)
  end)

  counted("is not when the file is large, or has to come from the disk", function()
    if not able() then return end
    fs.write(at "large", ("x"):rep(256 * 1024 + 1))
    assert.equal(0, at_once(function() assert.equal(256 * 1024 + 1, #fs.read(at "large")) end))
    local text = ("cold"):rep(20000)
    fs.write(at "f", text, { sync = true })
    os.execute("dd if=" .. helper.quote(at "f") .. " iflag=nocache count=0 2>/dev/null")
    local n = at_once(function() assert.equal(text, fs.read(at "f")) end)
    assert.truthy(n == 0 or n == 1) -- whether the system has let go of it is its own affair
    all_at_once(function() assert.equal(text, fs.read(at "f")) end)
  end)

  counted("is not on a file system that is a server, nor by a link to one", function()
    if not able() then return end
    local kind = weft.exec({ "stat", "-f", "-c", "%T", dir, stdout = "pipe" }):output()
    local shm <close> = fs.tempdir { dir = "/dev/shm" }
    fs.write(shm.path .. "/f", "far away")
    fs.write(at "f", "near")
    fs.symlink(shm.path .. "/f", at "link")
    local function reads(name) return function() assert.truthy(fs.read(name)) end end
    local function stats(name) return function() assert.truthy(fs.stat(name)) end end
    all_at_once(reads(at "f"), stats(at "f"), reads(at "link"), stats(at "link"))
    pretend = "tmpfs"
    if kind ~= "tmpfs\n" then all_at_once(reads(at "f"), stats(at "f")) end
    for _ = 1, 3 do
      assert.equal(0, at_once(reads(at "link"), stats(at "link"), reads(shm.path .. "/f"), stats(shm.path .. "/f")))
    end
    assert.equal("far away", fs.read(at "link"))
    local f <close> = fs.open(at "link")
    assert.equal("far away", f:read "a")
  end)

  -- strace makes the calls fail; it cannot trace a process that the leak sanitizer traces.
  local traced = os.execute "strace -o /dev/null true 2>/dev/null" and not helper.sanitizer
  for _, fault in ipairs { "openat2:error=ENOSYS", "openat2:error=EPERM", "preadv2:error=ENOSYS", "preadv2:error=EOPNOTSUPP" } do
    (traced and it or pending)("is a job where the kernel's calls are missing or forbidden: " .. fault, function()
      local out = helper.run_ok([[
        local fs = require("weft").fs
        local path = arg[1] .. "/f"
        assert(fs.write(path, "text"))
        for _ = 1, 3 do assert(fs.read(path) == "text" and fs.stat(path).size == 4 and fs.exists(path)) end
        local f <close> = fs.open(path)
        print(fs.read(path), f:pread(2, 1), f:read "a")
      ]], { args = { dir }, shell = "strace -f -o /dev/null -e trace=openat2,preadv2 -e inject=" .. fault })
      assert.equal("text\tex\ttext\n", out)
    end)
  end
end)
