-- Writes docs/performance.md from the last run of the benchmarks, so that no number there is typed by hand.
--
--   make performance        make bench, then this and scripts/costs.lua; best on a machine that does nothing else
--
-- Reads build/bench.tsv and build/goals.tsv (bench/run.lua) and what the cases are from bench/lib/cases.lua. Cases that the last
-- run left out are named.

package.path = "bench/lib/?.lua;" .. package.path
local cases = require "cases"
local machine = require "weft.machine"

local PAGE = "docs/performance.md"

-- Rows of a file with tabs, under its first line's names.
local function read_tsv(path)
  local rows, names = {}, nil
  for line in assert(io.lines(path)) do
    local cells = {}
    for cell in (line .. "\t"):gmatch "([^\t]*)\t" do cells[#cells + 1] = cell end
    if not names then
      names = cells
    else
      local row = {}
      for i, name in ipairs(names) do row[name] = cells[i] end
      rows[#rows + 1] = row
    end
  end
  return rows
end

local function number(text)
  local v = tonumber(text)
  local a = math.abs(v)
  if a >= 1e6 then return ("%.2f M"):format(v / 1e6) end
  if a >= 1e4 then return ("%.1f k"):format(v / 1e3) end
  if a >= 100 then return ("%.0f"):format(v) end
  if a >= 10 then return ("%.1f"):format(v) end
  return ("%.3g"):format(v)
end

local rows, goals = read_tsv "build/bench.tsv", read_tsv "build/goals.tsv"
local place = {}
for i, case in ipairs(cases) do place[case.name] = i end
for i, g in ipairs(goals) do g.at = (place[g.case] or 0) * 1000 + i end
table.sort(goals, function(a, b) return a.at < b.at end)

local by_case, units, missed, met, unmeasured = {}, {}, {}, 0, {}
for _, row in ipairs(rows) do
  by_case[row.case] = by_case[row.case] or {}
  table.insert(by_case[row.case], row)
  if row.subject == "weft" then units[row.case] = row end
end

local out = {}
local function add(text, ...) out[#out + 1] = select("#", ...) > 0 and text:format(...) or text end

add "# Performance\n"
add("Written by `make performance` on %s from the last run of each case: every subject in turn, A B C A B C, medians, ratios",
  os.date "!%Y-%m-%d")
add "taken round by round. What each case is, who takes part and what to mind: [bench/README.md](../bench/README.md). A case alone:"
add "`lua5.4 bench/run.lua CASE`.\n"
add("Machine: %s.\n", (machine.text(machine.stamp()):gsub("(Linux %d+%.%d+)[^,]*", "%1")))
add "## Goals\n"
add "The last column but one is weft's value over the other one's, or over the number. \"Busy\": other work took more than a tenth"
add "of a core during some runs; believe such a ratio a little.\n"
add "| case | what | weft | goal | weft / goal's | |"
add "|---|---|---|---|---|---|"
for _, g in ipairs(goals) do
  local own = units[g.case]
  local busy = tonumber(g.busy_runs) > 0 and ", busy" or ""
  add("| %s | %s | %s | %s | %s | %s%s |", g.case, g.title, own and number(own.value) .. " " .. own.unit or "", g.goal, g.share,
    g.verdict, busy)
  if g.verdict == "met" then met = met + 1
  elseif g.verdict == "MISSED" then missed[#missed + 1] = g
  else unmeasured[#unmeasured + 1] = g.case end
end
add("\n%d of %d goals are met.%s\n", met, #goals,
  #unmeasured > 0 and " Not measured: " .. table.concat(unmeasured, ", ") .. "." or "")
if #missed > 0 then
  add "## What is missed, and why\n"
  for _, g in ipairs(missed) do
    local why = g.why_missed ~= "" and g.why_missed or "Open: no reason for it is known."
    add("- **%s**, %s, is %s. %s", g.case, g.goal, g.share, why)
  end
  add ""
end
add "## All rows\n"
local absent, shown = {}, 0
for _, case in ipairs(cases) do
  local list = by_case[case.name]
  if list then
    shown = shown + 1
    add("### %s\n", case.name)
    add("%s.\n", (case.title:gsub("^%l", string.upper)))
    add "| | median | | x weft |"
    add "|---|---|---|---|"
    for _, row in ipairs(list) do
      local ratio = tonumber(row.ratio_to_weft)
      add("| %s | %s | %s | %s |", row.subject, number(row.value), row.unit, ratio and ("%.2f"):format(ratio) or "")
    end
    add ""
  elseif not case.programs then
    absent[#absent + 1] = case.name
  end
end
if #absent > 0 then add("Not in this run: %s.\n", table.concat(absent, ", ")) end
out[#out] = out[#out]:gsub("\n$", "")

local f = assert(io.open(PAGE, "w"))
f:write(table.concat(out, "\n"), "\n")
f:close()
print(("%s: %d cases, %d of %d goals met"):format(PAGE, shown, met, #goals))
