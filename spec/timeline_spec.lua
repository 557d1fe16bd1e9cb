-- The drawings of a trace, exactly: from records made by hand.

local helper = require "spec.helper"
local panel = require("weft.timeline").panel
local term = require "weft.term"
local trace = require "weft.trace"

-- The main chunk waits for a task that reads, a thread crunches beside them.
local function busy_trace()
  return trace.from_records {
    wall = 20, cpu = 14, threads = { "lua5.4", "w" },
    names = { [2] = "reader", [3] = "crunch" }, labels = { [77] = "jobs" },
    { 0, "live", 1, "main" },
    { 0, "run", 1 },
    { 2, "new", 2, "task", 1 },
    { 2, "new", 3, "thread", 1 },
    { 3, "run", 3, thread = 2, iso = 2 },
    { 4, "stop", 1, "join", 2 },
    { 4, "run", 2 },
    { 8, "stop", 2, "io", 5 },
    { 14, "ready", 2 },
    { 14, "run", 2 },
    { 16, "stop", 2, "recv", 77 },
    { 17, "ready", 2, nil, 3, thread = 2 },
    { 17, "run", 2 },
    { 18, "stop", 2, "done" },
    { 18, "stop", 3, "failed", thread = 2, iso = 2 },
    { 18, "ready", 1, nil, 2 },
    { 18, "run", 1 },
  }
end

-- Two tasks that take turns on one carrier, `n` slices of `slice` seconds.
local function turns(slice, n)
  local t = { wall = slice * n, names = { [2] = "p1", [3] = "p2" }, { 0, "new", 2, "task" }, { 0, "new", 3, "task" } }
  for i = 0, n - 1 do
    t[#t + 1] = { i * slice, "run", 2 + i % 2 }
    t[#t + 1] = { (i + 1) * slice, "stop", 2 + i % 2, "yield" }
  end
  return trace.from_records(t)
end

local plain = { print = false, width = 67, ascii = false, color = false }
local function with(changes)
  local opts = {}
  for k, v in pairs(plain) do opts[k] = v end
  for k, v in pairs(changes) do opts[k] = v end
  return opts
end

-- What a drawing shows in the row with this label, without the note.
local function cells_of(text, label)
  return (("\n" .. text .. "\n"):match("\n" .. label .. " +([^ \n][^\n]*)\n"))
end

local function count(text, what)
  return select(2, text:gsub(what, ""))
end

local function lines(...) return table.concat({ ... }, "\n") end

describe("timeline by task", function()
  it("draws a row a task and a column a span of time", function()
    assert.equal(lines(
      "       0 s                               20.0 s",
      "main   ████████····························████  join reader 14.0 s",
      "reader     ▒▒▒▒████████~~~~~~~~~~~~████··██      io #5 6.00 s",
      "crunch     ▒▒██████████████████████████████      failed",
      "█ running  ▒ ready  · parked  ~ waiting for IO",
      "wall 20.0 s  cpu 14.0 s  parallelism 0.70  switches 2",
      "longest stall 2.00 s (reader, while main ran)"
    ), busy_trace():timeline(plain))
  end)

  it("draws the same in plain ASCII", function()
    local text = busy_trace():timeline(with { ascii = true })
    assert.equal(lines(
      "       0 s                               20.0 s",
      "main   ########............................####  join reader 14.0 s",
      "reader     ++++########~~~~~~~~~~~~####..##      io #5 6.00 s",
      "crunch     ++##############################      failed",
      "# running  + ready  . parked  ~ waiting for IO",
      "wall 20.0 s  cpu 14.0 s  parallelism 0.70  switches 2",
      "longest stall 2.00 s (reader, while main ran)"
    ), text)
    assert.is_nil(text:find "[\128-\255]")
  end)

  it("draws a part of the time", function()
    local text = busy_trace():timeline(with { from = 4, to = 14 })
    assert.equal("████████████████~~~~~~~~~~~~~~~~~~~~~~~~  io #5 6.00 s", cells_of(text, "reader"))
    assert.truthy(text:find("4.00 s                            14.0 s", 1, true))
  end)

  it("says when a part lies behind the end, and tells its two ends apart", function()
    helper.raises("bad option 'from' of timeline (the trace is 20.0 s long, got 20)", function()
      busy_trace():timeline(with { from = 20 })
    end)
    assert.truthy(busy_trace():timeline(with { from = 10, to = 10.001 }):find "10.000 s +10.001 s")
  end)

  it("breaks the last lines where they would be wider", function()
    local t = trace.from_records { wall = 1, names = { [1] = "a name of some", [2] = "another such name" },
      { 0, "run", 1 }, { 0, "new", 2, "task" }, { 0.9, "stop", 1, "sleep" }, { 0.9, "run", 2 }, { 1, "stop", 2, "done" } }
    local text = t:timeline(with { width = 30 })
    assert.truthy(text:find "longest stall", text)
    for line in text:match("wall.*"):gmatch "[^\n]+" do assert.truthy(term.columns(line) <= 30, line) end
  end)

  it("leaves time before birth and after the end blank, and marks failure", function()
    local text = trace.from_records { wall = 10, names = { [2] = "late" },
      { 4, "new", 2, "task" }, { 4, "run", 2 }, { 6, "stop", 2, "cancelled" } }:timeline(with { width = 36 })
    assert.truthy(text:find("\nlate         ████          cancelled\n", 1, true), text)
  end)

  it("prints by default", function()
    local out = helper.run_ok([[
      local t = require("weft.trace").from_records { wall = 1, { 0, "run", 1 } }
      assert(t:timeline { width = 40, ascii = true } == nil)
    ]], { env = { LUA_PATH = helper.root .. "/lua/?.lua;;" } })
    assert.truthy(out:find("task 1 ###", 1, true))
  end)

  it("says so when nothing was recorded", function()
    local text = trace.from_records { wall = 0.001 }:timeline(plain)
    assert.truthy(text:find("nothing was recorded", 1, true))
    assert.truthy(text:find("wall 1.00 ms  cpu 1.00 ms  parallelism 1.00  switches 0", 1, true))
  end)

  it("survives a trace of no time at all", function()
    assert.truthy(trace.from_records { wall = 0, { 0, "run", 1 } }:timeline(plain))
  end)

  it("tells how many events were lost", function()
    local text = trace.from_records { wall = 1, lost = 5, { 0, "run", 1 } }:timeline(with { width = 300 })
    assert.truthy(text:find("5 of 6 events lost", 1, true))
  end)

  it("points at marks", function()
    local text = trace.from_records { wall = 10, { 0, "run", 1 }, { 2, "mark", text = "loaded" },
      { 9.9, "mark", text = "sor\nted" } }:timeline(with { width = 27 })
    assert.truthy(text:find("\n           1              2\n       1 loaded  2 sor?ted\n", 1, true), text)
  end)
end)

describe("timeline by carrier", function()
  it("draws a row a thread", function()
    assert.equal(lines(
      "       0 s                               20.0 s",
      "lua5.4 ████████████████············████··██████  busy 65 %, 2 tasks",
      "w      ······██████████████████████████████····  busy 75 %, 1 task",
      "█ running  · idle",
      "wall 20.0 s  cpu 14.0 s  parallelism 0.70  switches 2",
      "longest stall 2.00 s (reader, while main ran)"
    ), busy_trace():timeline(with { by = "carrier" }))
  end)

  it("tells threads of one name apart", function()
    local text = trace.from_records { wall = 2, threads = { "w", "w" }, { 0, "run", 1 }, { 1, "run", 2, thread = 2 } }
      :timeline(with { by = "carrier" })
    assert.truthy(text:find("\nw 1 ", 1, true) and text:find("\nw 2 ", 1, true), text)
  end)

  it("elides carriers and says how many", function()
    local t = { wall = 1, threads = {} }
    for i = 1, 50 do
      t.threads[i] = "w" .. i
      t[i] = { 0, "run", i, thread = i }
    end
    local text = trace.from_records(t):timeline(with { by = "carrier" })
    assert.truthy(text:find("10 more carriers not shown", 1, true))
    assert.equal(40, count(text, "busy 100"))
  end)
end)

describe("a column", function()
  it("never shows two tasks of one carrier running side by side", function()
    -- 1000 slices in 40 columns
    local text = turns(0.01, 1000):timeline(with { width = 43 })
    assert.equal(("█▒"):rep(20), cells_of(text, "p1"))
    assert.equal(("▒█"):rep(20), cells_of(text, "p2"))
  end)

  it("shares itself out in proportion", function()
    -- runs a quarter of each of 40 columns, sleeps the rest
    local t = { wall = 40, names = { [1] = "one" } }
    for i = 0, 39 do
      t[#t + 1] = { i, "run", 1 }
      t[#t + 1] = { i + 0.25, "stop", 1, "sleep" }
    end
    local text = trace.from_records(t):timeline(with { width = 58 })
    local row = cells_of(text, "one"):match "^%S+"
    assert.equal(40, utf8.len(row))
    assert.equal(10, count(row, "█"))
    assert.equal(30, count(row, "·"))
  end)

  it("loses no state that exists", function()
    local text = trace.from_records { wall = 40, names = { [1] = "one", [2] = "two" },
      { 0, "new", 1, "task" }, { 0, "new", 2, "task" },
      { 0, "run", 1 }, { 0.000001, "stop", 1, "sleep" },
      { 9.8, "ready", 1 }, { 10, "run", 1 }, { 10.000001, "stop", 1, "sleep" },
      { 20, "run", 2 }, { 20.000001, "stop", 2, "done" },
      { 20.3, "ready", 1 }, { 20.3, "run", 1 }, { 20.3001, "stop", 1, "io" },
      { 20.5, "ready", 1 }, { 20.5, "run", 1 }, { 20.51, "stop", 1, "sleep" } }:timeline(with { width = 60 })
    local one, two = cells_of(text, "one"):match "^%S+", cells_of(text, "two"):match "^%S+"
    for _, symbol in ipairs { "█", "▒", "~", "·" } do assert.is_true(count(one, symbol) >= 1, symbol .. " in " .. one) end
    assert.equal(1, count(two, "█"))
  end)

  it("gives a state that fills it that state alone", function()
    for _, slice in ipairs { 1, 2, 5 } do
      local text = turns(slice, 40 // slice):timeline(with { width = 43 })
      assert.equal(((("█"):rep(slice) .. ("▒"):rep(slice)):rep(20 // slice)), cells_of(text, "p1"))
    end
  end)
end)

describe("many tasks", function()
  local function crowd(n)
    local t = { wall = n }
    for i = 1, n do
      t[#t + 1] = { 0, "new", i, "task" }
    end
    for i = 1, n do
      t[#t + 1] = { i - 1, "run", i }
      t[#t + 1] = { i - (i % 10 == 0 and 0 or 0.5), "stop", i, "done" }
    end
    return trace.from_records(t)
  end

  it("are elided to those that ran most, with a row and a count for the rest", function()
    local text = crowd(1000):timeline(with {})
    assert.truthy(text:find("\n+960 more ", 1, true))
    assert.truthy(text:find("tasks that ran", 1, true))
    assert.truthy(text:find("\ntask 400 ", 1, true)) -- the 40th of those with a long run
    assert.is_nil(text:find("\ntask 401 ", 1, true))
    assert.equal(1 + 41 + 1, #text:gsub("wall.*", ""):gsub("[^\n]", ""))
  end)

  it("can be shown in more or fewer rows", function()
    assert.truthy(crowd(100):timeline(with { rows = 3 }):find("\n+97 more ", 1, true))
    assert.is_nil(crowd(100):timeline(with { rows = 100 }):find("more", 1, true))
  end)
end)

describe("the surface", function()
  local function env(t) return function(name) return t[name] end end

  it("is ASCII with NO_UNICODE or in another encoding, else Unicode", function()
    assert.is_true(term.unicode(env {}))
    assert.is_true(term.unicode(env { LANG = "C.UTF-8" }))
    assert.is_true(term.unicode(env { LANG = "de_DE.utf8" }))
    assert.is_true(term.unicode(env { LC_ALL = "", LANG = "en_US.UTF-8" }))
    assert.is_false(term.unicode(env { LC_ALL = "C", LANG = "en_US.UTF-8" }))
    assert.is_false(term.unicode(env { LANG = "en_US.ISO-8859-1" }))
    assert.is_false(term.unicode(env { NO_UNICODE = "1", LANG = "C.UTF-8" }))
  end)

  it("has colour on a terminal only, and not with NO_COLOR", function()
    assert.is_true(term.color(true, env {}))
    assert.is_false(term.color(false, env {}))
    assert.is_false(term.color(nil, env {}))
    assert.is_false(term.color(true, env { NO_COLOR = "1" }))
    assert.is_true(term.color(true, env { NO_COLOR = "" }))
    assert.is_false(term.color(true, env { TERM = "dumb" }))
  end)

  it("is as wide as COLUMNS, the terminal, or 80", function()
    assert.equal(33, term.width(120, env { COLUMNS = "33" }))
    assert.equal(120, term.width(120, env { COLUMNS = "wide" }))
    assert.equal(120, term.width(120, env { COLUMNS = "0" }))
    assert.equal(80, term.width(nil, env {}))
  end)

  it("is kept to: no line is wider", function()
    for width = 20, 200, 7 do
      for line in busy_trace():timeline(with { width = width }):gsub("wall.*", ""):gmatch "[^\n]+" do
        assert.is_true(utf8.len(line) <= math.max(width, 47), line)
      end
    end
  end)

  it("obeys the environment when nothing is asked for", function()
    local script = [[
      require("weft.trace").from_records { wall = 1, { 0, "run", 1 } }:timeline()
    ]]
    local path = helper.root .. "/lua/?.lua;;"
    local narrow = helper.run_ok(script, { env = { LUA_PATH = path, COLUMNS = 30, LC_ALL = "C.UTF-8", NO_UNICODE = false } })
    assert.equal("task 1 " .. ("█"):rep(23), narrow:match "\n([^\n]*)")
    local ascii = helper.run_ok(script, { env = { LUA_PATH = path, COLUMNS = 30, NO_UNICODE = 1 } })
    assert.equal("task 1 " .. ("#"):rep(23), ascii:match "\n([^\n]*)")
  end)

  it("colours runs by carrier", function()
    local text = busy_trace():timeline(with { color = true })
    assert.truthy(text:find("main   \27[36m████████\27[0m····", 1, true))
    assert.truthy(text:find("\27[2m▒▒\27[0m\27[33m██████", 1, true))
    local bare = text:gsub("\27%[%d*m", "")
    assert.equal(busy_trace():timeline(plain), bare)
  end)

  it("cuts names by columns, not bytes, and lets nothing through that moves the cursor", function()
    assert.equal("日本…", term.cut("日本語", 5))
    assert.equal("日本… ", term.fit("日本語日本語", 6))
    assert.equal("ab..", term.cut("abcdef", 4, true))
    assert.equal(3, term.columns "e\u{301}日")
    assert.equal("a?[31mb", term.clean "a\27[31mb")
    assert.equal("?é?", term.clean "\xffé\xc3")
    assert.equal("???", term.clean("日本語", true))
    local long = ("n"):rep(50)
    local text = trace.from_records { wall = 1, names = { [1] = long }, { 0, "run", 1 } }:timeline(with { width = 60 })
    assert.truthy(text:find("\n" .. ("n"):rep(11) .. "… ███", 1, true), text)
  end)

  it("tells times in fitting units", function()
    local expected = { [0] = "0 s", [3e-9] = "3.00 ns", [1.234e-6] = "1.23 µs", [12.34e-6] = "12.3 µs", [1.2e-3] = "1.20 ms",
      [0.9996] = "1.00 s", [16.24] = "16.2 s", [162.4] = "162 s" }
    for s, text in pairs(expected) do assert.equal(text, term.seconds(s)) end
    assert.equal("5.00 us", term.seconds(5e-6, true))
  end)
end)

describe("misuse of timeline", function()
  it("names the option", function()
    local t = busy_trace()
    helper.raises("unknown option 'colour' of timeline", t.timeline, t, { colour = true })
    helper.raises("bad option 'by' of timeline ('task' or 'carrier' expected, got thread)", t.timeline, t, { by = "thread" })
    helper.raises("bad option 'width' of timeline", t.timeline, t, { width = 3 })
    helper.raises("bad option 'width' of timeline", t.timeline, t, { width = 40.5 })
    helper.raises("bad option 'rows' of timeline", t.timeline, t, { rows = 0 })
    helper.raises("bad option 'from' of timeline", t.timeline, t, { from = 0 / 0 })
    helper.raises("bad option 'to' of timeline", t.timeline, t, { from = 2, to = 1 })
    helper.raises("bad option 'print' of timeline", t.timeline, t, { print = "no" })
    helper.raises("bad argument #1 to 'timeline' (table expected, got string)", t.timeline, t, "task")
  end)

  it("points at the caller", function()
    local ok, err = pcall(function() busy_trace():timeline { width = 3 } end)
    assert.is_false(ok)
    assert.truthy(err:find("timeline_spec.lua", 1, true), err)
  end)
end)

describe("panels", function()
  -- The study page's picture: the same two functions three ways.
  local function general()
    return trace.from_records { wall = 1.62, names = { [2] = "p1", [3] = "p2" },
      { 0, "live", 1, "main" }, { 0, "run", 1 },
      { 0, "new", 2, "task", 1 }, { 0, "stop", 1, "join", 2 }, { 0, "run", 2 },
      { 0.81, "stop", 2, "done" }, { 0.81, "ready", 1 }, { 0.81, "run", 1 },
      { 0.81, "new", 3, "task", 1 }, { 0.81, "stop", 1, "join", 3 }, { 0.81, "run", 3 },
      { 1.62, "stop", 3, "done" }, { 1.62, "run", 1 } }
  end
  local function parallel()
    return trace.from_records { wall = 0.83, cpu = 1.6268, threads = { "lua5.4", "p1", "p2" }, names = { [2] = "p1", [3] = "p2" },
      { 0, "live", 1, "main" }, { 0, "run", 1 }, { 0, "new", 2, "thread", 1 }, { 0.0003, "new", 3, "thread", 1 },
      { 0.0003, "stop", 1, "join", 2 }, { 0.0003, "run", 2, thread = 2, iso = 2 }, { 0.0006, "run", 3, thread = 3, iso = 3 },
      { 0.82, "stop", 2, "done", thread = 2, iso = 2 }, { 0.829, "stop", 3, "done", thread = 3, iso = 3 } }
  end

  it("draw the page's picture", function()
    local function draw(t, title, note)
      return panel(t, { "p1", "p2" },
        { title = title, note = note, span = 1.62, width = 24, note_width = 22, gap = 8, ascii = false, color = false })
    end
    assert.equal(lines(
      "general      p1 ████████████░░░░░░░░░░░░        one after the other      1.62 s   cpu/wall 1.00",
      "             p2 ░░░░░░░░░░░░████████████",
      "concurrent   p1 ██░░██░░██░░██░░██░░██░░        taking turns, one core   1.62 s   cpu/wall 1.00",
      "             p2 ░░██░░██░░██░░██░░██░░██",
      "parallel     p1 ████████████                    at once, two cores       0.83 s   cpu/wall 1.96",
      "             p2 ████████████"
    ), lines(draw(general(), "general", "one after the other"), draw(turns(0.135, 12), "concurrent", "taking turns, one core"),
      draw(parallel(), "parallel", "at once, two cores")))
  end)

  it("draw in ASCII and in the terminal's width", function()
    assert.equal(lines(
      "general      p1 ########--------",
      "             p2 --------########"
    ), panel(general(), { "p1", "p2" }, { title = "general", width = 16, stats = false, ascii = true, color = false }))
  end)

  it("take ids, labels, notes of their own, and gather tasks of one name", function()
    local t = trace.from_records { wall = 4, names = { [1] = "a", [2] = "a" },
      { 0, "new", 1, "task" }, { 0, "run", 1 }, { 1, "stop", 1, "done" },
      { 3, "new", 2, "task" }, { 3, "run", 2 }, { 4, "stop", 2, "done" } }
    assert.equal(lines("both ██░░░░██  twice", "2nd  ░░░░░░██  once"),
      panel(t, { { task = "a", label = "both", note = "twice" }, { task = 2, label = "2nd", note = "once" } },
        { width = 8, title_width = 0, stats = false, ascii = false, color = false }))
  end)

  it("name what is wrong", function()
    local t = general()
    helper.raises("no task 'p9' in the trace", panel, t, { "p9" })
    helper.raises("unknown option 'titel' of panel", panel, t, { "p1" }, { titel = "x" })
    helper.raises("bad option 'span' of panel", panel, t, { "p1" }, { span = 0 })
    helper.raises("bad argument #2 to 'panel' (table expected, got string)", panel, t, "p1")
    helper.raises("bad argument #3 to 'panel'", panel, t, { "p1" }, 5)
  end)
end)
