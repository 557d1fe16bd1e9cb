-- The rock: `luarocks make` into an empty tree, without a server, gives a weft that runs from that tree
-- alone and whose module stays mapped.

local helper = require "spec.helper"
local q = helper.quote

-- Building the rock takes a while and its module is the same under every sanitizer: once is enough. luarocks builds for the
-- system's Lua and libuv.
local run = (helper.sanitizer or helper.foreign) and pending or it

describe("the rock", function()
  local dir

  setup(function()
    if helper.sanitizer or helper.foreign then return end
    dir = helper.tmpdir()
    local p = io.popen("cd " .. q(helper.root) .. " && bash scripts/rock.sh " .. q(dir .. "/tree") .. " 2>&1 </dev/null")
    local out = p:read "a"
    assert(p:close(), out)
  end)

  teardown(function()
    if dir then helper.remove_dir(dir) end
  end)

  -- Runs a script with the tree's paths only, from a folder that has nothing.
  local function run_from_tree(script)
    return helper.run_ok(script, {
      cwd = "/",
      lua = "lua5.4",
      env = {
        LUA_PATH = dir .. "/tree/share/lua/5.4/?.lua;" .. dir .. "/tree/share/lua/5.4/?/init.lua",
        LUA_CPATH = dir .. "/tree/lib/lua/5.4/?.so",
      },
    })
  end

  run("runs a script", function()
    local out = run_from_tree [[
      local weft = require "weft"
      local ch = weft.channel()
      weft.go(function() for i = 1, 3 do ch:send(i) end ch:close() end)
      local sum = 0
      for v in ch do sum = sum + v end
      print(sum, weft.thread(function(a, b) return a * b end, 6, 7):join())]]
    assert.equal("6\t42\n", out)
  end)

  run("has the Lua files of the source tree", function()
    local function tree(root)
      local list = {}
      local p = assert(io.popen("cd " .. q(root) .. " && find weft -type f -name '*.lua' | LC_ALL=C sort"))
      for path in p:lines() do list[path] = helper.read_file(root .. "/" .. path) end
      p:close()
      return list
    end
    assert.same(tree(helper.root .. "/lua"), tree(dir .. "/tree/share/lua/5.4"))
  end)

  run("has the command, with examples and reference", function()
    local function command(args)
      local p = io.popen(("cd / && env -u LUA_PATH -u LUA_CPATH WEFT_QUICK=1 %s %s 2>&1"):format(q(dir .. "/tree/bin/weft"), args))
      local out = p:read "a"
      p:close()
      return out
    end
    assert.equal("42\n", command "-e 'print(weft.go(function() return 42 end):join())'")
    assert.truthy(command "examples":find "three_ways")
    assert.truthy(command "demo":find "parallel")
    assert.truthy(command "help channel:recv":find "^channel:recv%(%)")
  end)

  -- lua_close closes the libraries that scripts loaded; a thread of weft's may still be inside this one.
  run("stays mapped when Lua closes it", function()
    local out = run_from_tree [[
      require "weft.core"
      local libraries = debug.getregistry()._CLIBS
      getmetatable(libraries).__gc(libraries)
      for line in io.lines "/proc/self/maps" do
        if line:find("/weft/core.so", 1, true) then print "mapped" break end
      end
      os.exit(0, false)]]
    assert.equal("mapped\n", out)
  end)
end)
