-- help(x): what the reference says about a function, an object or a name. The texts are made from types/ by `make docs`.
--
--   help(weft.go)   help "channel:recv"   help(ch)   help "weft"   help()

local methods = require "weft.methods"
local term = require "weft.term"

local M = {}

local function texts() return require "weft.help_text" end

local INTRO = [[
help(x) shows what the reference says about a function or an object:
help(weft.go), help(ch), help "channel:recv".
help "words" lists all entries that have these letters. Beginnings:

  weft.go       a task: runs here, beside the others
  weft.spawn    in a Lua state of its own, on any core
  weft.thread   on an OS thread of its own
  weft.process  in a process of its own
  weft.channel  values from one to another
  weft.select   whichever comes first
  weft.mutex    one at a time
  weft.scope    starts several, waits for all
  weft.net      sockets; weft.fs files; weft.exec programs
  weft.trace    what ran where and when
  weft.explore  a function under every schedule

At the prompt: .help  .ps  .top  .trace CODE  .load FILE  .quit]]

-- Breaks a line between words; what follows is indented as the line, and a bit more if it is.
local function break_line(line, width, out)
  local indent = line:match "^ *"
  local now, hanging = indent, #indent > 0 and indent .. "  " or ""
  for word in line:gmatch "%S+" do
    if #now + #word > width and now:find "%S" then
      out[#out + 1] = now:gsub(" +$", "")
      now = hanging
    end
    now = now .. word .. " "
  end
  out[#out + 1] = now:gsub(" +$", "")
end

-- A text of the reference in lines of at most so many columns: paragraphs are filled anew, code (four blanks in) stays, rows of
-- a table hang.
function M.wrap(text, width)
  local out, paragraph = {}, nil
  local function fill()
    if paragraph then break_line(paragraph, width, out) end
    paragraph = nil
  end
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local prose = line:find "^%S" and not line:find "^[-|]"
    if not prose or line:find "^%u%l+:" then fill() end
    local row = line:gsub("^| (%S+) | (.*) |$", "  %1: %2")
    if prose then
      paragraph = paragraph and paragraph .. " " .. line or line
    elseif line:find "^|%-" then
      out[#out] = nil -- above it is what the columns are called
    elseif #row <= width or line:find "^    " then
      out[#out + 1] = row
    else
      break_line(row, width, out)
    end
  end
  fill()
  return table.concat(out, "\n")
end

-- The tables of functions that the reference tells of: "weft", "weft.net", "weft.net.unix" ...
local function tables()
  local list = {}
  for name in pairs(texts()) do
    local prefix = name:match "^(weft[%w.]*)%.[%w]+$"
    local t = prefix and package.loaded.weft
    for part in (prefix or ""):gmatch "%.(%w+)" do t = type(t) == "table" and rawget(t, part) or nil end
    if type(t) == "table" then list[prefix] = t end
  end
  return list
end

-- The name of a function among the tables that weft has, or nil.
local function name_of_function(f)
  local known = texts()
  for prefix, t in pairs(tables()) do
    for name, value in next, t do
      if value == f and known[prefix .. "." .. tostring(name)] then return prefix .. "." .. name end
    end
  end
  -- Methods: in the metatables of weft's classes.
  for _, mt in next, debug.getregistry() do
    if type(mt) == "table" and type(rawget(mt, "__name")) == "string" and mt.__name:match "^weft%." then
      for name, value in next, methods(mt) do
        if value == f then return mt.__name .. ":" .. tostring(name) end
      end
    end
  end
end

local function about_function(f)
  local name = name_of_function(f)
  if name and texts()[name] then return texts()[name] end
  local info = debug.getinfo(f, "uS")
  if info.what == "C" then return "a function of C, of which the reference of weft says nothing" end
  local args = {}
  for i = 1, info.nparams do args[i] = debug.getlocal(f, i) end
  if info.isvararg then args[#args + 1] = "..." end
  return ("function(%s) at %s:%d"):format(table.concat(args, ", "), info.short_src, info.linedefined)
end

-- Names that hold the words, each in full.
local function search(words)
  local known, list = texts(), {}
  local lower = words:lower()
  for name in pairs(known) do
    if name:lower():find(lower, 1, true) then list[#list + 1] = name end
  end
  table.sort(list)
  if #list == 0 then
    for name, text in pairs(known) do
      if text:lower():find(lower, 1, true) then list[#list + 1] = name end
    end
    table.sort(list)
    if #list > 0 then return ("in the text of:\n  %s"):format(table.concat(list, "\n  ")) end
    return ("the reference says nothing about '%s'"):format(words)
  end
  local out = {}
  for i, name in ipairs(list) do out[i] = ("  %-28s %s"):format(name, known[name]:match "\n\n([^\n]*)" or "") end
  return table.concat(out, "\n")
end

local function about_name(name)
  local known = texts()
  name = name:match "^%s*(.-)%s*$"
  if name == "" or name == "weft" then return INTRO end
  for _, key in ipairs { name, "weft." .. name, (name:gsub("%.", ":")), "weft." .. name:gsub("%.", ":") } do
    if known[key] then return known[key] end
  end
  return search(name)
end

-- The text for anything.
function M.text(...)
  local x = ...
  if select("#", ...) == 0 or x == package.loaded.weft then return INTRO end
  local kind = type(x)
  if kind == "string" then return about_name(x) end
  if kind == "function" then return about_function(x) end
  for prefix, t in pairs(tables()) do
    if x == t and texts()[prefix] then return texts()[prefix] end
  end
  local mt = debug.getmetatable(x)
  local name = type(mt) == "table" and rawget(mt, "__name")
  if type(name) == "string" and texts()[name] then return texts()[name] end
  if kind == "table" then
    local keys = {}
    for key in next, x do keys[#keys + 1] = tostring(key) end
    table.sort(keys)
    return ("a table%s%s"):format(name and ", " .. tostring(name) or "",
      #keys > 0 and " with " .. table.concat(keys, " ", 1, math.min(40, #keys)) or ", empty")
  end
  return ("a %s: %s"):format(name or kind, tostring(x))
end

-- Prints it, as wide as the terminal.
function M.help(...)
  local tty, columns = require("weft.core").trace_terminal()
  print(tty and M.wrap(M.text(...), term.width(columns)) or M.text(...))
end

return M
