-- What the fuzzer's target `prompt` was written against: keys cut anywhere, controls in what is pasted or remembered, narrow
-- terminals, long lines, metamethods among what is completed.

local helper = require "spec.helper"
local complete = require "weft.complete"
local editor = require "weft.line"
local term = require "weft.term"

local function typed(...)
  local line, words = editor.new {}, {}
  for _, piece in ipairs { ... } do
    for _, event in ipairs(line:feed(piece)) do words[#words + 1] = event[1] end
  end
  return line:text(), table.concat(words, " "), line
end

local function ended(...)
  local text, words = typed(...)
  return text .. "|" .. words
end

describe("keys that are none", function()
  it("do not hold back what follows", function()
    assert.equal("|interrupt", ended "ab\27[\3")
    assert.equal("|interrupt", ended "ab\27\3")
    assert.equal("|line", ended "ab\xF0\r")
    assert.equal("|line", ended "ab\27\r")
    assert.equal("bd", (typed "bc\27\27[Dd\27[3~")) -- Escape, then Left
  end)

  it("are swallowed whole", function()
    assert.equal("ab", (typed "a\27[?25lb"))
    assert.equal("ab", (typed "a\27[[Ab"))
    assert.equal("a;3Zb", (typed "a\27[1;1;1;1;1;3Zb"))
  end)

  it("mean the same in any pieces", function()
    local keys = "a\27[1;1;1;1;1;1;1Zb\27[111111111111AxÄ\xF0\x9F\x98\27[Dz"
    local whole, _, line = typed(keys)
    for cut = 1, #keys - 1 do
      local text, _, other = typed(keys:sub(1, cut), keys:sub(cut + 1))
      assert.same({ whole, line.at, line.input }, { text, other.at, other.input })
    end
  end)
end)

describe("the line", function()
  it("holds no control characters, of one byte or two", function()
    assert.equal("ab", (typed "a\u{9b}b"))
    local line = editor.new { history = { "x\27[2J\u{9b}y\nz" } }
    line:feed "\16"
    assert.equal("x[2Jy z", line:text())
  end)

  it("fits a terminal of any width", function()
    for width = 0, 30 do
      for _, prompt in ipairs { "> ", "a prompt of some length> ", "提示提示> ", "\27[1mb\27[0m> ", "bad\xff> ", "two\nlines> " } do
        local line = editor.new { prompt = prompt, width = function() return width end }
        for _, keys in ipairs { "some words to see\1", "日本語日本語日本語\2\2", "\18some" } do
          line:feed(keys)
          local shown = line:show():gsub("^\r\27%[K", ""):gsub("\27%[%d+D$", ""):gsub("\27%[[%d;]*m", "")
          assert.truthy(utf8.len(shown) and not shown:find "%c")
          assert.truthy(term.columns(shown) < math.max(1, width), shown)
        end
      end
    end
  end)

  it("keeps what was being typed while the history is searched", function()
    local line = editor.new { history = { "one", "two" } }
    line:feed "dra\18on\27[B\27[B"
    assert.equal("dra", line:text())
  end)

  it("may be pasted at any length", function()
    local line = editor.new {}
    line:feed(("x"):rep(200000))
    line:show()
    line:feed "\1\11"
    assert.same({ "", 200000 }, { line:text(), #line.killed })
  end)

  it("does not double without end by cut and put back", function()
    local line = editor.new {}
    line:feed("x" .. ("\21\25\25"):rep(100))
    assert.truthy(#line.chars <= 4096)
    line:feed "\21\25"
    assert.truthy(#line.chars > 1000)
  end)
end)

describe("completion", function()
  it("calls no metamethod", function()
    local function raises() error "called" end
    local inner = setmetatable({ deep = 1 }, { __eq = raises })
    local env = { t = setmetatable({ field = 1 }, { __eq = raises, __index = inner, __len = raises }) }
    assert.same({ "deep", "field" }, (select(2, complete("t.", env))))
  end)
end)

describe("options", function()
  it("are within what weft takes", function()
    local options = require "weft.cli_options"
    local function refused(f, ...) helper.raises("^refused", f, ...) end
    local function usage() error("refused", 0) end
    for _, word in ipairs { "--preempt=1e999", "--preempt=61", "--preempt=1e-9", "--capacity=67108865", "--recorder=" } do
      refused(options.script, { word }, usage)
    end
    refused(options.number, { seconds = "1e999" }, "seconds", usage)
    assert.same({ "-f", "--by", by = "task" }, options.word({ "--by=task", "--", "-f", "--by" }, { by = true }, usage))
  end)
end)
