-- The methods that values of a metatable have: its __index where that is a table, else the table among the upvalues of
-- its __index (buffers read elements with it), else what the metatable itself holds.

return function(mt)
  if type(mt) ~= "table" then return {} end
  local index = rawget(mt, "__index")
  if type(index) == "table" then return index end
  if type(index) == "function" then
    for i = 1, 4 do
      local _, value = debug.getupvalue(index, i)
      if type(value) == "table" then
        local _, first = next(value)
        if type(first) == "function" then return value end
      end
    end
  end
  return mt
end
