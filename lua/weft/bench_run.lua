-- The part of weft.bench that runs inside the isolate that is measured: calibrates, warms up, takes samples.

local core = require "weft.core"
local machine = require "weft.machine"

local M = {}

local LOOPS_MOST = 1 << 40

-- n calls: the seconds that they took by the clock, and in CPU time of the process.
local function calls(spec, x, n)
  local f, param, now = spec.f, spec.param, core.nanotime
  local cpu, start = os.clock(), now()
  if spec.batch then
    f(n, x, param)
  elseif spec.has_x then
    for _ = 1, n do f(x, param) end
  else
    for _ = 1, n do f(param) end
  end
  local took = now() - start
  return took * 1e-9, os.clock() - cpu
end

local function nothing() end

-- What the loop itself costs a call, in seconds: the least of a few, as everything else only adds to it.
local function overhead(spec)
  if spec.batch then return 0 end
  local empty, best = setmetatable({ f = nothing }, { __index = spec }), math.huge
  for _ = 1, 5 do best = math.min(best, (calls(empty, nil, 20000)) / 20000) end
  return best
end

-- How many calls fill a sample.
local function calibrate(spec, x)
  local n = 1
  while true do
    local took = calls(spec, x, n)
    if took >= spec.sample or n >= LOOPS_MOST then return n end
    local next_n = took > spec.sample / 100 and math.ceil(n * spec.sample / took * 1.05) or n * 8
    n = math.max(n + 1, next_n)
  end
end

local function measure(spec)
  local x
  if spec.setup then x = spec.setup(spec.param) end
  spec.has_x = spec.setup ~= nil
  local loops = spec.loops or calibrate(spec, x)
  local warm = core.now()
  repeat calls(spec, x, loops) until core.now() - warm >= spec.warmup
  local loop = overhead(spec)
  local out = { loops = loops, loop = loop, wall = {}, cpu = {} }
  local given_up, made_to = machine.switches()
  for i = 1, spec.samples do
    if spec.collect then collectgarbage() end
    local wall, cpu = calls(spec, x, loops)
    out.wall[i], out.cpu[i] = wall / loops - loop, math.max(0, cpu / loops - loop)
  end
  if given_up then
    local a, b = machine.switches()
    out.voluntary, out.involuntary = (a - given_up) / (spec.samples * loops), (b - made_to) / (spec.samples * loops)
  end
  -- Bytes: the collector rests while a few calls run, so that nothing is given back meanwhile.
  local few = math.min(loops, 1000)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  calls(spec, x, few)
  out.bytes = math.max(0, (collectgarbage "count" - before) * 1024 / few)
  collectgarbage "restart"
  if spec.teardown then spec.teardown(x, spec.param) end
  return out
end

-- One round: in a task, so that what blocks in f blocks as it does in tasks.
function M.round(spec) return core.go(measure, spec):join() end

return M
