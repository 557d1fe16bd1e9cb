-- Any value as text that says what is in it, so that results compare: show(v). A packed list of results
-- ({ n = ... }) as its values alone, for people: show.values(list).

local function text(v, seen)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return (tostring(v):gsub(": 0x%x+", "")) end
  if seen[v] then return "{...}" end
  seen[v] = true
  local parts = {}
  for key, value in pairs(v) do parts[#parts + 1] = ("[%s]=%s"):format(text(key, seen), text(value, seen)) end
  seen[v] = nil
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

return setmetatable({
  values = function(list)
    local out = {}
    for i = 1, list.n do out[i] = type(list[i]) == "string" and list[i] or text(list[i], {}) end
    return list.n == 0 and "(nothing)" or table.concat(out, ", ")
  end,
}, { __call = function(_, v) return text(v, {}) end })
