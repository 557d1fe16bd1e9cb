-- Writes docs/api.md, and the texts of help(x), from the annotations in types/.
--
--   lua5.4 scripts/docs.lua            writes them (make docs)
--   lua5.4 scripts/docs.lua --check    fails if it would write something else
--
-- Run from the source tree's root. An entry without a word about what it does, whether it blocks, or an example is
-- an error.

package.path = "./?.lua;" .. package.path
local stubs = require "scripts.stubs"

local TARGET = "docs/api.md"
local out = {}
local function put(...) out[#out + 1] = string.format(...) end

local INTRO = [[
<!-- Written by scripts/docs.lua from types/*.lua: change those, then run `make docs`. -->

# weft: the API

Made from the annotations in [types/](../types), which editors with a Lua language server read too. Every example is run by
the tests.
]]

---------------------------------------------------------------------- names and links

-- The anchor that a heading gets: small letters, no punctuation, dashes for blanks.
local function anchor(heading) return (heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-")) end

local headings = {} -- name of an entry -> anchor
local types = {} -- name of a class -> anchor

local function link(name)
  local at = headings[name]
  return at and ("[`%s`](#%s)"):format(name, at) or "`" .. name .. "`"
end

-- Names of entries in prose become links: weft.go, job:cancel. What stands in backquotes or links is left alone.
local function linked(text, self)
  local kept = {}
  local function keep(s)
    kept[#kept + 1] = s
    return "\1" .. #kept .. "\2"
  end
  text = text:gsub("`[^`]*`", keep)
  text = text:gsub("[%a_][%w_]*[.:][%w_.]*[%w_]", function(name)
    return headings[name] and name ~= self and keep(link(name)) or nil
  end)
  return (text:gsub("\1(%d+)\2", function(n) return kept[tonumber(n)] end))
end

local function escape(text) return (text:gsub("|", "\\|")) end

---------------------------------------------------------------------- entries

-- "fun(opts: weft.go.options, f: function, ...): weft.job" -> "opts, f, ..."
local function overload_args(text)
  local list = {}
  for part in text:match("fun(%b())"):sub(2, -2):gmatch "[^,]+" do
    local name = part:match "^%s*([%w_.]+)"
    if name ~= "self" then list[#list + 1] = name end
  end
  return table.concat(list, ", ")
end

local function call_args(f)
  local optional = {}
  for _, p in ipairs(f.params) do optional[p.name] = p.optional end
  local text, open = "", 0
  for i, arg in ipairs(f.args) do
    local comma = i > 1 and ", " or ""
    if optional[arg] then
      text = text .. (i > 1 and " [" or "[") .. comma .. arg
      open = open + 1
    else
      text = text .. comma .. arg
    end
  end
  return text .. ("]"):rep(open)
end

local function results(f)
  local list = {}
  for _, r in ipairs(f.returns) do list[#list + 1] = r.name end
  return #list > 0 and " -> " .. table.concat(list, ", ") or ""
end

local function put_signatures(item)
  put "```lua"
  for _, o in ipairs(item.overloads) do
    if item.kind == "class" then put("%s(%s) -> t", item.var, overload_args(o)) end
  end
  if item.kind == "function" then
    put("%s(%s)%s", item.name, call_args(item), results(item))
    for _, o in ipairs(item.overloads) do put("%s(%s)%s", item.name, overload_args(o), results(item)) end
  end
  put "```\n"
end

-- A type, with a link when it is one of ours: `weft.job?`.
local function type_text(t)
  local at = types[t:match "^[%w_.]+"]
  return at and ("[`%s`](#%s)"):format(t, at) or "`" .. t .. "`"
end

local function put_values(item)
  local list = {}
  for _, p in ipairs(item.params) do
    local text = p.text ~= "" and ": " .. linked(p.text, item.name) or ""
    list[#list + 1] = ("- `%s` %s%s%s"):format(p.name, type_text(p.type), p.optional and ", optional" or "", text)
  end
  for _, r in ipairs(item.returns) do
    local text = r.text ~= "" and ": " .. linked(r.text, item.name) or ""
    list[#list + 1] = ("- returns `%s` %s%s"):format(r.name, type_text(r.type), text)
  end
  if #list > 0 then put("%s\n", table.concat(list, "\n")) end
end

local function put_parts(item)
  for _, part in ipairs(item.parts) do
    if part.kind == "prose" then
      put("%s\n", linked(table.concat(part.lines, "\n"), item.name))
    elseif part.kind == "example" and item.kind == "section" then
      put("```lua\n%s\n```\n", table.concat(part.lines, "\n"))
    end
  end
end

local function put_notes(item)
  if item.blocks then put("*Blocks:* %s\n", linked(item.blocks, item.name)) end
  if item.errors then put("*Errors:* %s\n", linked(item.errors, item.name)) end
  if item.closing then put("*Closing* (`local x <close>`): %s\n", linked(item.closing, item.name)) end
end

local function put_examples(item)
  for _, example in ipairs(item.examples) do put("```lua\n%s```\n", example.code) end
end

local function put_fields(item)
  if #item.fields == 0 then return end
  put "| field | type | |\n|---|---|---|"
  for _, f in ipairs(item.fields) do
    local kind = escape(type_text(f.type)) .. (f.optional and ", optional" or "")
    put("| `%s` | %s | %s |", f.name, kind, escape(linked(f.text, item.name)))
  end
  put ""
end

-- The heading of an entry: functions, tables of functions and tables of options by their name, other classes as types.
local function heading(item)
  if item.kind == "function" then return item.name end
  if item.var and item.var:match "%." then return item.var end
  return item.var and "type " .. item.name or item.name
end

local function check(item)
  local function need(what, there)
    if not there then error(("%s:%d: %s: %s is missing"):format(item.file, item.line, item.name, what), 0) end
  end
  local prose
  for _, p in ipairs(item.parts) do prose = prose or p.kind == "prose" end
  if item.kind ~= "function" then return end
  need("what it does", prose)
  need("'Blocks:'", item.blocks)
  need("an example", #item.examples > 0)
  for _, r in ipairs(item.returns) do need("the name of a result", r.name and r.name:find "^[%a_.][%w_.]*$") end
end

local function put_item(item)
  if item.kind == "section" then
    put_parts(item)
    return
  end
  if item.name == "weft" then -- reopened in each file
    put_parts(item)
    for _, f in ipairs(item.fields) do
      if stubs.is_value(f) then put("### weft.%s\n\n%s: %s.\n", f.name, type_text(f.type), linked(f.text)) end
    end
    return
  end
  check(item)
  put("### %s\n", heading(item))
  if item.kind == "function" or #item.overloads > 0 then put_signatures(item) end
  put_parts(item)
  put_fields(item)
  put_values(item)
  put_notes(item)
  put_examples(item)
end

---------------------------------------------------------------------- the whole

local files = stubs.read "types"

local function entries(f)
  for _, file in ipairs(files) do
    for i, item in ipairs(file.items) do
      if not item.private then f(item, file, i) end
    end
  end
end

entries(function(item)
  if item.name == "weft" then
    for _, f in ipairs(item.fields) do
      if stubs.is_value(f) then headings["weft." .. f.name] = anchor("weft." .. f.name) end
    end
  end
  if item.kind == "section" or item.name == "weft" then return end
  local title = heading(item)
  if headings[title] then error(("%s:%d: a second entry %s"):format(item.file, item.line, title), 0) end
  headings[title] = anchor(title)
  if item.kind == "class" then types[item.name] = anchor(title) end
end)
for name, at in pairs(types) do headings[name] = headings[name] or at end

put("%s", INTRO)
for _, file in ipairs(files) do
  local list, first = {}, true
  for _, item in ipairs(file.items) do
    if item.kind == "section" and first then
      put("- [%s](#%s)", item.title, anchor(item.title))
      first = false
    elseif item.kind == "function" and not item.private then
      list[#list + 1] = link(item.name)
    end
  end
  if #list > 0 then put("  %s", table.concat(list, " ")) end
end
put ""
for _, file in ipairs(files) do
  local first = true
  for _, item in ipairs(file.items) do
    if item.kind == "section" then put("%s %s\n", first and "##" or "###", item.title) end
    if not item.private then put_item(item) end
    first = first and item.kind ~= "section"
  end
end

local text = table.concat(out, "\n"):gsub("\n+$", "") .. "\n"
text = text:gsub("\n\n\n+", "\n\n")

local help_text = require "scripts.help_text"
local wrong = false

local function settle(target, wanted)
  local f = io.open(target, "rb")
  local before = f and f:read "a"
  if f then f:close() end
  if arg[1] == "--check" then
    if before ~= wanted then
      print(target .. " is not what types/ says: run `make docs`")
      wrong = true
    else
      print(target .. ": as types/ says")
    end
  elseif before ~= wanted then
    os.execute "mkdir -p docs"
    f = assert(io.open(target, "wb"))
    f:write(wanted)
    f:close()
    print(target .. ": written")
  end
end

settle(TARGET, text)
settle(help_text.TARGET, help_text.source(files))
if wrong then os.exit(false) end
