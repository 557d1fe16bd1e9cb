-- The report of weft.explore: what failed, how often, the token that replays it, what was covered.

local columns = require "weft.explore_columns"
local story = require "weft.explore_story"

local M = {}

local function count(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

local function coverage(x)
  local c, opts = x.cover, x.opts
  local what = ("at %s"):format(opts.points)
  if opts.replay then return "one schedule, replayed from its token" end
  local text
  if opts.strategy ~= "exhaustive" then
    text = ("%s of the strategy %s (seed %d%s)"):format(count(x.schedules, "schedule"), opts.strategy, opts.seed,
      opts.strategy == "pct" and ", depth " .. opts.depth or "")
  elseif c.complete then
    text = ("all %s: complete"):format(count(x.schedules, "schedule"))
  else
    local parts = {}
    for level = 0, c.level do
      if c.levels[level] then
        parts[#parts + 1] = ("all %d with %s"):format(c.levels[level], count(level, "preemption"))
      elseif c.at_level > 0 then
        parts[#parts + 1] = ("%d with %s, of %d or more"):format(c.at_level, count(level, "preemption"), c.at_level + (c.left or 0))
      end
    end
    text = ("%s: %s"):format(count(x.schedules, "schedule"), table.concat(parts, ", "))
    if c.dropped then text = text .. "; some were left out, there was no room to keep them" end
  end
  if c.stopped == "schedules" then text = text .. "; stopped at the number of schedules allowed" end
  if c.stopped == "seconds" then text = text .. "; stopped at the time allowed" end
  if x.most_blind > 0 then
    text = text .. ("; %s where no switch was possible (inside functions that cannot yield)"):format(count(x.most_blind, "point"))
  end
  return ("%s; switch points: %s; up to %s, %s"):format(text, what:sub(4), count(x.most_tasks, "task"),
    count(x.most_steps, "step"))
end

local Report = {}
Report.__index = Report
Report.__name = "weft.exploration"

--- Raises the report when something failed; returns the report when not.
function Report:assert()
  if not self.ok then error(tostring(self), 0) end
  return self
end

local function indent(text) return "  " .. text:gsub("\n", "\n  ") end

local function failure_text(r, failure)
  local out = { ("schedule %d of %d: %s"):format(failure.schedule, r.schedules, failure.message) }
  if failure.kind == "error" and failure.task ~= 1 then
    out[1] = ("schedule %d of %d: in %s: %s"):format(failure.schedule, r.schedules,
      failure.log.names[failure.task] or "task " .. failure.task, failure.message)
  end
  if failure.count > 1 then out[1] = out[1] .. (" (%d schedules end so)"):format(failure.count) end
  if failure.interleaving ~= "" then
    out[#out + 1] = ""
    out[#out + 1] = failure.interleaving
    out[#out + 1] = ""
  end
  for _, text in ipairs(failure.stuck) do out[#out + 1] = "  " .. text end
  for _, text in ipairs(failure.notes or {}) do out[#out + 1] = "  " .. text end
  out[#out + 1] = ("  %s, %s; replay it with: weft.explore(f, { replay = %q })"):format(count(failure.preemptions,
    "preemption"), count(failure.steps, "step"), failure.token)
  return table.concat(out, "\n")
end

function Report:__tostring()
  local out = {}
  if self.ok then
    out[1] = "weft.explore: no schedule failed"
  else
    out[1] = "weft.explore: " .. (#self.failures == 1 and "FAILED" or ("FAILED in %d ways"):format(#self.failures))
    for _, failure in ipairs(self.failures) do out[#out + 1] = failure_text(self, failure) end
  end
  if #self.outcomes > 0 then
    local parts = {}
    for i, o in ipairs(self.outcomes) do
      if i > 8 then
        parts[#parts + 1] = ("... and %d more"):format(#self.outcomes - 8)
        break
      end
      parts[#parts + 1] = ("%s (%d)"):format(o.text, o.count)
    end
    out[#out + 1] = indent("outcomes: " .. table.concat(parts, ", "))
  end
  out[#out + 1] = indent("covered: " .. self.coverage)
  return table.concat(out, "\n")
end

--- The object that weft.explore returns.
function M.new(x)
  local failures = {}
  for i, f in ipairs(x.failures) do
    f.interleaving = columns.draw(f, x.opts)
    f.names = f.log.names
    failures[i] = f
  end
  story.forget()
  local outcomes = {}
  for i, o in ipairs(x.outcomes) do outcomes[i] = o end
  local self = {
    ok = #failures == 0, failure = failures[1], failures = failures, outcomes = outcomes, schedules = x.schedules,
    seconds = x.seconds, complete = x.cover.complete == true, coverage = coverage(x), points = x.opts.points,
  }
  for _, f in ipairs(failures) do f.log, f.decisions, f.trace = { names = f.names }, nil, nil end
  return setmetatable(self, Report)
end

return M
