-- How many bytes this process and its children have in memory. A page that several processes share counts in parts, as
-- the kernel's PSS does; where the kernel does not tell that, it counts for each.

local weft = require "weft"

local function of(pid)
  local f = io.open(("/proc/%d/smaps_rollup"):format(pid))
  local kib = f and f:read "a":match "\nPss:%s+(%d+)"
  if f then f:close() end
  return kib and math.tointeger(kib) * 1024 or weft.info(pid).memory.rss
end

return function()
  local me = weft.info().pid
  local bytes = of(me)
  local children = io.open(("/proc/%d/task/%d/children"):format(me, me))
  for pid in (children and children:read "a" or ""):gmatch "%d+" do bytes = bytes + of(math.tointeger(pid)) end
  if children then children:close() end
  return bytes
end
