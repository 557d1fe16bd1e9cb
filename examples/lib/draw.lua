-- What the examples measure and draw with: median and spread of a few runs, bars and a curve in plain text.

local weft = require "weft"
local term = require "weft.term"

local M = { quick = os.getenv "WEFT_QUICK" ~= nil, ascii = not term.unicode() }
M.full, M.arrow = M.ascii and "#" or "█", M.ascii and "-->" or "──▶"

-- Runs f(...) an odd number of times and returns the median of what it returns, the least, and the most.
function M.median(n, f, ...)
  local got = {}
  for i = 1, n do got[i] = f(...) end
  table.sort(got)
  return got[(n + 1) // 2], got[1], got[n]
end

-- Runs f(...), which returns how much it did (and in how many seconds, if not all of its time counts), and tells how much
-- that is in a second: the median, and a text with the spread.
function M.rate(unit, f, ...)
  local args = table.pack(...)
  local rate, least, most = M.median(M.quick and 1 or 5, function()
    local start = weft.now()
    local amount, seconds = f(table.unpack(args, 1, args.n))
    return amount / (seconds or weft.now() - start)
  end)
  local spread = M.quick and "one run" or ("%s to %s"):format(M.number(least), M.number(most))
  return rate, ("%s %s/s (%s)"):format(M.number(rate), unit, spread)
end

-- A number for people: 1234567 -> "1.23 M".
function M.number(v)
  for _, unit in ipairs { { 1e9, " G" }, { 1e6, " M" }, { 1e3, " k" } } do
    if v >= unit[1] then return ("%.3g%s"):format(v / unit[1], unit[2]) end
  end
  return ("%.3g"):format(v)
end

-- Prints a bar for each { label, value, text after it }; the longest fills the width. With log, a bar begins at a tenth
-- of the least value and ten times the value is a step of equal length.
function M.bars(rows, log)
  local wide, most, least = 0, 0, math.huge
  for _, row in ipairs(rows) do
    wide, most, least = math.max(wide, term.columns(row[1])), math.max(most, row[2]), math.min(least, row[2])
  end
  for _, row in ipairs(rows) do
    local part = log and math.log(row[2] / least * 10) / math.log(most / least * 10) or row[2] / most
    print(term.fit(row[1], wide) .. "  " .. M.full:rep(math.max(1, math.floor(part * 32 + 0.5))) .. " " .. row[3])
  end
end

-- Prints values as a curve over a row of labels, from zero up; a second curve, if there is one, as circles.
function M.curve(labels, values, unit, title, second)
  local most, rows = math.max(table.unpack(values)), 8
  if second then most = math.max(most, table.unpack(second)) end
  print(("%13s"):format(unit))
  for row = rows, 1, -1 do
    local line = { ("%12s |"):format(M.number(most * row / rows)) }
    local function at(v) return math.max(1, math.floor(v / most * rows + 0.5)) == row end
    for i, v in ipairs(values) do
      local other = second and at(second[i])
      line[i + 1] = at(v) and (other and "   *o " or "   *  ") or other and "   o  " or "      "
    end
    print((table.concat(line):gsub(" +$", "")))
  end
  print((" "):rep(13) .. "+" .. ("-"):rep(6 * #values))
  local under = { ("%13s "):format(title) }
  for i, label in ipairs(labels) do under[i + 1] = ("%4s  "):format(label) end
  print((table.concat(under):gsub(" +$", "")))
end

return M
