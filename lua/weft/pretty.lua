-- Any value as text that shows what is in it, for the prompt.
--
--   pretty(v, { width = 80, depth = 6, items = 100, color = false, ascii = false })
--
-- A table that fits the width is one line, else a line for each item; the list part first, then the other keys in
-- order. A table that is shown already is named by where it stands: <cycle to .a.b>. Nothing that is shown is called but
-- __tostring and __name, in protected calls.

local term = require "weft.term"

local COLORS = { string = "32", number = "36", boolean = "35", ["nil"] = "35", key = "34", dim = "2" }
local KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while")
  :gmatch "%a+" do KEYWORDS[word] = true end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"', ["\27"] = "\\27" }

local function quote(s, most)
  local size, cut = #s, #s > most
  if cut then s = s:sub(1, most) end
  local valid = utf8.len(s) ~= nil
  local text = s:gsub('[%c"\\\127-\255]', function(c)
    if ESCAPES[c] then return ESCAPES[c] end
    if valid and c:byte() >= 128 then return c end
    return ("\\%03d"):format(c:byte())
  end)
  return '"' .. text .. '"' .. (cut and (" .. (%d bytes in all)"):format(size) or "")
end

local ORDER = { number = 1, string = 2, boolean = 3 }
local function before(a, b)
  local x, y = ORDER[type(a)] or 4, ORDER[type(b)] or 4
  if x ~= y then return x < y end
  if x <= 2 then return a < b end
  return tostring(a) < tostring(b)
end

-- Texts of values that are no tables, and of those that say themselves what they are.
local function own_text(v)
  local mt = getmetatable(v)
  if type(v) == "function" then
    local info = debug.getinfo(v, "S")
    if info.what == "C" then return (tostring(v):gsub("function:", "function (C):")) end
    return ("function <%s:%d>"):format(info.short_src, info.linedefined)
  end
  local to = type(mt) == "table" and rawget(mt, "__tostring")
  if to or type(v) ~= "table" then
    local ok, text = pcall(tostring, v)
    return ok and text or "(__tostring failed)"
  end
end

local Printer = {}
Printer.__index = Printer

function Printer:paint(kind, text)
  if not self.color then return text end
  return "\27[" .. (COLORS[kind] or "0") .. "m" .. text .. "\27[0m"
end

function Printer:key(k)
  if type(k) == "string" and k:match "^[%a_][%w_]*$" and not KEYWORDS[k] then return self:paint("key", k), "." .. k end
  local text = type(k) == "string" and quote(k, 60) or math.type(k) == "integer" and tostring(k) or own_text(k) or "table"
  return self:paint("key", "[" .. text .. "]"), "[" .. text .. "]"
end

-- The pieces of a table: a list of { text, columns }.
function Printer:items(t, path, depth)
  local out, more = {}, 0
  local function add(prefix, columns, value, where)
    if #out >= self.most then
      more = more + 1
      return
    end
    local text = self:value(value, where, depth + 1, columns)
    out[#out + 1] = prefix .. text
  end
  local n = 0
  while rawget(t, n + 1) ~= nil do
    n = n + 1
    if n <= self.most then add("", 0, rawget(t, n), path .. "[" .. n .. "]") else more = more + 1 end
  end
  local keys = {}
  for k in next, t do
    if not (math.type(k) == "integer" and k >= 1 and k <= n) then keys[#keys + 1] = k end
  end
  table.sort(keys, before)
  for _, k in ipairs(keys) do
    local name, where = self:key(k)
    add(name .. " = ", term.columns(where) + 3, rawget(t, k), path .. where)
  end
  if more > 0 then out[#out + 1] = self:paint("dim", ("... and %d more"):format(more)) end
  return out
end

local function plain(text) return (text:gsub("\27%[[%d;]*m", "")) end

function Printer:value(v, path, depth, used)
  local kind = type(v)
  if kind == "string" then return self:paint("string", quote(v, depth == 0 and 10000 or 200)) end
  if kind == "number" or kind == "boolean" or kind == "nil" then return self:paint(kind, tostring(v)) end
  local text = own_text(v)
  if text then return term.clean(text:gsub("\n.*", " ..."), self.ascii) end
  if self.seen[v] then return self:paint("dim", "<cycle to " .. (self.seen[v] == "" and "the whole" or self.seen[v]) .. ">") end
  local mt = getmetatable(v)
  local name = type(mt) == "table" and type(rawget(mt, "__name")) == "string" and rawget(mt, "__name") .. " " or ""
  if next(v) == nil then return name .. "{}" end
  if depth >= self.depth then return name .. self:paint("dim", "{...}") end
  self.seen[v] = path
  local items = self:items(v, path, depth)
  self.seen[v] = nil
  local line, broken = name .. "{ " .. table.concat(items, ", ") .. " }", false
  for _, item in ipairs(items) do broken = broken or item:find("\n", 1, true) ~= nil end
  local indent = ("  "):rep(depth)
  if not broken and #indent + used + term.columns(plain(line)) <= self.width then return line end
  local inner = indent .. "  "
  -- Short items of a list stand several to a line.
  local rows, row, columns = {}, nil, 0
  for i, item in ipairs(items) do
    local wide = item:find("\n", 1, true) and math.huge or term.columns(plain(item))
    local short = wide <= 20 and v[i] ~= nil
    if row and short and columns + wide + 2 <= self.width - #inner then
      rows[#rows] = rows[#rows] .. ", " .. item
      columns = columns + wide + 2
    else
      rows[#rows + 1] = item
      row, columns = short, wide
    end
  end
  return name .. "{\n" .. inner .. table.concat(rows, ",\n" .. inner) .. "\n" .. indent .. "}"
end

return function(v, opts)
  opts = opts or {}
  local p = setmetatable({
    width = opts.width or 80, depth = opts.depth or 6, most = opts.items or 100, color = opts.color or false,
    ascii = opts.ascii or false, seen = {},
  }, Printer)
  local scalar = v == nil or type(v) == "string" or type(v) == "number" or type(v) == "boolean"
  local text = not scalar and own_text(v)
  if text then return text end -- at the top, all lines of what prints itself
  return p:value(v, "", 0, 0)
end
