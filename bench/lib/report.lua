-- report: tables, the curve and build/bench.tsv from what was measured.
local measure = require "measure"

local M = {}
local bar = os.getenv "NO_UNICODE" and "#" or "█"
local rows = {} -- of the tsv
local verdicts = {} -- of all goals, for the summary

local function number(v)
  if not v then return "-" end
  local a = math.abs(v)
  if a >= 1e6 then return ("%.2f M"):format(v / 1e6) end
  if a >= 1e4 then return ("%.1f k"):format(v / 1e3) end
  if a >= 100 then return ("%.0f"):format(v) end
  if a >= 10 then return ("%.1f"):format(v) end
  return ("%.3g"):format(v)
end

local function ratio_text(r)
  if not r then return "-" end
  return ("%.2f"):format(r)
end

-- The samples of another row over weft's: taken round by round, so that a slow minute of the machine hits both, and
-- then the median; where they do not pair, of the medians.
function M.ratio(samples, base)
  local ratios = {}
  for round, v in pairs(samples.by_round) do
    local b = base.by_round[round]
    if b and b ~= 0 then ratios[#ratios + 1] = v / b end
  end
  if #ratios > 0 then return measure.median(ratios) end
  local a, b = measure.median(samples.list), measure.median(base.list)
  return a and b and b ~= 0 and a / b or nil
end

local function record(case, subject, value, unit, ratio)
  rows[#rows + 1] = ("%s\t%s\t%.6g\t%s\t%s"):format(case, subject, value, unit, ratio and ("%.4g"):format(ratio) or "-")
end

local function goal_text(goal, case, own)
  local what = goal.subject or ("%s %s"):format(number(goal.number), own and own.unit or case.unit)
  local limit = goal.most or goal.least
  local times = limit == 1 and "" or limit == 1 / 3 and "1/3 x " or ("%g x "):format(limit)
  return ("%s%s %s%s"):format(goal.own and goal.own .. " " or "", goal.most and "<=" or ">=", times, what)
end

-- Judges a goal: the case's first subject, or the row `own`, over the other, whichever way is better.
local function judge(goal, case, result)
  local own = result.samples[goal.own or case.subjects[1].name]
  local share
  if own and goal.number then
    share = measure.median(own.list) / goal.number
  elseif own and result.samples[goal.subject] then
    share = M.ratio(own, result.samples[goal.subject])
  end
  local limit = goal.most or goal.least
  local verdict = "not measured"
  if share then verdict = (goal.most and share <= limit or goal.least and share >= limit) and "met" or "MISSED" end
  local text = goal_text(goal, case, own)
  verdicts[#verdicts + 1] = { case = case, text = text, share = share, verdict = verdict, busy = result.busy_runs, why = goal.why }
  return ("  goal %s: %s x, %s"):format(text, ratio_text(share), verdict)
end

local function busy_text(result)
  if result.busy_runs == 0 then return nil end
  return ("  the machine was busy with other work during %d of %d runs (up to %.0f %% of a core beside us)")
    :format(result.busy_runs, result.runs, 100 * result.worst)
end

-- A case with its subjects: result.samples[row] = {list, by_round, unit}, result.order, result.absent.
function M.case(case, result, out)
  local where = case.pin and result.cpu and "pinned to CPU " .. result.cpu or "not pinned"
  out:write(("\n%s: %s   (%d rounds, %s)\n"):format(case.name, case.title, result.rounds, where))
  local base = result.samples.weft
  out:write(("  %-44s %12s %-7s %21s %9s\n"):format("", "median", "", "min .. max", "x weft"))
  for _, row in ipairs(result.order) do
    local s = result.samples[row]
    local median, low, high = measure.median(s.list), measure.range(s.list)
    local kin = result.samples["weft, " .. (s.what or "")] or s.unit == case.unit and s.unit ~= "%" and base
    local ratio = kin and M.ratio(s, kin) or nil
    record(case.name, row, median, s.unit, ratio)
    out:write(("  %-44s %12s %-7s %21s %9s\n"):format(row, number(median), s.unit,
      number(low) .. " .. " .. number(high), ratio_text(ratio)))
  end
  for _, a in ipairs(result.absent) do out:write(("  absent: %s (%s)\n"):format(a.name, a.why)) end
  for _, goal in ipairs(case.goals or {}) do out:write(judge(goal, case, result), "\n") end
  local busy = busy_text(result)
  if busy then out:write(busy, "\n") end
  out:flush()
end

local function with_commas(n)
  local s = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (s:gsub("^,", ""))
end

-- A curve: result.points[series][n] = samples. One bar a point, all to one scale.
function M.curve(case, result, out)
  out:write(("\n%s: %s, ns each   (%d rounds)\n"):format(case.name, case.title, result.rounds))
  local most = 0
  for _, s in ipairs(result.series) do
    for _, n in ipairs(case.points) do
      local p = result.points[s][n]
      if p then most = math.max(most, measure.median(p.list)) end
    end
  end
  local width = 28
  for _, s in ipairs(result.series) do
    local first, last
    for _, n in ipairs(case.points) do
      local p = result.points[s][n]
      if p then
        local v = measure.median(p.list)
        local weft = result.points.weft and result.points.weft[n]
        record(case.name, ("%s n=%d"):format(s, n), v, case.unit, weft and M.ratio(p, weft))
        first, last = first or v, v
        local length = math.max(1, math.floor(v / most * width + 0.5))
        out:write(("  %-6s %9s %s%s %s\n"):format(s, with_commas(n), bar:rep(length), (" "):rep(width - length), number(v)))
      end
    end
    if first then out:write(("  %-6s last over first: %.2f\n"):format(s, last / first)) end
  end
  for _, a in ipairs(result.absent) do out:write(("  absent: %s (%s)\n"):format(a.name, a.why)) end
  local busy = busy_text(result)
  if busy then out:write(busy, "\n") end
  out:flush()
end

-- A program's own lines, shown as they are; what stands before the first time is the row's name.
function M.part(program, text, out)
  out:write(("  %s\n"):format(program))
  for line in text:gmatch "[^\n]+" do
    out:write("    ", line, "\n")
    local name, value, unit = line:match "^(.-)%s+(%d[%d.]*)%s+([nu]s%S*)"
    if tonumber(value) then record(program, (name:gsub("%s+", " ")), tonumber(value), unit, nil) end
  end
  out:flush()
end

function M.summary(out)
  if #verdicts == 0 then return end
  out:write "\ngoals\n"
  for _, v in ipairs(verdicts) do
    local note = v.busy > 0 and "   (machine busy)" or ""
    out:write(("  %-16s %6s x  %-12s  %s%s\n"):format(v.case.name, ratio_text(v.share), v.verdict, v.text, note))
  end
end

-- Writes lines with a case's name first under a head; those of cases that are not among them stay as an earlier run has left
-- them.
local function keep(path, head, lines)
  local ran, kept = {}, {}
  for _, line in ipairs(lines) do ran[line:match "^[^\t]*"] = true end
  local old = io.open(path, "r")
  if old then
    if old:read "l" == head then
      for line in old:lines() do
        if not ran[line:match "^[^\t]*"] then kept[#kept + 1] = line end
      end
    end
    old:close()
  end
  local f = assert(io.open(path, "w"))
  f:write(head, "\n")
  for _, list in ipairs { kept, lines } do
    for _, line in ipairs(list) do f:write(line, "\n") end
  end
  f:close()
end

-- What scripts/performance.lua makes a page of.
function M.goals(path)
  local lines = {}
  for _, v in ipairs(verdicts) do
    local cells = { v.case.name, v.case.title, v.text, ratio_text(v.share), v.verdict, v.busy, v.why or "" }
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  keep(path, "case\ttitle\tgoal\tshare\tverdict\tbusy_runs\twhy_missed", lines)
end

function M.tsv(path)
  keep(path, "case\tsubject\tvalue\tunit\tratio_to_weft", rows)
end

return M
