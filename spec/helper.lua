-- What every spec shares: the leak check, child scripts, assertions about errors, test sizes.
--
--   local helper = require "spec.helper"
--
-- Requiring it from a spec file installs the leak check for all tests of that file: after each test,
-- and after the file's own after_each blocks, the process's descriptors, threads, children and
-- temporary files must be what they were before it. What ends by itself is waited for.
--
-- Environment (set by scripts/test.sh): WEFT_LUA the interpreter, WEFT_ROOT the source tree,
-- WEFT_QUICK small sizes, WEFT_SANITIZER asan|tsan|valgrind, GC=stress|gen the collector's mode.

local lfs = require "lfs"
local system = require "system"

local M = {}

M.root = os.getenv "WEFT_ROOT" or lfs.currentdir()
M.lua = os.getenv "WEFT_LUA" or "lua5.4"
M.quick = os.getenv "WEFT_QUICK" ~= nil
local sanitizer = os.getenv "WEFT_SANITIZER"
M.sanitizer = sanitizer ~= "" and sanitizer or nil

-- Is it a Lua or a libuv that is not the system's? What asks luarocks or pkg-config for them has nothing to test then.
M.foreign = (os.getenv "LUA_DIR" or "") .. (os.getenv "UV_DIR" or "") ~= ""

-- The most that C's size_t and Lua's integers both hold.
M.size_most = string.packsize "T" == 4 and 0xFFFFFFFF or math.maxinteger

-- A loop without end, as text and as a function. The thread sanitizer holds signals back until its thread calls what it
-- knows, malloc for one: what only computes is not interrupted there.
M.SPIN = M.sanitizer == "tsan" and "while true do local _ = {} end" or "while true do end"
M.spin = load(M.SPIN)

-- A size for this run: n in a full run, a tenth in a quick one, a hundredth where a sanitizer makes
-- everything ten times slower; never below `least` (default 1).
function M.scale(n, least)
  if M.sanitizer then n = n // 100 elseif M.quick then n = n // 10 end
  return math.max(n, least or 1)
end

-- A number from the environment, for sizes that `make deep` sets one by one.
function M.knob(name, default) return tonumber(os.getenv(name) or "") or default end

-- Notes in the report that this test has put in so many faults, or tried so many cells of a matrix (scripts/faults.lua).
function M.injected(n)
  local path = os.getenv "WEFT_REPORT"
  local report = path and io.open(path, "a")
  if not report then return end
  report:write("count\t", ("%d"):format(n), "\n")
  report:close()
end

-- Before Lua 5.4.3, handlers of <close> cannot yield, an error in one that follows another error is only a warning,
-- and hooks are off in one that follows an error raised by a hook: nothing stops it if it spins.
M.close_yields = coroutine.resume(coroutine.create(function()
  local _ <close> = setmetatable({}, { __close = function() coroutine.yield() end })
end))

---------------------------------------------------------------------- collector modes

-- The statement that sets the mode, as text, because child scripts must run it too.
local gc_modes = {
  stress = 'collectgarbage("incremental", 1, 1000, 8)', -- a new cycle at once, a step every 256 bytes
  gen = 'collectgarbage("generational", 5, 50)',
}
local gc_mode = gc_modes[os.getenv "GC" or ""]
if gc_mode then assert(load(gc_mode))() end

-- Collects until nothing more goes: finalisers may free what others held, and what has one goes in the cycle after.
function M.collect()
  local before
  repeat
    before = collectgarbage "count"
    collectgarbage()
    collectgarbage()
  until collectgarbage "count" >= before - 0.1
end

---------------------------------------------------------------------- files

function M.read_file(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

function M.write_file(path, text)
  local f = assert(io.open(path, "wb"))
  assert(f:write(text))
  assert(f:close())
end

local tmp_root = os.getenv "TMPDIR" or "/tmp"
local tmp_count = 0

-- A new empty folder; remove it with remove_dir.
function M.tmpdir()
  while true do
    tmp_count = tmp_count + 1
    local path = string.format("%s/weft-spec-%x-%d", tmp_root, system.gettime() * 1e6 // 1, tmp_count)
    if lfs.mkdir(path) then return path end
  end
end

function M.remove_dir(path)
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then
      local full = path .. "/" .. name
      if lfs.symlinkattributes(full, "mode") == "directory" then M.remove_dir(full) else os.remove(full) end
    end
  end
  return lfs.rmdir(path)
end

-- After a test of weft.fs: its folder goes once the calls that it has cancelled are over.
function M.end_folder(path)
  local weft = require "weft"
  weft.wait()
  weft.fs.access "/" -- a job of the pool: what was cancelled is told of by now, too
  M.remove_dir(path)
end

---------------------------------------------------------------------- waiting

-- Polls until cond() is true and returns what it returned; an error after `timeout` seconds. Only for
-- what nothing can wait for, such as the kernel removing a thread that was joined already.
function M.eventually(cond, what, timeout)
  local deadline = system.monotime() + (timeout or 20)
  while true do
    local value = cond()
    if value then return value end
    if system.monotime() > deadline then error("never came true: " .. (what or "condition"), 2) end
    system.sleep(0.001)
  end
end

---------------------------------------------------------------------- child scripts

local function quote(s) return "'" .. tostring(s):gsub("'", "'\\''") .. "'" end
M.quote = quote

local signal_names = {
  [1] = "SIGHUP", [2] = "SIGINT", [3] = "SIGQUIT", [4] = "SIGILL", [5] = "SIGTRAP", [6] = "SIGABRT", [7] = "SIGBUS",
  [8] = "SIGFPE", [9] = "SIGKILL", [10] = "SIGUSR1", [11] = "SIGSEGV", [12] = "SIGUSR2", [13] = "SIGPIPE",
  [14] = "SIGALRM", [15] = "SIGTERM", [23] = "SIGURG", [24] = "SIGXCPU",
}

local function command_line(script, opts, dir)
  local words = {}
  local function add(...) for _, w in ipairs { ... } do words[#words + 1] = quote(w) end end
  add("env", "-u", "WEFT_REPORT")
  for name, value in pairs(opts.env or {}) do
    if value == false then add("-u", name) end
  end
  for name, value in pairs(opts.env or {}) do
    if value ~= false then add(name .. "=" .. tostring(value)) end
  end
  if opts.shell then words[#words + 1] = opts.shell end -- e.g. "setsid", "prlimit --nofile=64"
  words[#words + 1] = opts.lua or M.lua -- unquoted: may be several words
  if gc_mode and opts.gc ~= false then add("-e", gc_mode) end
  for _, w in ipairs(opts.options or {}) do add(w) end
  add(script)
  for _, w in ipairs(opts.args or {}) do add(w) end
  local limit = opts.timeout or (M.sanitizer and 90 or 30)
  return string.format("cd %s && bash %s/scripts/limit.sh %s %s %s <%s >%s 2>%s", quote(opts.cwd or "."), quote(M.root),
    quote(limit), quote(dir .. "/stacks"), table.concat(words, " "), opts.stdin and quote(dir .. "/stdin") or "/dev/null",
    quote(dir .. "/stdout"), quote(dir .. "/stderr")), limit
end

-- Runs a Lua script in a child of its own and returns stdout, stderr, code, signal: code is the exit
-- status, or nil when a signal ended the child, whose name is then `signal`.
--   script  a file name ending in .lua, or Lua source (run as .../script.lua)
--   opts    args = {...}, env = {NAME = value | false to unset}, stdin = string, cwd = folder,
--           timeout = seconds, options = {interpreter options}, lua = another interpreter,
--           shell = words put before the interpreter
-- A child still running at the time limit is an error that shows its stacks.
function M.run_script(script, opts)
  opts = opts or {}
  local dir = M.tmpdir()
  if not script:match "^[^\n]*%.lua$" then
    M.write_file(dir .. "/script.lua", script)
    script = dir .. "/script.lua"
  elseif opts.cwd and script:sub(1, 1) ~= "/" then
    script = M.root .. "/" .. script
  end
  if opts.stdin then M.write_file(dir .. "/stdin", opts.stdin) end
  local command, limit = command_line(script, opts, dir)
  local _, how, code = os.execute(command)
  local out, err = M.read_file(dir .. "/stdout"), M.read_file(dir .. "/stderr")
  local stacks = io.open(dir .. "/stacks", "rb")
  if stacks then
    local text = stacks:read "a"
    stacks:close()
    if code == 124 and text ~= "" then
      M.remove_dir(dir)
      error(string.format("child still running after %s s\nstdout: %s\nstderr: %s\n%s", limit, out, err, text), 2)
    end
  end
  M.remove_dir(dir)
  -- gcc's undefined-behaviour sanitizer cannot be told to report to a file as the others do.
  if M.sanitizer and err:find(": runtime error: ", 1, true) then error("sanitizer report in a child:\n" .. err, 2) end
  if how == "signal" then return out, err, nil, signal_names[code] or code end
  if code > 128 and code <= 128 + 64 then -- the shell's way of telling a signal
    return out, err, nil, signal_names[code - 128] or code - 128
  end
  return out, err, code
end

-- As run_script, but a child that fails is an error here; returns its stdout.
function M.run_ok(script, opts)
  local out, err, code, signal = M.run_script(script, opts)
  if code ~= 0 then
    error(string.format("child ended with %s\nstdout: %s\nstderr: %s", signal or code, out, err), 2)
  end
  return out, err
end

---------------------------------------------------------------------- assertions

-- f(...) must raise, and the text of the error must match `pattern` (or contain it as it is).
-- Returns the error value.
function M.raises(pattern, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then error(string.format("no error raised; expected one matching %q", pattern), 2) end
  local err = results[2]
  local text = tostring(err)
  if not (text:find(pattern, 1, true) or text:find(pattern)) then
    error(string.format("the error does not match %q:\n%s", pattern, text), 2)
  end
  return err
end

-- f(...) must raise an error of weft's own with this kind. Returns the error value.
function M.raises_kind(kind, f, ...)
  local ok, err = pcall(f, ...)
  if ok then error("no error raised; expected one of kind " .. kind, 2) end
  if type(err) ~= "table" or err.kind ~= kind then
    error(string.format("expected an error of kind %s, got: %s", kind, tostring(err)), 2)
  end
  return err
end

-- f(...) must return nil, "CODE: text", "CODE". Returns the message.
function M.fails(code, f, ...)
  local value, message, got = f(...)
  if value ~= nil or got ~= code or type(message) ~= "string" or message:sub(1, #code + 2) ~= code .. ": " then
    error(string.format("expected nil, %q, %q; got %s, %s, %s", code .. ": ...", code, tostring(value), tostring(message),
      tostring(got)), 2)
  end
  return message
end

---------------------------------------------------------------------- globals

-- busted gives a spec file a table of its own for globals, so the functions in it have that table, not
-- _G, as their _ENV: nothing that can cross to another isolate. This gives the spec file that requires
-- the helper the true globals, in which busted's names are found too.
local function give_true_globals()
  local busted = package.loaded.busted
  if not busted then return end
  local level, chunk = 2, nil
  repeat
    level = level + 1
    local info = debug.getinfo(level, "Sf")
    if not info then return end
    if info.what == "main" and info.source:match "_spec%.lua$" then chunk = info.func end
  until chunk
  local name, env = debug.getupvalue(chunk, 1)
  if name ~= "_ENV" or env == _G then return end
  local looking = false -- busted's table looks into _G in the end
  setmetatable(_G, {
    __index = function(_, key)
      if looking then return nil end
      looking = true
      local value = env[key]
      looking = false
      return value
    end,
  })
  rawset(_G, "assert", require "luassert")
  debug.setupvalue(chunk, 1, _G)
end

give_true_globals()

---------------------------------------------------------------------- leaks

M.leaks = require "spec.leaks"(M)
M.no_growth = M.leaks.no_growth
M.leaks.install()

return M
