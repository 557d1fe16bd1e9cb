-- What a picture in a terminal must know: how wide it may be, whether it may use Unicode and colour, and
-- how many columns a text takes. Pure functions; nothing is remembered between calls.
--
--   NO_UNICODE   set: plain ASCII. Else the first of LC_ALL, LC_CTYPE, LANG that is set decides by its
--                encoding; with none of them set it is Unicode, as nearly every terminal speaks it today.
--   NO_COLOR     set: no colour. Else colour when standard output is a terminal that is not "dumb".
--   COLUMNS      the width; else the terminal's; else 80.

local M = {}

local function set(name, env)
  local value = (env or os.getenv)(name)
  return value ~= nil and value ~= "" and value or nil
end

function M.unicode(env)
  if set("NO_UNICODE", env) then return false end
  local locale = set("LC_ALL", env) or set("LC_CTYPE", env) or set("LANG", env)
  return locale == nil or locale:lower():find "utf%-?8" ~= nil
end

-- `tty`: whether the output is a terminal.
function M.color(tty, env)
  return tty == true and not set("NO_COLOR", env) and set("TERM", env) ~= "dumb"
end

-- `columns`: what the terminal says, or nil.
function M.width(columns, env)
  local asked = math.tointeger(tonumber(set("COLUMNS", env) or ""))
  return asked and asked > 0 and asked or columns or 80
end

-- Ranges of code points that take no column or two. Enough for names of tasks: combining marks,
-- East Asian wide and emoji.
local NARROW = { { 0x300, 0x36F }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200F }, { 0x20D0, 0x20FF },
  { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F } }
local WIDE = { { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0xA4CF }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF },
  { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF },
  { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD } }

local function within(ranges, code)
  for _, r in ipairs(ranges) do
    if code < r[1] then return false end
    if code <= r[2] then return true end
  end
  return false
end

local function code_width(code)
  if code < 0x300 then return 1 end
  return within(NARROW, code) and 0 or within(WIDE, code) and 2 or 1
end

-- Makes any text harmless to print: control characters, bytes that are not UTF-8 and, for ASCII, everything
-- else that is not ASCII become question marks.
function M.clean(text, ascii)
  if not text:find "[^ -~]" then return text end
  local out = {}
  local at = 1
  while at <= #text do
    local stop = utf8.len(text, at) and #text + 1 or select(2, utf8.len(text, at))
    for _, code in utf8.codes(text:sub(at, stop - 1)) do
      local plain = code >= 32 and code < 127 or (code >= 160 and not ascii)
      out[#out + 1] = plain and utf8.char(code) or "?"
    end
    if stop <= #text then out[#out + 1] = "?" end
    at = stop + 1
  end
  return table.concat(out)
end

-- The columns that a clean text takes.
function M.columns(text)
  if not text:find "[\x80-\xFF]" then return #text end
  local n = 0
  for _, code in utf8.codes(text) do n = n + code_width(code) end
  return n
end

-- The text in at most n columns; a text that is too long ends in an ellipsis.
function M.cut(text, n, ascii)
  if M.columns(text) <= n then return text end
  local mark = ascii and ".." or "…"
  local room = n - M.columns(mark)
  if room < 0 then return ("."):rep(n) end
  local used, stop = 0, 1
  for at, code in utf8.codes(text) do
    used = used + code_width(code)
    if used > room then break end
    stop = at + #utf8.char(code)
  end
  return text:sub(1, stop - 1) .. mark
end

-- The text in exactly n columns: cut or filled with blanks.
function M.fit(text, n, ascii)
  text = M.cut(text, n, ascii)
  return text .. (" "):rep(n - M.columns(text))
end

-- A span of time for people, from seconds: three digits, or some more, and the unit that suits.
function M.seconds(s, ascii, more)
  local unit, scale = "s", 1
  if s > 0 and s < 0.9995 then
    if s >= 0.9995e-3 then unit, scale = "ms", 1e3
    elseif s >= 0.9995e-6 then unit, scale = ascii and "us" or "µs", 1e6
    else unit, scale = "ns", 1e9 end
  end
  local v = s * scale
  local digits = v == 0 and 0 or v < 9.995 and 2 or v < 99.95 and 1 or 0
  return ("%." .. digits + (more or 0) .. "f %s"):format(v, unit)
end

return M
