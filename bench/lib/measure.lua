-- measure: runs one subject, bounded in time and pinned where the case asks for it, and says how much CPU time
-- anything else took meanwhile. A run was disturbed when that was more than a tenth of one core.
local sh = require "sh"

local M = { busy_share = 0.10 }
local hz = tonumber((sh.output "getconf CLK_TCK 2>/dev/null")) or 100

-- Seconds that all CPUs have been busy: everything but idle and iowait, with what a hypervisor took.
local function machine_seconds()
  local user, nice, system, _, _, irq, soft, steal = (sh.read "/proc/stat" or "")
    :match "^cpu%s+(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)"
  if not user then return 0 end
  return (user + nice + system + irq + soft + steal) / hz
end

-- Seconds of this process and of the children that it has waited for.
local function own_seconds()
  local fields = {}
  for f in (sh.read "/proc/self/stat" or ""):gsub("^.*%) ", ""):gmatch "%S+" do fields[#fields + 1] = tonumber(f) or 0 end
  return ((fields[12] or 0) + (fields[13] or 0) + (fields[14] or 0) + (fields[15] or 0)) / hz
end

-- The last CPU that we may run on: the first ones get most of a machine's interrupts.
function M.cpu()
  local list = (sh.read "/proc/self/status" or ""):match "Cpus_allowed_list:%s*(%S+)"
  return list and list:match "(%d+)$"
end

-- Runs the words of a command: in an environment, under a time limit, on one CPU where asked. Returns what it printed
-- and the share of a core that anything else had meanwhile, or nil and what went wrong.
function M.text(words, opts)
  local line = { "env" }
  local function add(more) table.move(more, 1, #more, #line + 1, line) end
  add(opts.environment)
  add { "timeout", "-k", "2", tostring(opts.seconds) }
  if opts.pin then add { "taskset", "-c", opts.pin } end
  add(words)
  local errors = opts.dir .. "/stderr"
  local machine, own, t = machine_seconds(), own_seconds(), opts.now()
  local text, ok, _, code = sh.output(sh.join(line) .. " 2>" .. errors)
  local wall = (opts.now() - t) / 1e9
  if not ok then
    if code == 124 or code == 137 then return nil, ("not done in %d s"):format(opts.seconds) end
    local why = (sh.read(errors) or ""):match "[^\n]+" or "no message"
    return nil, ("exit %s: %s"):format(code, why)
  end
  -- Two ticks of the kernel's accounting are noise.
  local foreign = machine_seconds() - machine - (own_seconds() - own) - 2 / hz
  return text, math.max(0, foreign) / math.max(wall, 0.05)
end

-- The same for a program that prints lines `metric value`: the metrics by name, and the foreign share.
function M.run(words, opts)
  local text, foreign = M.text(words, opts)
  if not text then return nil, foreign end
  local metrics = {}
  for name, value in text:gmatch "([%a_][%w_]*)%s+([%-+%d.eE]+)" do metrics[name] = tonumber(value) end
  return metrics, foreign
end

local function sorted(list)
  local copy = table.move(list, 1, #list, 1, {})
  table.sort(copy)
  return copy
end

function M.median(list)
  local s = sorted(list)
  local n = #s
  if n == 0 then return nil end
  return (s[(n + 1) // 2] + s[n // 2 + 1]) / 2
end

function M.range(list)
  local s = sorted(list)
  return s[1], s[#s]
end

return M
