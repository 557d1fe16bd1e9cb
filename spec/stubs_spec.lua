-- The annotations in types/ are read by editors: they are Lua, every type in them can be parsed by the rules of LuaCATS, and
-- every name of a type is a builtin one or has its class. (docs_spec.lua compares them with what is loaded.)

local helper = require "spec.helper"
local stubs = require "scripts.stubs"

local BUILTIN = {}
for name in ("nil any boolean string number integer function table thread userdata lightuserdata unknown self true false"):gmatch "%S+" do
  BUILTIN[name] = true
end

---------------------------------------------------------------------- a parser of types

local Parser = {}
Parser.__index = Parser

function Parser:take(pattern)
  local a, b, what = self.text:find("^%s*(" .. pattern .. ")", self.at)
  if a then self.at = b + 1 end
  return what
end

function Parser:need(pattern, what)
  return self:take(pattern) or error(("%s expected at '%s'"):format(what, self.text:sub(self.at)), 0)
end

-- name: T, name?: T, ...: T
function Parser:fields(closing)
  if self:take(closing) then return end
  repeat
    if not self:take "%.%.%." then self:need("[%a_][%w_]*", "a name") end
    self:take "%?"
    if self:take ":" then self:union() end
  until not self:take ","
  self:need(closing, closing)
end

function Parser:primary()
  if self:take "fun%f[%A]" then
    self:need("%(", "(")
    self:fields "%)"
    if self:take ":" then
      repeat
        self:union()
      until not self:take ","
    end
    return
  elseif self:take "%(" then
    self:union()
    self:need("%)", ")")
  elseif self:take "{" then
    if self:take "%[" then
      self:union()
      self:need("%]", "]")
      self:need(":", ":")
      self:union()
      self:need("}", "}")
    else
      self:fields "}"
    end
  elseif not (self:take '"[^"]*"' or self:take "'[^']*'" or self:take "%-?%d[%d.]*" or self:take "%.%.%.") then
    local name = self:need("[%a_][%w_.]*", "a type")
    self.names[#self.names + 1] = name
    if self:take "<" then
      repeat
        self:union()
      until not self:take ","
      self:need(">", ">")
    end
  end
  while self:take "%[%]" or self:take "%?" do end
end

function Parser:union()
  repeat
    self:primary()
  until not self:take "|"
end

-- The names in a type, or nil and what is wrong with it. Words may follow.
local function parse(text)
  local p = setmetatable({ text = text, at = 1, names = {} }, Parser)
  local ok, wrong = pcall(function()
    p:union()
    if not text:find("^%s", p.at) and p.at <= #text then error(("the end expected at '%s'"):format(text:sub(p.at)), 0) end
  end)
  if not ok then return nil, wrong end
  return p.names
end

---------------------------------------------------------------------- what is checked

describe("the parser of types", function()
  it("knows what LuaCATS allows, and nothing else", function()
    assert.same({ "string", "integer", "weft.job" }, parse "string|integer[]|weft.job?")
    assert.same({ "any", "integer", "boolean" }, parse "fun(a: any, ...: integer): boolean, ...")
    assert.same({ "table", "string" }, parse "table<string, fun()>[]  what they are")
    assert.same({ "number" }, parse '{ x: number, y?: "a"|"b" }')
    assert.same({ "string", "any" }, parse "{ [string]: any }")
    for _, wrong in ipairs { "", "string|", "fun(", "a)", "table<string", "{x number}", "[]" } do assert.is_nil(parse(wrong), wrong) end
  end)
end)

describe("the stubs for editors", function()
  local files = stubs.read(helper.root .. "/types")
  local classes = {}
  for _, file in ipairs(files) do
    for _, item in ipairs(file.items) do
      if item.kind == "class" then classes[item.name] = true end
    end
  end

  for _, name in ipairs(stubs.FILES) do
    local path = helper.root .. "/types/" .. name .. ".lua"

    it(("are Lua that does nothing: %s"):format(name), function()
      local text = helper.read_file(path)
      assert(text:find "^%-%-%-@meta", "no @meta at the beginning")
      assert(load(text, "=" .. name, "t", {}))
    end)

    it(("have types that can be read: %s"):format(name), function()
      local number = 0
      for line in io.lines(path) do
        number = number + 1
        local where = ("%s:%d: %s"):format(name, number, line)
        local tag, rest = line:match "^%-%-%-@(%l+)%s*(.*)$"
        local texts = {}
        if tag == "param" or tag == "field" then
          texts[1] = rest:match "^%S+%s+(.*)$"
        elseif tag == "return" or tag == "type" then
          texts[1] = rest
        elseif tag == "overload" then
          texts[1] = rest
        elseif tag == "operator" then
          texts[1] = rest:match ":%s*(.*)$"
        elseif tag == "class" and rest:find ":" then
          texts[1] = rest:match ":%s*(.*)$"
        end
        for _, text in ipairs(texts) do
          local found, wrong = parse(text)
          assert(found, ("%s\n%s"):format(where, wrong))
          for _, kind in ipairs(found) do assert(BUILTIN[kind] or classes[kind], ("%s\nno class %s"):format(where, kind)) end
        end
      end
    end)
  end
end)
