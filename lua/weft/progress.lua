--- A progress bar on one line of the terminal: how much is done, how fast, how long it will take.
--
--   local bar <close> = progress.new { total = 1000 }
--   bar:step()  bar:step(10)      counts, and draws when the last drawing was some time ago
--
-- It draws on stderr; where that is no terminal there is no bar, and new gives nil. The line is drawn over and over after a
-- carriage return; no other control character is used. Closing leaves the last state there and ends the line: what follows
-- begins on a new one.

local core = require "weft.core"
local term = require "weft.term"

local M = {}

local INTERVAL = 0.1 -- seconds between two drawings
local BAR_LEAST, BAR_MOST = 5, 60
local EIGHTHS = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local Progress = {}
Progress.__index = Progress
Progress.__name = "weft.progress"

--- A number for people: "999", "1.23 k", "45.6 M".
function M.number(v)
  for _, unit in ipairs { { 1e9, " G" }, { 1e6, " M" }, { 1e3, " k" } } do
    if v >= unit[1] then return ("%.3g%s"):format(v / unit[1], unit[2]) end
  end
  return v == math.floor(v) and ("%d"):format(v) or ("%.3g"):format(v)
end

--- A span for people, in whole seconds: "0:07", "12:05", "3:00:00".
function M.clock(seconds)
  if seconds ~= seconds or seconds >= 360000 then return "-:--" end
  local s = math.max(0, math.floor(seconds + 0.5))
  if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s % 3600 // 60, s % 60) end
  return ("%d:%02d"):format(s // 60, s % 60)
end

--- A bar of n columns of which a share from 0 to 1 is full.
function M.bar(share, n, ascii)
  share = math.max(0, math.min(1, share))
  if ascii then
    local full = math.floor(share * n)
    return "[" .. ("#"):rep(full) .. ("-"):rep(n - full) .. "]"
  end
  local eighths = math.floor(share * n * 8)
  local full = eighths // 8
  local part = EIGHTHS[eighths % 8] or ""
  return ("█"):rep(full) .. part .. ("░"):rep(n - full - (part == "" and 0 or 1))
end

--- The line for a state, in at most `width` columns.
function M.line(done, total, seconds, width, ascii)
  local rate = seconds > 0 and done / seconds or 0
  local over = done >= total
  local time
  if over then time = "in " .. term.seconds(seconds, ascii)
  elseif rate > 0 then time = "ETA " .. M.clock((total - done) / rate)
  else time = "ETA -:--" end
  local share = total > 0 and done / total or 1
  local head = ("%3d%%"):format(math.floor(share * 100))
  local tail = ("%d/%d  %s/s  %s"):format(done, total, M.number(rate), time)
  local room = width - #head - term.columns(tail) - 3 - (ascii and 2 or 0)
  if room < BAR_LEAST then return term.cut(head .. "  " .. tail, width, ascii) end
  return ("%s %s  %s"):format(head, M.bar(share, math.min(room, BAR_MOST), ascii), tail)
end

--- Draws the state now.
function Progress:draw()
  if self._closed then return end
  local now = self._clock()
  self._drawn = now
  local line = M.line(self.done, self.total, now - self._start, self._width, self._ascii)
  local columns = term.columns(line)
  self._out:write("\r", line, (" "):rep(self._columns - columns))
  self._out:flush()
  self._columns = columns
end

--- `n` more are done, 1 if not given.
function Progress:step(n)
  self.done = self.done + (n or 1)
  if self._clock() - self._drawn >= INTERVAL then self:draw() end
end

--- Ends the line; nothing is drawn any more.
function Progress:close()
  if self._closed then return end
  self:draw()
  self._out:write "\n"
  self._out:flush()
  self._closed = true
end

Progress.__close = Progress.close

function Progress:__tostring()
  return ("weft.progress (%d of %d)"):format(self.done, self.total)
end

--- opts: total; for tests also out, a file or what writes like one, with clock, width and ascii.
function M.new(opts)
  local out, width, ascii = opts.out, opts.width, opts.ascii
  if not out then
    local tty, columns = core.trace_terminal(true)
    if not tty then return nil end
    out, width, ascii = io.stderr, term.width(columns) - 1, not term.unicode()
  end
  local clock = opts.clock or core.now
  local self = setmetatable({
    total = opts.total, done = 0, interval = INTERVAL, _out = out, _width = width, _ascii = ascii, _clock = clock,
    _start = clock(), _drawn = -math.huge, _columns = 0,
  }, Progress)
  self:draw()
  return self
end

return M
