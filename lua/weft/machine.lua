-- What measurements should say of the machine that made them, and what it cannot show. From /proc and /sys; what is
-- not there is left out.

local core = require "weft.core"

local M = {}

local function read(path)
  local f = io.open(path, "r")
  if not f then return nil end
  local text = f:read "a"
  f:close()
  return text
end

local function line(path)
  local text = read(path)
  return text and text:match "^[^\n]*"
end

-- How many CPUs a list like "0-3,8" names.
local function count(list)
  local n = 0
  for a, b in list:gmatch "(%d+)%-?(%d*)" do n = n + (b ~= "" and b - a + 1 or 1) end
  return n
end

-- Facts that do not change while a script runs: cpus (this process's), online, cores, model, governor, kernel, virtual,
-- memory (bytes), versions.
function M.stamp()
  local s = { cpus = core.cpus(), versions = core.versions, kernel = line "/proc/sys/kernel/osrelease" }
  s.online = count(line "/sys/devices/system/cpu/online" or "")
  if s.online == 0 then s.online = nil end
  local info = read "/proc/cpuinfo"
  if info then
    s.model = (info:match "model name%s*:%s*([^\n]+)" or info:match "Model%s*:%s*([^\n]+)")
    s.virtual = info:find("hypervisor", 1, true) ~= nil
    local seen, cores = {}, 0
    for physical, id in info:gmatch "physical id%s*:%s*(%d+).-core id%s*:%s*(%d+)" do
      if not seen[physical .. ":" .. id] then seen[physical .. ":" .. id], cores = true, cores + 1 end
    end
    s.cores = cores > 0 and cores or nil
  end
  s.governor = line "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
  local memory = (read "/proc/meminfo" or ""):match "MemTotal:%s*(%d+)"
  s.memory = memory and math.tointeger(memory) * 1024
  return s
end

-- One line of text.
function M.text(s)
  local parts = { ("%d CPU%s"):format(s.cpus, s.cpus == 1 and "" or "s") }
  if s.online and s.online ~= s.cpus then parts[1] = parts[1] .. (" of %d"):format(s.online) end
  if s.cores and s.cores ~= s.online then parts[1] = parts[1] .. (" on %d core%s"):format(s.cores, s.cores == 1 and "" or "s") end
  if s.model then parts[#parts + 1] = s.model end
  if s.virtual then parts[#parts + 1] = "virtual" end
  if s.governor then parts[#parts + 1] = "governor " .. s.governor end
  if s.kernel then parts[#parts + 1] = "Linux " .. s.kernel end
  if s.versions then parts[#parts + 1] = s.versions end
  return table.concat(parts, ", ")
end

-- CPU seconds that all CPUs spent on something, and on other guests of the host; nil when the system does not say.
function M.busy()
  local numbers = (line "/proc/stat" or ""):match "^cpu%s+(.*)"
  if not numbers then return nil end
  local v = {}
  for n in numbers:gmatch "%d+" do v[#v + 1] = tonumber(n) end
  if #v < 8 then return nil end
  local tick = 100
  return (v[1] + v[2] + v[3] + v[6] + v[7]) / tick, v[8] / tick
end

-- Context switches of the calling thread so far: it gave way, it was made to.
function M.switches()
  local text = read "/proc/thread-self/status"
  if not text then return nil end
  return tonumber(text:match "\nvoluntary_ctxt_switches:%s*(%d+)"), tonumber(text:match "nonvoluntary_ctxt_switches:%s*(%d+)")
end

-- What this machine cannot show, or shows badly: a list of sentences.
function M.warnings(s)
  local out = {}
  if s.cpus == 1 then out[#out + 1] = "one CPU only: nothing can run at the same time as something else" end
  if s.governor and s.governor ~= "performance" then
    out[#out + 1] = ("the CPU's speed is governed (%s): it changes with the load"):format(s.governor)
  end
  return out
end

return M
