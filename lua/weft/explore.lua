-- weft.explore(f, opts): runs f under many schedules of its tasks, in this isolate and with a clock of its own; finds
-- the schedule that fails, makes it small, shows it and replays it. Parts: weft.explore_search (which schedules),
-- weft.explore_patch (switch points), weft.explore_story (what a run did), weft.explore_report, weft.explore_watch (races),
-- csrc/rt/explore.h (one run).

local core = require "weft.core"
local patch = require "weft.explore_patch"
local search = require "weft.explore_search"
local report = require "weft.explore_report"
local story = require "weft.explore_story"
local value = require "weft.explore_value"
local watch = require "weft.explore_watch"

local M = {}

local SKIP = debug.getinfo(1, "S").source:match "^(.*[/\\])[^/\\]*$" or "@weft" -- weft's own Lua is not explored
local SHRINK = 2000 -- runs to make a failing schedule small
local OUTCOMES = 1000 -- kept
local PAUSE = 50e6 -- ns of runs, after which other tasks of the isolate have a turn

-- Options --------------------------------------------------------------------------------------

local function one_of(...)
  local names = { ... }
  return function(v)
    for _, name in ipairs(names) do
      if v == name then return true end
    end
    return false, "'" .. table.concat(names, "' or '") .. "'"
  end
end

local function integer(least)
  return function(v) return math.type(v) == "integer" and v >= least, "integer >= " .. least end
end

local function boolean(v) return type(v) == "boolean", "boolean" end

local CHECKS = {
  points = one_of("operations", "lines", "instructions"),
  strategy = one_of("exhaustive", "pct", "random"),
  clock = one_of("idle", "free"),
  preemptions = integer(0), depth = integer(1), schedules = integer(1), steps = integer(1),
  seed = function(v) return math.type(v) == "integer", "integer" end,
  seconds = function(v) return type(v) == "number" and v > 0, "number > 0" end,
  same = boolean, keep_going = boolean,
  replay = function(v) return type(v) == "string", "string" end,
  watch = function(v)
    for _, t in pairs(type(v) == "table" and v or { 1 }) do
      if type(t) ~= "table" then return false, "table of tables" end
    end
    return true
  end,
}
local DEFAULTS = {
  points = "operations", strategy = "exhaustive", clock = "idle", preemptions = math.maxinteger, depth = 3, seed = 1,
  schedules = 100000, seconds = 10, steps = 10000, same = false, keep_going = false,
}

local function check(f, given)
  if type(f) ~= "function" then error(("bad argument #1 to 'explore' (function expected, got %s)"):format(type(f)), 3) end
  if given ~= nil and type(given) ~= "table" then
    error(("bad argument #2 to 'explore' (table expected, got %s)"):format(type(given)), 3)
  end
  local opts = setmetatable({}, { __index = DEFAULTS })
  for name, v in pairs(given or {}) do
    local test = CHECKS[name]
    if not test then
      error(("bad argument #2 to 'explore' (%s)"):format(require("weft.blame").unknown(tostring(name), CHECKS)), 3)
    end
    local ok, expected = test(v)
    if not ok then error(("bad argument #2 to 'explore' (%s: %s expected)"):format(name, expected), 3) end
    opts[name] = v
  end
  if opts.replay then
    local plan, read, hash = search.read_token(opts.replay)
    if not plan then error(("bad argument #2 to 'explore' (replay: %s)"):format(read), 3) end
    for name, v in pairs(read) do opts[name] = v end
    opts.plan, opts.hash = plan, hash
  end
  return opts
end

-- One run ---------------------------------------------------------------------------------------

local KINDS = { -- verdicts of the run that are failures
  deadlock = function(x)
    local stuck, root = #x.calls.stuck, false
    for _, s in ipairs(x.calls.stuck) do root = root or s[1] == 1 end
    if stuck == 0 then return "deadlock", "deadlock: tasks wait for ever" end
    local text = root and "deadlock: %d of %d tasks wait for ever" or "partial deadlock: %d of %d tasks wait for ever"
    return "deadlock", text:format(stuck, x.tasks)
  end,
  steps = function(x)
    if x.steps <= x.opts.steps then return "livelock", "livelock: a task computes on and on without a switch point" end
    return "livelock", ("livelock: no end after %d steps"):format(x.opts.steps)
  end,
  outside = function() return "outside", "a task waits for another isolate, which is not under the schedule's control" end,
  left = function() return "left", "tasks catch their cancellation and do not end; they are tasks of the script now" end,
}

-- The failure of the last run, or nil.
local function judge(x, verdict, diverged, ok, err)
  if diverged and not x.lenient then
    return "nondeterminism", "the function does not depend on its schedule alone: the same choices led elsewhere"
  end
  local race = x.watch:race()
  if race then return "race", race end
  if KINDS[verdict] then return KINDS[verdict](x) end
  if not ok and verdict == "ended" then return "error", tostring(err), 1 end
  for _, failed in ipairs(x.calls.failed) do
    if core.explore_unseen(failed[2]) then
      local _, e = failed[2]:result()
      return "error", tostring(e), failed[1]
    end
  end
end

local function note_outcome(x, text)
  local known = x.outcomes[text]
  if known then
    known.count = known.count + 1
    return
  end
  if #x.outcomes >= OUTCOMES then return end
  local trace = core.explore_trace(x.session)
  known = { text = text, count = 1, token = search.token(search.plan_of(trace), x.opts, trace) }
  x.outcomes[text] = known
  x.outcomes[#x.outcomes + 1] = known
end

local function finish(x, verdict, diverged, ok, ...)
  x.trace, x.steps, x.tasks, x.blind = core.explore_trace(x.session)
  if x.steps > x.most_steps then x.most_steps = x.steps end
  if x.tasks > x.most_tasks then x.most_tasks = x.tasks end
  if x.blind > x.most_blind then x.most_blind = x.blind end
  local kind, message, task = judge(x, verdict, diverged, ok, ...)
  if kind then return { kind = kind, message = message, task = task } end
  local text = value.text(...)
  if not x.silent then note_outcome(x, text) end
  if x.opts.same and x.outcomes[1] and text ~= x.outcomes[1].text then
    return { kind = "outcome", message = ("two outcomes: %s and %s"):format(x.outcomes[1].text, text) }
  end
end

-- Runs f once; returns its failure or nil.
local function run_once(x, ...)
  if x.calls.failed[1] then x.calls.failed = {} end
  if x.calls.stuck[1] then x.calls.stuck, x.calls.holders = {}, {} end
  x.watch:reset()
  math.randomseed(x.opts.seed)
  return finish(x, core.explore_run(x.session, x.f, x.handle, ...))
end

-- The search --------------------------------------------------------------------------------------

local function same_failure(a, b) return a and a.kind == b.kind and a.task == b.task end

local function add_failure(x, failure)
  for _, known in ipairs(x.failures) do
    if known.kind == failure.kind and known.message == failure.message then
      known.count = known.count + 1
      return
    end
  end
  failure.count, failure.schedule, failure.trace = 1, x.schedules, x.trace
  x.failures[#x.failures + 1] = failure
end

local function new_driver(x)
  local turn = x.started
  local driver = { trace = function(first) return (core.explore_trace(x.session, first)) end }
  function driver.run(...)
    x.schedules = x.schedules + 1
    local failure = run_once(x, ...)
    if failure then add_failure(x, failure) end
  end
  function driver.over()
    if #x.failures > 0 and not x.opts.keep_going then return true end
    local failure = x.failures[#x.failures]
    if failure and (failure.kind == "nondeterminism" or failure.kind == "left") then return true end
    if x.schedules >= x.opts.schedules then
      x.cover.stopped = "schedules"
      return true
    end
    if x.schedules & 15 ~= 0 and x.steps < 1000 then return false end
    local now = core.nanotime()
    if now - x.started >= x.opts.seconds * 1e9 then
      x.cover.stopped = "seconds"
      return true
    end
    if now - turn > PAUSE then
      core.yield()
      turn = core.nanotime()
    end
    return false
  end
  return driver
end

-- A plan that fails in the same way with as few preemptions as possible, and no deviation too many.
local function shrink(x, failure)
  local plan, preemptions = search.plan_of(failure.trace)
  local runs, found = 0, nil
  local driver = { trace = function(first) return (core.explore_trace(x.session, first)) end }
  function driver.run(...)
    runs = runs + 1
    if same_failure(run_once(x, ...), failure) then found = search.plan_of(x.trace) end
  end
  function driver.over() return found ~= nil or runs >= SHRINK end
  if x.opts.strategy ~= "exhaustive" and preemptions > 0 then
    search.exhaustive(driver, { levels = {} }, preemptions - 1)
  end
  return search.shrink(found or plan, function(try)
    return same_failure(run_once(x, "plan", try), failure) and search.plan_of(x.trace) or nil
  end, SHRINK)
end

-- The failing schedule made small, and its story.
local function explain(x, failure)
  local plan = search.plan_of(failure.trace)
  x.silent, x.lenient = true, true
  if failure.kind ~= "nondeterminism" and failure.kind ~= "left" and not x.opts.replay then plan = shrink(x, failure) end
  local log = story.new()
  x.calls.log = log.event
  local got = run_once(x, "plan", plan)
  x.calls.log = nil
  x.silent, x.lenient = false, false
  if same_failure(got, failure) then
    failure.message = got.message
    failure.trace = x.trace
  end
  local task = failure.task and x.calls.failed[1] and x.calls.failed[#x.calls.failed][2]
  failure.traceback = task and task:traceback() or nil
  local _, preemptions = search.plan_of(x.trace)
  failure.preemptions, failure.steps, failure.tasks = preemptions, x.steps, x.tasks
  failure.token = search.token(search.plan_of(x.trace), x.opts, x.trace)
  failure.stuck = {}
  for i, s in ipairs(x.calls.stuck) do failure.stuck[i] = s[2] end
  failure.log, failure.decisions = log, search.decisions(x.trace)
  story.diagnose(failure, x.calls)
end

local function search_all(x)
  local opts, driver = x.opts, new_driver(x)
  if opts.replay then
    x.lenient = true
    driver.run("plan", opts.plan, 0)
    x.lenient = false
    local trace = x.trace
    local hash = trace == "" and 0 or string.unpack("=I4", trace, #trace - 3)
    if hash ~= opts.hash or search.plan_of(trace) ~= opts.plan then
      x.failures = {}
      add_failure(x, { kind = "nondeterminism", message = "the token does not fit: the function, or weft, has changed since" })
    end
  elseif opts.strategy == "exhaustive" then
    search.exhaustive(driver, x.cover, opts.preemptions)
  elseif opts.strategy == "random" then
    search.random(driver, x.cover, opts.seed)
  else
    search.pct(driver, x.cover, opts.seed, opts.depth)
  end
end

--- Runs f(x) under many schedules; see types/explore.lua.
function M.explore(f, given)
  local opts = check(f, given)
  if core.explore_current() then error("weft.explore cannot be used inside what it explores", 2) end
  local calls = { failed = {}, stuck = {}, holders = {} }
  local x = {
    f = f, opts = opts, calls = calls, schedules = 0, outcomes = {}, failures = {}, started = core.nanotime(),
    steps = 0, most_steps = 0, most_tasks = 0, most_blind = 0, cover = { levels = {}, drawn = 0 },
    session = core.explore_new(calls, opts.points, opts.steps, opts.clock == "free", SKIP),
  }
  x.watch = watch.new(x.session, calls, opts.watch)
  x.handle = x.watch.handle
  local restore = patch.install(f)
  local results = table.pack(xpcall(function()
    search_all(x)
    x.seconds = (core.nanotime() - x.started) * 1e-9
    for _, failure in ipairs(x.failures) do explain(x, failure) end
  end, function(e) return e end))
  restore()
  x.watch:close()
  math.randomseed()
  if not results[1] then error(results[2], 0) end
  return report.new(x)
end

return M
