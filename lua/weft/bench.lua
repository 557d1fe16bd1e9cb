-- weft.bench: measures what a function costs, and says how well that is known.
--
--   print(weft.bench("sort", function(t) table.sort(t) end, { setup = function() ... end }))
--   print(weft.bench.compare { a = f, b = g })
--   print(weft.bench.load("requests", f, { rate = 1000, seconds = 2 }))
--
-- A benchmark runs in fresh isolates, one after the other, each on a thread of its own (a round). Rounds of several
-- benchmarks take turns, A B C A B C, so that a machine whose speed drifts is unfair to none. In a round the number of calls
-- that fill a sample is found, the function is warmed up, samples are taken, and the cost of the empty loop is
-- subtracted (weft.bench_run). The interval of the median comes from a bootstrap over rounds and samples (weft.stats).

local core = require "weft.core"
local machine = require "weft.machine"
local results = require "weft.bench_result"

local M = {}

local function positive(v) return type(v) == "number" and v > 0 and v < math.huge, "number above 0" end
local function count(most)
  return function(v) return math.type(v) == "integer" and v >= 1 and v <= most, ("integer from 1 to %d"):format(most) end
end
local function callable(v) return type(v) == "function", "function" end
local CHECKS = {
  seconds = positive, rounds = count(1000), samples = count(100000), loops = count(1 << 40),
  warmup = function(v) return type(v) == "number" and v >= 0 and v < math.huge, "seconds" end,
  setup = callable, teardown = callable,
  batch = function(v) return type(v) == "boolean", "boolean" end,
  collect = function(v) return type(v) == "boolean", "boolean" end,
  isolate = function(v) return v == "thread" or v == "process" or v == false, "'thread', 'process' or false" end,
  cpu = function(v) return math.type(v) == "integer" and v >= 0, "number of a CPU" end,
  params = function(v) return type(v) == "table" and #v > 0, "list that is not empty" end,
  param = function(v) return type(v) == "string", "string" end,
}

local function check(opts, what, checks, level)
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    error(("bad options of %s (table expected, got %s)"):format(what, type(opts)), level + 1)
  end
  for key, value in pairs(opts) do
    local test = checks[key]
    if not test then error(("unknown option '%s' of %s"):format(tostring(key), what), level + 1) end
    local ok, expected = test(value)
    if not ok then
      error(("bad option '%s' of %s (%s expected, got %s)"):format(key, what, expected, tostring(value)), level + 1)
    end
  end
  return opts
end

local SECONDS, ROUNDS, SAMPLES = 1, 5, 10
local WHERE = { thread = "fresh threads", process = "fresh processes", [false] = "rounds in this Lua state" }

local function remote(spec) return require("weft.bench_run").round(spec) end

-- One round of one benchmark.
local function round(spec, opts, kind, level)
  if kind == false then return require("weft.bench_run").round(spec) end
  local weft = require "weft"
  local start = weft[kind]
  if not start then error(("bad option 'isolate' of bench (weft.%s is not there)"):format(kind), level + 1) end
  local settings = { name = "bench " .. spec.name }
  if opts.cpu then settings.affinity = { opts.cpu } end
  local ok, job, message = pcall(start, settings, remote, spec)
  if not ok then error(("%s\n(isolate = false measures in this Lua state)"):format(tostring(job)), level + 1) end
  if not job then error("bench: " .. tostring(message), level + 1) end
  return job:join()
end

-- Runs cases { name, f, param } in turn; a list of results.
local function run(cases, opts, level)
  local kind = opts.isolate
  if kind == nil then kind = "thread" end
  local rounds, samples = opts.rounds or ROUNDS, opts.samples or SAMPLES
  local seconds = opts.seconds or SECONDS
  local specs, taken = {}, {}
  for i, case in ipairs(cases) do
    specs[i] = {
      name = case.name, f = case.f, param = case.param,
      setup = opts.setup, teardown = opts.teardown, batch = opts.batch or false, collect = opts.collect ~= false,
      samples = samples, sample = seconds / (rounds * samples), loops = opts.loops,
      warmup = opts.warmup or math.min(0.05, seconds / rounds / 4),
    }
    taken[i] = {}
  end
  local busy, stolen = machine.busy()
  local cpu, from = os.clock(), core.now()
  for r = 1, rounds do
    for i, spec in ipairs(specs) do
      local one = round(spec, opts, kind, level + 1)
      spec.loops = one.loops -- the same for all rounds
      taken[i][r] = one
    end
  end
  local stamp = machine.stamp()
  local warnings = machine.warnings(stamp)
  local busy_now, stolen_now = machine.busy()
  if busy_now then
    local room = (core.now() - from) * (stamp.online or stamp.cpus)
    local others = (busy_now - busy - (os.clock() - cpu)) / room
    local gone = (stolen_now - stolen) / room
    if others > 0.1 then
      warnings[#warnings + 1] = ("other processes took %.0f %% of the machine: believe CPU times rather than the clock's")
        :format(100 * others)
    end
    if gone > 0.02 then warnings[#warnings + 1] = ("the host of this virtual machine took %.0f %% of it"):format(100 * gone) end
  end
  local list = {}
  for i, case in ipairs(cases) do
    list[i] = results.result {
      name = case.name, param = case.param, rounds = taken[i], where = WHERE[kind], machine = stamp,
      warnings = table.move(warnings, 1, #warnings, 1, {}),
    }
  end
  return list
end

local function bench(_, name, f, opts)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'bench' (string expected, got %s)"):format(type(name)), 2)
  end
  if type(f) ~= "function" then
    error(("bad argument #2 to 'bench' (function expected, got %s)"):format(type(f)), 2)
  end
  opts = check(opts, "bench", CHECKS, 2)
  if not opts.params then return run({ { name = name, f = f } }, opts, 2)[1] end
  local cases = {}
  for i, param in ipairs(opts.params) do cases[i] = { name = ("%s %s"):format(name, tostring(param)), f = f, param = param } end
  return results.list(run(cases, opts, 2), opts.param or "parameter")
end

-- Measures functions in turn: { a = f, b = g } in the order of their names, or { { "a", f }, { "b", g } } in that order. A
-- table of results, each compared with the first.
function M.compare(t, opts)
  if type(t) ~= "table" then
    error(("bad argument #1 to 'bench.compare' (table expected, got %s)"):format(type(t)), 2)
  end
  opts = check(opts, "bench.compare", CHECKS, 2)
  if opts.params then error("bad option 'params' of bench.compare (it compares functions, not parameters)", 2) end
  local cases = {}
  for i, pair in ipairs(t) do
    if type(pair) ~= "table" or type(pair[1]) ~= "string" or type(pair[2]) ~= "function" then
      error(("bad argument #1 to 'bench.compare' (item %d: { name, function } expected)"):format(i), 2)
    end
    cases[i] = { name = pair[1], f = pair[2] }
  end
  local names = {}
  for name, f in pairs(t) do
    if math.type(name) ~= "integer" then
      if type(name) ~= "string" or type(f) ~= "function" then
        error(("bad argument #1 to 'bench.compare' (function expected for '%s', got %s)"):format(tostring(name), type(f)), 2)
      end
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do cases[#cases + 1] = { name = name, f = t[name] } end
  if #cases == 0 then error("bad argument #1 to 'bench.compare' (nothing to measure)", 2) end
  return results.list(run(cases, opts, 2))
end

local LOAD_CHECKS = {
  rate = positive, seconds = positive,
  random = function(v) return type(v) == "boolean", "boolean" end,
  patience = positive,
}

-- Calls f(i) as a task at each of the moments that `rate` a second makes, whether those before have ended or not, and
-- measures each from the moment at which it was meant to start: what has to wait in line is counted.
function M.load(name, f, opts)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'bench.load' (string expected, got %s)"):format(type(name)), 2)
  end
  if type(f) ~= "function" then
    error(("bad argument #2 to 'bench.load' (function expected, got %s)"):format(type(f)), 2)
  end
  opts = check(opts, "bench.load", LOAD_CHECKS, 2)
  local rate, seconds = opts.rate or 1000, opts.seconds or 1
  local weft = require "weft"
  local total = math.max(1, math.floor(rate * seconds + 0.5))
  local latencies, running, most, late, failed, wrong = {}, 0, 0, 0, 0, nil
  local group = weft.waitgroup()
  local function one(i, meant)
    local ok, err = pcall(f, i)
    running = running - 1
    if ok then
      latencies[#latencies + 1] = weft.now() - meant
    else
      failed, wrong = failed + 1, wrong or err
    end
    group:done()
  end
  local cpu, from = os.clock(), weft.now()
  local meant = from
  for i = 1, total do
    local wait = meant - weft.now()
    if wait > 0 then weft.sleep(wait) elseif i % 64 == 0 then weft.yield() end
    late = math.max(late, weft.now() - meant)
    group:add()
    running = running + 1
    most = math.max(most, running)
    weft.go(one, i, meant)
    meant = meant + (opts.random and -math.log(1 - math.random()) or 1) / rate
  end
  local done = group:wait(opts.patience or math.max(10, 5 * seconds))
  local took = weft.now() - from
  local stamp = machine.stamp()
  local warnings = machine.warnings(stamp)
  if failed > 0 then warnings[#warnings + 1] = ("%d calls failed, the first: %s"):format(failed, tostring(wrong)) end
  if not done then
    warnings[#warnings + 1] = ("%d calls had not ended when patience did: their times are missing"):format(running)
  end
  local reached = #latencies / took
  if done and reached < 0.95 * rate * math.min(1, total / (rate * took)) or took > 1.1 * seconds + 0.1 then
    warnings[#warnings + 1] = "it did not keep up: the longer this goes on, the longer the line"
  end
  return results.load {
    name = name, rate = rate, reached = reached, count = total, took = took, cpu = os.clock() - cpu, most = most, late = late,
    failed = failed, latencies = latencies, machine = stamp, warnings = warnings,
  }
end

M.saved = function(path)
  if type(path) ~= "string" then
    error(("bad argument #1 to 'bench.saved' (string expected, got %s)"):format(type(path)), 2)
  end
  return results.saved(path)
end

-- The machine, as a measurement is stamped with it.
M.machine = machine.stamp

return setmetatable(M, { __call = bench, __name = "weft.bench" })
