-- Tells the fuzzer which blocks of Lua modules run: when one of these modules is loaded, a call of `hit` with a number of its
-- own is put at the beginning of each block of its source. Lines stay where they are.
--
--   require "spec.fuzz.cover" (hit)

local MODULES = { "line", "term", "complete", "methods", "repl_eval", "cli_options", "cli", "cli_tools", "help" }

local next_block = 0

local function mark()
  next_block = next_block + 1
  return (" HIT(%d) "):format(next_block)
end

-- What a block follows: these words, and the parameters of a function.
local OPENS = { ["then"] = true, ["else"] = true, ["do"] = true, ["repeat"] = true }

local function instrument(source)
  local out, at = { "local HIT = HIT; " }, 1
  local function copy(stop)
    out[#out + 1] = source:sub(at, stop)
    at = stop + 1
  end
  while at <= #source do
    local level = source:match("^%[(=*)%[", at) or source:match("^%-%-%[(=*)%[", at)
    local quote = source:match("^[\"']", at)
    local word = source:match("^[%a_][%w_]*", at)
    if level then
      copy(select(2, source:find("]" .. level .. "]", at, true)))
    elseif source:find("^%-%-", at) then
      copy((source:find("\n", at, true) or #source + 1) - 1)
    elseif quote then
      local stop = at + 1
      while source:sub(stop, stop) ~= quote do stop = stop + (source:sub(stop, stop) == "\\" and 2 or 1) end
      copy(stop)
    elseif word == "function" then
      copy(select(2, source:find("^function[%w_.:%s]*%b()", at)))
      out[#out + 1] = mark()
    elseif word then
      copy(at + #word - 1)
      if OPENS[word] then out[#out + 1] = mark() end
    else
      copy(select(2, source:find("^[%d][%w_.]*", at)) or at)
    end
  end
  return table.concat(out)
end

return function(hit)
  _G.HIT = hit
  for _, name in ipairs(MODULES) do
    local module = "weft." .. name
    package.preload[module] = function()
      local path = assert(package.searchpath(module, package.path))
      local f <close> = assert(io.open(path, "rb"))
      return assert(load(instrument(f:read "a"), "@" .. path))(module, path)
    end
  end
end
