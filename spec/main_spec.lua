-- The main chunk: its end, its errors, os.exit, Ctrl-C, the interactive interpreter.

local helper = require "spec.helper"

local function run(body)
  return helper.run_script("local weft = require 'weft'\n" .. body, { timeout = helper.sanitizer and 60 or 10 })
end

-- A task that says what happens to it.
local chatty = [[
  local function chatty(name, blocks)
    local _ <close> = setmetatable({}, { __close = function(_, err)
      if blocks then weft.sleep(0.0001) weft.yield() end
      print(name, weft.is(err, "cancelled"))
    end })
    weft.sleep(1e6)
  end
]]

describe("the end of the main chunk", function()
  it("is quiet when nothing runs any more", function()
    assert.same({ "1\n", "", 0 }, { run "print(weft.go(function() return 1 end):join())" })
    assert.same({ "", "", 0 }, { run "" })
  end)

  it("cancels and joins what still runs, and says so in one line", function()
    local out, err, code = run(chatty .. [[
      weft.go(chatty, "a", true)
      weft.go(chatty, "b", true)
      weft.yield()
      print "main"
    ]])
    -- Handlers that cannot yield nest: the inner one, b's, must end first.
    assert.equal(helper.close_yields and "main\na\ttrue\nb\ttrue\n" or "main\nb\ttrue\na\ttrue\n", out)
    assert.equal(0, code)
    assert.truthy(err:find "^weft: [^\n]*\n$")
    assert.truthy(err:find("2 jobs", 1, true))
    assert.truthy(err:find "script%.lua:9,")
    assert.truthy(err:find "script%.lua:10\n$")
  end)

  it("counts tasks that have not had their first turn", function()
    local _, err, code = run "weft.go(function() weft.sleep(1e6) end)"
    assert.equal(0, code)
    assert.truthy(err:find "1 job[^s]")
    assert.truthy(err:find "script%.lua:2")
  end)

  it("says nothing of detached jobs, but ends them too", function()
    local out, err, code = run(chatty .. [[
      weft.go(chatty, "a"):detach()
      weft.yield()
    ]])
    assert.same({ "a\ttrue\n", "", 0 }, { out, err, code })
  end)

  it("waits for jobs that were cancelled before and still clean up", function()
    local out, _, code = run(chatty .. [[
      local job = weft.go(chatty, "a", true)
      weft.yield()
      job:cancel()
    ]])
    assert.same({ "a\ttrue\n", 0 }, { out, code })
  end)

  it("names a few of many", function()
    local _, err, code = run "for _ = 1, 1000 do weft.go(weft.sleep, 1e6) end weft.yield()"
    assert.equal(0, code)
    assert.truthy(err:find("1000 jobs", 1, true))
    assert.is_true(#err < 2000)
  end)

  it("starts nothing new", function()
    local out, _, code = run [[
      weft.go(function()
        local _ <close> = setmetatable({}, { __close = function()
          local ok, err = pcall(weft.go, print, "new")
          print(ok, not ok and type(err))
        end })
        weft.sleep(1e6)
      end)
      weft.yield()
    ]]
    assert.equal(0, code)
    assert.is_nil(out:find("new", 1, true))
  end)

  it("comes although a task swallows its cancellation", function()
    local _, err, code = run "weft.go(function() while true do pcall(weft.sleep, 1) end end) weft.yield()"
    assert.equal(0, code)
    assert.truthy(err:find("task 2", 1, true))
    assert.falsy(err:find "left behind")
  end)

  it("comes although a <close> handler never ends", function()
    local _, err, code = run [[
      weft.go(function()
        local _ <close> = setmetatable({}, { __close = function() weft.channel():recv() end })
        weft.sleep(1e6)
      end)
      weft.yield()
    ]]
    assert.equal(0, code)
    -- One that cannot yield waits inline, and nothing else can go on: that is a deadlock, which ends it.
    assert.truthy(err:find(helper.close_yields and "left behind" or "now cancelled"))
  end)

  it("leaves finalisers able to run", function()
    local out, _, code = run [[
      setmetatable({}, { __gc = function() print("gc", (pcall(weft.sleep, 0.0001)), (pcall(weft.go, print))) end })
      keep = setmetatable({}, { __gc = function() print("kept", type(weft.now())) end })
    ]]
    assert.equal(0, code)
    assert.truthy(out:find "gc\t")
    assert.truthy(out:find "kept\tnumber")
  end)

  it("is put off by weft.wait()", function()
    local out, err, code = run [[
      weft.go(function()
        weft.sleep(0.001)
        weft.go(function()
          weft.sleep(0.001)
          print "grandchild"
        end)
      end)
      weft.wait()
      print "end"
    ]]
    assert.same({ "grandchild\nend\n", "", 0 }, { out, err, code })
  end)

  it("names what is stuck in a C function, and leaves it behind", function()
    local _, err, code = helper.run_script [[
      local weft = require "weft"
      local function stuck() ("x"):rep(300):find((".-"):rep(20) .. "y") end
      weft.thread({ name = "busy" }, stuck)
      weft.spawn({ name = "tied" }, stuck)
      weft.sleep(0.02)
    ]]
    assert.equal(0, code)
    assert.truthy(err:find "weft: thread %d+ busy does not end %(in a C call, or a finaliser%?%) and is left behind\n", err)
    assert.truthy(err:find "weft: isolate %d+ tied does not end %(in a C call, or a finaliser%?%) and is left behind\n", err)
  end)

  it("comes at once when the chunk never blocked", function()
    assert.same({ "", 0 }, { select(2, run "for _ = 1, 10 do weft.go(function() end) end weft.wait()") })
  end)
end)

describe("an error in the main chunk", function()
  it("ends the script with status 1, cancelling what runs", function()
    local out, err, code = run(chatty .. [[
      weft.go(chatty, "a", true)
      weft.yield()
      error "the reason"
    ]])
    assert.same({ "a\ttrue\n", 1 }, { out, code })
    assert.truthy(err:find("the reason", 1, true))
    assert.truthy(err:find("1 job", 1, true))
  end)

  it("may be a job's, or one of weft's own", function()
    local _, err, code = run "weft.go(error, 'from the job'):join()"
    assert.equal(1, code)
    assert.truthy(err:find("from the job", 1, true))
    _, err, code = run "weft.timeout(0.0001, weft.sleep, 1e6)"
    assert.equal(1, code)
    assert.truthy(err:find("timeout", 1, true))
    _, err, code = run "weft.channel():recv()"
    assert.equal(1, code)
    assert.truthy(err:find("deadlock", 1, true))
  end)
end)

describe("os.exit", function()
  for _, case in ipairs {
    { "os.exit()", 0 }, { "os.exit(true)", 0 }, { "os.exit(false)", 1 }, { "os.exit(7)", 7 }, { "os.exit(7, true)", 7 },
    { "os.exit(0, false)", 0 },
  } do
    for _, where in ipairs {
      { "in the main chunk", "%s" },
      { "in a task", "weft.go(function() %s end) weft.sleep(1e6)" },
      { "in a generator of a task", "weft.go(function() coroutine.wrap(function() weft.yield() %s end)() end) weft.sleep(1e6)" },
      { "in a comparator", "weft.go(table.sort, { 1, 2 }, function() weft.yield() %s end) weft.sleep(1e6)" },
      { "in a pcall of the main chunk", "pcall(function() weft.yield() %s end)" },
    } do
      it(("%s %s ends all, in order and without a word"):format(case[1], where[1]), function()
        local out, err, code = run(chatty .. [[
          weft.go(chatty, "a", true)
          weft.yield()
        ]] .. where[2]:format(case[1]) .. " print 'never'")
        assert.same({ "a\ttrue\n", "", case[2] }, { out, err, code })
      end)
    end
  end

  it("works in a <close> handler and in a finaliser", function()
    local _, _, code = run "local _ <close> = setmetatable({}, { __close = function() os.exit(5) end })"
    assert.equal(5, code)
    _, _, code = run "setmetatable({}, { __gc = function() os.exit(6) end }) collectgarbage()"
    assert.equal(6, code)
    _, _, code = run [[
      weft.go(function()
        local _ <close> = setmetatable({}, { __close = function() os.exit(7) end })
        weft.sleep(1e6)
      end)
      weft.yield()
    ]]
    assert.equal(7, code)
  end)

  it("refuses what is no status, as Lua's own", function()
    local out, _, code = run "print(pcall(os.exit, 'x')) print(pcall(os.exit, {}))"
    assert.equal(0, code)
    assert.truthy(out:find "false\tbad argument #1.*false\tbad argument #1")
  end)

  it("writes what was printed", function()
    local out, _, code = run "io.stdout:setvbuf 'full' io.write 'buffered' weft.go(function() os.exit(3) end) weft.sleep(1e6)"
    assert.same({ "buffered", 3 }, { out, code })
  end)
end)

describe("Ctrl-C", function()
  -- interrupt_when_blocked() sends SIGINT once the process sleeps; interrupt_now() at once.
  local prelude = [[
    local pid
    do
      local f = io.open "/proc/self/stat"
      pid = f:read "n"
      f:close()
    end
    local kept -- a collected handle would wait for its process
    local function interrupt_when_blocked()
      kept = io.popen(("until grep -q '^State:.S' /proc/%d/status; do :; done; kill -INT %d"):format(pid, pid))
    end
    local function interrupt_now()
      io.popen("kill -INT " .. pid):close()
    end
  ]]

  for _, wait in ipairs {
    "weft.sleep(1e6)", "weft.channel():recv() weft.sleep(1e6)", "weft.go(weft.sleep, 1e6):join()", "weft.wait()",
    "weft.timeout(1e6, weft.sleep, 1e6)", "weft.select { { weft.channel() }, timeout = 1e6 }",
    "weft.scope(function(s) s:go(weft.sleep, 1e6) end)", "table.sort({ 1, 2 }, function() weft.sleep(1e6) end)",
  } do
    it("interrupts the main chunk in " .. wait, function()
      local out, err, code = run(prelude .. chatty .. [[
        weft.go(chatty, "a", true)
        interrupt_when_blocked()
        ]] .. wait)
      assert.equal(1, code)
      assert.truthy(err:find("interrupted!", 1, true))
      assert.equal("a\ttrue\n", out)
    end)
  end

  it("interrupts while tasks take turns", function()
    local _, err, code = run(prelude .. [[
      for _ = 1, 3 do weft.go(function() while true do weft.yield() end end) end
      weft.go(interrupt_now)
      weft.sleep(1e6)
    ]])
    assert.equal(1, code)
    assert.truthy(err:find("interrupted!", 1, true))
  end)

  it("interrupts while one task does nothing but yield", function()
    local _, err, code = run(prelude .. [[
      weft.go(interrupt_now)
      weft.go(function() while true do weft.yield() end end)
      weft.sleep(1e6)
    ]])
    assert.equal(1, code)
    assert.truthy(err:find("interrupted!", 1, true))
  end)

  it("interrupts when it came while a task ran, just before all went to sleep", function()
    local _, err, code = run(prelude .. [[
      weft.go(interrupt_now)
      weft.sleep(1e6)
    ]])
    assert.equal(1, code)
    assert.truthy(err:find("interrupted!", 1, true))
  end)

  it("interrupts the main chunk under a task that waits in a comparator", function()
    local _, err, code = run(prelude .. [[
      weft.go(interrupt_when_blocked)
      weft.go(table.sort, { 1, 2 }, function() weft.sleep(1e6) end)
      weft.sleep(1e6)
    ]])
    assert.equal(1, code)
    assert.truthy(err:find("interrupted!", 1, true))
  end)

  it("can be caught, and the script goes on", function()
    local out, err, code = run(prelude .. [[
      interrupt_when_blocked()
      local ok, err = pcall(weft.sleep, 1e6)
      print(ok, (err:gsub("^.*:%d+: ", "")))
      weft.sleep(0.0001)
      print(weft.go(function() return "on" end):join())
    ]])
    assert.same({ "false\tinterrupted!\non\n", "", 0 }, { out, err, code })
  end)

  it("interrupts a loop of the main chunk that does not block", function()
    local _, err, code = run(prelude .. "interrupt_now() while true do end")
    assert.equal(1, code)
    assert.truthy(err:find("interrupted!", 1, true))
  end)
end)

describe("the interactive interpreter", function()
  local it = helper.sanitizer and pending or it -- the host of the sanitizer builds has no -i

  it("blocks, and keeps tasks from line to line", function()
    local out, _, code = helper.run_script("weft = require 'weft'", {
      options = { "-i" },
      stdin = [[
        ch = weft.channel()
        weft.go(function() for i = 1, 3 do ch:send(i * 11) end end)
        print("first " .. ch:recv())
        print("second " .. ch:recv())
        weft.sleep(0.0001)
        error "a mistake"
        print("third " .. ch:recv())
        weft.channel():recv()
        print(weft.go(function() weft.yield() return "still alive" end):join())
      ]],
    })
    assert.equal(0, code)
    for _, text in ipairs { "first 11", "second 22", "third 33", "still alive" } do
      assert.truthy(out:find(text, 1, true), text)
    end
  end)
end)

describe("a script from standard input or -e", function()
  it("ends as any other", function()
    local out, err, code = helper.run_script("print 'script'", {
      options = { "-e", "weft = require 'weft' weft.go(function() weft.sleep(1e6) end) weft.yield()" },
    })
    assert.same({ "script\n", 0 }, { out, code })
    assert.truthy(err:find("1 job", 1, true))
  end)
end)
