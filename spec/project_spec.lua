-- The project's own machinery: the layers, the rockspec's lists, the test runner, the leak check,
-- child scripts, `make luapath`, the set-up.

local helper = require "spec.helper"
local weft = require "weft"
local q = helper.quote

-- Runs a shell command in the source tree and returns its output and exit status.
local function sh(command, env)
  local words = { "cd " .. q(helper.root) .. " && env -u WEFT_REPORT -u SPEC -u T -u GC -u LUA_DIR -u UV_DIR" }
  for name, value in pairs(env or {}) do words[#words + 1] = name .. "=" .. q(value) end
  local p = assert(io.popen(table.concat(words, " ") .. " sh -c " .. q(command) .. " 2>&1 </dev/null"))
  local out = p:read "a"
  local _, _, code = p:close()
  return out, code
end

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.remove_dir(dir) end)

local function write(path, text)
  local full = dir .. "/" .. path
  os.execute("mkdir -p " .. q(full:match "^(.*)/"))
  helper.write_file(full, text)
  return full
end

describe("the source tree", function()
  it("keeps its layers and sizes", function()
    local out, code = sh("lua5.4 scripts/layers.lua")
    assert(code == 0, out)
  end)

  it("has no file that a test has emptied", function()
    assert.equal("", (sh("find . -name .git -prune -o -name build -prune -o -type f -size 0 -print")))
    assert.truthy(helper.read_file("LICENSE"):find "^MIT License")
  end)

  it("has every source in the rockspec", function()
    local out, code = sh("lua5.4 scripts/rockspec.lua --check")
    assert(code == 0, out)
  end)
end)

describe("the module", function()
  local module = os.getenv "WEFT_VARIANT_DIR" .. "/weft/core.so"

  -- Lua's functions come from the program that loads it, so the linker cannot complain about ours.
  it("lacks no function of ours", function()
    assert.equal("", (sh("nm -u " .. q(module) .. " | grep -E ' (wf|lx|weft)_'")))
  end)

  it("shows luaopen_ and weft_ functions only", function()
    local known = "luaopen_|weft_|__asan_|__odr_asan|__gcov_|mangle_path"
    assert.equal("", (sh("nm -D --defined-only " .. q(module) .. " | grep -vE ' [TWRDBV] (" .. known .. ")'")))
  end)

  it("is marked to stay mapped", function()
    assert.truthy(sh("readelf -d " .. q(module)):find "NODELETE")
  end)
end)

describe("the layer check", function()
  local function check() return sh("lua5.4 scripts/layers.lua " .. q(dir)) end

  it("accepts includes of the own folder and of those below it", function()
    write("csrc/base/list.h", "#include <stdint.h>\n")
    write("csrc/sys/loop.c", '#include "base/list.h"\n#include <uv.h>\n#include <pthread.h>\n')
    write("csrc/rt/task.c", '#include "base/list.h"\n#include <lua.h>\n')
    write("csrc/weft.c", '#include "base/list.h"\n#include "weft.h"\n')
    write("csrc/weft.h", "#include <lua.h>\n")
    local out, code = check()
    assert(code == 0, out)
  end)

  for name, case in pairs {
    ["an include of a folder above"] = { "csrc/sys/a.c", '#include "lx/b.h"', "lx lies above it" },
    ["Lua in base"] = { "csrc/base/a.c", "#include <lua.h>", "must not include <lua.h>" },
    ["threads in base"] = { "csrc/base/a.c", "# include <pthread.h>", "must not include <pthread.h>" },
    ["libuv in base"] = { "csrc/base/a.h", "#include <uv.h>", "must not include <uv.h>" },
    ["Lua in sys"] = { "csrc/sys/a.c", '#include "lauxlib.h"', "must not include" },
    ["a path that is not from csrc/"] = { "csrc/rt/a.c", '#include "b.h"', "is not a path from csrc/" },
    ["a header that is not there"] = { "csrc/rt/a.c", '#include "rt/none.h"', "does not exist" },
    ["a folder that is no layer"] = { "csrc/misc/a.c", "", "is no layer" },
    ["a file of two subjects"] = { "lua/weft/long.lua", ("local x\n"):rep(600), "601 lines" },
  } do
    it("finds " .. name, function()
      write("csrc/lx/b.h", "")
      write("csrc/rt/b.h", "")
      write(case[1], case[2] .. "\n")
      local out, code = check()
      assert.equal(1, code)
      assert.truthy(out:find(case[3], 1, true), out)
    end)
  end
end)

describe("the test runner", function()
  -- Runs one spec file with the given text; returns the whole output and the exit status.
  local function run(text, env)
    local spec = write("x_spec.lua", text)
    return sh("bash scripts/test.sh -d " .. q(dir .. "/variant") .. " -l " .. helper.lua .. " " .. q(spec), env)
  end

  local function expect(text, line, what, env)
    local out, code = run(text, env)
    assert.equal(line, out:match "([^\n]*)\n$", out)
    assert.equal(line:find ", 0 failed" and 0 or 1, code)
    if what then assert.truthy(out:find(what, 1, true), out) end
  end

  it("counts single tests", function()
    expect([[describe("x", function()
      it("a", function() end) it("b", function() end) pending("c")
    end)]], "2 passed, 0 failed, 1 skipped")
  end)

  it("counts failures and errors", function()
    expect([[it("a", function() assert.equal(1, 2) end) it("b", function() error({}) end) it("c", function() end)]],
      "1 passed, 2 failed", "Expected objects to be equal")
  end)

  it("takes a spec that does not load as a failure", function()
    expect("error 'at load'", "0 passed, 1 failed", "at load")
  end)

  it("takes a spec without a test as a failure", function()
    expect("describe('x', function() end)", "0 passed, 1 failed", "no test in it")
  end)

  it("takes a crash as a failure and says where", function()
    expect([[it("a", function() end) it("b", function() os.execute "kill -SEGV $PPID" end)]],
      "1 passed, 1 failed", "during: b")
  end)

  it("takes a silent exit as a failure", function()
    expect([[it("a", function() os.exit(0) end)]], "0 passed, 1 failed", "did not run to its end")
  end)

  it("ends what hangs and shows its stacks", function()
    expect([[it("a", function() end) it("b", function() while true do end end)]],
      "1 passed, 1 failed", "still running after 1 s", { SPEC_TIMEOUT = "1" })
  end)

  it("finds processes and files left behind", function()
    expect([[it("a", function() os.execute "sleep 300 >/dev/null 2>&1 &" end)]], "1 passed, 1 failed",
      "left processes behind")
    expect([[it("a", function() io.open(os.getenv "TMPDIR" .. "/left", "w"):close() end)]], "1 passed, 1 failed",
      "left temporary files behind: left")
  end)

  it("fails when no test is chosen", function()
    expect([[it("a", function() end)]], "0 passed, 1 failed", "no test matches", { SPEC = "no_such_spec" })
  end)

  describe("with the leak check", function()
    local function leaks(body, what)
      expect('require "spec.helper"\n' .. body, "1 passed, 1 failed", what, { WEFT_LEAK_PATIENCE = "0.1" })
    end

    it("fails a test that leaves a descriptor open", function()
      leaks([[local kept it("a", function() kept = io.open "/dev/zero" end) it("b", function() end)]], "-> /dev/zero")
    end)

    it("fails a test that leaves a child", function()
      leaks([[local kept it("a", function() kept = io.popen("cat", "w") end) it("b", function() kept:close() end)]], "child ")
    end)

    it("fails a test that leaves a file", function()
      leaks([[local path
        it("a", function() path = require "spec.helper".tmpdir() end)
        it("b", function() end)
        teardown(function() require "spec.helper".remove_dir(path) end)]], "temporary file")
    end)

    it("looks after the file's own after_each blocks", function()
      expect([[require "spec.helper"
        local f
        after_each(function() f:close() end)
        it("a", function() f = io.open "/dev/zero" end)]], "1 passed, 0 failed")
    end)
  end)
end)

describe("helper.run_script", function()
  it("gives arguments, environment and input, and returns what the script said", function()
    local out, err, code, signal = helper.run_script([[
      io.write((...), "|", os.getenv "X", "|", tostring(os.getenv "Y"), "|", io.read "a")
      io.stderr:write "err"
      os.exit(3)]], { args = { "it's" }, env = { X = "1 2", Y = false }, stdin = "in\n" })
    assert.same({ "it's|1 2|nil|in\n", "err", 3 }, { out, err, code })
    assert.is_nil(signal)
  end)

  it("tells a signal from an exit status", function()
    local _, _, code, signal = helper.run_script [[os.execute "kill -KILL $PPID"]]
    assert.is_nil(code)
    assert.equal("SIGKILL", signal)
  end)

  it("raises when the child does not end", function()
    helper.raises("still running", helper.run_script, "while true do end", { timeout = 1 })
  end)

  it("leaves SIGINT to the child", function()
    local _, err, code = helper.run_script [[io.popen "kill -INT $PPID":close(); while true do end]]
    assert.equal(1, code)
    assert.truthy(err:find("interrupted!", 1, true), err)
  end)
end)

describe("helper.no_growth", function()
  it("lets a function pass that leaves nothing", function()
    helper.no_growth(function() return { {}, "x" } end)
  end)

  it("finds a growing heap", function()
    local kept = {}
    helper.raises("bytes of Lua heap", helper.no_growth, function() kept[#kept + 1] = {} end)
  end)

  it("finds memory outside the heap that grows", function()
    if helper.sanitizer then pending "a sanitizer's own memory moves" end
    local kept = {}
    local function leak() kept[#kept + 1] = weft.buffer("u8", 4096) kept[#kept]:fill(1) end
    helper.raises("bytes of resident memory", helper.no_growth, leak, { lua = 2048, n = 50 })
  end)

  it("lets caches fill for a while", function()
    local kept, runs = {}, 0
    helper.no_growth(function()
      runs = runs + 1
      if runs < 1000 then kept[runs] = {} end
    end)
    assert.equal(999, #kept)
  end)
end)

describe("a spec with the helper", function()
  it("has the true globals, and busted's names among them", function()
    local env
    for i = 1, 9 do
      local name, value = debug.getupvalue(sh, i)
      if name == "_ENV" then env = value end
    end
    assert.equal(_G, env)
    assert.is_function(finally)
    assert.is_nil(rawget(_G, "describe"))
    assert.is_nil(_G.no_such_global)
  end)
end)

describe("make luapath", function()
  it("prints assignments that a shell can evaluate", function()
    local out, code = sh [[eval "$(make -s luapath)" && env | grep '^LUA_C*PATH=' | LC_ALL=C sort]]
    assert.equal(0, code)
    local cpath, path = out:match "^LUA_CPATH=(/[^\n]*)\nLUA_PATH=(/[^\n]*)\n$"
    assert.truthy(path, out)
    assert.equal(";;", path:sub(-2))
    assert.equal(";;", cpath:sub(-2))
    assert.truthy(path:find(helper.root .. "/lua/?.lua;" .. helper.root .. "/lua/?/init.lua", 1, true), path)
  end)
end)

describe("the set-up", function()
  it("does nothing when everything is there", function()
    local out, code = sh("sh scripts/setup.sh test", { http_proxy = "http://127.0.0.1:9" })
    assert.same({ "", 0 }, { out, code })
  end)

  it("says what to install when it cannot", function()
    -- A PATH with a shell's needs only, on which nothing can be installed.
    local bin = dir .. "/bin"
    os.execute("mkdir " .. q(bin) .. " && ln -s $(command -v sh) $(command -v env) $(command -v id) " .. q(bin))
    local out, code = sh("sh scripts/setup.sh test", { PATH = bin })
    assert.equal(1, code)
    for _, package in ipairs { "gcc", "make", "lua5.4", "liblua5.4-dev", "libuv1-dev", "lua-busted" } do
      assert.truthy(out:find(" " .. package, 1, true), out)
    end
  end)
end)
