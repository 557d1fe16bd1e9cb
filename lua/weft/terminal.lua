-- luacheck: globals io.write (what is printed must not break the line that is being typed)
-- The terminal of the prompt: raw mode, its width, and what the script prints while a line is being typed.
--
--   local t <close> = terminal.open()          nil when standard input is no terminal
--   t:attach(line)  t:detach()                 the editor whose line is on the screen, or none
--   t:write(text)                              above that line

local core = require "weft.core"
local term = require "weft.term"

local M = {}

local Terminal = {}
Terminal.__index = Terminal

local function command(line)
  local p = io.popen(line .. " 2>/dev/null", "r")
  local text = p and p:read "a" or ""
  local ok = p and p:close()
  return ok and text or nil
end

-- Keys come one by one and are not shown; Ctrl-C and Ctrl-Z come as keys; Ctrl-\ still ends the process.
local RAW = "stty -icanon -echo -ixon intr undef susp undef min 1 time 0"

function M.open()
  local tty = core.trace_terminal()
  if not tty or os.getenv "TERM" == "dumb" then return nil end
  local before = command "stty -g"
  if not before or not before:match "%S" or not command(RAW) then return nil end
  local self = setmetatable({ before = before:match "%S+", at_start = true, out = io.stdout }, Terminal)
  self.write_file = io.stdout.write
  self:take_output()
  return self
end

function M.width()
  local _, columns = core.trace_terminal()
  return term.width(columns)
end

function Terminal:raw(text)
  self.write_file(self.out, text)
  self.out:flush()
end

-- print, io.write and io.stdout:write go through write() from now on.
function Terminal:take_output()
  local methods, own = getmetatable(io.stdout).__index, self
  self.methods, self.print, self.io_write = methods, print, io.write
  local function text_of(...)
    local parts = table.pack(...)
    for i = 1, parts.n do
      if type(parts[i]) ~= "string" and type(parts[i]) ~= "number" then
        error(("bad argument #%d to 'write' (string expected, got %s)"):format(i, type(parts[i])), 3)
      end
    end
    return table.concat(parts)
  end
  function methods.write(file, ...)
    if file ~= own.out then return own.write_file(file, ...) end
    own:write(text_of(...))
    return file
  end
  function io.write(...)
    if io.output() ~= own.out then return own.io_write(...) end
    own:write(text_of(...))
    return own.out
  end
  function _G.print(...)
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = tostring(parts[i]) end
    own:write(table.concat(parts, "\t") .. "\n")
  end
end

function Terminal:write(text)
  if text == "" then return end
  if not self.line then
    self:raw(text)
    self.at_start = text:sub(-1) == "\n"
    return
  end
  if text:sub(-1) ~= "\n" then text = text .. "\n" end
  self:raw(self.line.hide() .. text .. self.line:show())
end

-- What is written next begins on a line of its own.
function Terminal:fresh()
  if not self.line and not self.at_start then self:raw "\n" end
  self.at_start = true
end

-- From now on this editor's line is on the screen.
function Terminal:attach(line)
  self:fresh()
  self.line = line
  self:raw(line:show())
end

-- Its line is finished, as `text`, and what is written next comes below it.
function Terminal:detach(text)
  local line = self.line
  self.line = nil
  if line then self:raw(line.hide() .. line.prompt .. (text or "") .. "\n") end
  self.at_start = true
end

function Terminal:redraw()
  if self.line then self:raw(self.line:show()) end
end

function Terminal:__close()
  if self.line then self:raw "\r\27[K" end
  self.line = nil
  self.methods.write, io.write, _G.print = self.write_file, self.io_write, self.print
  os.execute("stty " .. self.before .. " 2>/dev/null")
end

return M
