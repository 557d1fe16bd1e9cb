-- The prompt: require "weft".repl(), or the command `weft`.
--
-- The loop runs while you type. A line runs as a task: what blocks there blocks nothing else, Ctrl-C cancels that task
-- alone, Ctrl-Z leaves it in the background. What background tasks print comes above the line being typed. Without a terminal
-- lines are read one after the other and their results are printed.

local core = require "weft.core"
local editor = require "weft.line"
local eval = require "weft.repl_eval"
local pretty = require "weft.pretty"
local term = require "weft.term"
local terminal = require "weft.terminal"

local M = {}

local HISTORY_MOST = 1000
local SLICE = 0.01 -- seconds that a task may run before the keys are looked at

local Repl = {}
Repl.__index = Repl

local function weft() return require "weft" end

---------------------------------------------------------------------- what comes out

local function say(text) print(text) end

-- A table of what lives, its lines cut to the width of the terminal.
local function say_list(list)
  if not core.trace_terminal() then return say(tostring(list)) end
  local lines = {}
  for line in (tostring(list) .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = term.cut(line, terminal.width() - 1) end
  say(table.concat(lines, "\n"))
end

-- A job that a line has given and that fails later would be heard of when it is collected: too late for who is typing.
function Repl:watch(job)
  local status = job:status()
  if not self.terminal or status == "done" or status == "failed" or status == "cancelled" then return end
  job:on_done(function(ok, err)
    if ok or core.is(err, "cancelled") then return end
    say(("%s failed: %s"):format(tostring(job):match "^weft%.job (.-) %(", eval.error_text(err, job:traceback())))
  end)
end

function Repl:show_values(...)
  local opts = { width = math.max(20, terminal.width() - 1), color = self.color, ascii = not term.unicode() }
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    local mt = debug.getmetatable(value)
    local name = type(mt) == "table" and rawget(mt, "__name")
    if name == "weft.ps" then say_list(value) else say(pretty(value, opts)) end
    if name == "weft.job" then self:watch(value) end
  end
end

-- How a line ended.
function Repl:report(job, ok, ...)
  if self.terminal then self.terminal:fresh() end
  if ok then
    if select("#", ...) > 0 then
      self.env._ = (...)
      self:show_values(...)
    end
  elseif core.is((...), "cancelled") and job:status() == "cancelled" then
    say(self.interrupted and "interrupted" or tostring((...)))
  else
    say(eval.error_text((...), job:traceback()))
  end
end

---------------------------------------------------------------------- running a line

-- Runs f as the foreground task until it ends, or is left in the background.
function Repl:run(f)
  self.count, self.interrupted = self.count + 1, false
  local w = weft()
  local job = w.go({ name = "line " .. self.count }, f)
  if not self.typed then return self:report(job, job:result()) end
  while true do
    local i, bytes, open = w.select { { job }, { self.typed } }
    if i == 1 then return self:report(job, job:result()) end
    if not open then -- the terminal is gone
      job:cancel "the terminal is gone"
      self.gone = true
      return self:report(job, job:result())
    end
    if bytes:find("\3", 1, true) then
      self.interrupted = true
      job:cancel "interrupted"
    elseif bytes:find("\26", 1, true) then
      say(("%s goes on in the background"):format(job.name))
      job:on_done(function(...)
        say(job.name .. ":")
        self:report(job, ...)
      end)
      return
    else
      self.ahead = self.ahead .. bytes
    end
  end
end

---------------------------------------------------------------------- commands

local commands = {}

function commands.help(_, what)
  local help = require("weft.help").help
  if what ~= "" then help(what) else help() end
end
function commands.quit(self) self.over = true end
commands.exit = commands.quit

function commands.ps() say_list(weft().ps()) end

function commands.load(self, path)
  path = path:match '^"(.*)"$' or path
  local f, message = loadfile(path, "bt", self.env)
  if not f then return say(message) end
  self.env.arg = { [0] = path }
  self:run(f)
end

function commands.trace(self, code)
  if code == "" then return say "usage: .trace CODE" end
  local f, message = eval.compile(code, "=stdin", self.env)
  if not f then return say(message == "more" and "the code is not complete" or message) end
  self:run(function()
    local t = weft().trace(f)
    t:timeline { width = math.max(20, terminal.width() - 1) }
    self.env._ = t
    return table.unpack(t.results, 1, t.results.n)
  end)
end

-- A live view until a key is pressed.
function commands.top(self)
  local w = weft()
  if not self.typed then return say(tostring(w.ps())) end
  local from, cpu = w.now(), os.clock()
  repeat
    local i = w.select { { self.typed }, timeout = 0.5 }
    local now, used = w.now(), os.clock()
    local list = w.ps()
    local rows = {}
    for line in (tostring(list) .. "\n"):gmatch "(.-)\n" do rows[#rows + 1] = term.cut(line, terminal.width() - 1) end
    self.terminal:raw("\27[H\27[2J" .. ("weft: %d alive, cpu %.0f %%, Lua memory %.1f MB      any key ends this\n\n"):format(#list,
      100 * (used - cpu) / math.max(1e-9, now - from), collectgarbage "count" / 1024) .. table.concat(rows, "\n") .. "\n")
    from, cpu = now, used
  until i
end

-- A whole line, or several that belong together. True when more is wanted.
function Repl:line_done(text)
  local code = self.buffer and self.buffer .. "\n" .. text or text
  local name, rest
  if not self.buffer then name, rest = eval.command(text, self.env) end
  if name then
    local f = commands[name]
    if f then f(self, rest) else say(("no command .%s; .help shows them"):format(name)) end
    return
  end
  if code:match "^%s*$" then
    self.buffer = nil
    return
  end
  local f, message = eval.compile(code, "=stdin", self.env)
  if message == "more" then
    self.buffer = code
    return
  end
  self.buffer = nil
  if f then self:run(f) else say(message) end
end

function Repl:prompt()
  local first, second = rawget(self.env, "_PROMPT"), rawget(self.env, "_PROMPT2")
  return self.buffer and (second and tostring(second) or ">> ") or (first and tostring(first) or "> ")
end

---------------------------------------------------------------------- with a terminal

local function history_path()
  local path = os.getenv "WEFT_HISTORY"
  if path then return path ~= "" and path or nil end
  local home = os.getenv "HOME"
  return home and home .. "/.weft_history"
end

local function history_read()
  local list, path = {}, history_path()
  local f = path and io.open(path, "r")
  if f then
    for line in f:lines() do list[#list + 1] = line end
    f:close()
  end
  return #list > HISTORY_MOST and table.move(list, #list - HISTORY_MOST + 1, #list, 1, {}) or list
end

local function history_write(list)
  local path = history_path()
  local f = path and io.open(path, "w")
  if not f then return end
  f:write(table.concat(list, "\n", math.max(1, #list - HISTORY_MOST + 1)), "\n")
  f:close()
end

function Repl:words(list)
  local width, wide = terminal.width(), 0
  for _, word in ipairs(list) do wide = math.max(wide, #word + 2) end
  local each, out = math.max(1, width // wide), {}
  for i, word in ipairs(list) do
    out[i] = word .. ((i % each == 0 or i == #list) and "\n" or (" "):rep(wide - #word))
  end
  self.terminal:write(table.concat(out))
end

function Repl:handle(event, line)
  local kind, value = event[1], event[2]
  local t = self.terminal
  if kind == "line" then
    line:remember(value)
    t:detach(value)
    self:line_done(value)
    return true
  elseif kind == "eof" then
    t:detach()
    self.over = true
    return true
  elseif kind == "interrupt" then
    t:detach "^C"
    self.buffer = nil
    return true
  elseif kind == "list" then
    self:words(value)
  elseif kind == "clear" then
    t:raw "\27[H\27[2J"
  end
end

function Repl:interactive()
  local w = weft()
  local history = history_read()
  local complete = require "weft.complete"
  local line = editor.new {
    history = history, width = terminal.width, complete = function(text) return complete(text, self.env) end,
  }
  self.typed = w.channel()
  local _ <close> = w.go({ name = "keys" }, function()
    local typed <close> = self.typed
    while true do
      local bytes = w.stdin:read()
      if not bytes then return end
      typed:send(bytes)
    end
  end)
  say(("weft on %s. help() helps, Ctrl-D leaves."):format(core.versions))
  local bytes = ""
  while not self.over and not self.gone do
    line.prompt = self:prompt()
    self.terminal:attach(line)
    -- Events of one read may hold several lines: what is left is typed ahead.
    local ended = false
    while not ended do
      if bytes == "" then
        local got, open = self.typed:recv()
        if not open then
          self.over = true
          break
        end
        bytes = got
      end
      local key = bytes:match "^[^\r\n\3\4]*[\r\n\3\4]?"
      bytes = bytes:sub(#key + 1)
      for _, event in ipairs(line:feed(key)) do
        if self:handle(event, line) then ended = true end
      end
      if not ended then self.terminal:redraw() end
    end
    bytes, self.ahead = self.ahead .. bytes, ""
  end
  history_write(history)
end

---------------------------------------------------------------------- without one

function Repl:plain()
  local w = weft()
  for text in w.stdin:lines() do
    self:line_done(text)
    if self.over then return end
  end
  if self.buffer then
    local _, message = load(self.buffer, "=stdin", "t", self.env)
    say(message)
  end
end

-- Runs until the end of standard input or .quit. env: where the globals are, _G by default.
function M.run(env)
  if env ~= nil and type(env) ~= "table" then
    error(("bad argument #1 to 'repl' (table expected, got %s)"):format(type(env)), 2)
  end
  local self = setmetatable({ env = env or _G, count = 0, ahead = "" }, Repl)
  local w = weft()
  self.env.weft = self.env.weft or w
  self.env.help = self.env.help or require("weft.help").help
  self.env.ps = self.env.ps or w.ps
  local screen <close> = terminal.open()
  self.terminal, self.color = screen, screen ~= nil and term.color(true)
  if not screen then return self:plain() end
  local before = w.on_unhandled(function(job, err, traceback)
    say(("%s failed and nobody looked: %s"):format(job.name, eval.error_text(err, traceback)))
  end)
  local _ <close> = setmetatable({}, { __close = function()
    w.on_unhandled(before)
    w.preempt(false)
  end })
  w.preempt(SLICE)
  self:interactive()
end

return M
