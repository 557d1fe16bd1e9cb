-- Runs weft's benchmarks beside their peers and the limits of C: lua5.4 bench/run.lua [case...] (`make bench`).
-- Every subject of a case runs once in each round, one after the other, A B C A B C, so that a machine whose speed
-- drifts is unfair to none. Prints a table a case, then every goal; writes build/bench.tsv. See bench/README.md.
--   BENCH_ROUNDS=5    rounds a case            BENCH_SECONDS=440   all in all, at most
--   BENCH_QUICK=1     smaller and fewer, under two minutes
-- Exits 1 when one of weft's own programs failed; a goal that is missed is reported, not an error.
package.path = "bench/lib/?.lua;" .. package.path
local sh, build, measure, report = require "sh", require "build", require "measure", require "report"
local cases = require "cases"

local quick = os.getenv "BENCH_QUICK" == "1"
local rounds = tonumber(os.getenv "BENCH_ROUNDS") or (quick and 2 or 5)
local budget = tonumber(os.getenv "BENCH_SECONDS") or (quick and 80 or 440)
local broken = 0
local finish -- when the budget is spent: set when the compilers are done

assert(sh.exists "bench/run.lua", "run it from the project's root")
build.toolchain()
assert(build.clock(), "bench/c/bclock.c did not build: see build/bench/build.log")
package.cpath = build.dir .. "/?.so;" .. package.cpath
local clock = require "bclock"
local pin = measure.cpu()
if not sh.which "taskset" then pin = nil end

local function options(case, subject)
  local wants = subject and subject.pin
  if wants == nil then wants = case.pin end
  return {
    environment = build.environment(), seconds = 40, pin = wants and pin or nil, dir = build.dir, now = clock.now,
  }
end

-- Runs a subject; a disturbed run is repeated once, when that costs little of the case's time, and the quieter one
-- kept. Returns its metrics or nil and why.
local function sample(case, subject, command, result)
  local best, share
  for _ = 1, 2 do
    local t = clock.now()
    local metrics, foreign = measure.run(command, options(case, subject))
    if not metrics then return nil, foreign end
    if not share or foreign < share then best, share = metrics, foreign end
    local took = (clock.now() - t) / 1e9
    if share <= measure.busy_share or result.late() or took > result.seconds / 50 then break end
  end
  result.runs = result.runs + 1
  result.worst = math.max(result.worst, share)
  if share > measure.busy_share then result.busy_runs = result.busy_runs + 1 end
  return best
end

local function new_result(seconds)
  local deadline = clock.now() + seconds * 1e9
  return {
    seconds = seconds, rounds = 0, runs = 0, busy_runs = 0, worst = 0, cpu = pin,
    samples = {}, order = {}, absent = {}, points = {}, series = {},
    late = function() return clock.now() > deadline end,
    -- A machine that is far slower than expected: not even one round is to be had.
    over = function() return clock.now() > deadline + seconds * 1e9 or clock.now() > finish end,
  }
end

-- Finds the commands of all subjects; those that cannot run are named in the result.
local function prepare(subjects, result)
  local commands = {}
  for _, s in ipairs(subjects) do
    local command, why = build.command(s)
    commands[s] = command
    if not command then result.absent[#result.absent + 1] = { name = s.name, why = why } end
  end
  return commands
end

local function no_time(result, name)
  for _, a in ipairs(result.absent) do
    if a.name == name then return end
  end
  result.absent[#result.absent + 1] = { name = name, why = "no time left" }
end

local function failed(subject, commands, result, why)
  commands[subject] = nil
  result.absent[#result.absent + 1] = { name = subject.name, why = "failed: " .. why }
  if subject.kind == "weft" or subject.kind == "part" then broken = broken + 1 end
end

local function keep(store, key, round, value)
  local s = store[key]
  if not s then
    s = { list = {}, by_round = {} }
    store[key] = s
  end
  s.list[#s.list + 1] = value
  s.by_round[round] = value
  return s
end

local function run_case(case, seconds)
  local result = new_result(seconds)
  local commands = prepare(case.subjects, result)
  for round = 1, math.min(rounds, case.rounds or rounds) do
    if round > 1 and result.late() then break end
    for _, s in ipairs(case.subjects) do
      local command = commands[s]
      local dropped = result.over() and s ~= case.subjects[1] or s.heavy and result.late()
      if command and round == 1 and dropped then
        no_time(result, s.name)
      elseif command and (round == 1 or not (s.heavy or result.late())) then
        local metrics, why = sample(case, s, command, result)
        if not metrics then failed(s, commands, result, why) end
        for _, row in ipairs(metrics and (s.rows or { { case.metric } }) or {}) do
          local metric, label = row[1], row[2]
          local name = s.name
          if label then name = case.units and s.name .. ", " .. label or label end
          if metrics[metric] then
            if not result.samples[name] then result.order[#result.order + 1] = name end
            local kept = keep(result.samples, name, round, metrics[metric])
            kept.unit, kept.what = case.units and case.units[metric] or case.unit, label
          end
        end
      end
    end
    result.rounds = round
  end
  report.case(case, result, io.stdout)
end

local function run_curve(case, seconds)
  local result = new_result(seconds)
  local commands = prepare(case.series, result)
  for _, s in ipairs(case.series) do
    result.series[#result.series + 1] = s.name
    result.points[s.name] = {}
  end
  for round = 1, math.min(rounds, case.rounds) do
    if round > 1 and result.late() then break end
    for _, n in ipairs(case.points) do
      for _, s in ipairs(case.series) do
        local command = commands[s] and table.move(commands[s], 1, #commands[s], 1, {})
        if command and result.over() then
          no_time(result, ("%s, n=%d"):format(s.name, n))
        elseif command then
          for _, a in ipairs(case.args(n)) do command[#command + 1] = tostring(a) end
          local metrics, why = sample(case, s, command, result)
          if metrics then keep(result.points[s.name], n, round, metrics[case.metric])
          else failed(s, commands, result, why) end
        end
      end
    end
    result.rounds = round
  end
  report.curve(case, result, io.stdout)
end

local function run_parts(case)
  print(("\n%s: %s"):format(case.name, case.title))
  for _, program in ipairs(case.programs) do
    local command, why = build.command { kind = "part", program = program }
    local text
    if command and clock.now() > finish then
      why = "no time left"
    elseif command then
      text, why = measure.text(command, options(case))
      if not text then broken = broken + 1 end
    end
    if text then report.part(program, text, io.stdout)
    else print(("  absent: %s (%s)"):format(program, why)) end
  end
end

local wanted, chosen = {}, {}
for _, name in ipairs(arg) do wanted[name] = true end
local weights = 0
for _, case in ipairs(cases) do
  if #arg == 0 or wanted[case.name] then
    chosen[#chosen + 1] = case
    weights = weights + case.seconds
    wanted[case.name] = nil
  end
end
for name in pairs(wanted) do
  io.stderr:write("bench: no case ", name, "; there are:")
  for _, case in ipairs(cases) do io.stderr:write(" ", case.name) end
  io.stderr:write "\n"
  os.exit(2)
end

-- Compilers run before the clock does.
for _, case in ipairs(chosen) do
  for _, s in ipairs(case.subjects or case.series or {}) do build.command(s) end
  for _, program in ipairs(case.programs or {}) do build.command { kind = "part", program = program } end
end

-- Each case has its share of the time that is left; what one leaves over is the others'.
finish = clock.now() + budget * 1e9
for _, case in ipairs(chosen) do
  local seconds = math.max(0, finish - clock.now()) / 1e9 * case.seconds / weights
  weights = weights - case.seconds
  io.stderr:write("bench: ", case.name, "\n")
  if case.points then run_curve(case, seconds)
  elseif case.programs then run_parts(case)
  else run_case(case, seconds) end
end
report.summary(io.stdout)
report.tsv "build/bench.tsv"
report.goals "build/goals.tsv"
print "\nall rows: build/bench.tsv"
if broken > 0 then
  io.stderr:write("bench: ", broken, " of weft's own programs failed\n")
  os.exit(1)
end
