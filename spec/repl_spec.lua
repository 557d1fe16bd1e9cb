-- The prompt, driven through a pseudo-terminal (by `script`), and without one.

local helper = require "spec.helper"
local eval = require "weft.repl_eval"
local weft = require "weft"

describe("a line", function()
  local function what(code)
    local f, message = eval.compile(code, "=stdin", { x = 5 })
    return f and table.pack(pcall(f))[2] or message
  end

  it("is an expression, statements, incomplete or wrong", function()
    assert.equal(6, what "x + 1")
    assert.equal(5, what "=x")
    assert.equal(5, what "  = x")
    assert.equal(5, what "local y = x return y")
    for _, code in ipairs { "for i = 1, 2 do", "f(", "x = {", "function f()", "[[abc", "if x then", "a = --[[", "return (" } do
      assert.equal("more", what(code))
    end
    assert.truthy(what("x = = 1"):find "stdin:1: unexpected symbol")
    assert.truthy(what("end"):find "stdin:1:")
  end)

  it("may be a command", function()
    assert.same({ "trace", "f(1)" }, { eval.command ".trace f(1) " })
    assert.same({ "ps", "" }, { eval.command "  .ps" })
    assert.is_nil(eval.command "x.y")
    assert.is_nil(eval.command ".5 + 1")
  end)
end)

---------------------------------------------------------------------- without a terminal

local function plain(input)
  return helper.run_script('require "weft".repl() io.stderr:write "over"', { stdin = input, env = { NO_COLOR = "1" } })
end

describe("the prompt without a terminal", function()
  it("prints results, keeps _, goes on after errors", function()
    local out, err, code = plain "1 + 1\n_ * 21\nerror 'mine'\n'still', 'here'\n_\n"
    assert.same({ 0, "over" }, { code, err })
    assert.truthy(out:find('^2\n42\nstdin:1: mine\n.*\n"still"\n"here"\n"still"\n$'), out)
  end)

  it("takes several lines for what is not complete", function()
    assert.equal("1\n2\n", (plain "for i = 1, 2 do\nprint(i)\nend\n"))
    assert.truthy(plain("x = (\n"):find("<eof>", 1, true))
  end)

  it("lets lines block while others run", function()
    local out = plain [[
ch = weft.channel()
_ = nil weft.go(function() weft.sleep(0.001) ch:send { answer = 42 } end):detach()
ch:recv()
]]
    assert.truthy(out:find("{ answer = 42 }\ntrue\n", 1, true), out)
  end)

  it("has commands", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/x.lua", "loaded = 7 return loaded")
    local out = plain(".load " .. dir .. "/x.lua\nloaded\n.ps\n.trace weft.sleep(0.001)\n_\n.nonsense\n.load /none\n.help yield\n"
      .. ".quit\n5\n")
    helper.remove_dir(dir)
    assert.truthy(out:find "^7\n7\nid +kind +state")
    assert.truthy(out:find "0 s .*line %d+ .*sleep")
    assert.truthy(out:find("weft.trace: ", 1, true))
    assert.truthy(out:find("no command .nonsense", 1, true))
    assert.truthy(out:find("cannot open", 1, true))
    assert.truthy(out:find("weft.yield()", 1, true))
    assert.is_nil(out:find "\n5\n$")
  end)

  it("fits the reference into the terminal, tables too", function()
    local wrap = require("weft.help").wrap
    assert.equal("some words\nmore\n\n  a: one two\n    three\n  b: x\n\n    code stays as long as it is",
      wrap("some\nwords more\n\n| k | v |\n|---|---|\n| a | one two three |\n| b | x |\n\n    code stays as long as it is", 12))
  end)

  it("is left by the words of other prompts, unless they are globals", function()
    for _, word in ipairs { "exit", "quit", "exit()", " quit ( ) " } do
      assert.equal("1\n", plain("1\n" .. word .. "\n2\n"))
    end
    assert.equal("7\n2\n", plain "quit = 7\nquit\n2\n")
    assert.is_nil(plain("x = quit\n2\n"):find "attempt")
    local strict = "do setmetatable(_G, { __index = function(_, n) error(n .. ' is not declared') end }) end\n1\nquit\n2\n"
    assert.same({ "1\n", "over", 0 }, { plain(strict) })
  end)

  it("takes another table for globals", function()
    local out = helper.run_ok([[
      local env = setmetatable({}, { __index = _G })
      require "weft".repl(env)
      print(env.x, x)
    ]], { stdin = "x = 3\n" })
    assert.equal("3\tnil\n", out)
    helper.raises("bad argument #1 to 'repl' (table expected, got number)", weft.repl, 5)
  end)
end)

---------------------------------------------------------------------- with one

local function has(program)
  local p = io.popen("command -v " .. program .. " 2>/dev/null")
  local found = p:read "l"
  p:close()
  return found ~= nil
end

local test = has "script" and has "stty" and has "mkfifo" and not helper.sanitizer and it or pending

local PROMPT = "\n\r\27%[K> "

-- A session in a pseudo-terminal: keys are written to a pipe, what comes is read from a file.
local function session(f)
  local dir = helper.tmpdir()
  local q = helper.quote
  helper.write_file(dir .. "/repl.lua", [[
    require "weft".repl()
    if AFTER then io.open(AFTER, "w"):close() end
    print "after"
    os.exit(0)
  ]])
  assert(os.execute("mkfifo " .. q(dir .. "/keys")))
  local command = ("echo $$ >%s; TERM=xterm NO_COLOR=1 WEFT_HISTORY=%s exec %s %s/repl.lua"):format(q(dir .. "/pid"),
    q(dir .. "/history"), helper.lua, dir)
  os.execute(("(timeout 40 script -qfec %s %s <%s >/dev/null 2>&1; echo over >%s) &"):format(q(command), q(dir .. "/out"),
    q(dir .. "/keys"), q(dir .. "/end")))
  local keys = assert(io.open(dir .. "/keys", "w"))
  keys:setvbuf "no"
  local s, seen = { dir = dir }, 0
  function s.send(text) keys:write(text) end
  function s.screen()
    local file = io.open(dir .. "/out", "rb")
    local text = file and file:read "a" or ""
    if file then file:close() end
    return text
  end
  -- Waits until the pattern has come since the last one; what matched.
  function s.expect(pattern)
    local text
    local ok = pcall(helper.eventually, function()
      text = s.screen()
      local a, b = text:find(pattern, seen + 1)
      if a then seen = b end
      return a ~= nil
    end, pattern, 15)
    if not ok then error(("never saw %q in:\n%s"):format(pattern, text:sub(seen + 1)), 2) end
  end
  local ok, err = pcall(function()
    s.expect "Ctrl%-D leaves"
    s.expect(PROMPT)
    f(s)
  end)
  if not ok then os.execute(("kill -9 $(cat %s) 2>/dev/null"):format(q(dir .. "/pid"))) end
  keys:close()
  local ended, late = pcall(helper.eventually, function() return io.open(dir .. "/end") end, "the end of the session")
  helper.remove_dir(dir)
  if not ok then error(err, 0) end
  if not ended then error(late, 0) end
end

describe("the prompt in a terminal", function()
  test("shows what is typed, runs lines, leaves at Ctrl-D and gives the terminal back", function()
    session(function(s)
      s.send "6 * 7\r"
      s.expect "> 6 %* 7"
      s.expect "\n42\r?\n"
      s.send "io.write 'no newline'\r"
      s.expect "no newline\r?\nfile %(0x%x+%)\r?\n"
      s.send "os.execute 'stty -a'\r"
      s.expect "%-icanon"
      s.send "\4"
      s.expect "after"
    end)
  end)

  test("runs others while one types, and keeps their output off the line", function()
    session(function(s)
      s.send "t = weft.go(function() for i = 1, 3 do weft.sleep(0.05) print('tick ' .. i) end end)\r"
      s.expect(PROMPT)
      s.send "1234"
      s.expect "tick 1\r?\n\r[^\n]*> 1234"
      s.expect "tick 3\r?\n\r[^\n]*> 1234"
      s.send " + 1\r"
      s.expect "\n1235\r?\n"
      s.send "\4"
    end)
  end)

  test("tells of a job that a line gave and that fails later", function()
    session(function(s)
      s.send "weft.go({ name = 'bad' }, function() weft.sleep(0.02) error('later', 0) end)\r"
      s.expect "weft%.job task %d+ bad %(ready%)"
      s.expect "task %d+ bad failed: later\r?\n"
      s.send "weft.go(function() weft.sleep(60) end)\r" -- what is cancelled at the end is no failure
      s.expect(PROMPT)
      s.send "\4"
      s.expect "after"
      assert.is_nil(s.screen():find "cancelled.-failed")
    end)
  end)

  test("fits its tables and texts into the width, and gives a loaded script its name", function()
    session(function(s)
      helper.write_file(s.dir .. "/x.lua", "print('I am', arg[0])")
      s.send(".load " .. s.dir .. "/x.lua\r")
      s.expect("I am\t" .. s.dir:gsub("%p", "%%%0") .. "/x%.lua")
      s.send "os.execute 'stty cols 60'\r"
      s.expect(PROMPT)
      local before = #s.screen()
      s.send "ps()\r"
      s.expect "keys +io[^\n]*…\r?\n"
      s.send "help(weft.net.listen)\r"
      s.expect "TCP connections%. With"
      s.expect "Errors:"
      s.expect(PROMPT)
      for line in s.screen():sub(before):gmatch "[^\r\n]+" do
        local text = line:gsub("\27%[%d*%a", "")
        assert(#text <= 64 or text:find "^    ", line)
      end
      s.send "\4"
    end)
  end)

  test("cancels the foreground alone at Ctrl-C, one that waits and one that computes", function()
    session(function(s)
      s.send "bg = weft.go(function() weft.sleep(60) end)\r"
      s.expect(PROMPT)
      s.send "weft.channel():recv()\r"
      s.expect "recv%(%)\r?\n"
      s.send "\3"
      s.expect "interrupted\r?\n"
      s.send "while true do end\r"
      s.expect "do end\r?\n"
      s.send "\3"
      s.expect "interrupted\r?\n"
      s.send "bg:status()\r"
      s.expect "\n\"waiting\"\r?\n"
      s.send "abc\3"
      s.expect "%^C\r?\n"
      s.send "bg:cancel() 1 + 1\r"
      s.send "\4"
    end)
  end)

  test("leaves a line in the background at Ctrl-Z, and tells its result", function()
    session(function(s)
      s.send "ch = weft.channel()\r"
      s.expect(PROMPT)
      s.send "ch:recv()\r"
      s.expect "recv%(%)\r?\n"
      s.send "\26"
      s.expect "goes on in the background"
      s.send "ch:send 'late'\r"
      s.expect "line %d+:\r?\n"
      s.expect "\"late\""
      s.send "\4"
    end)
  end)

  test("completes, recalls, and remembers lines", function()
    session(function(s)
      s.send "weft.chan\9(3)\r"
      s.expect "weft%.channel %d+ %(0 of 3%)"
      s.send "weft.s\9"
      s.expect "weft%.s"
      s.send "\9"
      s.expect "scope +select +semaphore"
      s.send "\21\16\r"
      s.expect "weft%.channel %d+ %(0 of 3%)"
      s.send "for i = 1, 2 do\r"
      s.expect ">> "
      s.send "print(i * 100) end\r"
      s.expect "100\r?\n200\r?\n"
      s.send "\4"
      s.expect "after"
      assert.truthy(helper.read_file(s.dir .. "/history"):find("weft.channel(3)\nfor i = 1, 2 do\nprint(i * 100) end\n", 1, true))
    end)
  end)

  test("takes what is typed ahead", function()
    session(function(s)
      s.send "weft.sleep(0.1)\r'ahead'\r"
      s.expect "\n\"ahead\"\r?\n"
      s.send "x = 1\rx + 1\r\4"
      s.expect "\n2\r?\n"
      s.expect "after"
    end)
  end)

  test("shows what lives until a key is pressed", function()
    session(function(s)
      s.send "bg = weft.go({ name = 'sleeper' }, function() weft.sleep(60) end)\r"
      s.expect(PROMPT)
      s.send ".top\r"
      s.expect "alive, cpu"
      s.expect "sleeper"
      s.send "q"
      s.expect(PROMPT)
      s.send "'back'\r"
      s.expect "\n\"back\""
      s.send "bg:cancel()\r\4"
    end)
  end)

  test("ends by itself when the terminal goes, in the middle of a line", function()
    session(function(s)
      s.send(("weft.go(function() while true do weft.sleep(0.01) end end):detach() AFTER = %q\r"):format(s.dir .. "/after"))
      s.expect(PROMPT)
      s.send "weft.signal('SIGHUP') and 'deaf'\r" -- else the signal ends it, as it ends any program
      s.expect "deaf\"\r?\n"
      s.send "1234"
      s.expect "1234"
      local pid = helper.read_file(s.dir .. "/pid"):match "%d+"
      local parent = helper.read_file("/proc/" .. pid .. "/stat"):match "%) %S (%d+)"
      os.execute("kill -9 " .. parent) -- script, and with it the terminal
      helper.eventually(function()
        local f = io.open(s.dir .. "/after")
        if f then f:close() end
        return f ~= nil
      end, "the end of the prompt", 30)
      helper.eventually(function() return not os.execute("kill -0 " .. pid .. " 2>/dev/null") end, "its end")
    end)
  end)

  test("reports a task that failed unseen above the line", function()
    session(function(s)
      s.send "weft.go(function() error 'lost' end) collectgarbage()\r"
      s.expect "failed and nobody looked: stdin:1: lost"
      s.send "\4"
    end)
  end)
end)
