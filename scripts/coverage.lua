-- What `make coverage` has reached: for each C file the share of lines that ran and of branches that were taken, from gcov.
--
--   lua5.4 scripts/coverage.lua DIR           the folder of the variant, with obj/**/*.gcda
--   lua5.4 scripts/coverage.lua DIR WORD...   the lines of the files whose path has a word, where a branch was not taken:
--                                             for each branch + or -
--
-- Wanted: 90 % of the branches of all, 97 % of the encoder, channels, select, the scheduler and the end (CORE). What is in a
-- header counts once, for the header, taken wherever one of its users took it. A source that a C test includes, to put something
-- false before it, counts as run there, too. Processes that are killed leave no counts, so what only runs in those counts as not
-- reached. Left out are the branches named in LEFT_OUT, whose number is printed. Prints
-- the folders, every file under its limit, and the sums; writes DIR/coverage.tsv: file, lines, of, branches, of.

local dir = arg[1] or "build/cover"
local CORE = { "^csrc/lx/pack", "^csrc/lx/unpack", "channel%.[ch]$", "shchan%.[ch]$", "l_select%.c$", "swait%.[ch]$",
  "sched%.[ch]$", "seat%.[ch]$", "slice%.[ch]$", "shutdown%.[ch]$" }
local ALL_LIMIT, CORE_LIMIT = 90, 97

-- Branches on lines that match, and why they are not asked for; `last`: only so many, the last ones of the line.
local LEFT_OUT = {
  { "wf_assert%(", "assertions: the other way ends the test" },
  { "luaL_argcheck%(", "luaL_argcheck, on the value of luaL_argerror, which does not return", last = 2 },
}

local function is_core(path)
  for _, pattern in ipairs(CORE) do
    if path:find(pattern) then return true end
  end
  return false
end

-- How many branches at the end of the line's are left out, by which rule.
local function left_out(line)
  for _, rule in ipairs(LEFT_OUT) do
    if line.text:find(rule[1]) then return math.min(rule.last or math.huge, #line.taken), rule end
  end
  return 0
end

local function output_of(command)
  local p = assert(io.popen(command))
  local text = p:read "a"
  p:close()
  return text
end

-- files[path][line] = { text, count, taken = { count of each branch } }; the same for what one object says, then merged.
local files, order = {}, {}

local function merge(path, lines)
  local file = files[path]
  if not file then
    file = {}
    files[path] = file
    order[#order + 1] = path
  end
  for n, new in pairs(lines) do
    local line = file[n]
    if not line then
      file[n] = new
    else
      line.count = math.max(line.count, new.count)
      if #new.taken > #line.taken and #line.taken > 0 then new.taken = {} end -- compiled otherwise
      for i, taken in ipairs(new.taken) do line.taken[i] = math.max(line.taken[i] or 0, taken) end
    end
  end
end

-- What gcov says of one object. A function that is there several times, by a macro, is shown as often, line by line.
-- Of the object of a test only the sources of ours count that it includes.
local function read_object(data)
  local path, lines, line
  local wanted = data:find("/ctest/", 1, true) and "%f[%w]csrc/.*%.c$" or "%f[%w]csrc/.*%.[ch]$"
  for text in output_of(("gcov -t -b -c '%s' 2>/dev/null"):format(data)):gmatch "[^\n]+" do
    local count, n, source = text:match "^ *([^ :]+): *(%d+):(.*)"
    if n == "0" then
      local name = source:match "^Source:(.*)"
      if name then
        if path then merge(path, lines) end
        path, lines, line = name:match(wanted), {}, nil
      end
    elseif n and path and count ~= "-" then
      n = tonumber(n)
      line = lines[n] or { text = source, count = 0, taken = {} }
      line.count = math.max(line.count, tonumber((count:gsub("%*$", ""))) or 0)
      lines[n] = line
    elseif line then
      local taken = text:match "^branch +%d+ taken (%d+)" or text:find "^branch +%d+ never executed" and 0
      if taken then line.taken[#line.taken + 1] = tonumber(taken) end
    end
  end
  if path then merge(path, lines) end
end

for data in output_of(("find '%s/obj' -name '*.gcda' | LC_ALL=C sort"):format(dir)):gmatch "[^\n]+" do
  read_object(data)
end
assert(#order > 0, dir .. ": no counts; run `make coverage`")
table.sort(order)

local function sorted_lines(file)
  local numbers = {}
  for n in pairs(file) do numbers[#numbers + 1] = n end
  table.sort(numbers)
  return numbers
end

if arg[2] then
  for _, path in ipairs(order) do
    local wanted = false
    for i = 2, #arg do wanted = wanted or path:find(arg[i], 1, true) end
    if wanted then
      print(path)
      for _, n in ipairs(sorted_lines(files[path])) do
        local line, signs = files[path][n], {}
        for i = 1, #line.taken - left_out(line) do signs[i] = line.taken[i] > 0 and "+" or "-" end
        signs = table.concat(signs)
        if signs:find "-" or line.count == 0 then
          print(("%5d [%s] %s"):format(n, line.count == 0 and "not run" or signs, line.text))
        end
      end
    end
  end
  return
end

local function share(part, of) return of == 0 and 100 or 100 * part / of end

local sums, folders, low = { all = { 0, 0, 0, 0 }, core = { 0, 0, 0, 0 } }, {}, {}
local tsv = assert(io.open(dir .. "/coverage.tsv", "w"))
for _, path in ipairs(order) do
  local f = { 0, 0, 0, 0 } -- lines, of, branches, of
  for _, line in pairs(files[path]) do
    f[1], f[2] = f[1] + (line.count > 0 and 1 or 0), f[2] + 1
    local without, rule = left_out(line)
    if rule then rule.n = (rule.n or 0) + without end
    for i = 1, #line.taken - without do f[3], f[4] = f[3] + (line.taken[i] > 0 and 1 or 0), f[4] + 1 end
  end
  local folder = path:match "^(.*)/"
  if not sums[folder] then
    sums[folder] = { 0, 0, 0, 0 }
    folders[#folders + 1] = folder
  end
  local limit = is_core(path) and CORE_LIMIT or ALL_LIMIT
  for _, sum in ipairs { sums.all, sums[folder], is_core(path) and sums.core or { 0, 0, 0, 0 } } do
    for i = 1, 4 do sum[i] = sum[i] + f[i] end
  end
  if share(f[3], f[4]) < limit then low[#low + 1] = { path = path, share = share(f[3], f[4]), f = f } end
  tsv:write(("%s\t%d\t%d\t%d\t%d\n"):format(path, table.unpack(f)))
end
tsv:close()

local function row(name, f)
  print(("  %-34s lines %5.1f %% of %5d   branches %5.1f %% of %5d"):format(name, share(f[1], f[2]), f[2], share(f[3], f[4]), f[4]))
end

print "\ncoverage by folder"
for _, folder in ipairs(folders) do row(folder, sums[folder]) end
table.sort(low, function(a, b) return a.share < b.share end)
if #low > 0 then
  print(("\nfiles with fewer branches taken than wanted (%d %%, core %d %%)"):format(ALL_LIMIT, CORE_LIMIT))
  for _, file in ipairs(low) do row(file.path, file.f) end
end
print "\nleft out"
for _, rule in ipairs(LEFT_OUT) do print(("  %5d branches of %s"):format(rule.n or 0, rule[2])) end
print "\nall"
row("core", sums.core)
row("all", sums.all)
print(("branches taken: core %.1f %% (wanted %d %%), all %.1f %% (wanted %d %%)"):format(share(sums.core[3], sums.core[4]),
  CORE_LIMIT, share(sums.all[3], sums.all[4]), ALL_LIMIT))
