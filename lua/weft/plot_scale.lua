-- From values to places, and to words: scales, round marks along them, numbers with units.

local svg = require "weft.svg"
local term = require "weft.term"

local M = {}

local STEPS = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } }
local BYTES = { { 2 ^ 40, "TiB" }, { 2 ^ 30, "GiB" }, { 2 ^ 20, "MiB" }, { 2 ^ 10, "KiB" } }

local function digits(v, more)
  local a = math.abs(v)
  local text = ("%." .. (a >= 99.95 and 0 or a >= 9.995 and 1 or 2) + more .. "f"):format(v)
  return text:find "%." and (text:gsub("%.?0+$", "")) or text
end

-- A value for people. Unit "s" knows ns, us and ms, "B" knows KiB and so on; any other word follows the number. `more`:
-- digits beyond the three that do for a value alone.
function M.number(v, unit, ascii, more)
  more = more or 0
  if v ~= v then return "nan" end
  if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
  if unit == "s" then
    if v < 0 then return "-" .. M.number(-v, unit, ascii, more) end
    local text = term.seconds(v, ascii, more)
    return (text:gsub("(%.%d-)0+ ", "%1 "):gsub("%. ", " "))
  end
  local steps = unit == "B" and BYTES or STEPS
  for _, step in ipairs(steps) do
    if math.abs(v) >= step[1] * 0.9995 then
      return digits(v / step[1], more) .. " " .. step[2] .. (unit and unit ~= "B" and unit or "")
    end
  end
  local text = v ~= 0 and math.abs(v) < 0.01 and ("%." .. 2 + more .. "g"):format(v) or digits(v, more)
  return unit and unit ~= "" and text .. " " .. unit or text
end

local function distinct(words)
  for i = 2, #words do if words[i] == words[i - 1] then return false end end
  return true
end

-- The words for the marks of an axis: with as many digits as it takes to tell one from the next.
function M.words(values, unit, ascii)
  local words, most = nil, 0
  for _, v in ipairs(values) do most = math.max(most, math.abs(v)) end
  local plain = most >= 1000 and most < 1e7 and unit ~= "s" and unit ~= "B" -- years and the like
  for more = 0, 9 do
    words = {}
    for i, v in ipairs(values) do
      words[i] = M.number(v, unit, ascii, more)
      if plain and more > 0 then words[i] = ("%.10g"):format(v) .. (unit and unit ~= "" and " " .. unit or "") end
    end
    if distinct(words) then break end
  end
  return words
end

-- Round values from a to b, `wanted` of them or fewer, but two where that can be.
local function round_ticks(a, b, wanted)
  local list = svg.ticks(a, b, wanted)
  for n = wanted + 1, wanted + 8 do
    if #list >= 2 then break end
    list = svg.ticks(a, b, n)
  end
  return list
end

-- A scale from least to most: at(v) is a share from 0 to 1, back(share) a value, ticks the round values on it.
-- With log both must be above 0.
function M.new(least, most, log, wanted, unit)
  local s = { log = log }
  if log then
    local a, b = math.log(least, 10), math.log(most, 10)
    if b - a < 1e-9 then a, b = a - 0.5, b + 0.5 end
    s.least, s.most = 10.0 ^ a, 10.0 ^ b
    function s.at(v) return (math.log(v, 10) - a) / (b - a) end
    function s.back(share) return 10.0 ^ (a + share * (b - a)) end
    s.ticks = {}
    local every = math.max(1, math.ceil((b - a) / (wanted or 6)))
    for k = math.ceil(a - 1e-9), math.floor(b + 1e-9), every do s.ticks[#s.ticks + 1] = 10.0 ^ k end
    if b - a < 2 then -- less than two decades: 1, 2 and 5 of each
      s.ticks = {}
      for k = math.floor(a) - 1, math.ceil(b) do
        for _, f in ipairs { 1, 2, 5 } do
          local v = f * 10.0 ^ k
          if v >= s.least * 0.999 and v <= s.most * 1.001 then s.ticks[#s.ticks + 1] = v end
        end
      end
      if #s.ticks < 2 then s.ticks = round_ticks(s.least, s.most, wanted or 6) end
    end
  else
    if most <= least then most = least + (least ~= 0 and math.abs(least) or 1) end
    s.least, s.most = least, most
    function s.at(v) return (v - least) / (most - least) end
    function s.back(share) return least + share * (most - least) end
    local factor = 1 -- marks of bytes are round in the unit that they are written in
    for _, step in ipairs(unit == "B" and BYTES or {}) do
      if factor == 1 and most >= step[1] * 2 then factor = step[1] end
    end
    s.ticks = round_ticks(least / factor, most / factor, wanted or 6)
    for i, v in ipairs(s.ticks) do s.ticks[i] = v * factor end
  end
  return s
end

-- Opens a span of values so that nothing lies on its edge; zero stays an edge of what is nearly there.
function M.span(least, most, log)
  if log then return least, most end
  if least >= 0 and least < most / 2 then return 0, most end
  local margin = (most - least) * 0.05
  return least - margin, most + margin
end

return M
