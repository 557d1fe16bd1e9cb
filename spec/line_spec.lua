-- The line editor of the prompt: keys in, text and events out. And what stands beside it there: completion, the pretty
-- printer, help.

local helper = require "spec.helper"
local complete = require "weft.complete"
local editor = require "weft.line"
local help = require "weft.help"
local pretty = require "weft.pretty"
local weft = require "weft"

-- The help looks at all that weft has, and the first look at a stream makes the loop of this carrier, which stays.
assert(weft.stdin)

-- Feeds keys; the line with | for the cursor, the events as words, and the editor.
local function feed(keys, opts)
  local line = editor.new(opts or {})
  local events = {}
  for _, e in ipairs(line:feed(keys)) do
    events[#events + 1] = e[1] .. (type(e[2]) == "table" and " " .. table.concat(e[2], ",") or e[2] and " " .. e[2] or "")
  end
  local text = table.concat(line.chars, "", 1, line.at) .. "|" .. table.concat(line.chars, "", line.at + 1)
  return text, table.concat(events, "; "), line
end

local function typed(keys, opts)
  local text, events = feed(keys, opts)
  return text, events
end

describe("the editor", function()
  it("inserts and deletes, bytes and whole characters", function()
    assert.equal("abc|", (typed "abc"))
    assert.equal("a|c", (typed "abc\27[D\127"))
    assert.equal("a|c", (typed "abc\27[D\27[D\27[3~"))
    assert.equal("é|", (typed "éü\127"))
    assert.equal("ax|b", (typed "ab\2x"))
    assert.equal("|ab", (typed "ab\1\8"))
    assert.equal("ba|", (typed "ab\20"))
  end)

  it("moves by characters, words and to the ends", function()
    assert.equal("|ab cd", (typed "ab cd\1"))
    assert.equal("ab |cd", (typed "ab cd\27b"))
    assert.equal("ab| cd", (typed "ab cd\1\27[1;5C"))
    assert.equal("ab cd|", (typed "ab cd\27[H\27[F"))
    assert.equal("a|b cd", (typed "ab cd\27OH\27OC"))
  end)

  it("cuts and puts back", function()
    assert.equal("ab |", (typed "ab cd\27b\11"))
    assert.equal("cd|", (typed "ab cd\23\21\25ab cd\1\11cd"))
    assert.equal("|", (typed "ab cd\21"))
    assert.equal("ab cd |", (typed "ab cd ef\23"))
    assert.equal("ab cdcd|", (typed "ab cd\27\127\25\25"))
  end)

  it("tells lines, the end, interrupts", function()
    assert.same({ "|", "line ab" }, { typed "ab\r" })
    assert.same({ "c|", "line ab; line " }, { typed "ab\n\nc" })
    assert.same({ "|", "eof" }, { typed "\4" })
    assert.same({ "a|", "" }, { typed "ab\2\4" })
    assert.same({ "|", "interrupt" }, { typed "ab\3" })
    assert.same({ "|", "suspend; clear" }, { typed "\26\12" })
  end)

  it("waits for the rest of a key", function()
    local line = editor.new {}
    line:feed "a\27"
    line:feed "["
    line:feed "Db"
    assert.equal("ba", line:text())
    line:feed "\xC3"
    line:feed "\xA9"
    assert.equal("béa", line:text())
    line:feed "\xFF\xFE\27[99;99Zx"
    assert.truthy(utf8.len(line:text()))
  end)

  it("goes through the history and keeps what was being typed", function()
    local opts = { history = { "one", "two" } }
    assert.equal("two|", (typed("dra\16", opts)))
    assert.equal("one|", (typed("dra\16\27[A\27[A", opts)))
    assert.equal("dra|", (typed("dra\16\16\14\14\14", opts)))
    local _, _, line = feed("", opts)
    line:remember "two"
    line:remember "  "
    line:remember "three"
    assert.same({ "one", "two", "three" }, opts.history)
  end)

  it("searches the history", function()
    local opts = { history = { "print(1)", "weft.go(f)", "print(2)" } }
    assert.equal("print(2)|", (typed("\18pri", opts)))
    assert.equal("print(1)|", (typed("\18pri\18", opts)))
    assert.same({ "|", "line weft.go(f)" }, { typed("\18go\r", opts) })
    assert.equal("mine|", (typed("mine\18go\7", opts)))
    assert.equal("|", (typed("\18go\7", opts)))
    local _, _, line = feed("\18pri", opts)
    assert.truthy(line:show():find("(search 'pri') print(2)", 1, true))
  end)

  it("completes: what is common, then the list", function()
    local opts = { complete = function(text) return #text, { "recv", "recv_many" } end }
    assert.equal("ch:recv|", (typed("ch:r\9", opts)))
    opts.complete = function() return 1, { "ab", "ac" } end
    assert.same({ "a|", "list ab,ac" }, { typed("a\9", opts) })
    opts.complete = function() return 1, {} end
    assert.same({ "a|", "" }, { typed("a\9", opts) })
    assert.equal("  |", (typed("\9", opts))) -- nothing there yet: blanks
  end)

  it("shows a window of a line that is too long", function()
    local _, _, line = feed(("0123456789"):rep(5), { prompt = "> ", width = function() return 20 end })
    local shown = line:show():gsub("\27%[[%d]*%a", ""):gsub("\r", "")
    assert(#shown <= 20 and shown:find "89$", shown)
    line:feed "\1"
    assert.truthy(line:show():find "> 0123")
    assert.truthy(line:show():find "\27%[%d+D$")
    assert.equal("\r\27[K", line:hide())
  end)

  it("survives any bytes", function()
    local line = editor.new { history = { "a" }, complete = function() return 1, { "b" } end }
    local state = 12345
    for _ = 1, helper.scale(3000) do
      state = (state * 1103515245 + 12345) % 2147483648
      line:feed(string.char(state >> 16 & 255))
      assert(utf8.len(line:text()) and line.at >= 0 and line.at <= #line.chars)
      line:show()
    end
  end)
end)

describe("completion", function()
  local env = {
    weft = weft, string = string, ch = weft.channel(), b = weft.buffer("i8", 1), t = { inner = { value = 1, call = print } },
  }
  env.job = weft.go(function() end)
  weft.wait()
  local function words(line)
    local from, list = complete(line, env)
    return table.concat(list, " "), from
  end

  it("finds names, keywords, fields, methods", function()
    assert.equal("string", (words "str"))
    assert.equal("weft while", (words "we" ) .. " " .. (words "wh"))
    assert.equal("find format", (words "x = string.f"))
    assert.same({ "recv recv_many", 4 }, { words "ch:re" })
    assert.same({ "call value", 9 }, { words "t.inner." })
    assert.equal("call", (words "t.inner:"))
    assert.equal("upper", (words '"x":up'))
    assert.truthy((words "b:"):find("exchange", 1, true))
    assert.truthy((words "job:"):find("join", 1, true))
    assert.equal(".trace", (words ".tr"))
  end)

  it("knows parts of weft that are not loaded", function()
    local out = helper.run_ok [[
      weft = require "weft"
      local complete = require "weft.complete"
      print(table.concat(select(2, complete("weft.pl", _G)), " "), rawget(weft, "plot"))
      print(table.concat(select(2, complete("weft.bench.comp", _G)), " "))
    ]]
    assert.equal("plot\tnil\ncompare\n", out)
  end)

  it("finds nothing where there is nothing, and fails nowhere", function()
    local bad = setmetatable({}, { __index = function() error "no" end })
    for _, line in ipairs { "nothing.", "a.b.c", "t.missing.x", "5", "t[", "t[1].", 't["x"].', "(", "x = ", "bad.x.y", ":", "." } do
      env.bad = bad
      local list = words(line)
      assert(list == "" or line == ".", line .. ": " .. list)
    end
  end)
end)

describe("pretty", function()
  it("shows values on one line where they fit", function()
    assert.same({ "nil", "1", "1.5", "true" }, { pretty(nil), pretty(1), pretty(1.5), pretty(true) })
    assert.equal([["a\nb\"\000é"]], pretty 'a\nb"\0é')
    assert.equal([["\255"]], pretty "\255")
    local t = { 1, "x", a = { b = true }, ["a b"] = 2, ["end"] = 3 }
    assert.equal('{ 1, "x", a = { b = true }, ["a b"] = 2, ["end"] = 3 }', pretty(t))
    assert.equal("{}", pretty {})
  end)

  it("breaks what does not fit", function()
    local text = pretty({ name = ("x"):rep(60), list = { 1, 2, 3 } }, { width = 40 })
    assert.equal(('{\n  list = { 1, 2, 3 },\n  name = "%s"\n}'):format(("x"):rep(60)), text)
    local long = {}
    for i = 1, 50 do long[i] = i end
    for line in (pretty(long, { width = 40 }) .. "\n"):gmatch "(.-)\n" do assert(#line <= 41, line) end
  end)

  it("ends: cycles, depth, many items, long strings", function()
    local t = { 1 }
    t.self, t.inner = t, { up = t }
    assert.equal("{ 1, inner = { up = <cycle to the whole> }, self = <cycle to the whole> }", pretty(t))
    local deep = {}
    local at = deep
    for _ = 1, 300 do at.x = {} at = at.x end
    assert.truthy(pretty(deep):find("{...}", 1, true))
    local many = {}
    for i = 1, 1000 do many["k" .. i] = i end
    assert.truthy(pretty(many):find("... and 900 more", 1, true))
    assert.truthy(pretty({ ("x"):rep(1000) }):find("(1000 bytes in all)", 1, true))
  end)

  it("lets objects say what they are, and calls nothing else", function()
    assert.equal("weft.channel", pretty(weft.channel()):match "^[%a.]+")
    local bad = setmetatable({}, { __tostring = function() error "no" end, __index = function() error "no" end })
    assert.equal("{ (__tostring failed) }", pretty { bad })
    assert.equal("Point { x = 1 }", pretty(setmetatable({ x = 1 }, { __name = "Point" })))
    assert.truthy(pretty(print):find "^function %(C%)")
    assert.truthy(pretty(function() end):find "^function <.*line_spec.lua:%d+>$")
  end)

  it("colours when asked", function()
    assert.equal("\27[36m1\27[0m", pretty(1, { color = true }))
  end)
end)

describe("help", function()
  it("knows functions, methods, objects and names", function()
    assert.truthy(help.text(weft.go):find "^weft%.go%(f, %.%.%.%) %-> job")
    local ch = weft.channel()
    assert.truthy(help.text(ch):find("type weft.channel", 1, true))
    for _, x in ipairs { ch.recv, "channel:recv", "channel.recv", "weft.channel:recv" } do
      assert.truthy(help.text(x):find "^channel:recv%(%)", tostring(x))
    end
    assert.truthy(help.text(weft.trace):find "^weft%.trace\n")
    assert.truthy(help.text(weft.bench.compare):find "^weft%.bench%.compare")
    assert.truthy(help.text(weft.buffer("i8", 1).sum):find "sum")
  end)

  it("searches when there is no such entry", function()
    assert.truthy(help.text "barri":find("weft.barrier:wait", 1, true))
    assert.truthy(help.text "waits for its receiver":find("in the text of:\n  weft.channel", 1, true))
    assert.equal("the reference says nothing about 'xyzzyx'", help.text "xyzzyx")
  end)

  it("says what it can of anything else", function()
    assert.truthy(help.text():find("weft.go", 1, true))
    assert.equal(help.text(), help.text(weft))
    assert.truthy(help.text(function(a, b) return a, b end):find "^function%(a, b%) at .*line_spec")
    assert.truthy(help.text { x = 1 }:find "a table with x")
    assert.equal("a number: 5", help.text(5))
    assert.truthy(help.text(print):find "function of C")
  end)

  it("has an entry for what weft has", function()
    for name in ("go spawn thread channel select mutex trace bench plot ps repl mark region"):gmatch "%a+" do
      assert.truthy(help.text(weft[name]):find("weft." .. name, 1, true), name)
    end
  end)
end)
