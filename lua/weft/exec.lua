--- weft.exec: programs as child processes. The start and the handle are C (csrc/lib/l_exec.c, l_program.c); here is what a
-- handle can do that takes several waits.

local core = require "weft.core"

local M = { exec = core.exec }

local methods = core.program_methods()

local function is_open(stream) return stream and not stream:is_closed() end

--- child:output(): closes its input, reads all that it writes to pipes, waits: stdout, stderr, status.
function methods:output()
  if is_open(self.stdin) then self.stdin:close() end
  local out, err = self.stdout or self.pty, self.stderr
  local other <close> = err and core.go(function()
    local text, message, code = err:read "a"
    if is_open(err) then err:close() end
    return text, message, code
  end) or nil
  local out_text, err_text, message, code
  if out then
    out_text, message, code = out:read "a"
    if is_open(out) then out:close() end
    if not out_text then return nil, message, code end
  end
  if other then
    err_text, message, code = other:join()
    if not err_text then return nil, message, code end
  end
  return out_text, err_text, self:wait()
end

return M
