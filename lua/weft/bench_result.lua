-- What weft.bench returns: results, comparisons and tables that print themselves.

local file = require "weft.trace_file"
local machine = require "weft.machine"
local plot = require "weft.plot"
local stats = require "weft.stats"
local term = require "weft.term"

local M = {}

local function ascii() return not term.unicode() end
local function time(v) return plot.number(v, "s") end
local function seconds(v)
  local text = time(v)
  return ascii() and text:gsub("µ", "u") or text
end

---------------------------------------------------------------------- one result

local Result = { __name = "weft.bench.result" }
Result.__index = Result

-- rounds: a list of { loops, loop, wall = {...}, cpu = {...}, bytes, voluntary, involuntary }; all times in seconds a call.
function M.result(fields)
  local r = setmetatable(fields, Result)
  local walls, cpus, switches, forced, bytes = {}, {}, 0, 0, {}
  for i, round in ipairs(r.rounds) do
    walls[i], cpus[i], bytes[i] = round.wall, round.cpu, round.bytes
    switches, forced = switches + (round.voluntary or 0), forced + (round.involuntary or 0)
  end
  local sorted = stats.sorted(stats.flat(walls))
  r.walls, r.loops = walls, r.rounds[1].loops
  r.median, r.least, r.most, r.count = stats.quantile(sorted, 0.5), sorted[1], sorted[#sorted], #sorted
  r.low, r.high = stats.confidence(walls)
  r.cpu, r.bytes = stats.median(stats.flat(cpus)), stats.median(bytes)
  r.switches, r.forced = switches / #r.rounds, forced / #r.rounds
  r.loop = stats.median((function()
    local list = {}
    for i, round in ipairs(r.rounds) do list[i] = round.loop end
    return list
  end)())
  r.outliers = stats.outliers(walls)
  r.warnings = r.warnings or {}
  r.short = r.low <= 0 or r.median < r.loop * 0.2 -- the loop around it was taken off: what is left is noise
  if r.short then
    local text = "too short to measure: less than a fifth of the %s that the loop around it costs"
    table.insert(r.warnings, text:format(seconds(r.loop)))
  end
  if not r.short and r.high - r.low > 0.1 * math.abs(r.median) then
    table.insert(r.warnings, ("noisy: the median is known to %.0f %% only"):format(50 * (r.high - r.low) / math.abs(r.median)))
  end
  local firsts, lasts = stats.median(walls[1]), stats.median(walls[#walls])
  if #walls > 2 and not r.short and math.abs(lasts - firsts) > 0.2 * r.median then
    table.insert(r.warnings, ("drifting: the last round took %.2f times as long as the first"):format(lasts / firsts))
  end
  return r
end

-- The samples as a plot.
function Result:histogram()
  local values = stats.flat(self.walls)
  values.title, values.unit, values.marks = self.name, "s", { median = self.median, max = self.most }
  return plot.histogram(values)
end

local function spread(r) return ("%s to %s"):format(seconds(r.low), seconds(r.high)) end

local function outlier_text(r)
  local n = #r.outliers
  if n == 0 then return "no outliers" end
  local severe = 0
  for _, o in ipairs(r.outliers) do severe = severe + (o.severe and 1 or 0) end
  local worst = r.outliers[1]
  return ("%d outlier%s%s, the slowest %s in round %d"):format(n, n == 1 and "" or "s",
    severe > 0 and (" (%d far out)"):format(severe) or "", seconds(worst.value), worst.round)
end

local function say_warnings(lines, warnings)
  local said = {}
  for _, w in ipairs(warnings) do
    if not said[w] then lines[#lines + 1] = "! " .. w end
    said[w] = true
  end
end

function Result:__tostring()
  local lines = {
    ("%s: %s  (the median lies in %s, 95 %%)"):format(self.name, seconds(self.median), spread(self)),
    ("  cpu %s, %s a call, %.3g switches, %.3g forced"):format(seconds(self.cpu), plot.number(self.bytes, "B"), self.switches,
      self.forced),
    ("  %d samples of %d calls in %d %s; %s"):format(self.count, self.loops, #self.rounds, self.where, outlier_text(self)),
  }
  for line in (self:histogram():text { height = 5 } .. "\n"):gmatch "(.-)\n" do
    if line ~= self.name then lines[#lines + 1] = "  " .. line end
  end
  lines[#lines + 1] = "  " .. machine.text(self.machine)
  say_warnings(lines, self.warnings)
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------- files

local function write(v, out, indent)
  if type(v) == "table" then
    out[#out + 1] = "{"
    local n = #v
    for i = 1, n do
      write(v[i], out, indent)
      out[#out + 1] = ","
    end
    local keys = {}
    for key in pairs(v) do
      if type(key) == "string" then keys[#keys + 1] = key end
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
      out[#out + 1] = ("\n%s[%q]="):format(indent, key)
      write(v[key], out, indent .. " ")
      out[#out + 1] = ","
    end
    out[#out + 1] = "}"
  elseif type(v) == "number" then
    out[#out + 1] = math.type(v) == "integer" and ("%d"):format(v) or ("%.17g"):format(v)
  else
    out[#out + 1] = type(v) == "string" and ("%q"):format(v):gsub("\\\n", "\\n") or tostring(v)
  end
end

-- Saves the samples, to compare with later.
function Result:save(path)
  if type(path) ~= "string" then error(("bad argument #1 to 'save' (string expected, got %s)"):format(type(path)), 2) end
  local out = { "-- A measurement of weft.bench.\nreturn " }
  write({ weft = "bench", name = self.name, rounds = self.rounds, where = self.where, machine = self.machine,
    warnings = self.warnings }, out, " ")
  out[#out + 1] = "\n"
  return file.put(path, out)
end

-- A saved result; nil, message, code.
function M.saved(path)
  local f, message, number = io.open(path, "r")
  if not f then return file.failure(path, message, number) end
  local text, wrong, errno = f:read "a"
  f:close()
  if not text then return file.failure(path, wrong, errno) end
  local chunk = load(text, "@" .. path, "t", {})
  local ok, data = pcall(chunk or error)
  if not ok or type(data) ~= "table" or data.weft ~= "bench" or type(data.rounds) ~= "table" or #data.rounds == 0 then
    return nil, "not a measurement of weft.bench: " .. path
  end
  data.weft = nil
  local made, result = pcall(M.result, data)
  if not made then return nil, "a damaged measurement: " .. path end
  result.path = path
  return result
end

---------------------------------------------------------------------- comparisons

local Ratio = { __name = "weft.bench.ratio" }
Ratio.__index = Ratio

-- The verdict on two results: ratio (of the medians, this to the other), low, high, and different: whether 1 lies outside.
function Result:compare(other)
  if getmetatable(other) ~= Result then
    error(("bad argument #1 to 'compare' (result of weft.bench expected, got %s)"):format(type(other)), 2)
  end
  local low, high = stats.ratio(self.walls, other.walls)
  local v = { name = self.name, other = other.name, ratio = self.median / other.median, low = low, high = high }
  v.short = self.short or other.short
  v.different = not v.short and (low > 1 or high < 1)
  if machine.text(self.machine) ~= machine.text(other.machine) then
    v.warning = "measured on different machines: " .. machine.text(other.machine)
  end
  return setmetatable(v, Ratio)
end

-- "too short to compare", "no difference (0.98 to 1.03)", "1.95 times as long (1.90 to 2.01)", "0.51 of the time (0.50 to 0.53)"
function Ratio:text()
  if self.short then return "too short to compare" end
  local span = ("(%.2f to %.2f)"):format(self.low, self.high)
  if not self.different then return "no difference " .. span end
  if self.ratio >= 1 then return ("%.2f times as long %s"):format(self.ratio, span) end
  return ("%.2f of the time %s"):format(self.ratio, span)
end

function Ratio:__tostring()
  local text = ("%s against %s: %s"):format(self.name, self.other, self:text())
  return self.warning and text .. "\n! " .. self.warning or text
end

-- Lines of cells with the columns lined up, those in `left` to the left.
local function columns(rows, left)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for c, text in ipairs(row) do widths[c] = math.max(widths[c] or 0, term.columns(text)) end
  end
  for i, row in ipairs(rows) do
    local out = {}
    for c, text in ipairs(row) do
      local gap = (" "):rep(widths[c] - term.columns(text))
      out[c] = left[c] and text .. gap or gap .. text
    end
    lines[i] = (table.concat(out, "  "):gsub(" +$", ""))
  end
  return lines
end

local List = { __name = "weft.bench.table" }
List.__index = List

-- A table of results. The first is what the others are compared with, unless the rows are the values of a parameter.
function M.list(results, param)
  return setmetatable(table.move(results, 1, #results, 1, { param = param }), List)
end

function List:__tostring()
  local rows = { { self.param or "", "median", "95 %", "cpu", "a call", "switches" } }
  if not self.param then rows[1][7] = "against " .. self[1].name end
  local warnings, common = {}, {}
  for _, r in ipairs(self) do
    for _, w in ipairs(r.warnings) do common[w] = (common[w] or 0) + 1 end
  end
  for i, r in ipairs(self) do
    local verdict = ""
    if not self.param and i > 1 then verdict = r:compare(self[1]):text() end
    rows[i + 1] = { term.clean(self.param and tostring(r.param) or r.name, ascii()), seconds(r.median), spread(r), seconds(r.cpu),
      plot.number(r.bytes, "B"), ("%.3g"):format(r.switches + r.forced), verdict }
    for _, w in ipairs(r.warnings) do
      local who = (self.param and tostring(r.param) or r.name) .. ": "
      warnings[#warnings + 1] = (common[w] == #self and #self > 1 and "" or who) .. w
    end
  end
  local lines = columns(rows, { true, [7] = true })
  lines[#lines + 1] = ("%d samples each, in %d %s, taken in turn"):format(self[1].count, #self[1].rounds, self[1].where)
  lines[#lines + 1] = machine.text(self[1].machine)
  say_warnings(lines, warnings)
  return table.concat(lines, "\n")
end

-- The medians as a plot: a curve over the parameter where it is a number, else bars.
function List:plot(opts)
  local p = { unit = "s" }
  for key, value in pairs(opts or {}) do p[key] = value end
  local numbers = self.param ~= nil
  for _, r in ipairs(self) do numbers = numbers and type(r.param) == "number" end
  if numbers then
    p.x = p.x or self.param
    for i, r in ipairs(self) do p[i] = { r.param, r.median, r.low, r.high } end
    return plot.curve(p)
  end
  for i, r in ipairs(self) do
    local function above(v) return math.max(v, 1e-12) end -- what is left of a call may be less than nothing
    p[i] = { self.param and tostring(r.param) or r.name, above(r.median), above(r.low), above(r.high) }
  end
  return plot.bars(p)
end

---------------------------------------------------------------------- load

local Load = { __name = "weft.bench.load" }
Load.__index = Load

function M.load(fields)
  local r = setmetatable(fields, Load)
  local sorted = stats.sorted(r.latencies)
  r.latencies = sorted
  if #sorted > 0 then
    r.p50, r.p90 = stats.percentile(sorted, 0.5), stats.percentile(sorted, 0.9)
    r.p99, r.p999 = stats.percentile(sorted, 0.99), stats.percentile(sorted, 0.999)
    r.max = sorted[#sorted]
  end
  return r
end

function Load:histogram()
  local values = { title = self.name, unit = "s", log = true, marks = { p50 = self.p50, p99 = self.p99, max = self.max } }
  for i, v in ipairs(self.latencies) do values[i] = math.max(v, 1e-9) end
  return plot.histogram(values)
end

function Load:__tostring()
  local lines = { ("%s: %d of %d done in %s, %s asked, %s reached"):format(self.name, #self.latencies, self.count,
    seconds(self.took), plot.number(self.rate, "/s"), plot.number(self.reached, "/s")) }
  if self.max then
    lines[2] = ("  p50 %s   p90 %s   p99 %s   p99.9 %s   max %s   from the moment that each was meant to start"):format(
      seconds(self.p50), seconds(self.p90), seconds(self.p99), seconds(self.p999), seconds(self.max))
    for line in (self:histogram():text { height = 5 } .. "\n"):gmatch "(.-)\n" do
      if line ~= self.name then lines[#lines + 1] = "  " .. line end
    end
  end
  lines[#lines + 1] = ("  cpu %s, most at once %d, started late by %s at most"):format(seconds(self.cpu), self.most,
    seconds(self.late))
  lines[#lines + 1] = "  " .. machine.text(self.machine)
  say_warnings(lines, self.warnings)
  return table.concat(lines, "\n")
end

M.seconds = seconds

return M
