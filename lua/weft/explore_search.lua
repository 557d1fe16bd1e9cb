-- Which schedules weft.explore runs. A schedule is a plan: its deviations, each the number of a decision and the choice
-- made there instead of 0 (csrc/rt/explore.h), packed as the C side reads them.
--
-- search.exhaustive is iterative context bounding, as in CHESS: first all schedules without a preemption, then all with
-- one, and so on. Each schedule is run once: it is reached by adding its last deviation to the schedule that lacks
-- just that one.
--
-- `driver` runs and counts: driver.run(policy, ...) runs one schedule, driver.trace(first) is its decisions from one
-- on, driver.over() says that the search is to stop. `cover` is told what has been done.

local pack, unpack = string.pack, string.unpack

local M = {}

local POINT, KIND, CLOCK = 1, 3, 4 -- kinds of decisions
local DEVIATION, RECORD = "=I4I4", "=BBBBI4"
local SIZE = 8
local KEPT = 1000000 -- plans kept for later

--- The deviations of the last run, as a plan; and how many of them are preemptions.
function M.plan_of(trace)
  local parts, preemptions = {}, 0
  for i = 0, #trace // SIZE - 1 do
    local options, chosen, kind = unpack(RECORD, trace, i * SIZE + 1)
    if chosen > 0 then
      parts[#parts + 1] = pack(DEVIATION, i, chosen)
      if kind & KIND == POINT or kind & CLOCK ~= 0 and chosen == options - 1 then preemptions = preemptions + 1 end
    end
  end
  return table.concat(parts), preemptions
end

--- The decisions of a trace as a list of {options =, chosen =, point =, task =}.
function M.decisions(trace)
  local list = {}
  for i = 0, #trace // SIZE - 1 do
    local options, chosen, kind, task = unpack(RECORD, trace, i * SIZE + 1)
    list[i + 1] = { options = options, chosen = chosen, point = kind & KIND == POINT, task = task,
      clock = kind & CLOCK ~= 0 and chosen == options - 1 }
  end
  return list
end

-- Adds the plans that differ from the one just run by one more deviation, after its last.
local function branch(driver, plan, now, later, most)
  local first = plan == "" and 0 or unpack("=I4", plan, #plan - SIZE + 1) + 1
  local trace, dropped = driver.trace(first), false
  for i = 0, #trace // SIZE - 1 do
    local options, _, kind, _, hash = unpack(RECORD, trace, i * SIZE + 1)
    for choice = 1, options - 1 do
      local preempts = kind & KIND == POINT or kind & CLOCK ~= 0 and choice == options - 1
      local list = preempts and later or now
      if #list < most then
        list[#list + 1] = plan .. pack("=I4I4I4", first + i, choice, hash)
      else
        dropped = true
      end
    end
  end
  return dropped
end

--- Every schedule with up to `bound` preemptions.
function M.exhaustive(driver, cover, bound)
  local now, later, level = { pack("=I4", 0) }, {}, 0
  while #now > 0 do
    cover.level, cover.at_level = level, 0
    while #now > 0 do
      local entry = table.remove(now)
      local plan = entry:sub(1, -5)
      driver.run("plan", plan, (unpack("=I4", entry, #entry - 3)))
      cover.at_level = cover.at_level + 1
      if branch(driver, plan, now, later, KEPT) then cover.dropped = true end
      if driver.over() then
        cover.left = #now
        cover.more = #now > 0 or #later > 0
        return
      end
    end
    cover.levels[level] = cover.at_level
    if level >= bound then
      cover.more = #later > 0
      return
    end
    now, later, level = later, {}, level + 1
  end
  cover.complete = not cover.dropped
end

function M.random(driver, cover, seed)
  repeat
    driver.run("random", seed)
    seed = seed + 1
    cover.drawn = cover.drawn + 1
  until driver.over()
end

--- `depth`: the number of places whose order makes the bug; a run hits one of depth d with probability >= 1/(n k^(d-1)).
function M.pct(driver, cover, seed, depth)
  driver.run("plan", "")
  local longest = #driver.trace(0) // SIZE
  while not driver.over() do
    driver.run("pct", seed, depth, math.max(longest, 1))
    seed = seed + 1
    cover.drawn = cover.drawn + 1
    longest = math.max(longest, #driver.trace(0) // SIZE)
  end
end

local function join(list, from, to)
  local parts = {}
  for i, part in ipairs(list) do
    if i < from or i > to then parts[#parts + 1] = part end
  end
  return parts
end

--- A plan that fails as `plan` does and from which no deviation can be left out (delta debugging). `fails(plan)` runs it,
-- and returns the plan that was really followed, or nil when it does not fail so.
function M.shrink(plan, fails, most)
  local parts = {}
  local function set(text)
    parts = {}
    for i = 1, #text, SIZE do parts[#parts + 1] = text:sub(i, i + SIZE - 1) end
  end
  set(plan)
  local size, tries = math.max(#parts // 2, 1), 0
  while #parts > 0 do
    local at, smaller = 1, false
    while at <= #parts and tries < most do
      tries = tries + 1
      local got = fails(table.concat(join(parts, at, at + size - 1)))
      if got and #got < #parts * SIZE then
        set(got)
        smaller = true
      else
        at = at + size
      end
    end
    if tries >= most or size == 1 and not smaller then break end
    size = math.max(size // 2, 1)
  end
  return table.concat(parts)
end

-- Tokens -----------------------------------------------------------------------------------------

local letters = { operations = "o", lines = "l", instructions = "i" }
local points = { o = "operations", l = "lines", i = "instructions" }

--- The text that stands for a schedule: switch points, clock, deviations, and a check that it still fits.
function M.token(plan, opts, trace)
  local parts = {}
  for i = 1, #plan, SIZE do
    local at, choice = unpack(DEVIATION, plan, i)
    parts[#parts + 1] = choice == 1 and tostring(at) or ("%d.%d"):format(at, choice)
  end
  local hash = trace == "" and 0 or unpack("=I4", trace, #trace - 3)
  return ("%s%s%s:%s:%08x"):format(letters[opts.points], opts.clock == "free" and "f" or "",
    opts.seed ~= 1 and tostring(opts.seed) or "", table.concat(parts, ","), hash)
end

--- plan, options, hash; or nil and what is wrong.
function M.read_token(token)
  local mode, free, seed, list, hash = token:match "^([oli])(f?)(%-?%d*):([%d.,]*):(%x%x%x%x%x%x%x%x)$"
  if not mode then return nil, "not a token of weft.explore" end
  local parts, last = {}, -1
  for item in list:gmatch "[^,]+" do
    local at, choice = item:match "^(%d+)%.?(%d*)$"
    at, choice = math.tointeger(tonumber(at)), math.tointeger(tonumber(choice == "" and 1 or choice))
    if not at or at <= last or at >= 1 << 32 or not choice or choice < 1 or choice > 255 then
      return nil, "not a token of weft.explore"
    end
    last = at
    parts[#parts + 1] = pack(DEVIATION, at, choice)
  end
  local opts = { points = points[mode], clock = free == "f" and "free" or "idle", seed = math.tointeger(tonumber(seed)) or 1 }
  return table.concat(parts), opts, tonumber(hash, 16)
end

return M
