-- The command `weft`, run from the source tree.

local helper = require "spec.helper"

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.remove_dir(dir) end)

-- Runs the command: stdout, stderr, exit status. The file is a copy, as scripts of the helper end in .lua.
local function weft(args, opts)
  opts = opts or {}
  opts.args, opts.env = args, { NO_COLOR = "1", WEFT_QUICK = "1", COLUMNS = "100" }
  helper.write_file(dir .. "/weft.lua", helper.read_file(helper.root .. "/bin/weft"))
  return helper.run_script(dir .. "/weft.lua", opts)
end

describe("weft", function()
  it("runs a script as lua does: arguments, arg, a global weft", function()
    helper.write_file(dir .. "/s.lua", "print(weft == require 'weft', arg[0]:match '[^/]+$', arg[1], #arg, ...)")
    local out, err, code = weft { dir .. "/s.lua", "a", "-x", "--timeline" }
    assert.same({ "true\ts.lua\ta\t3\ta\t-x\t--timeline\n", "", 0 }, { out, err, code })
  end)

  it("gives the script's exit status, and 1 for its errors", function()
    helper.write_file(dir .. "/s.lua", "os.exit(7)")
    assert.equal(7, (select(3, weft { dir .. "/s.lua" })))
    helper.write_file(dir .. "/s.lua", "error 'broken'")
    local _, err, code = weft { dir .. "/s.lua" }
    assert.equal(1, code)
    assert.truthy(err:find "s.lua:1: broken")
    helper.write_file(dir .. "/s.lua", "x = = 1")
    _, err, code = weft { dir .. "/s.lua" }
    assert.equal(1, code)
    assert.truthy(err:find "^weft: .*s.lua:1:")
    _, err, code = weft { "/none/x.lua" }
    assert.same({ 1, "weft: cannot open /none/x.lua: No such file or directory\n" }, { code, err })
  end)

  it("runs code and standard input", function()
    assert.equal("1\n2\n", (weft { "-e", "x = 1 print(x)", "-e", "print(x + 1)" }))
    assert.equal("in\ta\n", (weft({ "-", "a" }, { stdin = "print('in', ...)" })))
    assert.equal("piped\n", (weft({}, { stdin = "print 'piped'" })))
    assert.equal("42\n", (weft({ "-i" }, { stdin = "6 * 7\n" })))
  end)

  it("says what it does not understand, with status 2", function()
    for words, message in pairs {
      ["--nonsense"] = "no option '--nonsense'", ["-e"] = "-e needs a value", ["--trace x.doc"] = "must end in",
      ["--capacity 0"] = "a number of events", ["--preempt x"] = "seconds expected", ["--timeline=1"] = "no option",
      ["examples nosuch"] = "no example 'nosuch'", ["completion tcsh"] = "bash, zsh or fish", ["show"] = "one file expected",
      ["bench --nonsense"] = "no option '--nonsense'", ["bench --seconds x"] = "a number above 0",
    } do
      local args = {}
      for word in words:gmatch "%S+" do args[#args + 1] = word end
      local out, err, code = weft(args)
      assert.same({ 2, "" }, { code, out }, words)
      assert.truthy(err:find(message, 1, true), err)
      assert.truthy(err:find("try weft --help", 1, true))
    end
  end)

  it("tells its version and what it can do", function()
    assert.truthy((weft { "--version" }):find "^weft .*Lua 5%.4")
    local out = weft { "--help" }
    for _, word in ipairs { "demo", "examples", "bench", "show", "info", "help", "completion", "--timeline", "--trace" } do
      assert.truthy(out:find(word, 1, true), word)
    end
    assert.equal(out, (weft { "-h" }))
  end)
end)

describe("bin/weft in a source tree", function()
  local function q(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

  -- Runs a shell line without LUA_PATH and LUA_CPATH: its output, both kinds, and its status.
  local function sh(line)
    local p = io.popen("{ " .. line .. "; } 2>&1; echo $?")
    local out, code = p:read "a":match "^(.-)(%d+)\n$"
    p:close()
    return out, tonumber(code)
  end

  -- A tree whose cli.lua tells what it was given.
  local function tree()
    assert(os.execute(("mkdir -p %s/bin %s/lua/weft %s/build/weft"):format(q(dir), q(dir), q(dir))))
    assert(os.execute(("cp %s %s"):format(q(helper.root .. "/bin/weft"), q(dir .. "/bin/weft"))))
    helper.write_file(dir .. "/lua/weft/cli.lua",
      "return { main = function(a) print(#a, a[1], package.searchpath('weft.core', package.cpath)) os.exit(5) end }")
    helper.write_file(dir .. "/build/weft/core.so", "")
  end

  it("runs the tree's own modules by a Lua 5.4, from everywhere, through a link too", function()
    tree()
    local expected = "1\ta b\t" .. dir .. "/build/weft/core.so\n"
    local clean = "unset LUA_PATH LUA_CPATH; "
    assert.same({ expected, 5 }, { sh(clean .. "cd / && " .. q(dir .. "/bin/weft") .. " 'a b'") })
    assert(os.execute(("ln -s %s %s"):format(q(dir .. "/bin/weft"), q(dir .. "/link"))))
    assert.same({ expected, 5 }, { sh(clean .. "cd / && " .. q(dir .. "/link") .. " 'a b'") })
    expected = "1\ta b\t./build/weft/core.so\n"
    assert.same({ expected, 5 }, { sh(clean .. "cd " .. q(dir) .. " && lua5.4 bin/weft 'a b'") })
  end)

  it("leaves paths alone that lead to the tree already, as those of another build do", function()
    tree()
    local paths = ("LUA_PATH=%s LUA_CPATH=%s "):format(q(dir .. "/lua/?.lua"), q(dir .. "/other/?.so"))
    local out = sh("cd / && " .. paths .. q(dir .. "/bin/weft") .. " x")
    assert.equal("1\tx\tnil", out:match "^[^\n]-nil")
  end)

  it("says what to do when nothing is built, or there is no Lua 5.4", function()
    tree()
    os.remove(dir .. "/build/weft/core.so")
    assert.same({ "weft: not built yet: run `make` in " .. dir .. "/\n", 1 },
      { sh("unset LUA_PATH LUA_CPATH; cd / && " .. q(dir .. "/bin/weft")) })
    local out, code = sh("PATH=/nowhere /bin/sh " .. q(dir .. "/bin/weft"))
    assert.equal(1, code)
    assert.truthy(out:find "^weft: no Lua 5.4 found")
  end)
end)

describe("weft with pictures", function()
  local SCRIPT = "weft.go({ name = 'napper' }, weft.sleep, 0.001):join() print 'done'"

  it("draws on standard error what ran", function()
    helper.write_file(dir .. "/s.lua", SCRIPT)
    local out, err, code = weft { "--timeline", "--summary", dir .. "/s.lua" }
    assert.same({ "done\n", 0 }, { out, code })
    assert.truthy(err:find "\nnapper +.*sleep")
    assert.truthy(err:find "task +kind +runs")
  end)

  it("writes it to files", function()
    helper.write_file(dir .. "/s.lua", SCRIPT)
    for ending, start in pairs { html = "<!doctype html>", svg = "<svg", json = '{"displayTimeUnit"', trace = "WEFTTRC1" } do
      local path = dir .. "/t." .. ending
      local out, err = weft { "--trace", path, dir .. "/s.lua" }
      assert.equal("done\n", out)
      assert.truthy(err:find("events in " .. path, 1, true))
      assert.equal(start, helper.read_file(path):sub(1, #start))
    end
    local out = weft { "show", dir .. "/t.trace", "--svg", dir .. "/again.svg", "--by", "carrier" }
    assert.truthy(out:find "busy")
    assert.truthy(helper.read_file(dir .. "/again.svg"):find "napper")
    local _, err, code = weft { "show", dir .. "/s.lua" }
    assert.equal(1, code)
    assert.truthy(err:find "not a trace")
  end)

  it("writes it when the script fails or exits too", function()
    helper.write_file(dir .. "/s.lua", "weft.sleep(0.001) error 'no'")
    local _, err, code = weft { "--timeline", dir .. "/s.lua" }
    assert.equal(1, code)
    assert.truthy(err:find "wall " and err:find "no\n")
    helper.write_file(dir .. "/s.lua", "weft.sleep(0.001) os.exit(3)")
    _, err, code = weft { "--timeline", dir .. "/s.lua" }
    assert.equal(3, code)
    assert.truthy(err:find "wall ")
  end)

  it("keeps the last moments for a deadlock", function()
    local path = dir .. "/r.trace"
    local _, err = weft { "--recorder=" .. path, "-e", "pcall(function() weft.channel():recv() end)" }
    assert.truthy(err:find("deadlock: the last moments are in " .. path, 1, true))
    local out = weft { "show", path }
    assert.truthy(out:find "^written because: deadlock\n")
  end)

  it("lets tasks take turns when asked", function()
    if helper.sanitizer == "tsan" then return pending "it holds back the signal that interrupts a loop" end
    local out = weft { "--preempt", "0.001", "-e",
      "local n = 0 local j = weft.go(function() while n == 0 do end end) weft.go(function() n = 1 end) j:join() print(n)" }
    assert.equal("1\n", out)
  end)
end)

describe("the words of weft", function()
  it("examples: lists them, runs one", function()
    local out = weft { "examples" }
    assert.truthy(out:find "\nring +token passing is pure scheduling")
    assert.truthy((weft { "examples", "deadlock" }):find("deadlock", 1, true))
  end)

  it("demo: the three pictures", function()
    local out, err, code = weft { "demo" }
    assert.same({ 0, "" }, { code, err })
    assert.truthy(out:find "general" and out:find "concurrent" and out:find "parallel")
  end)

  it("help: what is in weft itself too", function()
    assert.truthy((weft { "help", "weft.stdin" }):find "^weft.stdin: weft.stream\n")
  end)

  it("bench: weft's own costs, or those of a file, saved and compared", function()
    local out, err, code = weft { "bench", "--seconds", "0.01", "--svg", dir .. "/b.svg" }
    assert.same({ 0, "" }, { code, err })
    assert.truthy(out:find "yield to another task" and out:find "thread, start to end")
    assert.truthy(helper.read_file(dir .. "/b.svg"):find "^<svg")
    helper.write_file(dir .. "/b.lua", "return { one = function() end, two = function() return {} end }")
    out = weft { "bench", "--seconds", "0.02", "--save", dir .. "/old", dir .. "/b.lua" }
    assert.truthy(out:find "against one")
    out = weft { "bench", "--seconds", "0.02", "--against", dir .. "/old", dir .. "/b.lua" }
    assert.truthy(out:find("two, against " .. dir .. "/old: ", 1, true))
    for returned, what in pairs { ["5"] = "number", ["{}"] = "an empty one" } do
      helper.write_file(dir .. "/wrong.lua", "return " .. returned)
      local _, message, failed = weft { "bench", dir .. "/wrong.lua" }
      assert.same({ 1, ("weft: %s/wrong.lua: a table of functions to measure expected, it returned %s\n"):format(dir, what) },
        { failed, message })
    end
    local _, wrong, status = weft { "bench", "/none.lua" }
    assert.equal(1, status)
    assert.truthy(wrong:find "^weft: cannot open")
  end)

  it("help: the reference", function()
    assert.truthy((weft { "help", "channel:recv" }):find "^channel:recv%(%)")
    assert.truthy((weft { "help" }):find "weft.go")
  end)

  it("info: what a process owns", function()
    local out, err, code = weft { "info" }
    assert.same({ 0, "" }, { code, err })
    assert.truthy(out:find "^process %d+ ", out)
  end)

  it("completion: scripts that their shells understand", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local out = weft { "completion", shell }
      assert.truthy(out:find("examples", 1, true))
      helper.write_file(dir .. "/c", out)
      local p = io.popen("command -v " .. shell)
      local there = p:read "l"
      p:close()
      if there then assert(os.execute(shell .. " -n " .. helper.quote(dir .. "/c"))) end
    end
  end)
end)
