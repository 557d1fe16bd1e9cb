-- What `make coverage` has reached: for each C file the share of lines that ran and of branches that were taken, from gcov.
--
--   lua5.4 scripts/coverage.lua DIR      the folder of the variant, with obj/**/*.gcda
--
-- Wanted: 90 % of the branches of all, 97 % of the encoder, channels, select, the scheduler and the end (CORE). Processes that are
-- killed leave no counts, so what only runs in those counts as not reached. Prints the folders, every file under its limit, and
-- the sums; writes DIR/coverage.tsv: file, lines, of, branches, of.

local dir = arg[1] or "build/cover"
local CORE = { "^csrc/lx/pack", "^csrc/lx/unpack", "channel%.c$", "shchan%.c$", "l_select%.c$", "swait%.c$", "sched%.c$",
  "seat%.c$", "slice%.c$", "shutdown%.c$" }
local ALL_LIMIT, CORE_LIMIT = 90, 97

local function is_core(path)
  for _, pattern in ipairs(CORE) do
    if path:find(pattern) then return true end
  end
  return false
end

local function lines_of(command)
  local p = assert(io.popen(command))
  local list = {}
  for line in p:lines() do list[#list + 1] = line end
  p:close()
  return list
end

local function share(part, of) return of == 0 and 100 or 100 * part / of end

-- files[path] = { lines, of_lines, branches, of_branches }
local files, order = {}, {}
for _, data in ipairs(lines_of(("find '%s/obj' -name '*.gcda' | LC_ALL=C sort"):format(dir))) do
  local path
  for _, line in ipairs(lines_of(("gcov -b -c -n '%s' 2>/dev/null"):format(data))) do
    local name = line:match "^File '(.*)'"
    if name then
      path = name:match "%f[%w]csrc/.*%.c$"
      if path and data:find("/obj/" .. path:gsub("^csrc/", ""):gsub("%.c$", ""), 1, true) then
        files[path] = { 0, 0, 0, 0 }
        order[#order + 1] = path
      else
        path = nil
      end
    elseif path then
      local percent, n = line:match "^Lines executed:([%d.]+)%% of (%d+)"
      if n then files[path][1], files[path][2] = math.floor(percent * n / 100 + 0.5), tonumber(n) end
      percent, n = line:match "^Taken at least once:([%d.]+)%% of (%d+)"
      if n then files[path][3], files[path][4] = math.floor(percent * n / 100 + 0.5), tonumber(n) end
    end
  end
end
assert(#order > 0, dir .. ": no counts; run `make coverage`")

local sums, folders, low = { all = { 0, 0, 0, 0 }, core = { 0, 0, 0, 0 } }, {}, {}
local tsv = assert(io.open(dir .. "/coverage.tsv", "w"))
for _, path in ipairs(order) do
  local f = files[path]
  local folder = path:match "^(.*)/"
  if not sums[folder] then
    sums[folder] = { 0, 0, 0, 0 }
    folders[#folders + 1] = folder
  end
  local limit = is_core(path) and CORE_LIMIT or ALL_LIMIT
  for _, sum in ipairs { sums.all, sums[folder], is_core(path) and sums.core or { 0, 0, 0, 0 } } do
    for i = 1, 4 do sum[i] = sum[i] + f[i] end
  end
  if share(f[3], f[4]) < limit then low[#low + 1] = path end
  tsv:write(("%s\t%d\t%d\t%d\t%d\n"):format(path, table.unpack(f)))
end
tsv:close()

local function row(name, f)
  print(("  %-34s lines %5.1f %% of %5d   branches %5.1f %% of %5d"):format(name, share(f[1], f[2]), f[2], share(f[3], f[4]), f[4]))
end

print "\ncoverage by folder"
for _, folder in ipairs(folders) do row(folder, sums[folder]) end
table.sort(low, function(a, b) return share(files[a][3], files[a][4]) < share(files[b][3], files[b][4]) end)
if #low > 0 then
  print(("\nfiles with fewer branches taken than wanted (%d %%, core %d %%)"):format(ALL_LIMIT, CORE_LIMIT))
  for _, path in ipairs(low) do row(path, files[path]) end
end
print "\nall"
row("core", sums.core)
row("all", sums.all)
print(("branches taken: core %.1f %% (wanted %d %%), all %.1f %% (wanted %d %%)"):format(share(sums.core[3], sums.core[4]),
  CORE_LIMIT, share(sums.all[3], sums.all[4]), ALL_LIMIT))
