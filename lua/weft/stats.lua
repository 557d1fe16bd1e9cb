-- Statistics for measurements: quantiles, the bootstrap, outliers. Lists of numbers; nothing is changed in place.

local M = {}

function M.sorted(list)
  local out = table.move(list, 1, #list, 1, {})
  table.sort(out)
  return out
end

-- The quantile q, from 0 to 1, of a sorted list; between two values a share of both.
function M.quantile(sorted, q)
  local n = #sorted
  if n == 0 then return 0 / 0 end
  local at = 1 + (n - 1) * q
  local low = math.floor(at)
  local part = at - low
  return part == 0 and sorted[low] or sorted[low] * (1 - part) + sorted[low + 1] * part
end

function M.median(list) return M.quantile(M.sorted(list), 0.5) end

-- The quantile of latencies: the least value that at least a share q of them does not pass.
function M.percentile(sorted, q) return sorted[math.max(1, math.min(#sorted, math.ceil(#sorted * q - 1e-9)))] end

-- Numbers from 1 to n in an order that is the same each time: intervals must not change from call to call.
local function generator()
  local state = 0x2545F4914F6CDD1D
  return function(n)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return ((state >> 33) % n) + 1
  end
end

local RESAMPLES = 1000

-- The median of one list out of a group of lists: lists are drawn, then values from each. Values of one round, or one
-- fresh isolate, are more alike than values of two, so an interval from all values in one heap would be too narrow.
local function resample(rounds, picks, random)
  local values = {}
  for _, k in ipairs(picks) do
    local round = rounds[k]
    for _ = 1, #round do values[#values + 1] = round[random(#round)] end
  end
  table.sort(values)
  return M.quantile(values, 0.5)
end

local function interval(results)
  table.sort(results)
  return M.quantile(results, 0.025), M.quantile(results, 0.975)
end

-- The interval that holds the median with 95 % confidence. rounds: a list of lists.
function M.confidence(rounds)
  local random, results = generator(), {}
  for i = 1, RESAMPLES do
    local picks = {}
    for k = 1, #rounds do picks[k] = random(#rounds) end
    results[i] = resample(rounds, picks, random)
  end
  return interval(results)
end

-- The same for the ratio of two medians. Rounds of one number were taken in the same minutes and are drawn together
-- where both have as many: what slowed both does not count.
function M.ratio(rounds, base)
  local random, results = generator(), {}
  local paired = #rounds == #base
  for i = 1, RESAMPLES do
    local a, b = {}, {}
    for k = 1, #rounds do a[k] = random(#rounds) end
    for k = 1, #base do b[k] = paired and a[k] or random(#base) end
    results[i] = resample(rounds, a, random) / resample(base, b, random)
  end
  return interval(results)
end

function M.flat(rounds)
  local out = {}
  for _, round in ipairs(rounds) do table.move(round, 1, #round, #out + 1, out) end
  return out
end

-- Tukey's fences: those beyond 1.5 times the middle half's width from it. A list of { value, round, severe }.
function M.outliers(rounds)
  local sorted = M.sorted(M.flat(rounds))
  local q1, q3 = M.quantile(sorted, 0.25), M.quantile(sorted, 0.75)
  local width, out = q3 - q1, {}
  for k, round in ipairs(rounds) do
    for _, v in ipairs(round) do
      local far = math.max(q1 - v, v - q3)
      if far > 1.5 * width then out[#out + 1] = { value = v, round = k, severe = far > 3 * width } end
    end
  end
  table.sort(out, function(a, b) return a.value > b.value end)
  return out
end

return M
