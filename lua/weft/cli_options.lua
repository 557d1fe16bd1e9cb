-- The options of the command `weft`: pure functions of the words. `usage` is told what is wrong and does not return.
--
--   options.script(argv, usage) -> o, i      the options before a script, and where in argv the script stands
--   options.word(args, known, usage) -> o    those of a word; o's list part is what is left
--   options.number(o, name, usage)           the value of one, as a number above 0, or nil

local M = {}

local CAPACITY_MAX = 1 << 26 -- as weft.trace.start takes it
local SLICE_MIN, SLICE_MAX = 0.001, 60 -- as weft.preempt takes it

-- The kinds of pictures, by the ending of the file.
M.ENDINGS = { html = true, svg = true, json = true, trace = true }

function M.ending(path) return path:match "%.(%a+)$" end

local flags = {
  ["-i"] = function(o) o.interactive = true end,
  ["--timeline"] = function(o) o.timeline = true end,
  ["--summary"] = function(o) o.summary = true end,
  ["--recorder"] = function(o, value, usage)
    if value == "" then usage "--recorder=FILE: a file expected" end
    o.recorder = value or true
  end,
}

local values = {
  ["-e"] = function(o, value) table.insert(o.code, value) end,
  ["--trace"] = function(o, value, usage)
    if not M.ENDINGS[M.ending(value) or ""] then
      usage(("--trace: the file must end in .html .svg .json or .trace, not '%s'"):format(value))
    end
    o.trace = value
  end,
  ["--capacity"] = function(o, value, usage)
    o.capacity = math.tointeger(tonumber(value))
    if not o.capacity or o.capacity < 1 or o.capacity > CAPACITY_MAX then
      usage(("--capacity: a number of events expected, from 1 to %d, got '%s'"):format(CAPACITY_MAX, value))
    end
  end,
  ["--preempt"] = function(o, value, usage)
    o.preempt = tonumber(value)
    if not o.preempt or not (o.preempt >= SLICE_MIN and o.preempt <= SLICE_MAX) then
      usage(("--preempt: seconds expected, from %g to %g, got '%s'"):format(SLICE_MIN, SLICE_MAX, value))
    end
  end,
}

function M.script(argv, usage)
  local o, i = { code = {} }, 1
  while argv[i] do
    local word = argv[i]
    if word == "-" or word:sub(1, 1) ~= "-" then break end
    if word == "--" then
      i = i + 1
      break
    end
    local name, value = word:match "^(%-%-%a+)=(.*)$"
    name = name or word
    if values[name] then
      if not value then
        i = i + 1
        value = argv[i]
        if not value then usage(name .. " needs a value") end
      end
      values[name](o, value, usage)
    elseif flags[name] and (value == nil or name == "--recorder") then
      flags[name](o, value, usage)
    else
      usage(("no option '%s'"):format(word))
    end
    i = i + 1
  end
  return o, i
end

-- known: { name = true }; each takes a value. What follows "--" is no option.
function M.word(args, known, usage)
  local o, i = {}, 1
  while args[i] do
    if args[i] == "--" then return table.move(args, i + 1, #args, #o + 1, o) end
    local name, value = args[i]:match "^%-%-(%a+)=(.*)$"
    name = name or args[i]:match "^%-%-(%a+)$"
    if not name then
      if args[i]:sub(1, 1) == "-" then usage(("no option '%s'"):format(args[i])) end
      o[#o + 1] = args[i]
    elseif known[name] then
      if not value then
        i = i + 1
        value = args[i]
        if not value then usage(("--%s needs a value"):format(name)) end
      end
      o[name] = value
    else
      usage(("no option '--%s'"):format(name))
    end
    i = i + 1
  end
  return o
end

function M.number(o, name, usage)
  if not o[name] then return nil end
  local n = tonumber(o[name])
  if not n or not (n > 0 and n < math.huge) then
    usage(("--%s: a number above 0 expected, got '%s'"):format(name, o[name]))
  end
  return n
end

return M
