-- Outcomes of explored runs as text: values that look the same are the same outcome.

local M = {}

local DEPTH = 4

local function order(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
  return type(a) < type(b)
end

local function show(value, depth)
  local kind = type(value)
  if kind == "string" then return ("%q"):format(value):gsub("\\\n", "\\n") end
  if kind == "number" or kind == "boolean" or kind == "nil" then return tostring(value) end
  local meta = getmetatable(value)
  if kind ~= "table" then return type(meta) == "table" and type(meta.__name) == "string" and meta.__name or kind end
  if type(meta) == "table" and meta.__tostring then return tostring(value) end
  if depth == 0 then return "{...}" end
  local parts, n = {}, #value
  for i = 1, n do parts[i] = show(value[i], depth - 1) end
  local keys = {}
  for key in next, value do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then keys[#keys + 1] = key end
  end
  table.sort(keys, order)
  for _, key in ipairs(keys) do
    local name = type(key) == "string" and key:match "^[%a_][%w_]*$" or "[" .. show(key, depth - 1) .. "]"
    parts[#parts + 1] = name .. " = " .. show(value[key], depth - 1)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

--- The values as one text.
function M.text(...)
  local n = select("#", ...)
  if n == 0 then return "nothing" end
  if n == 1 then return (show(..., DEPTH)) end
  local parts = {}
  for i = 1, n do parts[i] = show((select(i, ...)), DEPTH) end
  return table.concat(parts, ", ")
end

return M
