-- File calls of a thread with another identity are made with its rights, whoever else has used files before. #root

local helper = require "spec.helper"
local weft = require "weft"

local fs = weft.fs
local root = weft.info().euid == 0
local test = root and it or function(name) pending(name .. " (needs root)") end
assert(fs.exists "/")

local dir
before_each(function()
  dir = fs.tempdir({ dir = "/tmp", prefix = "weft-spec-", keep = true }).path -- where others may go, too
  fs.write(dir .. "/secret", "for root only")
  fs.chmod(dir .. "/secret", "600")
  fs.mkdir(dir .. "/open")
  fs.chmod(dir .. "/open", "777")
  fs.chmod(dir, "755")
  fs.read(dir .. "/secret") -- it is in all caches
end)
after_each(function() helper.end_folder(dir) end)

-- What all calls say to a user who may not.
local function try_all(path)
  local weft = require "weft" -- luacheck: ignore 431
  local fs = weft.fs -- luacheck: ignore 431
  local secret, codes = path .. "/secret", {}
  for i, call in ipairs {
    function() return fs.read(secret) end, function() return fs.read(secret) end, function() return fs.open(secret) end,
    function() return fs.open(secret, "a") end, function() return fs.write(secret, "x") end,
    function() return fs.append(secret, "x") end,
    function() return fs.copy(secret, path .. "/open/copy") end, function() return fs.remove(secret) end,
    function() return fs.write(path .. "/new", "x") end, function() return fs.mkdir(path .. "/new") end,
    function() return fs.tempfile { dir = path } end, function() return fs.rename(secret, path .. "/open/x") end,
    function() return fs.truncate(secret, 0) end, function() return fs.watch(secret) end,
  } do
    local value, _, code = call()
    codes[i] = value == nil and code or tostring(value)
  end
  return table.concat(codes, " "), fs.access(secret, "r"), select(3, fs.chmod(secret, "777")), select(3, fs.chown(secret, 0))
end

describe("file calls of a thread with another identity", function()
  test("are refused what is refused to that user", function()
    local codes, may, chmod, chown = weft.thread({ uid = 1234, gid = 4321 }, try_all, dir):join()
    assert.equal(("EACCES "):rep(14):sub(1, -2), codes)
    assert.is_false(may)
    assert.same({ "EPERM", "EPERM" }, { chmod, chown })
    assert.equal("for root only", fs.read(dir .. "/secret"))
  end)

  test("make files that are that user's", function()
    local text = weft.thread({ uid = 1234, gid = 4321 }, function(path)
      local weft = require "weft" -- luacheck: ignore 431
      local fs = weft.fs -- luacheck: ignore 431
      assert(fs.write(path .. "/a", "one"))
      local f <close> = assert(fs.open(path .. "/b", "w+"))
      for i = 1, 30000 do f:write(i, "\n") end
      f:seek "set"
      local n = 0
      for line in f:lines() do n = n + tonumber(line) end
      assert(f:pread(3, 0) == "1\n2" and f:sync() and f:truncate(2) and f:stat().size == 2)
      local jobs = {}
      for i = 1, 5 do jobs[i] = weft.go(fs.append, path .. "/a", i) end
      weft.all(jobs)
      for p, e in fs.walk(path) do n = n + (e.type == "file" and fs.stat(p).size or 0) end
      return n .. " " .. fs.read(path .. "/a")
    end, dir .. "/open"):join()
    assert.equal(30000 * 30001 // 2 + 8 + 2 .. " one12345", text)
    for _, name in ipairs { "a", "b" } do
      local st = fs.stat(dir .. "/open/" .. name)
      assert.same({ 1234, 4321 }, { st.uid, st.gid })
    end
  end)

  test("of threads that such a thread starts are made so too", function()
    local code = weft.thread({ uid = 1234 }, function(path)
      local weft = require "weft" -- luacheck: ignore 431
      return weft.thread(function(p) return select(3, require("weft").fs.read(p)) end, path .. "/secret"):join()
    end, dir):join()
    assert.equal("EACCES", code)
  end)

  test("do not come first and make the pool theirs", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local code = weft.thread({ uid = 1234 }, function(path)
        local weft = require "weft"
        weft.net.connect("localhost", 1)
        return select(3, weft.fs.read(path))
      end, arg[1]):join()
      print(code, weft.fs.read(arg[1]))
    ]], { args = { dir .. "/secret" } })
    assert.equal("EACCES\tfor root only\n", out)
  end)
end)
