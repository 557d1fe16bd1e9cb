-- Completion at the prompt: names, fields and methods for what is being typed. No function is called to find them, but
-- fields may be read: weft's parts are loaded at first use.
--
--   complete(line, env) -> from, list      `from`: where in the line the word begins that the list's entries replace

local methods = require "weft.methods"

local KEYWORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
  "not", "or", "repeat", "return", "then", "true", "until", "while" }
local COMMANDS = { ".help", ".load", ".ps", ".quit", ".top", ".trace" }

-- What weft has but loads late: the names under weft. in the reference.
local late
local function late_fields()
  if not late then
    late = {}
    for name in pairs(require "weft.help_text") do
      local short = name:match "^weft%.([%l_]+)$"
      if short then late[short] = true end
    end
  end
  return late
end

-- Adds the string keys of a table and of what its __index leads to. wanted: nil, or a function that says which values.
local function keys_of(value, into, wanted)
  for _ = 1, 10 do
    if type(value) == "table" then
      for key, field in next, value do
        if type(key) == "string" and (not wanted or wanted(field)) then into[key] = true end
      end
    end
    local mt = debug.getmetatable(value)
    local index = type(mt) == "table" and rawget(mt, "__index")
    if index == nil then return end
    local found = methods(mt)
    if rawequal(found, value) then return end
    value = found
  end
end

-- The value of a chain of names "a.b[1].c", read without calling anything; nil when there is none.
local function value_of(chain, env)
  local name, rest = chain:match "^([%a_][%w_]*)(.*)$"
  if not name then return chain:match '^["\']' and "" or nil end
  local value = rawget(env, name)
  if value == nil then
    local ok, got = pcall(function() return env[name] end)
    value = ok and got or nil
  end
  while rest ~= "" do
    local key, after
    key, after = rest:match "^%.([%a_][%w_]*)(.*)$"
    if not key then
      key, after = rest:match "^%[(%-?%d+)%](.*)$"
      key = key and math.tointeger(key)
    end
    if not key then
      key, after = rest:match '^%["([^"\\]*)"%](.*)$'
    end
    if not key or value == nil then return nil end
    local ok, got = pcall(function() return value[key] end)
    if not ok then return nil end
    value, rest = got, after
  end
  return value
end

return function(line, env)
  local found, from = {}, 1
  if line:match "^%.%l*$" then -- a command of the prompt
    for _, name in ipairs(COMMANDS) do found[name] = true end
  else
    -- A chain with a dot or colon, or a bare name, at the end of the line.
    local chain, sep, word = line:match "(\"[^\"]*\")(:)([%w_]*)$"
    if not chain then chain, sep, word = line:match "([%a_][%w_%.%[%]\"%-]*)([.:])([%w_]*)$" end
    if chain then
      from = #line - #word + 1
      local value = value_of(chain, env)
      if value ~= nil then
        local function callable(field) return type(field) == "function" end
        keys_of(value, found, sep == ":" and callable or nil)
        if rawequal(value, package.loaded.weft) and sep == "." then
          for name in pairs(late_fields()) do found[name] = true end
        end
      end
    else
      word = line:match "([%a_][%w_]*)$" or ""
      from = #line - #word + 1
      if word ~= "" or line == "" then
        keys_of(env, found)
        for _, name in ipairs(KEYWORDS) do found[name] = true end
      end
    end
    local list = {}
    for name in pairs(found) do
      if name:sub(1, #word) == word and name:match "^[%a_][%w_]*$" and (word:sub(1, 2) == "__" or name:sub(1, 2) ~= "__") then
        list[#list + 1] = name
      end
    end
    table.sort(list)
    return from, list
  end
  local list = {}
  for name in pairs(found) do
    if name:sub(1, #line) == line then list[#list + 1] = name end
  end
  table.sort(list)
  return from, list
end
