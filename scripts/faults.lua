-- Runs the tests of everything that must survive, and prints the matrix: each kind of fault, how many were put in, how the
-- tests ended. `make faults` calls it; docs/reliability.md tells of it.
--
--   lua5.4 scripts/faults.lua -d DIR -l LUA [-j N] [-s asan|tsan] [ROW ...]     -d -l -j -s: as scripts/test.sh
--   lua5.4 scripts/faults.lua --list                                            the rows in Markdown, without running
--
-- ROW: words; only rows whose name has one of them. A row whose test is not there any more counts as failed.

-- Each: the name, what must hold, and its tests: a C test, or a spec file with a colon and a part of the names of those tests
-- that are meant (all, when there is none).
local FIRST = 3 -- of the tests in a row
local ROWS = {
  { "an allocation fails, alone, for ever, in bursts",
    "a clear error; what was half made is freed; all works again; nothing is left",
    "fault_test", "sync_fault_test", "share_fault_test", "buffer_fault_test", "pack_fault_test",
    "net_fault_test", "fs_fault_test", "explore_fault_test", "world_fault_test",
    "late_fault_test", "memory_spec: capped isolate" },
  { "a system call fails",
    "a clear error; nothing is left; all works again",
    "world_fault_test", "loop_refused_spec", "file_refused_test", "file_name_refused_test", "file_quick_refused_test",
    "parker_refused_test", "loop_refused_test", "sys_refused_test", "facts_test", "uv_test" },
  { "a worker process says anything at all",
    "its job fails, and nothing else",
    "peer_hostile_spec", "peer_fds_test", "pack_hostile_test", "shape_test" },
  { "a thread cannot be started",
    "whoever starts one is told; what needs none goes on",
    "thread_opts_test", "workers_spec: a process that has no more threads",
    "thread_start_spec", "thread_refused_test" },
  { "a program cannot be started",
    "the child's errno from `weft.exec` itself; no zombie, no pipe is left",
    "exec_spec: cannot be started", "exec_spec: text without interpreter", "spawn_test",
    "spawn_refused_test", "exec_fallback_test" },
  { "no descriptors are left",
    "a server waits and goes on by itself; calls say so, and work again later",
    "net_fault_spec: server without descriptors", "net_inject_spec: an accept that fails",
    "fs_fault_spec: that have run out", "worker_descriptors_spec" },
  { "calls are interrupted, or do only a part",
    "nobody sees it",
    "net_inject_spec: EINTR", "net_inject_spec: of few bytes",
    "net_inject_spec: a connection that fails", "fs_fault_spec: calls that are" },
  { "a peer resets, half-closes, reads slowly",
    "told once, then the end; writing goes on after a half-close; a writer waits, with bounded memory",
    "net_fault_spec: a peer that", "net_inject_spec: a reset after each byte",
    "net_inject_spec: a half-close" },
  { "nobody reads what is written (SIGPIPE)",
    "`EPIPE` and no signal; children have the default back",
    "net_fault_spec: SIGPIPE", "stdio_spec: EPIPE", "exec_spec: that break",
    "exec_spec: as a fresh program has them" },
  { "a child is killed",
    "told once; no signal goes to who has its number next",
    "exec_spec: many children", "exec_spec: the end of a child", "process_spec: when it dies",
    "process_channel_spec: killed" },
  { "an isolate raises, overflows its stack, runs out of memory",
    "it alone fails, with its value and where; others do not notice",
    "spawn_spec: a failing", "thread_spec: a failing",
    "memory_spec: is stopped alone", "process_spec: the errors of" },
  { "a loop never ends",
    "it is cancelled; others go on; a C function that does not return is named at the end",
    "spawn_stop_spec: cancelling", "thread_stop_spec: cancelling", "preempt_spec: spins",
    "workers_spec: is shared with an isolate that spins", "main_spec: stuck in a C function",
    "hook_of_its_own_spec" },
  { "the end comes while things run",
    "the right exit status, no crash, no hang",
    "exit_spec", "exit_spawn_spec", "main_spec: the end of the main chunk", "main_spec: os.exit",
    "net_fault_spec: the end of the script", "fs_fault_spec: the end of the script", "writes_at_the_end_spec" },
  { "a handle is dropped while its operation is pending",
    "the operation ends as ever",
    "collector_spec", "net_fault_spec: the collector",
    "fs_fault_spec: the collector" },
  { "closing, cancelling and time-outs race with delivery",
    "each waiter wakes once; each accepted value arrives once",
    "conservation_spec", "select_spec: learns of a closed",
    "select_spec: too late", "cancel_spec: races", "net_inject_spec: cancelling at every step", "net_fault_spec: cancelling",
    "fs_fault_spec: cancelling", "process_channel_spec: time-outs that race", "parker_model_test" },
  { "a deadlock",
    "told, with every task's place; no false alarm",
    "crossing_spec: a deadlock", "crossing_spec: that only other isolates", "spawn_spec: a deadlock",
    "signal_spec: no deadlock", "exec_spec: is no deadlock", "net_fault_spec: is no deadlock", "lock_share_spec: deadlock" },
  { "joins: double, of oneself, from many threads",
    "the same results; an error; the same results",
    "task_spec: as often as they ask", "task_spec: cannot wait for itself",
    "job_share_spec", "spawn_spec: never by themselves" },
  { "a value that cannot cross",
    "an error that names the path; nothing is sent",
    "values_spec: what cannot cross", "misuse_spec: a method" },
  { "hostile bytes: messages, input, keys, command lines",
    "an error or a result; memory and time bounded; never a crash",
    "pack_hostile_test", "pack_limits_test", "fuzz_lua_test", "prompt_hostile_spec" },
  { "random programs call everything with everything",
    "they end as scripts do: no crash, no failed assertion, no hang",
    "random_calls_spec" },
  { "misuse of shared memory",
    "refused: bounds, alignment, order, size",
    "buffer_spec: refuses", "buffer_spec: says what was wrong", "buffer_bulk_spec: random ones agree",
    "buffer_share_spec: is never torn" },
  { "many: connections, tasks, isolates, messages",
    "all are served; nothing is left",
    "soak_net_spec", "net_fault_spec: many connections", "task_spec: many tasks",
    "spawn_spec: by the thousand", "conservation_spec: arrive once" },
  { "signals in storms",
    "no wake-up is lost",
    "signal_spec: storms", "net_inject_spec: by true signals" },
  { "the clock jumps",
    "times go by the other clock: nothing early, nothing late for ever",
    "clock_test", "wheel_test" },
  { "the disk is full",
    "told; the old file is whole",
    "fs_fault_spec: a full disk", "fs_fault_spec: a failure of" },
  { "descriptors 0 to 2 are closed",
    "their numbers are not taken by sockets or files",
    "net_fault_spec: standard streams that are closed", "fs_fault_spec: 0 to 2",
    "stdio_spec: take their numbers" },
  { "the terminal goes",
    "the prompt ends by itself",
    "repl_spec: when the terminal goes" },
  { "others fork",
    "weft says in the child that it does not work there; the parent is not disturbed",
    "fork_test", "workers_spec: made by fork" },
  { "hostile arguments of programs",
    "byte for byte; no shell; no descriptors but those listed",
    "exec_spec: byte for byte", "exec_spec: ten thousand arguments",
    "exec_spec: the only descriptors" },
  { "credentials of a thread",
    "dedicated threads only; what is given up does not come back; no pool acts with other rights",
    "thread_identity_spec", "identity_spawn_spec", "fs_root_spec", "exec_root_spec" },
}

-- What C tests say of what they did, in the last line.
local COUNTS = { "(%d+) failures injected", "(%d+) mutants", "(%d+) kept inputs", "(%d+) looks at a clock" }

---------------------------------------------------------------------- arguments

local opts, words = { d = "build/check", l = "lua5.4", j = "1" }, {}
do
  local i = 1
  while arg[i] do
    local name = arg[i]:match "^%-([dljs])$"
    if name then
      i = i + 1
      opts[name] = arg[i]
    elseif arg[i] == "--list" then
      opts.list = true
    else
      words[#words + 1] = arg[i]
    end
    i = i + 1
  end
end

local function wanted(row)
  for _, word in ipairs(words) do
    if row[1]:find(word, 1, true) then return true end
  end
  return #words == 0
end

local function split(test)
  local file, part = test:match "^(%S+): (.*)$"
  return file or test, part
end

if opts.list then
  for _, row in ipairs(ROWS) do
    local tests = {}
    for i = FIRST, #row do
      local file, part = split(row[i])
      tests[#tests + 1] = "`" .. file .. "`" .. (part and " “" .. part .. "”" or "")
    end
    print(("| %s | %s | %s |"):format(row[1], row[2], table.concat(tests, ", ")))
  end
  return
end

---------------------------------------------------------------------- running

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

local function exists(path)
  local f = io.open(path, "r")
  if f then f:close() end
  return f ~= nil
end

-- The file of a test, or nil.
local function path_of(file)
  for _, path in ipairs { "spec/" .. file .. ".lua", "spec/regress/" .. file .. ".lua", opts.d .. "/test/" .. file } do
    if exists(path) then return path end
  end
end

local out = opts.d .. "/faults"
local command = { "scripts/test.sh", "-d", opts.d, "-l", opts.l, "-j", opts.j, "-o", out }
if opts.s then table.move({ "-s", opts.s }, 1, 2, #command + 1, command) end
local seen = {}
for _, row in ipairs(ROWS) do
  for i = FIRST, wanted(row) and #row or 0 do
    local path = path_of((split(row[i])))
    if path and not seen[path] then
      seen[path] = true
      command[#command + 1] = path
    end
  end
end
for i, word in ipairs(command) do command[i] = quote(word) end
os.execute("rm -rf " .. quote(out))
local began = os.time()
os.execute(table.concat(command, " "))

---------------------------------------------------------------------- what came of it

local function lines_of(path)
  local f = io.open(path, "r")
  if not f then return function() end end
  return f:lines()
end

-- The tests of a file: { name = , status = "pass" | "fail" | "skip", count = }.
local results = {}
local function results_of(file)
  if results[file] then return results[file] end
  local list, path = {}, path_of(file)
  results[file] = list
  local base = ("%s/%s%s"):format(out, path and path:find "/regress/" and "regress." or "", file)
  local failed, passed = 0, 0
  for line in lines_of(base .. ".count") do
    local what, n = line:match "^(%a+) (%d+)$"
    if what == "failed" then failed = tonumber(n) elseif what == "passed" then passed = tonumber(n) end
  end
  if path and path:find "_spec%.lua$" then
    local now
    for line in lines_of(base .. ".report") do
      local what, name = line:match "^(%a+)\t(.*)$"
      if what == "run" then
        now = { name = name, status = "fail", count = 0 }
        list[#list + 1] = now
      elseif what == "count" and now then
        now.count = now.count + tonumber(name)
      elseif now and now.name == name then
        now.status = what
      end
    end
    local told = 0
    for _, t in ipairs(list) do told = told + (t.status == "fail" and 1 or 0) end
    if failed > told then list[#list + 1] = { name = "", status = "fail", count = 0, whole = true } end -- of the file itself
  elseif failed + passed > 0 then
    local t = { name = file, status = failed == 0 and "pass" or "fail", count = 0 }
    local last = ""
    for line in lines_of(base .. ".log") do
      last = line
      for _, pattern in ipairs(COUNTS) do t.count = t.count + (tonumber(line:match(pattern)) or 0) end
    end
    t.said = last
    list[1] = t
  end
  return list
end

local width = 0
for _, row in ipairs(ROWS) do width = math.max(width, #row[1]) end
local format = "%-" .. width .. "s  %9s  %6s  %6s  %7s  %s"
local total, bad, faults = 0, 0, 0
print ""
print(format:format("fault", "put in", "passed", "failed", "skipped", "tests"))
local counted = {} -- a test may stand in several rows
for _, row in ipairs(ROWS) do
  if wanted(row) then
    local n, passed, failed, skipped, missing, files, named = 0, 0, 0, 0, {}, {}, {}
    for i = FIRST, #row do
      local file, part = split(row[i])
      if not named[file] then
        named[file] = true
        files[#files + 1] = file
      end
      local found = false
      for _, t in ipairs(results_of(file)) do
        if t.whole or not part or t.name:find(part, 1, true) then
          found = found or not t.whole
          if t.status == "pass" then passed = passed + 1
          elseif t.status == "skip" then skipped = skipped + 1
          else failed = failed + 1 end
          n = n + t.count
          if not counted[t] then faults = faults + t.count end
          counted[t] = true
        end
      end
      if not found then missing[#missing + 1] = row[i] end
    end
    print(format:format(row[1], n > 0 and n or "-", passed, failed + #missing, skipped, table.concat(files, " ")))
    for _, test in ipairs(missing) do print(("  there is no test '%s'"):format(test)) end
    total, bad = total + 1, bad + (failed + #missing > 0 and 1 or 0)
  end
end
print(("\n%d rows, %d failed; %d faults, inputs and cells in %d s"):format(total, bad, faults, os.time() - began))
os.exit(bad == 0 and 0 or 1)
