-- A target of spec/c/fuzz_lua_test.c: keys at the prompt. The editor (weft.line), what it shows, completion (weft.complete)
-- and the compiling of lines (weft.repl_eval; nothing is run) stand whatever is typed, pasted or kept in the history.
--
-- The bytes: 1 the width, 1 the prompt and the history, 1 how the keys come in pieces, the keys.

local complete = require "weft.complete"
local editor = require "weft.line"
local eval = require "weft.repl_eval"
local term = require "weft.term"
local weft = require "weft"

local WIDTHS = { 80, 40, 20, 10, 9, 5, 3, 2, 1, 0, 200 }
local PROMPTS = { "> ", ">> ", "", "提示> ", "a long prompt that leaves no room for anything at all> ", "\27[1mbold\27[0m> ",
  "bad\xff\n> ", "e\u{301}> " }
local HISTORIES = {
  {}, { "one", "two", "print 'three'" }, { "x = 1\ny = 2", "tab\there", "esc \27[2J\7" }, { "b\xff\xfe\xc3", "\u{9b}2J" },
  { "日本語日本語日本語日本語", "e\u{301}e\u{301}", "\u{1F600}" }, { ("long "):rep(60) }, { "", " ", "%d+%", "(" },
}

local function raises() error "a metamethod was called" end

-- What stands in the globals: ordinary things, objects of weft, and tables that bite.
local function environment(hostile)
  local loop = {}
  setmetatable(loop, { __index = loop })
  local a, b = {}, {}
  setmetatable(a, { __index = b })
  setmetatable(b, { __index = a })
  local env = {
    print = print, string = string, weft = weft, ch = weft.channel(), buf = weft.buffer("i64", 1), name = "text", n = 1,
    t = { first = 1, second = { third = print }, [1] = { x = 1 }, ["not a name"] = 1, ["\xff"] = 1, ["end"] = 1, __hid = 1 },
    loop = loop, a = a, b = b, same = setmetatable({}, { __index = function(t) return t end }),
    raises = setmetatable({ field = 1 }, { __index = raises, __eq = raises, __len = raises, __pairs = raises,
      __tostring = raises, __name = raises }),
    nested = setmetatable({}, { __eq = raises,
      __index = setmetatable({ inner = 1 }, { __index = { deeper = 1 }, __eq = raises }) }),
    locked = setmetatable({}, { __metatable = false, __index = { secret = 1 } }),
    named = setmetatable({}, { __name = "weft.false", __index = function() end }), odd = setmetatable({}, { __index = 42 }),
  }
  return hostile and setmetatable(env, { __index = raises, __eq = raises }) or env
end
local ENVIRONMENTS = { environment(false), environment(true) }

local function check(holds, ...) if not holds then error((...):format(select(2, ...)), 2) end end

local function check_text(text, what)
  check(utf8.len(text), "%s is not UTF-8: %q", what, text)
  check(not text:find "[\0-\31\127]" and not text:find "\xC2[\x80-\x9F]", "%s has a control character: %q", what, text)
end

---------------------------------------------------------------------- the editor

local function check_line(line)
  for _, c in ipairs(line.chars) do check(c ~= "" and utf8.len(c) == 1, "%q is no character", c) end
  check_text(line:text(), "the line")
  if line.search then check_text(line.search, "what is searched for") end
end

local function check_shown(line, width)
  local shown = line:show()
  local body = shown:match "^\r\27%[K(.*)$"
  check(body, "it does not begin anew: %q", shown)
  local back = body:match "\27%[(%d+)D$"
  if back then body = body:gsub("\27%[%d+D$", "") end
  if not line.search then body = body:gsub("\27%[[%d;]*m", "") end -- colours of the prompt
  check_text(body, "what is shown")
  local columns = term.columns(body)
  check(columns < math.max(1, width), "%d columns in a terminal of %d: %q", columns, width, body)
  check(not back or tonumber(back) > 0 and tonumber(back) <= columns, "%s columns back in %q", back, body)
  return shown
end

local function check_completion(text, env)
  local from, list = complete(text, env)
  check(math.type(from) == "integer" and from >= 1 and from <= #text + 1, "completion begins at %s of %q", from, text)
  local word = text:sub(from)
  for i, name in ipairs(list) do
    check(i == 1 or list[i - 1] < name, "%s and %s are not in order", list[i - 1], name)
    check(name:match "^%.?[%a_][%w_]*$" and name:sub(1, #word) == word, "%q is no end of %q", name, word)
  end
  return from, list
end

-- What the prompt does with a line, but for running it.
local function entered(text, env)
  check_text(text, "a line")
  local f, message = eval.compile(text, "=stdin", env)
  check(type(f) == "function" or type(message) == "string" and message ~= "", "%q compiles to nothing", text)
  local name, rest = eval.command(text, env)
  local leaves = name == "quit" and (text:find "exit" or text:find "quit")
  check(name == nil or type(rest) == "string" and (leaves or text:match "^%s*%.%a"), "%q is a command", text)
  check(type(eval.error_text(message or env, text)) == "string", "an error without a text")
end

-- The state after the keys have come in these pieces: as one text.
local function typed(pieces, input, deep)
  local env = input.env
  local line = editor.new {
    prompt = input.prompt, history = table.move(input.history, 1, #input.history, 1, {}), width = function() return input.width end,
    complete = function(text) return check_completion(text, env) end,
  }
  local out = {}
  for _, piece in ipairs(pieces) do
    for _, event in ipairs(line:feed(piece)) do
      local kind, value = event[1], event[2]
      out[#out + 1] = kind .. " " .. (type(value) == "table" and table.concat(value, ",") or value or "")
      check(kind ~= "list" or #value > 1, "a list of one")
      if kind == "line" then
        line:remember(value)
        if deep then entered(value, env) end
      end
    end
    local at = line.at
    check(math.type(at) == "integer" and at >= 0 and at <= #line.chars, "the cursor is at %s of %d", at, #line.chars)
    check(#line.input < 12, "%d bytes wait", #line.input)
    if deep then
      check_line(line)
      check_shown(line, input.width)
    end
  end
  out[#out + 1] = ("%s|%d|%q|%s|%s|%s|%s"):format(line:text(), line.at, line.input, line.search, line.place, line.killed,
    line.draft)
  out[#out + 1] = check_shown(line, input.width)
  return table.concat(out, "\n")
end

-- The prompt gives keys to the editor up to the end of a line; `size` says how many at a time.
local function cut(keys, size)
  local pieces = {}
  for part in keys:gmatch "[^\r\n\3\4]*[\r\n\3\4]?" do
    while part ~= "" do
      local n = size(#part)
      pieces[#pieces + 1] = part:sub(1, n)
      part = part:sub(n + 1)
    end
  end
  return pieces
end

return function(bytes)
  if #bytes < 4 then return end
  local a, b, c = bytes:byte(1, 3)
  local input = { width = WIDTHS[a % #WIDTHS + 1], prompt = PROMPTS[b % #PROMPTS + 1], history = HISTORIES[b // 8 % #HISTORIES + 1],
    env = ENVIRONMENTS[a // 128 + 1] }
  local keys = bytes:sub(4)
  local whole = typed(cut(keys, function(n) return n end), input, true)
  local seed = c
  local pieces = typed(cut(keys, function()
    seed = seed * 1103515245 + 12345 & 0x7fffffff
    return 1 + (seed >> 16) % (c % 8 + 1)
  end), input)
  check(whole == pieces, "in pieces it is another:\n%s\n---\n%s", whole, pieces)
  if c >= 192 then check_completion(keys:sub(-200), input.env) end
end
