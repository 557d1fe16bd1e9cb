-- The flight recorder: a trace that is always on. What happened in the last seconds is written to a file when a task
-- hogs its thread, at a deadlock, at a signal, or when the script asks.
--
--   local rec <close> = weft.trace.recorder { seconds = 10 }
--   rec:dump()   rec:snapshot()   rec:stop()
--
-- The work is done in csrc/rt/recorder.c, by a thread that knows no Lua; here are the options.

local core = require "weft.core"
local file = require "weft.trace_file"

local M = {}

local Recorder = { __name = "weft.recorder" }
Recorder.__index = Recorder

local SIGNALS = { SIGHUP = true, SIGQUIT = true, SIGUSR1 = true, SIGUSR2 = true, SIGTERM = true }
local PAUSE_LEAST = 1 -- seconds between two dumps for stalls

local function seconds(v) return type(v) == "number" and v > 0 and v <= 86400, "seconds above 0" end
local CHECKS = {
  seconds = seconds,
  stall = function(v)
    if v == false then return true end
    return seconds(v)
  end,
  path = function(v) return type(v) == "string" and v ~= "" and not v:find "\0", "string" end,
  signal = function(v) return v == false or SIGNALS[v] ~= nil, "SIGUSR1, SIGUSR2, SIGHUP, SIGQUIT, SIGTERM or false" end,
  capacity = function(v) return math.type(v) == "integer" and v >= 1 and v <= 1 << 26, "integer from 1 to 67108864" end,
}

-- finish: what makes a trace of raw records.
function M.new(opts, finish, level)
  opts = opts or {}
  if type(opts) ~= "table" then
    error(("bad argument #1 to 'trace.recorder' (table expected, got %s)"):format(type(opts)), level + 1)
  end
  for key, value in pairs(opts) do
    local check = CHECKS[key]
    if not check then error(("unknown option '%s' of trace.recorder"):format(tostring(key)), level + 1) end
    local ok, expected = check(value)
    if not ok then
      error(("bad option '%s' of trace.recorder (%s expected, got %s)"):format(key, expected, tostring(value)), level + 1)
    end
  end
  local span, stall, signal = opts.seconds or 10, opts.stall, opts.signal
  if stall == nil then stall = 0.25 end
  if signal == nil then signal = "SIGUSR2" end
  local path = opts.path or ("weft-%d.trace"):format(core.pid())
  local handle, message = core.recorder_start(path, stall or 0, math.max(span, PAUSE_LEAST), signal or nil, opts.capacity or 0)
  if not handle then error("weft.trace.recorder: " .. message, level + 1) end
  return setmetatable({ path = path, seconds = span, _handle = handle, _finish = finish }, Recorder)
end

-- Writes the file, the recorder's own or another one, now: its path, or nil, message, code.
function Recorder:dump(path)
  file.check_path(path, "dump")
  path = path or self.path
  if not self._handle then error("weft.trace.recorder: it is stopped", 2) end
  local ok, message, number = core.recorder_dump(self._handle, path, "asked")
  if not ok then return file.failure(path, message, number) end
  return path
end

-- The trace of the last seconds; the recorder goes on.
function Recorder:snapshot()
  if not self._handle then error("weft.trace.recorder: it is stopped", 2) end
  local raw, message = core.trace_snapshot()
  if not raw then error("weft.trace.recorder: " .. message, 2) end
  return self._finish(raw, self.seconds)
end

-- Stops it and gives the trace of the last seconds; nil when it is stopped already.
function Recorder:stop()
  local handle = self._handle
  self._handle = nil
  local raw = handle and core.recorder_stop(handle)
  return raw and self._finish(raw, self.seconds) or nil
end

function Recorder:__close() self:stop() end

function Recorder:__tostring()
  return ("weft.recorder: the last %g s, to %s%s"):format(self.seconds, self.path, self._handle and "" or ", stopped")
end

return M
