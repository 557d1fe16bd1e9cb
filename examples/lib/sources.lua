-- What three_ways.lua runs by default: two questions about weft's own source text, each some 0.8 s of work on
-- one core. Both call weft.yield() at natural steps, so that as tasks they take turns.
--
-- The text is read once, here. What the functions hold on to (`lines`) is copied into each thread that runs
-- them: for 10,000 lines that takes some 2 ms (measured), a thread with nothing to carry starts in 0.1.

local weft = require "weft"

local QUICK = os.getenv "WEFT_QUICK" ~= nil
local LINES, NAMES = QUICK and 2000 or 10000, QUICK and 108 or 540

-- The source tree around the examples; where weft is installed without it, the modules.
local root = (arg[0]:match "^(.*/)" or "./") .. ".."
local installed = package.searchpath("weft", package.path):gsub("init%.lua$", "")
local lines = {}
local files = assert(io.popen(("cd '%s' && find $([ -d csrc ] && echo csrc lua || echo '%s') -name '*.[ch]' -o -name '*.lua' | "
  .. "LC_ALL=C sort"):format(root, installed)))
for path in files:lines() do
  for line in io.lines(path:sub(1, 1) == "/" and path or root .. "/" .. path) do
    if #lines < LINES and line:find "%w" then lines[#lines + 1] = line end
  end
end
files:close()

-- How many letters must change to make word a of word b (both as bytes).
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i, letter in ipairs(a) do
    local corner, left = i - 1, i
    for j = 1, #b do
      local least = corner
      corner = row[j]
      if letter ~= b[j] then least = math.min(least, left, corner) + 1 end
      row[j], left = least, least
    end
  end
  return row[#b]
end

-- Counts the names in the text and measures how far apart the most frequent ones are.
local function names()
  local count, list, bytes = {}, {}, {}
  for _, line in ipairs(lines) do
    for word in line:gmatch "[%a_][%w_][%w_][%w_]+" do
      if not count[word] then list[#list + 1] = word end
      count[word] = (count[word] or 0) + 1
    end
  end
  table.sort(list, function(a, b) return count[a] > count[b] or count[a] == count[b] and a < b end)
  local sum, one, other = 0, "", ""
  for i = 1, NAMES do
    bytes[i] = { list[i]:byte(1, -1) }
    for j = 1, i - 1 do
      local d = distance(bytes[i], bytes[j])
      sum = sum + d
      if d == 1 and #list[i] > #one then one, other = list[i], list[j] end
    end
    weft.yield()
  end
  return ("%d names in %d lines; `%s` stands there %d times; the first %d are %.2f letters apart, `%s` and `%s` only one")
    :format(#list, #lines, list[1], count[list[1]], NAMES, sum / (NAMES * (NAMES - 1) / 2), other, one)
end

-- Finds the longest passage that stands twice: compares each line with all before it.
local function passage()
  local first, id, run = {}, {}, {} -- run[j]: how many lines up to line j equal those up to line i
  local most, at = 0, 0
  for i, line in ipairs(lines) do
    first[line] = first[line] or i
    id[i], run[i], run[0] = first[line], 0, 0
    local me = id[i]
    for j = i - 1, 1, -1 do
      if id[j] == me then
        run[j] = run[j - 1] + 1
        if run[j] > most and run[j] <= i - j then most, at = run[j], j end
      else
        run[j] = 0
      end
    end
    if i % (LINES // NAMES) == 0 then weft.yield() end
  end
  return ("the longest passage that stands twice has %d lines, from `%s` to `%s`")
    :format(most, lines[at - most + 1]:match "^%s*(.-)%s*$", lines[at]:match "^%s*(.-)%s*$")
end

return names, passage
