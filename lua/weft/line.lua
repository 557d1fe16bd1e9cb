-- A line editor for a terminal in raw mode: what is typed goes in as bytes, what is to be shown comes out as text. It
-- reads and writes nothing itself, so whoever has the terminal can hide the line, write something above, and show it
-- again.
--
--   local line = editor.new { prompt = "> ", complete = f, history = {}, width = function() return 80 end }
--   for _, event in ipairs(line:feed(bytes)) do ... end     { "line", text } { "eof" } { "interrupt" } { "suspend" }
--                                                           { "clear" } { "list", words }
--   line:show()   line:hide()                               texts to write
--
-- A line that is longer than the terminal is wide scrolls sideways. Keys are those of readline: arrows, Home, End, C-a
-- C-e C-b C-f C-k C-u C-w C-y C-t C-l, M-b M-f M-d, C-p C-n, C-r to search the history (C-g: not after all), Tab to complete.

local term = require "weft.term"

local M = {}

local Line = {}
Line.__index = Line

function M.new(opts)
  return setmetatable({
    prompt = opts.prompt or "> ", complete = opts.complete, history = opts.history or {},
    width = opts.width or function() return 80 end,
    chars = {}, at = 0, -- the characters of the line, and how many of them are before the cursor
    input = "", events = {}, killed = "",
  }, Line)
end

function Line:text() return table.concat(self.chars) end

function Line:set(text)
  self.chars, self.at = {}, 0
  self:insert(text)
end

function Line:insert(text)
  if text:find "^[ -~]$" then -- a key, most of the time
    self.at = self.at + 1
    return table.insert(self.chars, self.at, text)
  end
  if not utf8.len(text) then text = term.clean(text:gsub("[\t\r\n]", " ")) end
  local new, n = {}, 0
  for _, code in utf8.codes(text) do
    local blank = code == 9 or code == 10 or code == 13
    if blank or code >= 32 and code < 127 or code >= 160 then
      n = n + 1
      new[n] = blank and " " or utf8.char(code)
    end
  end
  local chars, at = self.chars, self.at
  table.move(chars, at + 1, #chars, at + n + 1)
  table.move(new, 1, n, at + 1, chars)
  self.at = at + n
end

---------------------------------------------------------------------- what is shown

-- A prompt in at most so many columns, and how many it takes. Colours are let through; of several lines the last one is shown.
local function prompt_for(text, most)
  text = text:match "[^\n]*$"
  local out, plain, at = {}, {}, 1
  while at <= #text do
    local start, stop = text:find("\27%[[%d;]*m", at)
    local piece = term.clean(text:sub(at, (start or #text + 1) - 1))
    plain[#plain + 1], out[#out + 1] = piece, piece
    if start then out[#out + 1] = text:sub(start, stop) end
    at = (stop or #text) + 1
  end
  local shown = table.concat(plain)
  local columns = term.columns(shown)
  if columns <= most then return table.concat(out), columns end
  shown = term.cut(shown, most)
  return shown, term.columns(shown)
end

-- The line as it stands: the cursor is left where it belongs. The last column stays free, as some terminals go to the next
-- line there.
function Line:show()
  local width = math.max(1, self.width())
  local prompt, taken = prompt_for(self.search and ("(search '%s') "):format(self.search) or self.prompt, math.max(0, width - 5))
  local chars, room = self.chars, width - 1 - taken
  local from, used = self.at + 1, 0
  while from > 1 do
    local n = term.columns(chars[from - 1])
    if used + n > room - 1 then break end
    from, used = from - 1, used + n
  end
  local till, back = self.at, 0
  while till < #chars do
    local n = term.columns(chars[till + 1])
    if used + back + n > room then break end
    till, back = till + 1, back + n
  end
  local text = "\r\27[K" .. prompt .. table.concat(chars, "", from, till)
  if back > 0 then text = text .. ("\27[%dD"):format(back) end
  return text
end

-- Takes the line away; what is written next begins where it stood.
function Line.hide() return "\r\27[K" end

---------------------------------------------------------------------- editing

local function is_word(c) return c ~= nil and (c:match "^[%w_]$" ~= nil or #c > 1) end

function Line:word_left()
  local at = self.at
  while at > 0 and not is_word(self.chars[at]) do at = at - 1 end
  while at > 0 and is_word(self.chars[at]) do at = at - 1 end
  return at
end

function Line:word_right()
  local at = self.at
  while at < #self.chars and not is_word(self.chars[at + 1]) do at = at + 1 end
  while at < #self.chars and is_word(self.chars[at + 1]) do at = at + 1 end
  return at
end

-- Cuts the characters from a + 1 to b.
function Line:cut(a, b)
  local chars = self.chars
  local n = #chars
  self.killed = table.concat(chars, "", a + 1, b)
  table.move(chars, b + 1, n, a + 1)
  for i = n, n - (b - a) + 1, -1 do chars[i] = nil end
  if self.at > b then self.at = self.at - (b - a) elseif self.at > a then self.at = a end
end

function Line:recall(step)
  local history = self.history
  local place = self.place or #history + 1
  local to = place + step
  if to < 1 or to > #history + 1 then return end
  if place == #history + 1 then self.draft = self:text() end
  self.place = to
  self:set(history[to] or self.draft or "")
end

-- The newest entry with the words searched for, before `place`.
function Line:find(place)
  for i = math.min(place, #self.history), 1, -1 do
    if self.history[i]:find(self.search, 1, true) then
      self.place = i
      self:set(self.history[i])
      return
    end
  end
end

local function common(list)
  local first, last = list[1], list[#list]
  local n = 0
  while n < #first and first:byte(n + 1) == last:byte(n + 1) do n = n + 1 end
  return first:sub(1, n)
end

function Line:tab()
  local before = table.concat(self.chars, "", 1, self.at)
  if before:match "^%s*$" or not self.complete then return self:insert "  " end
  local from, list = self.complete(before)
  if #list == 0 then return end
  local word, wanted = before:sub(from), common(list)
  if #wanted > #word then
    self:insert(wanted:sub(#word + 1))
  elseif #list > 1 then
    self:event("list", list)
  end
end

function Line:event(...) self.events[#self.events + 1] = { ... } end

function Line:enter()
  local text = self:text()
  self.search, self.place, self.draft = nil, nil, nil
  self.chars, self.at = {}, 0
  self:event("line", text)
end

-- Notes a line in the history: not twice in a row, nothing empty.
function Line:remember(text)
  if text:match "%S" and self.history[#self.history] ~= text then table.insert(self.history, text) end
end

---------------------------------------------------------------------- keys

-- What is put back makes no line longer than that: cut and put back in turn doubles it each time.
local YANK_MOST = 4096

local keys = {
  ["\1"] = function(l) l.at = 0 end, -- C-a
  ["\2"] = function(l) l.at = math.max(0, l.at - 1) end,
  ["\3"] = function(l)
    l.chars, l.at, l.search, l.place = {}, 0, nil, nil
    l:event "interrupt"
  end,
  ["\4"] = function(l)
    if #l.chars == 0 then l:event "eof" else l:cut(l.at, math.min(#l.chars, l.at + 1)) end
  end,
  ["\5"] = function(l) l.at = #l.chars end,
  ["\6"] = function(l) l.at = math.min(#l.chars, l.at + 1) end,
  ["\9"] = Line.tab,
  ["\11"] = function(l) l:cut(l.at, #l.chars) end,
  ["\12"] = function(l) l:event "clear" end,
  ["\14"] = function(l) l:recall(1) end,
  ["\16"] = function(l) l:recall(-1) end,
  ["\20"] = function(l) -- C-t: the two characters around the cursor change places
    local at = math.min(l.at, #l.chars - 1)
    if at >= 1 then
      l.chars[at], l.chars[at + 1] = l.chars[at + 1], l.chars[at]
      l.at = at + 1
    end
  end,
  ["\21"] = function(l) l:cut(0, l.at) end,
  ["\23"] = function(l) -- C-w: to the blank before
    local at = l.at
    while at > 0 and l.chars[at] == " " do at = at - 1 end
    while at > 0 and l.chars[at] ~= " " do at = at - 1 end
    l:cut(at, l.at)
  end,
  ["\25"] = function(l) if #l.chars + #l.killed <= YANK_MOST then l:insert(l.killed) end end,
  ["\26"] = function(l) l:event "suspend" end,
  ["\8"] = function(l) if l.at > 0 then l:cut(l.at - 1, l.at) end end,
  ["\27b"] = function(l) l.at = l:word_left() end,
  ["\27f"] = function(l) l.at = l:word_right() end,
  ["\27d"] = function(l) l:cut(l.at, l:word_right()) end,
  ["\27\127"] = function(l) l:cut(l:word_left(), l.at) end,
  ["\27[3~"] = function(l) if l.at < #l.chars then l:cut(l.at, l.at + 1) end end,
}
keys["\127"] = keys["\8"]
for key, same in pairs {
  ["\27[A"] = "\16", ["\27[B"] = "\14", ["\27[C"] = "\6", ["\27[D"] = "\2", ["\27[H"] = "\1", ["\27[F"] = "\5",
  ["\27OA"] = "\16", ["\27OB"] = "\14", ["\27OC"] = "\6", ["\27OD"] = "\2", ["\27OH"] = "\1", ["\27OF"] = "\5",
  ["\27[1~"] = "\1", ["\27[4~"] = "\5", ["\27[7~"] = "\1", ["\27[8~"] = "\5",
  ["\27[1;5C"] = "\27f", ["\27[1;5D"] = "\27b", ["\27[1;3C"] = "\27f", ["\27[1;3D"] = "\27b",
} do keys[key] = keys[same] end

-- No key has more bytes: what goes on longer is none that a terminal sends.
local KEY_MOST = 11

-- The end of a sequence that begins with an escape, or nil when it is not all there yet. Only the sequence itself decides, not
-- the pieces in which it came; and what cannot be part of it, such as C-c, is a key of its own.
local function escape_end(input, at)
  local second = input:byte(at + 1)
  if not second then return nil end
  if second == 0x5B then -- "["
    if input:byte(at + 2) == 0x5B then return #input >= at + 3 and at + 3 or nil end -- F1 to F5 of Linux's own terminal
    local stop = select(2, input:find("^[\x30-\x3F]*[\x20-\x2F]*", at + 2))
    if stop - at + 1 >= KEY_MOST then return at + KEY_MOST - 1 end
    local final = input:byte(stop + 1)
    if not final then return nil end
    return final >= 0x40 and final <= 0x7E and stop + 1 or stop
  elseif second == 0x4F then -- "O"
    local third = input:sub(at + 2, at + 2)
    if third == "" then return nil end
    return third:match "%a" and at + 2 or at + 1
  end
  return (second < 32 or second >= 128) and at or at + 1
end

-- The end of a character of several bytes, or of the one byte that is no part of one; nil when it is not all there yet.
local function character_end(input, at, first)
  if first < 0xC2 or first > 0xF4 then return at end
  local stop = at + (first >= 0xF0 and 3 or first >= 0xE0 and 2 or 1)
  local there = select(2, input:find("^[\x80-\xBF]*", at + 1))
  if there >= stop then return utf8.len(input:sub(at, stop)) and stop or at end
  return there < #input and at or nil
end

-- The key at a place of the input, and the place after it; nil: it is not all there yet.
local function key_at(input, at)
  local first = input:byte(at)
  if not first then return nil end
  local stop = at
  if first == 27 then stop = escape_end(input, at) elseif first >= 128 then stop = character_end(input, at, first) end
  if stop then return input:sub(at, stop), stop + 1 end
end

function Line:searching(key)
  if key == "\18" then
    self:find((self.place or #self.history + 1) - 1)
  elseif key == "\7" then -- C-g: as before the search
    self:set(self.draft or "")
    self.search, self.place, self.draft = nil, nil, nil
  elseif key == "\127" or key == "\8" then
    self.search = self.search:gsub(utf8.charpattern .. "$", "")
  elseif key:byte() >= 32 and key:byte() ~= 127 then
    self.search = self.search .. term.clean(key)
    self:find(self.place or #self.history)
  else
    self.search = nil
    return false
  end
  return true
end

function Line:press(key)
  if key == "\r" or key == "\n" then
    self:enter()
  elseif key == "\18" then
    if not self.place or self.place == #self.history + 1 then self.draft = self:text() end
    self.search = ""
  elseif keys[key] then
    keys[key](self)
  elseif key:byte() >= 32 and key:byte() ~= 27 then
    self:insert(key)
  end
end

-- Bytes as they come from the terminal: what they have brought about.
function Line:feed(bytes)
  local input, at = self.input .. bytes, 1
  self.events = {}
  while true do
    local key, after = key_at(input, at)
    if not key then break end
    at = after
    local done = self.search and self:searching(key)
    if not done then self:press(key) end
  end
  self.input = input:sub(at)
  return self.events
end

return M
