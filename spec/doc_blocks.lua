-- Runs the Lua blocks of the documentation, each in a process of its own.
--
-- A comment `--> text` in a block is what the script prints there: all of them, in order, must be all that it
-- prints, line by line. Runs of blanks count as one, and `...` stands for anything. A block that prints nothing
-- but has no such comments passes when it ends with status 0; nothing may come on stderr, but for comments
-- `--! text`, which are the lines of it.

local helper = require "spec.helper"

local M = {}

local PRELUDE = 'local weft = require "weft" '

-- The blocks ```lua of a Markdown file: { line, code }.
function M.of_markdown(path)
  local blocks, block, number, fence = {}, nil, 0, nil
  for line in io.lines(path) do
    number = number + 1
    if block then
      if line:match "^```" then
        blocks[#blocks + 1] = { line = block.line, code = table.concat(block, "\n") .. "\n" }
        block = nil
      else
        block[#block + 1] = line
      end
    elseif fence then
      if line:match "^```" then fence = nil end
    elseif line == "```lua" then
      block = { line = number }
    elseif line:match "^```" then
      fence = true
    end
  end
  assert(not block and not fence, path .. ": a block of code has no end")
  return blocks
end

local function squeezed(text) return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

-- The lines that the comments of a block tell.
local function expected(code, mark)
  local list = {}
  for text in code:gmatch("%-%-" .. mark .. "([^\n]*)") do list[#list + 1] = squeezed(text) end
  return list
end

local function lines(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n?" do list[#list + 1] = squeezed(line) end
  while list[#list] == "" do list[#list] = nil end
  return list
end

local function matches(line, pattern)
  local text = pattern:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("%%%.%%%.%%%.", ".-")
  return line:match("^" .. text .. "$") ~= nil
end

local function compare(what, got, want, out)
  for i = 1, math.max(#got, #want) do
    if not got[i] or not want[i] or not matches(got[i], want[i]) then
      error(("%s, line %d: expected %s, got %s\n%s"):format(what, i, want[i] or "nothing", got[i] or "nothing", out), 0)
    end
  end
end

-- Runs a block; an error says what it did otherwise than it says.
function M.run(block, opts)
  local code = block.code
  if not ("\n" .. code):find('\n' .. PRELUDE:sub(1, -2), 1, true) then code = PRELUDE .. code end
  local out, err, status, signal = helper.run_script(code, opts)
  if status ~= 0 then error(("ended with %s\n%s\n%s"):format(signal or status, out, err), 0) end
  compare("stderr", lines(err), expected(code, "! "), err)
  compare("output", lines(out), expected(code, "> "), out)
end

return M
