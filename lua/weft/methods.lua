-- The methods that values of a metatable have: its __index where that is a table; of weft's own classes else the table
-- among the upvalues of its __index (buffers read elements with it); without an __index what the metatable holds.

return function(mt)
  if type(mt) ~= "table" then return {} end
  local index = rawget(mt, "__index")
  if type(index) == "table" then return index end
  local name = rawget(mt, "__name")
  if type(index) == "function" and type(name) == "string" and name:find "^weft%." then
    for i = 1, 4 do
      local _, value = debug.getupvalue(index, i)
      if type(value) == "table" then
        local _, first = next(value)
        if type(first) == "function" then return value end
      end
    end
  end
  return type(index) == "function" and {} or mt
end
