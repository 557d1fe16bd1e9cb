-- weft.explore at its edges: what runs beside it, runs that are broken off, odd keys and odd operations; its C half (core).

local core = require "weft.core"
local helper = require "spec.helper"
local weft = require "weft"

weft.thread(function() end):join()
for _ in pairs(weft) do end -- all parts are there

-- A session of the C half, and one run of it.
local function session_new(points, calls)
  calls = calls or {}
  calls.failed, calls.stuck, calls.holders = {}, {}, {}
  return core.explore_new(calls, points or "operations", 300, false, "@nothing")
end

local function run(f, session) return core.explore_run(session or session_new(), f, 1, "plan", "") end

describe("what runs beside an exploration", function()
  it("goes on afterwards", function()
    local ch, there = weft.channel(), weft.channel()
    local waits = weft.go(function() return ch:recv() end)
    local all = weft.go(function()
      weft.wait()
      return "all have ended"
    end)
    local thread = weft.thread(function(c) return c:recv() end, there)
    weft.yield()
    for _ = 1, 3 do
      assert.same({ "ended", false, true, 7 }, { run(function()
        local a = weft.go(function() return 3 end)
        local b = weft.go(function() return 4 end)
        return a:join() + b:join()
      end) })
    end
    ch:send "here"
    there:send "there"
    assert.same({ "here", "there", "all have ended" }, { waits:join(), thread:join(), all:join() })
  end)

  it("may wake a run, which then depends on it", function()
    local ch = weft.channel()
    local thread = weft.thread(function(c)
      for i = 1, 3 do c:send(i) end
    end, ch)
    local sum = 0
    repeat
      local verdict, _, ok, n = run(function()
        for _ = 1, 20 do weft.yield() end
        local got, v = ch:try_recv()
        return got and v or 0
      end)
      assert.same({ "ended", true }, { verdict, ok })
      sum = sum + (tonumber(n) or 0)
      weft.yield()
    until thread:status() == "done" or sum == 6
    thread:join()
    assert.truthy(sum <= 6)
  end)
end)

describe("a run that is broken off", function()
  it("by the cancellation of its task ends its own tasks first", function()
    local ended = 0
    local host
    host = weft.go(function()
      run(function()
        for _ = 1, 3 do
          weft.go(function()
            local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
            weft.sleep(1000)
          end)
        end
        weft.yield()
        host:cancel()
        weft.sleep(1000)
      end)
    end)
    local ok, err = host:result()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "cancelled"))
    assert.equal(3, ended)
    assert.equal("ended", (run(function() end)))
  end)

  it("lets tasks clear up, with tasks, with waits", function()
    local log = {}
    local verdict = run(function()
      weft.go(function()
        local _ <close> = setmetatable({}, {
          __close = function()
            local job = weft.go(function() log[#log + 1] = "started" end)
            job:wait()
            weft.yield()
            log[#log + 1] = job:status()
          end,
        })
        weft.channel():recv()
      end)
      weft.channel():recv()
    end)
    assert.equal("deadlock", verdict)
    assert.truthy(#log >= 1)
    assert.equal("ended", (run(function() end)))
  end)

  it("ends tasks that look at lines and do not want to end", function()
    for _, points in ipairs { "operations", "lines", "instructions" } do
      local verdict = run(function()
        weft.go(function()
          while true do
            pcall(function()
              while true do
                local _ = 1
              end
            end)
          end
        end)
        while true do weft.yield() end
      end, session_new(points))
      assert.equal("steps", verdict)
    end
  end)
end)

describe("a run without end", function()
  it("of selects is one of too many steps", function()
    assert.equal("steps", (run(function()
      local a, b = weft.channel(1), weft.channel(1)
      a:send(1)
      b:send(1)
      while true do weft.select { { a, send = { 1 } }, { b, send = { 1 } }, { a }, { b } } end
    end)))
  end)

  it("waits for who is outside", function()
    local ch, back = weft.channel(), weft.channel()
    local thread = weft.thread(function(c, b)
      b:send(c:recv())
      return 5
    end, ch, back)
    assert.equal("outside", (run(function() return back:recv() end)))
    ch:send(4)
    assert.same({ 4, 5 }, { back:recv(), thread:join() })
  end)

  for what, hold in pairs {
    ["a lock of readers"] = function() local l = weft.rwlock() return l.lock, l end,
    ["a semaphore"] = function() local s = weft.semaphore(1) return s.acquire, s end,
    ["a mutex"] = function() local m = weft.mutex() return m.lock, m end,
  } do
    it(("is told with who waits for %s, also where Lua cannot yield"):format(what), function()
      local calls = { log = function() end }
      assert.equal("deadlock", (run(function()
        local lock, object = hold()
        lock(object)
        weft.go(function() lock(object) end)
        weft.go(function() table.sort({ 2, 1 }, function() lock(object) end) end)
        weft.channel():recv()
      end, session_new("operations", calls))))
      assert.equal(3, #calls.stuck)
      assert.equal(3, #calls.holders)
      assert.equal(what == "a mutex" and 1 or 0, calls.holders[2][2])
    end)
  end
end)

describe("the clock of a run", function()
  it("may go on at any point, by chance", function()
    local s = core.explore_new({ failed = {}, stuck = {}, holders = {} }, "operations", 300, true, "@nothing")
    local seen = {}
    for seed = 1, 200 do
      for _, policy in ipairs { "random", "pct" } do
        local verdict, _, ok, text = core.explore_run(s, function()
          local log = {}
          for i = 1, 2 do
            weft.go(function()
              weft.sleep(i)
              log[#log + 1] = i
            end)
          end
          for _ = 1, 3 do
            weft.yield()
            log[#log + 1] = "y"
          end
          pcall(weft.timeout, 1, weft.sleep, 2)
          weft.wait()
          return table.concat(log)
        end, 1, policy, seed, 3, 10)
        assert.same({ "ended", true }, { verdict, ok })
        seen[text] = true
      end
    end
    assert.truthy(seen["12yyy"] and seen["y12yy"] and seen["1y2yy"])
  end)
end)

describe("a plan", function()
  it("that does not fit is told to have diverged", function()
    local function f()
      for _ = 1, 3 do weft.go(weft.yield) end
      weft.wait()
    end
    local s = session_new()
    for _, choice in ipairs { 1, 200 } do
      local _, diverged = core.explore_run(s, f, 1, "plan", string.pack("=I4I4", 0, choice))
      assert.equal(choice == 200, diverged)
    end
    local _, diverged = core.explore_run(s, f, 1, "plan", string.pack("=I4I4", 0, 1), 12345)
    assert.is_true(diverged)
  end)

  it("has place for 255 cases of a select", function()
    local _, _, ok, n = run(function()
      local cases = {}
      for i = 1, 300 do
        local ch = weft.channel(1)
        ch:send(i)
        cases[i] = { ch }
      end
      return (weft.select(cases))
    end)
    assert.is_true(ok)
    assert.truthy(n >= 1 and n <= 300)
  end)
end)

describe("a task of a run", function()
  it("takes ten thousand arguments, no more, and there are not too many", function()
    local many = {}
    for i = 1, 10000 do many[i] = i end
    local _, _, ok, n = run(function() return weft.go(select, "#", table.unpack(many, 1, 9999)):join() end)
    assert.same({ true, 9999 }, { ok, n })
    local _, _, bad, err = run(function() weft.go(select, "#", table.unpack(many)) end)
    assert.is_false(bad)
    assert.truthy(tostring(err):find "10000 arguments at most")
    _, _, bad, err = run(function()
      for _ = 1, 10000 do weft.go(weft.yield) end
    end)
    assert.is_false(bad)
    assert.truthy(tostring(err):find "follows %d+ at most")
  end)

  it("has a number", function()
    assert.is_nil((core.explore_current()))
    local _, _, _, n, m = run(function() return core.explore_current(), weft.go(core.explore_current):join() end)
    assert.same({ 1, 2 }, { n, m })
  end)

  it("cannot explore, start threads, or do so by what it was given", function()
    local r = weft.explore(function() return pcall(weft.explore, function() end) end)
    assert.truthy(r.outcomes[1].text:find "inside what it explores")
    local _, _, _, ok, err = run(function() return pcall(run, function() end) end)
    assert.is_false(ok)
    assert.truthy(tostring(err):find "inside what it explores")
  end)
end)

describe("the C half", function()
  it("refuses nonsense", function()
    helper.raises("1 to 10000000", core.explore_new, {}, "lines", 0, false, "x")
    helper.raises("1 to 10000000", core.explore_new, {}, "lines", 10000001, false, "x")
    helper.raises("invalid option 'points'", core.explore_new, {}, "points", 5, false, "x")
    local s = session_new()
    helper.raises("not a plan", core.explore_run, s, print, 1, "plan", "abc")
    helper.raises("invalid option 'all'", core.explore_run, s, print, 1, "all")
    helper.raises("function expected", core.explore_run, s, {}, 1, "plan", "")
    helper.raises("a number of decisions", core.explore_trace, s, -1)
    run(function() weft.go(weft.yield) end, s)
    assert.equal("", (core.explore_trace(s, 1000000)))
    helper.raises("number expected", core.explore_access, "x", 1, true)
    core.explore_access("x", {}, true, 1) -- outside a run: nothing
    helper.raises("table expected", core.explore_unwatch, 1, {})
    getmetatable(s).__gc {} -- no session
    assert.is_false(core.explore_unseen(weft.go(weft.yield)))
    weft.wait()
  end)

  it("draws schedules that can be drawn again", function()
    local function f()
      local log = {}
      for i = 1, 3 do
        weft.go(function()
          weft.yield()
          log[#log + 1] = i
        end)
      end
      weft.wait()
      return table.concat(log)
    end
    for _, seed in ipairs { 0, 1, -1, math.mininteger, 0x6778a64cc8dc5f0b } do -- the last one makes a state of 0
      local s = session_new()
      local _, _, _, first = core.explore_run(s, f, 1, "random", seed)
      local _, _, _, again = core.explore_run(s, f, 1, "random", seed)
      assert.equal(first, again)
      first = select(4, core.explore_run(s, f, 1, "pct", seed, 0, 0))
      assert.equal(first, (select(4, core.explore_run(s, f, 1, "pct", seed, 0, 0))))
    end
  end)

  it("wraps functions of weft's alone", function()
    local modes = { "none", "guard", "index", "refused", "acquire" }
    local foreign = { ("x"):gmatch ".", function() end }
    for _, mode in ipairs(modes) do
      assert.is_nil(core.explore_wrap(foreign[1], "gmatch", mode))
      assert.is_nil(core.explore_wrap(foreign[2], "lua", mode))
    end
    for _, mode in ipairs { "none", "guard", "refused" } do
      local wrapped = assert(core.explore_wrap(core.now, "now", mode))
      assert.equal("number", type(wrapped()))
      assert.is_nil(core.explore_wrap(wrapped, "now"))
    end
    assert.is_nil(core.explore_wrap(core.now, "now", "index"))
    local refused = core.explore_wrap(core.now, "now", "refused")
    local _, _, ok, err = run(function() return refused() end)
    assert.is_false(ok)
    assert.truthy(tostring(err):find "cannot use 'now' here")
    helper.raises("invalid option 'none of these'", core.explore_wrap, print, "print", "none of these")
  end)

  it("starts to look at lines in the middle of a run", function()
    local lines = 0
    local s
    s = session_new("operations", { line = function()
      lines = lines + 1
      return lines % 2 == 0
    end })
    local verdict = run(function()
      local a = weft.go(function() weft.yield() return 1 end)
      local b = weft.go(function() return 2 end)
      b:join()
      core.explore_lines(s)
      local _ = 1
      return a:join()
    end, s)
    assert.equal("ended", verdict)
    assert.truthy(lines > 0)
    s = session_new("operations", { line = function() error "in the hook" end })
    core.explore_lines(s)
    assert.equal("ended", (run(function()
      local _ = 1
      weft.yield()
    end, s)))
  end)

  it("bears a log that fails, and one that is long", function()
    local s = session_new("operations", { log = function() error "no log" end })
    assert.equal("deadlock", (run(function()
      local m = weft.mutex()
      m:lock()
      weft.go(function() m:lock() end)
      weft.yield()
      weft.channel():recv()
    end, s)))
    local n = 0
    s = session_new("operations", { log = function() n = n + 1 end })
    run(function()
      local x = 0
      for i = 1, 10000 do
        x = x + i
        x = x - 1
      end
    end, s)
    assert.truthy(n <= 2100, n)
  end)
end)

describe("watched tables", function()
  -- Two tasks access the same key without order: told by its name.
  local keys = {
    ["t.x"] = "x", ["t[3]"] = 3, ["t[1.5]"] = 1.5, ["t[true]"] = true, ["t[false]"] = false,
    ["t[-inf]"] = -math.huge,
  }
  for name, key in pairs(keys) do
    it(("tell %s apart"):format(name), function()
      local r = weft.explore(function(x)
        local t = x:watch({}, "t")
        weft.all { weft.go(function() t[key] = 1 end), weft.go(function() t[key] = 2 end) }
      end)
      assert.equal("race", r.failure.kind)
      assert.truthy(r.failure.message:find(name, 1, true), r.failure.message)
      r = weft.explore(function(x)
        local t = x:watch({}, "t")
        weft.all { weft.go(function() t[key] = 1 end), weft.go(function() t.other, t[7] = 2, 2 end) }
      end)
      assert.is_nil(r.failure)
    end)
  end

  it("take objects for keys", function()
    local object = {}
    local r = weft.explore(function(x)
      local t = x:watch({}, "t")
      weft.all { weft.go(function() t[object] = 1 end), weft.go(function() t[object] = 2 end) }
    end)
    assert.equal("race", r.failure.kind)
  end)

  it("have a length, which may be a switch point", function()
    local r = weft.explore(function(x)
      local t = x:watch({ 1, 2, 3 }, "t")
      local jobs = {}
      for i = 1, 2 do jobs[i] = weft.go(function() return #t end) end
      return jobs[1]:join() + jobs[2]:join()
    end)
    assert.equal("6", r:assert().outcomes[1].text)
  end)

  it("keep their metatables, and can be walked", function()
    local r = weft.explore(function(x)
      local t = x:watch(setmetatable({ a = 1 }, { __index = function(_, k) return k .. "?" end }), "t")
      local n = 0
      for _, v in pairs(t) do n = n + v end
      return n, t.b
    end)
    assert.equal("1, b?", (r:assert().outcomes[1].text:gsub('"', "")))
  end)
end)

describe("operations that are misused", function()
  it("raise as ever under the eyes of the race detector", function()
    local r = weft.explore(function(x)
      x:watch({}, "t")
      local b, ch, m, c = weft.buffer("i32", 4), weft.channel(1), weft.mutex(), weft.condition()
      local results = {}
      for _, f in ipairs {
        function() b:load(99) end, function() weft.select(5) end, function() weft.select { { 5 } } end,
        function() weft.select { 5 } end, function() m:unlock() end, function() m:with() end, function() m.with() end,
        function() c:wait() end, function() c:wait(5) end, function() return ch.recv() end, function() return ch.send(5) end,
        function() return b[9] end, function() b[9] = 1 end, function() return b.nothing end,
      } do results[#results + 1] = tostring((pcall(f))) end
      return table.concat(results, " ")
    end)
    assert.is_nil(r.failure, tostring(r))
    local text = r.outcomes[1].text
    assert.truthy(text:find "^\"?false false false false false false false false false false false", text)
  end)
end)
