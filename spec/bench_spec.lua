-- weft.bench: measurements, comparisons, load, files; and the statistics below them. No test here says how long
-- something takes.

local helper = require "spec.helper"
local results = require "weft.bench_result"
local stats = require "weft.stats"
local weft = require "weft"

local QUICK = { seconds = 0.02, rounds = 2, samples = 5, warmup = 0 }

local function with(more)
  local opts = {}
  for key, value in pairs(QUICK) do opts[key] = value end
  for key, value in pairs(more) do opts[key] = value end
  return opts
end

-- A result of samples made by hand.
local function made(name, rounds)
  local list = {}
  for i, walls in ipairs(rounds) do list[i] = { loops = 10, loop = 0, wall = walls, cpu = walls, bytes = 8 } end
  return results.result { name = name, rounds = list, where = "rounds", machine = weft.bench.machine() }
end

local function steady(value, spread)
  local rounds, k = {}, 0
  for r = 1, 5 do
    rounds[r] = {}
    for i = 1, 10 do
      k = k + 1
      rounds[r][i] = value * (1 + spread * ((k * 7919) % 101 - 50) / 50)
    end
  end
  return rounds
end

describe("statistics", function()
  it("quantiles", function()
    assert.same({ 1, 2.5, 4, 1.75 }, { stats.quantile({ 1, 2, 3, 4 }, 0), stats.quantile({ 1, 2, 3, 4 }, 0.5),
      stats.quantile({ 1, 2, 3, 4 }, 1), stats.quantile({ 1, 2, 3, 4 }, 0.25) })
    assert.equal(3, stats.median { 9, 3, 1 })
    local many = {}
    for i = 1, 1000 do many[i] = i end
    local got = {}
    for i, q in ipairs { 0.5, 0.99, 0.999, 1, 0 } do got[i] = stats.percentile(many, q) end
    assert.same({ 500, 990, 999, 1000, 1 }, got)
  end)

  it("an interval that holds the median, is the same each time, and is wider when rounds differ", function()
    local rounds = steady(1, 0.1)
    local low, high = stats.confidence(rounds)
    local median = stats.median(stats.flat(rounds))
    assert(low <= median and median <= high and high - low < 0.1)
    assert.same({ low, high }, { stats.confidence(rounds) })
    for i, round in ipairs(rounds) do
      for k in ipairs(round) do round[k] = round[k] + 0.2 * i end
    end
    local low2, high2 = stats.confidence(rounds)
    assert(high2 - low2 > 3 * (high - low))
  end)

  it("a ratio whose interval does not see what slowed both", function()
    local a, b = steady(2, 0.01), steady(1, 0.01)
    for r = 1, 5 do
      for i = 1, 10 do a[r][i], b[r][i] = a[r][i] * r, b[r][i] * r end
    end
    local low, high = stats.ratio(a, b)
    assert(low > 1.9 and high < 2.1)
  end)

  it("outliers by their distance from the middle half", function()
    local found = stats.outliers { { 10, 11, 12, 11, 10 }, { 11, 12, 13, 30, 10.5 } }
    assert.same({ { value = 30, round = 2, severe = true } }, found)
    assert.same({}, stats.outliers { { 5, 5, 5 } })
  end)
end)

describe("weft.bench", function()
  it("calls the function in fresh states, with what was set up, and says how it went", function()
    local r = weft.bench("count", function(x) x.n = x.n + 1 end, with { setup = function() return { n = 0 } end })
    assert.same({ "count", 10, 2 }, { r.name, r.count, #r.rounds })
    assert(r.low <= r.median and r.median <= r.high and r.least <= r.low and r.high <= r.most)
    assert(r.loops > 1 and r.cpu >= 0 and r.bytes >= 0)
    assert.truthy(tostring(r):find "^count: [%-%d.]+ %S+  %(the median lies in")
    assert.truthy(tostring(r):find("10 samples of " .. r.loops .. " calls in 2 fresh threads", 1, true))
    assert.equal(10, r:histogram().count)
  end)

  it("leaves nothing of a round to the next, nor here", function()
    local seen = 0
    local r = weft.bench("alone", function() seen = seen + 1 end, with { loops = 1, samples = 3 })
    assert.equal(0, seen)
    assert.equal(1, r.loops)
  end)

  it("runs here when asked, as often as it says", function()
    local n, set_up, torn_down = 0, 0, {}
    local r = weft.bench("here", function() n = n + 1 end, with {
      isolate = false, loops = 7, setup = function() set_up = set_up + 1 return set_up end,
      teardown = function(x) torn_down[#torn_down + 1] = x end,
    })
    assert(n >= 2 * 7 * (5 + 1 + 1)) -- samples, one to warm up, one for the bytes
    assert.equal(0, n % 7)
    assert.same({ 2, { 1, 2 } }, { set_up, torn_down })
    assert.truthy(tostring(r):find("rounds in this Lua state", 1, true))
  end)

  it("lets the function do its own loop", function()
    local asked = {}
    weft.bench("batch", function(n, x) asked[#asked + 1] = { n, x } end, with {
      isolate = false, batch = true, loops = 5, setup = function() return "x" end,
    })
    assert.same({ 5, "x" }, asked[#asked])
    assert.truthy(#asked >= 12)
  end)

  it("may block", function()
    local r = weft.bench("channel", function(ch)
      weft.go(ch.send, ch, 1)
      ch:recv()
    end, with { setup = function() return weft.channel() end })
    assert.equal(10, r.count)
  end)

  it("sees what a call allocates", function()
    local r = weft.bench("tables", function() return { 1, 2, 3, 4 } end, with {})
    assert(r.bytes >= 64 and r.bytes < 1000, r.bytes)
    assert(weft.bench("none", function() end, with {}).bytes < 64)
  end)

  it("measures one function for several parameters", function()
    local t = weft.bench("rep", function(n) return ("x"):rep(n) end, with { params = { 1, 100 }, param = "n" })
    assert.same({ 2, "n", 1, 100, "rep 100" }, { #t, t.param, t[1].param, t[2].param, t[2].name })
    assert.truthy(tostring(t):find "^n +median")
    assert.equal("curve", t:plot { logx = true }.kind)
    local setup = function(s) return s .. s end
    local words = weft.bench("len", function(x, s) return #x + #s end, with { params = { "a", "b" }, setup = setup })
    assert.equal("bars", words:plot().kind)
  end)

  it("passes on the error of the function, and says what cannot go to another state", function()
    helper.raises("mine", weft.bench, "x", function() error "mine" end, with {})
    local lock = coroutine.create(print)
    helper.raises("(isolate = false measures in this Lua state)", weft.bench, "x", function() return lock end, with {})
  end)

  it("warns of what was too short, noisy or drifting", function()
    local function warned(r, what)
      for _, w in ipairs(r.warnings) do
        if w:find(what, 1, true) then return true end
      end
      return false
    end
    assert.is_false(warned(made("steady", steady(1, 0.01)), ""))
    assert.is_true(warned(made("noisy", { { 1, 2, 3 }, { 2, 3, 1 } }), "noisy"))
    assert.is_true(warned(made("drifting", { { 1, 1 }, { 1.2, 1.2 }, { 1.5, 1.5 } }), "drifting: the last round took 1.50"))
    local short = results.result { name = "short", where = "", machine = weft.bench.machine(),
      rounds = { { loops = 1, loop = 1e-8, wall = { 1e-9 }, cpu = { 0 }, bytes = 0 } } }
    assert.is_true(warned(short, "too short to measure"))
    local negative = made("negative", { { -1, 1, 2 }, { 3, -2, 1 }, { 1, 4, -9 } }) -- the loop took longer without it
    assert.is_true(warned(negative, "too short to measure"))
    assert.is_false(warned(negative, "drifting") or warned(negative, "noisy"))
    for _, v in ipairs { short:compare(made("a", steady(1, 0.1))), made("a", steady(1, 0.1)):compare(negative) } do
      assert.same({ true, false, "too short to compare" }, { v.short, v.different, v:text() })
    end
  end)

  it("checks its arguments", function()
    helper.raises("bad argument #1 to 'bench' (string expected, got function)", weft.bench, print)
    helper.raises("bad argument #2 to 'bench' (function expected, got nil)", weft.bench, "x")
    helper.raises("unknown option 'time' of bench", weft.bench, "x", print, { time = 1 })
    helper.raises("bad option 'seconds' of bench (number above 0 expected, got 0)", weft.bench, "x", print, { seconds = 0 })
    helper.raises("bad option 'isolate' of bench ('thread', 'process' or false expected, got fiber)", weft.bench, "x", print,
      { isolate = "fiber" })
    helper.raises("bad options of bench (table expected, got number)", weft.bench, "x", print, 5)
  end)
end)

describe("comparing", function()
  it("says no difference where there is none", function()
    local a, b = made("a", steady(1, 0.1)), made("b", steady(1.003, 0.1))
    local v = b:compare(a)
    assert.is_false(v.different)
    assert.truthy(tostring(v):find "^b against a: no difference %(0%.%d+ to 1%.%d+%)$")
  end)

  it("says how much where there is one", function()
    local a, b = made("a", steady(1, 0.01)), made("b", steady(2, 0.01))
    assert.truthy(b:compare(a):text():find "^2%.00 times as long %(")
    assert.truthy(a:compare(b):text():find "^0%.50 of the time %(")
    helper.raises("bad argument #1 to 'compare' (result of weft.bench expected, got number)", a.compare, a, 1)
  end)

  it("measures functions in turn, in the order given or that of their names", function()
    local order = {}
    local function note(name)
      return { name, function() if order[#order] ~= name then order[#order + 1] = name end end }
    end
    local t = weft.bench.compare({ note "z", note "a" }, with { isolate = false, rounds = 3 })
    assert.same({ "z", "a", "z", "a", "z", "a" }, order)
    assert.same({ "z", "a" }, { t[1].name, t[2].name })
    assert.truthy(tostring(t):find("against z", 1, true))
    t = weft.bench.compare({ b = function() end, a = function() end }, with {})
    assert.same({ "a", "b" }, { t[1].name, t[2].name })
    assert.equal("bars", t:plot().kind)
  end)

  it("checks what it is given", function()
    local compare = weft.bench.compare
    helper.raises("bad argument #1 to 'bench.compare' (table expected, got function)", compare, print)
    helper.raises("bad argument #1 to 'bench.compare' (nothing to measure)", compare, {})
    helper.raises("bad argument #1 to 'bench.compare' (function expected for 'a', got number)", compare, { a = 1 })
    helper.raises("bad argument #1 to 'bench.compare' (item 1: { name, function } expected)", compare, { print })
    helper.raises("bad option 'params' of bench.compare", compare, { a = print }, { params = { 1 } })
  end)
end)

describe("a saved measurement", function()
  local dir
  before_each(function() dir = helper.tmpdir() end)
  after_each(function() helper.remove_dir(dir) end)

  it("comes back as it was", function()
    local r = made("old \"\n", steady(1, 0.1))
    assert.is_true(r:save(dir .. "/r"))
    local s = weft.bench.saved(dir .. "/r")
    assert.same({ r.name, r.median, r.low, r.high, r.machine }, { s.name, s.median, s.low, s.high, s.machine })
    assert.is_false(s:compare(r).different)
    assert.is_nil(s:compare(r).warning)
    s.machine.model = "another"
    assert.truthy(tostring(s:compare(r)):find("measured on different machines", 1, true))
  end)

  it("that is none is refused, and runs nothing", function()
    for _, text in ipairs { "", "return 5", "return {}", "os.exit(1)", "return { weft = 'bench', rounds = {} }", "\27Lua",
      "return { weft = 'bench', name = 'x', rounds = { {} } }" } do
      helper.write_file(dir .. "/r", text)
      local r, message = weft.bench.saved(dir .. "/r")
      assert.is_nil(r)
      assert.truthy(message:find("measurement", 1, true))
    end
    helper.fails("ENOENT", weft.bench.saved, dir .. "/none")
    local r = made("x", { { 1 } })
    helper.fails("ENOENT", r.save, r, dir .. "/none/x")
    helper.raises("bad argument #1 to 'save' (string expected, got nil)", r.save, r)
    helper.raises("bad argument #1 to 'bench.saved' (string expected, got nil)", weft.bench.saved)
  end)
end)

describe("weft.bench.load", function()
  it("starts every call, whether those before have ended or not", function()
    local started, gate = 0, weft.event()
    weft.go(function()
      repeat weft.sleep(0.001) until started == 20
      gate:set()
    end)
    local r = weft.bench.load("held", function()
      started = started + 1
      gate:wait()
    end, { rate = 2000, seconds = 0.01 })
    assert.same({ 20, 20, 20 }, { r.count, #r.latencies, r.most })
    weft.wait()
  end)

  it("counts from the moment a call was meant to start", function()
    -- A call that hogs the thread makes those wait that were meant to run meanwhile: all of them are late.
    local r = weft.bench.load("hog", function(i)
      local from = weft.now()
      if i == 1 then repeat until weft.now() - from >= 0.05 end
    end, { rate = 1000, seconds = 0.04 })
    assert(r.p50 >= 0.01, r.p50)
    assert(r.late >= 0.04)
    assert(r.p50 <= r.p90 and r.p90 <= r.p99 and r.p99 <= r.p999 and r.p999 <= r.max)
    assert.truthy(tostring(r):find("p99.9", 1, true))
    assert.equal(40, r:histogram().count)
  end)

  it("counts calls that fail, and those that do not end", function()
    local r = weft.bench.load("bad", function(i) if i % 2 == 0 then error("no " .. i) end end, { rate = 1000, seconds = 0.01 })
    assert.same({ 5, 5 }, { r.failed, #r.latencies })
    assert.truthy(tostring(r):find("5 calls failed, the first: .*no 2"))
    local gate = weft.event()
    r = weft.bench.load("stuck", function() gate:wait() end, { rate = 1000, seconds = 0.005, patience = 0.01, random = true })
    assert.equal(0, #r.latencies)
    assert.truthy(tostring(r):find("5 calls had not ended when patience did", 1, true))
    gate:set()
    weft.wait()
  end)

  it("checks its arguments", function()
    helper.raises("bad argument #1 to 'bench.load' (string expected, got nil)", weft.bench.load)
    helper.raises("bad argument #2 to 'bench.load' (function expected, got nil)", weft.bench.load, "x")
    helper.raises("bad option 'rate' of bench.load (number above 0 expected, got -1)", weft.bench.load, "x", print, { rate = -1 })
    helper.raises("unknown option 'users' of bench.load", weft.bench.load, "x", print, { users = 1 })
  end)
end)
