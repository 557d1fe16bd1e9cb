-- From the annotations in types/ to the texts that help(x) shows at the prompt: Lua source with a line for each entry. Used
-- by scripts/docs.lua, which writes it beside docs/api.md.

local stubs = require "scripts.stubs"

local M = { TARGET = "lua/weft/help_text.lua" }

local function lines_of(part) return table.concat(part.lines, "\n") end

local function signature(item)
  local optional, out = {}, {}
  for _, p in ipairs(item.params) do optional[p.name] = p.optional end
  for i, arg in ipairs(item.args) do out[i] = optional[arg] and "[" .. arg .. "]" or arg end
  local results = {}
  for i, r in ipairs(item.returns) do results[i] = r.name end
  return ("%s(%s)%s"):format(item.name, table.concat(out, ", "), #results > 0 and " -> " .. table.concat(results, ", ") or "")
end

local function add_values(out, item)
  for _, p in ipairs(item.params) do
    local kind = p.type .. (p.optional and ", optional" or "")
    out[#out + 1] = ("  %s  %s%s"):format(p.name, kind, p.text ~= "" and ": " .. p.text or "")
  end
  for _, r in ipairs(item.returns) do
    out[#out + 1] = ("  returns %s  %s%s"):format(r.name, r.type, r.text ~= "" and ": " .. r.text or "")
  end
end

local function prose(item)
  local out = {}
  for _, part in ipairs(item.parts) do
    if part.kind == "prose" then out[#out + 1] = lines_of(part) end
  end
  return table.concat(out, "\n\n")
end

local function entry_of_function(item)
  local out = { signature(item), "", prose(item) }
  if #item.params + #item.returns > 0 then out[#out + 1] = "" end
  add_values(out, item)
  out[#out + 1] = ""
  if item.blocks then out[#out + 1] = "Blocks: " .. item.blocks end
  if item.errors then out[#out + 1] = "Errors: " .. item.errors end
  if item.closing then out[#out + 1] = "Closing: " .. item.closing end
  for _, example in ipairs(item.examples) do
    out[#out + 1] = ""
    for line in example.code:gmatch "[^\n]+" do out[#out + 1] = "    " .. line end
  end
  return table.concat(out, "\n")
end

local function entry_of_class(item, methods)
  local name = item.name:gsub("%.module$", "")
  local out = { item.name == name and "type " .. name or name, "", prose(item) }
  for _, f in ipairs(item.fields) do
    local kind = f.type .. (f.optional and ", optional" or "")
    out[#out + 1] = ("  %s  %s%s"):format(f.name, kind, f.text ~= "" and ": " .. f.text or "")
  end
  if methods and #methods > 0 then
    out[#out + 1] = ""
    table.move(methods, 1, #methods, #out + 1, out)
  end
  for _, example in ipairs(item.examples) do
    out[#out + 1] = ""
    for line in example.code:gmatch "[^\n]+" do out[#out + 1] = "    " .. line end
  end
  return table.concat(out, "\n")
end

-- files: what stubs.read gives. The source text.
function M.source(files)
  local texts, classes, order, methods = {}, {}, {}, {}
  local function add(name, text)
    texts[name] = texts[name] and texts[name] .. "\n\n" .. text or text
  end
  for _, file in ipairs(files) do
    for _, item in ipairs(file.items) do
      if item.kind == "class" and not item.private then
        local known = classes[item.name]
        if not known then
          classes[item.name], order[#order + 1] = item, item
        else -- reopened in another file: its fields are added
          table.move(item.fields, 1, #item.fields, #known.fields + 1, known.fields)
        end
      elseif item.kind == "function" and not item.private then
        local owner = item.of.name:gsub("%.module$", "")
        add(item.method and owner .. ":" .. item.short or owner .. "." .. item.short, entry_of_function(item))
        methods[item.of.name] = methods[item.of.name] or {}
        table.insert(methods[item.of.name], "  " .. signature(item))
      end
    end
  end
  -- A function, a table of functions and a class may have one name: weft.trace is all three nearly.
  table.sort(order, function(x, y)
    local a, b = x.name:find "%.module$" ~= nil, y.name:find "%.module$" ~= nil
    if a ~= b then return a end
    return x.name < y.name
  end)
  for _, f in ipairs(classes.weft.fields) do
    if stubs.is_value(f) then
      add("weft." .. f.name, ("weft.%s: %s\n\n%s."):format(f.name, f.type, (f.text:gsub("^%l", string.upper))))
    end
  end
  for _, item in ipairs(order) do
    if item.name ~= "weft" then add((item.name:gsub("%.module$", "")), entry_of_class(item, methods[item.name])) end
  end
  local entries = {}
  for name, text in pairs(texts) do entries[#entries + 1] = { name, text } end
  table.sort(entries, function(a, b) return a[1] < b[1] end)
  local out = {
    "-- luacheck: no max line length (generated)",
    "-- Written by scripts/docs.lua from types/*.lua: change those, then run `make docs`. What help(x) shows, by name.",
    "return {",
  }
  for _, entry in ipairs(entries) do
    local text = entry[2]:gsub("\n\n\n+", "\n\n"):gsub("\n+$", "")
    out[#out + 1] = ("  [%q] = %s,"):format(entry[1], (("%q"):format(text):gsub("\\\n", "\\n")))
  end
  out[#out + 1] = "}\n"
  return table.concat(out, "\n")
end

return M
