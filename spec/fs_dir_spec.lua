-- weft.fs: folders, walking, removing, temporary files.

local helper = require "spec.helper"
local weft = require "weft"

local fs = weft.fs
assert(fs.exists "/")

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.end_folder(dir) end)

local function at(name) return dir .. "/" .. name end

local function names(list)
  local t = {}
  for i, e in ipairs(list) do t[i] = e.name .. ":" .. e.type end
  return table.concat(t, " ")
end

describe("folders", function()
  it("are listed in the order of the names, with types", function()
    assert.same({}, fs.scandir(dir))
    fs.write(at "b", "")
    fs.mkdir(at "a")
    fs.symlink("a", at "c")
    os.execute("mkfifo " .. helper.quote(at "d"))
    assert.equal("a:directory b:file c:link d:pipe", names(fs.scandir(dir)))
    helper.fails("ENOENT", fs.scandir, at "none")
    helper.fails("ENOTDIR", fs.scandir, at "b")
  end)

  it("are listed whole when they are large", function()
    for i = 1, 2000 do helper.write_file(at(("%04d-%s"):format(i, ("n"):rep(i % 200))), "") end
    local list = fs.scandir(dir)
    assert.equal(2000, #list)
    for i, e in ipairs(list) do assert.equal(i, tonumber(e.name:sub(1, 4))) end
  end)

  it("are made, with their parents if asked", function()
    assert.is_true(fs.mkdir(at "a"))
    helper.fails("EEXIST", fs.mkdir, at "a")
    helper.fails("ENOENT", fs.mkdir, at "x/y/z")
    assert.is_true(fs.mkdir(at "x/y/z", { parents = true }))
    assert.is_true(fs.mkdir(at "x/y/z", { parents = true }))
    assert.is_true(fs.mkdir(at "x//w///v/", { parents = true }))
    assert.equal("directory", fs.stat(at "x/w/v").type)
    assert.is_true(fs.mkdir(at "p/q", { parents = true, mode = "0500" }))
    assert.equal(tonumber("500", 8), fs.stat(at "p/q").mode)
    fs.write(at "f", "")
    helper.fails("ENOTDIR", fs.mkdir, at "f/g/h", { parents = true })
    helper.fails("EEXIST", fs.mkdir, at "f", { parents = true })
    helper.raises("unknown option 'recursive'", fs.mkdir, at "q", { recursive = true })
    helper.raises("'parents': boolean expected", fs.mkdir, at "q", { parents = 1 })
  end)
end)

describe("weft.fs.remove", function()
  it("takes a file, a link, an empty folder", function()
    fs.write(at "f", "")
    fs.mkdir(at "d")
    fs.symlink("f", at "l")
    for _, name in ipairs { "l", "f", "d" } do assert.is_true(fs.remove(at(name))) end
    helper.fails("ENOENT", fs.remove, at "f")
    fs.mkdir(at "d/e", { parents = true })
    helper.fails("ENOTEMPTY", fs.remove, at "d")
  end)

  it("takes a whole tree, and follows no link out of it", function()
    fs.mkdir(at "outside")
    fs.write(at "outside/precious", "x")
    fs.mkdir(at "tree/a/b/c", { parents = true })
    for i = 1, 100 do fs.write(at("tree/a/b/" .. i), "") end
    fs.symlink("../../outside", at "tree/a/link")
    fs.symlink("..", at "tree/a/up")
    fs.symlink("nowhere", at "tree/loose")
    assert.is_true(fs.remove(at "tree", { recursive = true }))
    assert.equal("outside:directory", names(fs.scandir(dir)))
    assert.equal("x", fs.read(at "outside/precious"))
    fs.symlink("outside", at "link")
    assert.is_true(fs.remove(at "link", { recursive = true }))
    assert.equal("x", fs.read(at "outside/precious"))
    helper.fails("ENOENT", fs.remove, at "none", { recursive = true })
  end)

  it("takes a tree deeper than there are descriptors or bytes in a path", function()
    local script = [[
      local weft = require "weft"
      local top = arg[1]
      local lfs = require "lfs"
      local back = lfs.currentdir()
      lfs.chdir(top)
      for _ = 1, 300 do
        assert(weft.fs.mkdir(("n"):rep(100)))
        lfs.chdir(("n"):rep(100))
      end
      assert(weft.fs.write("deep", "x"))
      lfs.chdir(back)
      print(weft.fs.remove(top, { recursive = true }))
    ]]
    fs.mkdir(at "deep")
    assert.equal("true\n", helper.run_ok(script, { args = { at "deep" }, shell = "prlimit --nofile=64" }))
    assert.is_false(fs.exists(at "deep"))
  end)

  it("ends with the first thing that cannot be removed", function()
    if weft.info().euid == 0 then return end
    fs.mkdir(at "tree/locked", { parents = true })
    fs.write(at "tree/locked/f", "")
    fs.chmod(at "tree/locked", "0500")
    helper.fails("EACCES", fs.remove, at "tree", { recursive = true })
    fs.chmod(at "tree/locked", "0700")
  end)
end)

describe("weft.fs.walk", function()
  local function walk(...)
    local found = {}
    for path, entry in assert(fs.walk(...)) do
      found[#found + 1] = path:sub(#dir + 2) .. ":" .. entry.type:sub(1, 1) .. entry.depth
    end
    return table.concat(found, " ")
  end

  before_each(function()
    fs.mkdir(at "a/b/c", { parents = true })
    fs.write(at "a/b/f", "")
    fs.write(at "z", "")
  end)

  it("gives all below a folder, folders first", function()
    assert.equal("a:d1 a/b:d2 a/b/c:d3 a/b/f:f3 z:f1", walk(dir))
    assert.equal("a:d1 a/b:d2 a/b/c:d3 a/b/f:f3 z:f1", (walk(dir .. "/"):gsub("^/", "")))
  end)

  it("goes as deep as asked, and not where it is told not to", function()
    assert.equal("a:d1 z:f1", walk(dir, { depth = 1 }))
    local seen = {}
    for path, entry in fs.walk(dir) do
      seen[#seen + 1] = path:sub(#dir + 2)
      if entry.name == "b" then entry.skip = true end
    end
    assert.equal("a a/b z", table.concat(seen, " "))
  end)

  it("follows links when asked, round no circle", function()
    fs.symlink("..", at "a/b/up")
    fs.symlink("a", at "l")
    fs.symlink("loose", at "m")
    assert.equal("a:d1 a/b:d2 a/b/c:d3 a/b/f:f3 a/b/up:l3 l:l1 m:l1 z:f1", walk(dir))
    local found = walk(dir, { follow = true })
    assert.truthy(found:find("l/b/c:d3", 1, true), found)
    assert.is_nil(found:find("up/", 1, true), found)
  end)

  it("says which folder it cannot read", function()
    helper.fails("ENOENT", fs.walk, at "none")
    local path, told = nil, nil
    for p, entry in fs.walk(dir) do
      if entry.name == "a" then os.execute("rm -rf " .. helper.quote(at "a")) end
      if entry.error then path, told = p, entry.error end
    end
    assert.equal(at "a", path)
    assert.truthy(told:find "^ENOENT: ")
  end)

  it("names what is wrong with the arguments", function()
    helper.raises("bad argument #1 to 'walk'", fs.walk)
    helper.raises("unknown option 'deep'", fs.walk, dir, { deep = 1 })
    helper.raises("option 'follow': boolean expected", fs.walk, dir, { follow = 1 })
  end)
end)

describe("temporary", function()
  it("files are open, new, and gone when they are closed", function()
    local a, b = fs.tempfile { dir = dir }, fs.tempfile { dir = dir, prefix = "other-" }
    assert.truthy(a.path:find(dir .. "/weft-", 1, true) == 1)
    assert.truthy(b.path:find(dir .. "/other-", 1, true) == 1)
    a:write "x"
    a:seek "set"
    assert.equal("x", a:read "a")
    assert.equal(tonumber("600", 8), fs.stat(a.path).mode)
    a:close()
    assert.is_false(fs.exists(a.path))
    do local _ <close> = b end
    assert.same({}, fs.scandir(dir))
  end)

  it("files stay when asked to, and go when they are forgotten", function()
    local f = fs.tempfile { dir = dir, keep = true }
    f:write "kept"
    f:close()
    assert.equal("kept", fs.read(f.path))
    fs.remove(f.path)
    fs.tempfile { dir = dir }
    helper.eventually(function()
      helper.collect()
      return #fs.scandir(dir) == 0
    end)
  end)

  it("folders go with all that is in them", function()
    local path
    do
      local d <close> = fs.tempdir { dir = dir }
      path = d.path
      assert.equal(path, tostring(d))
      fs.mkdir(path .. "/a/b", { parents = true })
      fs.write(path .. "/a/f", "x")
    end
    assert.is_false(fs.exists(path))
    local kept = fs.tempdir { dir = dir, keep = true }
    do local _ <close> = kept end
    assert.is_true(fs.exists(kept.path))
    assert.is_true(kept:remove())
    assert.is_true(kept:remove())
    assert.is_false(fs.exists(kept.path))
  end)

  it("names fail and are refused as others", function()
    helper.fails("ENOENT", fs.tempfile, { dir = at "none" })
    helper.fails("ENOENT", fs.tempdir, { dir = at "none" })
    helper.raises("without '/'", fs.tempfile, { prefix = "a/b" })
    helper.raises("unknown option 'name'", fs.tempdir, { name = "x" })
    helper.raises("'keep': boolean", fs.tempdir, { keep = 1 })
  end)
end)
