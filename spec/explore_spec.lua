local helper = require "spec.helper"
local weft = require "weft"

-- Two tasks add one to n, with `step` between reading and writing.
local function adders(step)
  return function()
    local n = 0
    local function add()
      local v = n
      step()
      n = v + 1
    end
    local a, b = weft.go(add), weft.go(add)
    a:join()
    b:join()
    return n
  end
end

local function texts(report)
  local list = {}
  for i, o in ipairs(report.outcomes) do list[i] = o.text end
  table.sort(list)
  return list
end

describe("weft.explore", function()
  it("runs every schedule and tells the outcomes", function()
    local lock = weft.mutex()
    local r = weft.explore(adders(function() lock:lock() lock:unlock() end))
    assert.is_true(r.ok)
    assert.is_true(r.complete)
    assert.same({ "1", "2" }, texts(r))
    local sum = 0
    for _, o in ipairs(r.outcomes) do sum = sum + o.count end
    assert.equal(r.schedules, sum)
  end)

  it("counts the schedules of independent tasks as mathematics does", function()
    -- Two tasks of n operations each, started together by a root that then waits: the orders of their operations are
    -- the ways to choose n of 2n places.
    for n, ways in pairs { 6, 20, 70 } do
      local r = weft.explore(function()
        local e = weft.event()
        local function steps() for _ = 1, n do e:is_set() end end
        weft.go(steps)
        weft.go(steps)
      end)
      assert.is_true(r.complete)
      -- A task of n operations has n + 1 pieces: before the first one nothing is done, so each order of the pieces.
      assert.equal(ways, r.schedules)
    end
  end)

  it("finds a failed assertion, and the token replays it", function()
    local f = adders(weft.yield)
    local function checked() assert(f() == 2, "an update was lost") end
    local r = weft.explore(checked)
    assert.is_false(r.ok)
    assert.equal("error", r.failure.kind)
    assert.truthy(r.failure.message:find("an update was lost", 1, true))
    assert.truthy(r.failure.traceback:find("explore_spec.lua", 1, true))
    local again = weft.explore(checked, { replay = r.failure.token })
    assert.equal(1, again.schedules)
    assert.equal("error", again.failure.kind)
    assert.equal(r.failure.token, again.failure.token)
    assert.equal(r.failure.interleaving, again.failure.interleaving)
    local err = helper.raises("an update was lost", function() r:assert() end)
    assert.truthy(tostring(err):find(r.failure.token, 1, true))
  end)

  it("gives each outcome a token that leads to it", function()
    local f = adders(weft.yield)
    local r = weft.explore(f, { points = "lines" })
    assert.same({ "1", "2" }, texts(r))
    for _, o in ipairs(r.outcomes) do
      assert.same({ o.text }, texts(weft.explore(f, { replay = o.token })))
    end
  end)

  it("switches between instructions where it is asked to", function()
    local function f()
      local n = 0
      local function add() n = n + 1 end
      weft.all { weft.go(add), weft.go(add) }
      assert(n == 2, "lost")
    end
    assert.is_true(weft.explore(f):assert().complete)
    assert.is_true(weft.explore(f, { points = "lines" }):assert().complete)
    local r = weft.explore(f, { points = "instructions" })
    assert.equal("error", r.failure.kind)
    assert.equal(1, r.failure.preemptions)
    assert.truthy(r.failure.interleaving:find("preempted midway", 1, true))
  end)

  it("finds the failure with the fewest preemptions by every strategy", function()
    local function f()
      local a, b = weft.mutex(), weft.mutex()
      local function both(one, other)
        one:lock()
        other:lock()
        other:unlock()
        one:unlock()
      end
      weft.go({ name = "one" }, both, a, b)
      weft.go({ name = "two" }, both, b, a)
    end
    for _, strategy in ipairs { "exhaustive", "random", "pct" } do
      local r = weft.explore(f, { strategy = strategy })
      assert.equal("deadlock", r.failure.kind, strategy)
      assert.equal(1, r.failure.preemptions, strategy)
      assert.equal("deadlock: one and two wait for each other's mutexes", r.failure.message)
      assert.equal(2, #r.failure.stuck)
      assert.truthy(r.failure.stuck[1]:find("waits in lock for weft.mutex", 1, true))
      assert.equal("deadlock", weft.explore(f, { replay = r.failure.token }).failure.kind)
    end
  end)

  it("tells the same with the same seed", function()
    local f = adders(weft.yield)
    for _, strategy in ipairs { "random", "pct" } do
      local a = weft.explore(f, { strategy = strategy, seed = 7, schedules = 50 })
      local b = weft.explore(f, { strategy = strategy, seed = 7, schedules = 50 })
      assert.equal(50, a.schedules)
      assert.is_false(a.complete)
      assert.same(a.outcomes, b.outcomes)
    end
  end)

  it("bounds the preemptions", function()
    local function f()
      local n, e = 0, weft.event()
      local function add()
        local v = n
        e:is_set()
        n = v + 1
      end
      for _ = 1, 3 do weft.go(add) end
      weft.wait()
      return n
    end
    assert.same({ "3" }, texts(weft.explore(f, { preemptions = 0 })))
    local one = weft.explore(f, { preemptions = 1 })
    assert.same({ "1", "2", "3" }, texts(one))
    assert.is_false(one.complete)
    assert.truthy(one.coverage:find("with 1 preemption", 1, true))
    local all = weft.explore(f, { seconds = 100 })
    assert.same({ "1", "2", "3" }, texts(all))
    assert.is_true(all.complete)
  end)

  it("stops at its budget and says so", function()
    local function f()
      local e = weft.event()
      for _ = 1, 5 do weft.go(function() for _ = 1, 5 do e:is_set() end end) end
    end
    local r = weft.explore(f, { schedules = 100 })
    assert.equal(100, r.schedules)
    assert.is_false(r.complete)
    assert.truthy(r.coverage:find("stopped at the number of schedules", 1, true))
    r = weft.explore(f, { seconds = 0.05, schedules = math.maxinteger })
    assert.is_false(r.complete)
    assert.truthy(r.coverage:find("stopped at the time", 1, true))
  end)

  it("chooses in select as in schedules", function()
    for _, first in ipairs { 1, 2, 3 } do -- where the one is that is not ready
      local r = weft.explore(function()
        local a, b, c = weft.channel(1), weft.channel(1), weft.channel(1)
        a:send "a"
        b:send "b"
        local cases = { { a }, { b } }
        table.insert(cases, first, { c })
        return (select(2, weft.select(cases)))
      end)
      assert.is_true(r.complete)
      assert.same({ '"a"', '"b"' }, texts(r))
    end
  end)

  it("makes chance the same in every run", function()
    local seen = {}
    local r = weft.explore(function()
      seen[math.random(1 << 40)] = true
      weft.all { weft.go(weft.yield), weft.go(weft.yield) }
    end)
    assert.is_true(r.schedules > 1)
    assert.is_nil(next(seen, (next(seen))))
  end)

  it("says when more than the schedule decides", function()
    local calls = 0
    local r = weft.explore(function()
      calls = calls + 1
      local odd = calls % 2 == 1
      weft.all { weft.go(function() if odd then weft.yield() end end), weft.go(weft.yield) }
    end)
    assert.equal("nondeterminism", r.failure.kind)
  end)

  it("says when a token does not fit", function()
    local r = weft.explore(function() end, { replay = "o:3:0000002a" })
    assert.equal("nondeterminism", r.failure.kind)
  end)

  it("finds that outcomes differ where they must not", function()
    local function f()
      local order = {}
      local function note(x) order[#order + 1] = x end
      weft.all { weft.go(note, 1), weft.go(note, 2) }
      return order
    end
    assert.same({ "{1, 2}", "{2, 1}" }, texts(weft.explore(f)))
    local r = weft.explore(f, { same = true })
    assert.equal("outcome", r.failure.kind)
    assert.truthy(r.failure.message:find("{1, 2} and {2, 1}", 1, true))
  end)

  it("goes on after a failure when told to", function()
    local r = weft.explore(function()
      local order = {}
      local function note(x) order[#order + 1] = x end
      weft.all { weft.go(note, 1), weft.go(note, 2) }
      if order[1] == 2 then error("two was first", 0) end
      return "fine"
    end, { keep_going = true })
    assert.is_true(r.complete)
    assert.is_false(r.ok)
    assert.equal(1, #r.failures)
    assert.equal("two was first", r.failure.message)
    assert.equal(r.schedules, r.failure.count + r.outcomes[1].count)
  end)

  it("checks its arguments", function()
    local function noop() end
    helper.raises("bad argument #1 to 'explore' (function expected, got nil)", weft.explore, nil)
    helper.raises("bad argument #2 to 'explore' (table expected, got number)", weft.explore, noop, 1)
    helper.raises("unknown option 'speed'", weft.explore, noop, { speed = 1 })
    helper.raises("points: 'operations' or 'lines' or 'instructions' expected", weft.explore, noop, { points = "bytes" })
    helper.raises("schedules: integer >= 1 expected", weft.explore, noop, { schedules = 0 })
    helper.raises("seconds: number > 0 expected", weft.explore, noop, { seconds = 0 })
    helper.raises("watch: table of tables expected", weft.explore, noop, { watch = { x = 1 } })
    for _, token in ipairs { "", "o", "o:1", "x:1:00000000", "o:2,1:00000000", "o:1.999:00000000", "o:99999999999:00000000" } do
      helper.raises("not a token of weft.explore", weft.explore, noop, { replay = token })
    end
  end)
end)

describe("the report", function()
  local function report()
    return weft.explore(function()
      local m, c = weft.mutex(), weft.condition()
      m:lock()
      c:wait(m)
    end)
  end

  it("shows one column a task and one row a line", function()
    local text = helper.run_ok([[
      local weft = require "weft"
      local function f()
        local n, e = 0, weft.event()
        local function add()
          local v = n
          e:is_set()
          n = v + 1
        end
        local a, b = weft.go({ name = "one" }, add), weft.go({ name = "two" }, add)
        a:join()
        b:join()
        assert(n == 2)
      end
      print(weft.explore(f).failure.interleaving)
    ]], { env = { COLUMNS = "80", NO_UNICODE = "1" } })
    assert.equal([[
     task 1                                   |    one          |    two
  --------------------------------------------+-----------------+---------------
   3 local n, e = 0, weft.event()             |                 |
   8 end                                      |                 |
   9 local a, b = weft.go({ name = "one" },.. |                 |
  10 a:join()                                 |                 |
     -- waits                                 |                 |
                                              |  5 local v = n  |
                                              |    -- preempted |
                                              |                 |  5 local v = n
                                              |                 |  6 e:is_set()
                                              |                 |  7 n = v + 1
                                              |                 |  8 end
                                              |                 |    -- ends
                                              |  6 e:is_set()   |
                                              |  7 n = v + 1    |
                                              |  8 end          |
                                              |    -- ends      |
  11 b:join()                                 |                 |
  12 assert(n == 2)                           |                 |
     -- ends                                  |                 |
]], text)
  end)

  it("is text, and small enough for the terminal", function()
    local r = report()
    local text = tostring(r)
    assert.truthy(text:find("deadlock: 1 of 1 tasks wait for ever", 1, true))
    assert.truthy(text:find("covered: ", 1, true))
    assert.truthy(text:find('replay = "' .. r.failure.token .. '"', 1, true))
  end)
end)
