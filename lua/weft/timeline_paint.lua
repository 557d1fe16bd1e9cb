-- What the pictures of a trace share: symbols, options, what the environment decides, cells as text.

local cells = require "weft.timeline_cells"
local term = require "weft.term"

local M = {}

local RUN, READY, PARK, IO, NONE = cells.RUN, cells.READY, cells.PARK, cells.IO, cells.NONE
local UNICODE = { [RUN] = "█", [READY] = "▒", [PARK] = "·", [IO] = "~", [NONE] = " ", still = "░" }
local ASCII = { [RUN] = "#", [READY] = "+", [PARK] = ".", [IO] = "~", [NONE] = " ", still = "-" }
local CARRIER_COLORS = { "36", "33", "35", "32", "34", "31" }
local DIM = "2"

---------------------------------------------------------------------- options

-- Checks for option tables: value -> is it right, what is expected.
M.checks = {
  boolean = function(v) return type(v) == "boolean", "boolean" end,
  string = function(v) return type(v) == "string", "string" end,
  seconds = function(v) return type(v) == "number" and v >= 0 and v < math.huge, "seconds" end,
  columns = function(v) return math.type(v) == "integer" and v >= 0 and v <= 10000, "columns" end,
}

-- nil, or what is wrong.
function M.misuse(opts, known, what)
  for key, value in pairs(opts) do
    local check = known[key]
    if not check then return ("unknown option '%s' of %s"):format(tostring(key), what) end
    local ok, expected = check(value)
    if not ok then return ("bad option '%s' of %s (%s expected, got %s)"):format(key, what, expected, tostring(value)) end
  end
  if opts.from and opts.to and opts.to <= opts.from then
    return ("bad option 'to' of %s (later than 'from' expected, got %s)"):format(what, tostring(opts.to))
  end
end

-- What the environment decides: symbols, colour or not, the width of the whole.
function M.surface(t, opts)
  local tty, columns
  if t._terminal then tty, columns = t._terminal() end
  local ascii, color = opts.ascii, opts.color
  if ascii == nil then ascii = not term.unicode() end
  if color == nil then color = term.color(tty) end
  return { ascii = ascii, color = color, symbols = ascii and ASCII or UNICODE, width = opts.width or term.width(columns) }
end

---------------------------------------------------------------------- a row as text

-- The cells of a row, neighbours of one colour under one escape. `still`: everything but running looks alike.
function M.paint(row, s, still)
  local out, last = {}, nil
  for c, class in ipairs(row.cell) do
    local color
    if s.color then
      if class == RUN then
        color = CARRIER_COLORS[((row.carrier[c] or 1) - 1) % #CARRIER_COLORS + 1]
      elseif class == READY or still then
        color = DIM
      end
    end
    if color ~= last then
      if last then out[#out + 1] = "\27[0m" end
      if color then out[#out + 1] = "\27[" .. color .. "m" end
      last = color
    end
    out[#out + 1] = class ~= RUN and still and s.symbols.still or s.symbols[class]
  end
  if last then out[#out + 1] = "\27[0m" end
  return table.concat(out)
end

function M.trim(line) return (line:gsub(" +$", "")) end

return M
