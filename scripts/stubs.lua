-- Reads the annotations in types/ into tables: the one source of the API reference.
--
--   local stubs = require "scripts.stubs"
--   for _, file in ipairs(stubs.read "types") do ... file.items ... end
--
-- A stub file is Lua with LuaCATS annotations, so editors read it too. What counts here:
--
--   a block of `---` lines that begins with `# Title` opens a section, with prose
--   a block with `---@class NAME` is a class; `---@field` lines are its fields, `---@operator` its operators;
--     the line `local var = {}` (or `weft.var = {}`) that follows names what its methods are written in
--   a block before `function name(...) end` is a function or a method
--
-- The text of a block may have a paragraph that begins with "Blocks:", "Errors:" or "Closing:" (what leaving the
-- block of `local x <close>` does) and ```lua examples. `---@private` keeps a function out of the reference.
-- A file whose annotations do not fit together is an error that names file and line.

local M = {}

-- Is the field of `weft` neither a table of functions nor an object with methods, which have entries of their own?
function M.is_value(field) return not field.type:find "%.module$" and field.type ~= "weft." .. field.name end

-- The order of the files is that of the reference.
M.FILES = {
  "weft", "job", "group", "channel", "locks", "buffer", "pool", "net", "io", "fs", "file", "blocking",
  "exec", "process", "info", "trace", "ps", "plot", "bench", "explore", "command", "library",
}

local function fail(file, line, ...) error(("%s:%d: %s"):format(file, line, string.format(...)), 0) end

-- The type at the start of text, up to the first blank outside brackets, and what follows.
local function split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:match "[%(%[{<]" then depth = depth + 1 end
    if c:match "[%)%]}>]" then depth = depth - 1 end
    if c == " " and depth == 0 then break end
    at = at + 1
  end
  return text:sub(1, at - 1), (text:sub(at):gsub("^%s+", ""))
end

local tags = {}

function tags.class(block, rest) block.class = rest:match "^(%S+)" end
function tags.field(block, rest)
  local name, more = rest:match "^(%S+)%s+(.*)$"
  local kind, text = split_type(more or "")
  table.insert(block.fields, { name = name:gsub("%?$", ""), optional = name:sub(-1) == "?", type = kind, text = text })
end
function tags.operator(block, rest) block.operators[rest:match "^%w+"] = true end
function tags.param(block, rest)
  local name, more = rest:match "^(%S+)%s+(.*)$"
  local kind, text = split_type(more or "")
  table.insert(block.params, { name = name:gsub("%?$", ""), optional = name:sub(-1) == "?", type = kind, text = text })
end
tags["return"] = function(block, rest)
  local kind, more = split_type(rest)
  local name, text = more:match "^(%S+)%s*(.*)$"
  table.insert(block.returns, { type = kind, name = name, text = text or "" })
end
function tags.overload(block, rest) table.insert(block.overloads, rest) end
function tags.private(block) block.private = true end
function tags.meta() end
function tags.type() end
function tags.async() end

-- Cuts the lines of a block into prose, notes ("Blocks:" ...) and examples, in order.
local function cut(block)
  local part, code
  local function add(kind, line)
    part = { kind = kind, line = line, lines = {} }
    table.insert(block.parts, part)
  end
  for i, text in ipairs(block.text) do
    local line = block.lines[i]
    if code then
      if text:match "^```" then
        code, part = nil, nil
      else
        table.insert(part.lines, text)
      end
    elseif text:match "^```" then
      if text ~= "```lua" then fail(block.file, line, "a block of code says what it is: ```lua") end
      add("example", line)
      code = true
    elseif text == "" then
      part = nil
    else
      local note = text:match "^(%u%l+): " or text:match "^(%u%l+):$"
      if note == "Blocks" or note == "Errors" or note == "Closing" then
        add(note:lower(), line)
        text = text:gsub("^%u%l+:%s*", "")
      elseif not part then
        add("prose", line)
      end
      table.insert(part.lines, text)
    end
  end
  if code then fail(block.file, block.line, "the block of code has no end") end
  for _, p in ipairs(block.parts) do
    if p.kind == "example" then
      table.insert(block.examples, { line = p.line, code = table.concat(p.lines, "\n") .. "\n" })
    elseif p.kind ~= "prose" then
      if block[p.kind] then fail(block.file, p.line, "a second paragraph %s:", p.kind) end
      block[p.kind] = table.concat(p.lines, "\n")
    end
  end
end

local function new_block(file, line)
  return {
    file = file, line = line, text = {}, lines = {}, parts = {}, examples = {},
    fields = {}, operators = {}, params = {}, returns = {}, overloads = {},
  }
end

-- The parameters of a function as written: "f, ..." -> { "f", "..." }.
local function names(list)
  local out = {}
  for name in list:gmatch "[^,%s]+" do out[#out + 1] = name end
  return out
end

local function finish(block, code, file, classes)
  cut(block)
  local name, args = (code or ""):match "^function ([%w_.:]+)%((.-)%) end$"
  if name then
    local owner, sep, short = name:match "^([%w_.]+)([.:])([%w_]+)$"
    if not owner then fail(file.path, block.line, "a function of no table: %s", name) end
    block.kind, block.name, block.owner, block.short, block.method = "function", name, owner, short, sep == ":"
    block.args = names(args)
    local known = {}
    for _, p in ipairs(block.params) do known[p.name] = p end
    for _, arg in ipairs(block.args) do
      if not known[arg] then fail(file.path, block.line, "%s: parameter %s is not described", name, arg) end
    end
    if #block.params ~= #block.args then fail(file.path, block.line, "%s: a parameter that it does not have", name) end
  elseif block.class then
    block.kind = "class"
    block.name = block.class
    block.var = code and (code:match "^local ([%w_]+) = {}$" or code:match "^([%w_.]+) = {}$")
    if block.var then classes[block.var] = block end
  elseif #block.text > 0 and block.text[1]:match "^#+ " then
    block.kind, block.title = "section", block.text[1]:match "^#+ (.*)$"
    table.remove(block.parts[1].lines, 1)
    if #block.parts[1].lines == 0 then table.remove(block.parts, 1) end
  else
    return
  end
  table.insert(file.items, block)
end

-- One file: { path, items = { blocks in order } }.
function M.read_file(path, classes)
  local file, block, number = { path = path, items = {} }, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local text = line:match "^%-%-%-(.*)$"
    if text then
      block = block or new_block(path, number)
      local tag, rest = text:match "^@(%w+)%s*(.*)$"
      if tag then
        if not tags[tag] then fail(path, number, "unknown annotation @%s", tag) end
        tags[tag](block, rest)
      else
        table.insert(block.text, text)
        table.insert(block.lines, number)
      end
    elseif block then
      finish(block, line, file, classes)
      block = nil
    elseif line:match "^function " then
      fail(path, number, "nothing is said about this function")
    end
  end
  if block then finish(block, nil, file, classes) end
  return file
end

-- All files of a folder; each function's `of` is the class whose variable it is written in.
function M.read(folder)
  local files, classes = {}, {}
  for i, name in ipairs(M.FILES) do files[i] = M.read_file(("%s/%s.lua"):format(folder, name), classes) end
  for _, file in ipairs(files) do
    for _, item in ipairs(file.items) do
      if item.kind == "function" then
        item.of = classes[item.owner]
        if not item.of then fail(file.path, item.line, "%s: no class has the variable %s", item.name, item.owner) end
      end
    end
  end
  return files
end

return M
