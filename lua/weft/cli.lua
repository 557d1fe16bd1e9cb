-- The command `weft`: runs scripts with pictures of what they did, the prompt, and the words of weft.cli_tools.
--
-- Exit status: that of the script; 1 after an error; 2 when the command line is not understood.

local options = require "weft.cli_options"

local M = {}

M.USAGE = [[
usage: weft                            the prompt (see help() there)
       weft [options] script.lua ...   runs a script, with weft loaded as a global
       weft [options] -                runs standard input
       weft WORD ...                   one of the words below

options:
  -e CODE             runs CODE first
  -i                  the prompt afterwards
  --timeline          draws what ran, at the end, on standard error
  --summary           the same in numbers
  --trace FILE        writes it to FILE: .html a page, .svg a picture, .json for Perfetto, .trace for `weft show`
  --capacity N        events kept of each thread while tracing (default 1048576)
  --recorder[=FILE]   keeps the last moments; writes them at a stall, a deadlock, SIGUSR2
  --preempt SECONDS   tasks take turns after so long
  -h, --help          this
  -v, --version

words:
  demo                the picture that weft is about: one after the other, in turns, at the same time
  examples [NAME]     lists the experiments, or runs one
  bench [FILE ...]    what weft's own operations cost here; or runs files that return { name = function }
                      (--seconds S, --save PREFIX, --against PREFIX, --svg FILE)
  show FILE.trace     draws a saved trace (--html F, --svg F, --chrome F, --by carrier, --seconds S)
  info [PID]          what a process owns
  help [WORDS]        the reference
  completion SHELL    completions for bash, zsh or fish]]

local function usage(message)
  io.stderr:write("weft: ", message, "\n", "try weft --help\n")
  os.exit(2)
end

-- Writes a trace as the ending of the path says: true, or nil and a message.
function M.write_trace(t, path)
  local kind = options.ending(path)
  if kind == "html" or kind == "svg" or kind == "json" or kind == "trace" then return t:save(path) end
  return nil, ("no picture ends in '%s' (.html .svg .json .trace)"):format(kind or path)
end

---------------------------------------------------------------------- scripts

local function stdin_is_terminal() return (os.execute "test -t 0") == true end

-- What is to be written when the script is over, however that comes about.
local function finish_trace(weft, o)
  local t = weft.trace.stop()
  if o.timeline then io.stderr:write(t:timeline { print = false }, "\n") end
  if o.summary then io.stderr:write(tostring(t:summary()), "\n") end
  if o.trace then
    local ok, message = M.write_trace(t, o.trace)
    io.stderr:write(ok and ("weft: %d events in %s\n"):format(t.count, o.trace) or ("weft: %s\n"):format(message))
  end
end

local function tracing(weft, o)
  if not (o.timeline or o.summary or o.trace) then return nil end
  if o.recorder then usage "--recorder and the other pictures exclude each other" end
  weft.trace.start { capacity = o.capacity or 1 << 20 }
  local exit, over = os.exit, false
  local function finish()
    if over then return end
    over = true
    finish_trace(weft, o)
  end
  os.exit = function(...) -- luacheck: ignore 122
    finish()
    exit(...)
  end
  return setmetatable({}, { __close = finish })
end

local function load_script(path)
  local f, message
  if path == "-" then f, message = load(io.read "a", "=stdin") else f, message = loadfile(path) end
  if not f then
    io.stderr:write("weft: ", message, "\n")
    os.exit(1)
  end
  return f
end

-- Runs what the options and the rest of the command line say.
local function run(argv, o, i)
  local weft = require "weft"
  _G.weft = weft
  local path = argv[i]
  _G.arg = { [0] = path or "weft", [-1] = "weft" }
  for k = i + 1, #argv do _G.arg[k - i] = argv[k] end
  local chunks = {}
  for k, code in ipairs(o.code) do
    local f, message = load(code, "=(command line)")
    if not f then
      io.stderr:write("weft: ", message, "\n")
      os.exit(1)
    end
    chunks[k] = f
  end
  if not path and #chunks == 0 and not o.interactive and not stdin_is_terminal() then path = "-" end
  if path then chunks[#chunks + 1] = load_script(path) end
  if o.preempt then weft.preempt(o.preempt) end
  local recorder <close> = o.recorder and weft.trace.recorder(type(o.recorder) == "string" and { path = o.recorder } or nil) or nil
  local _ <close> = tracing(weft, o)
  for _, f in ipairs(chunks) do f(table.unpack(_G.arg)) end
  if o.interactive or #chunks == 0 then weft.repl() end
  return recorder and nil
end

function M.main(argv)
  local first = argv[1]
  if first == "-h" or first == "--help" then return print(M.USAGE) end
  if first == "-v" or first == "--version" then
    return print(("weft scm, %s"):format(require("weft.core").versions))
  end
  local tool = first and require("weft.cli_tools")[first]
  if tool then
    local ok, message = tool(table.move(argv, 2, #argv, 1, {}), usage)
    if ok == false then
      io.stderr:write("weft: ", message, "\n")
      os.exit(1)
    end
    return
  end
  local o, i = options.script(argv, usage)
  run(argv, o, i)
end

return M
