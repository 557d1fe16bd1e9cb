-- Claim: programs joined by pipes run at the same time, and the slowest sets the pace of all: back-pressure.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local term = require "weft.term"
local LINES = draw.quick and 20000 or 200000

print "three programs joined by pipes run at once; a slow reader holds back those before it\n"

-- seq | grep | wc, with nobody in between: each program writes into the next one's input.
local start = weft.now()
local numbers = assert(weft.exec { "seq", "1", tostring(LINES), stdout = "pipe" })
local sevens = assert(weft.exec { "grep", "7", stdin = numbers.stdout, stdout = "pipe" })
local count = assert(weft.exec { "wc", "-l", stdin = sevens.stdout, stdout = "pipe" })
local lines = tonumber((count:output()))
local seconds = weft.now() - start
print(("seq 1 %d | grep 7 | wc -l says %d, in %s"):format(LINES, lines, term.seconds(seconds, draw.ascii)))
for i, child in ipairs { numbers, sevens, count } do
  local status = child:wait()
  print(("  %s exit %d, %s of CPU time, at most %.1f MiB in memory"):format(({ "seq ", "grep", "wc  " })[i], status.code,
    term.seconds(status.usage.user + status.usage.system, draw.ascii), status.usage.peak / (1 << 20)))
end

-- An endless writer whose reader pauses: it stops when the pipe is full, not when memory is.
print "\nyes writes for ever; we read a little, pause, read again:"
local endless = assert(weft.exec { "yes", stdout = "pipe" })
local held, read = 0, 0
for round = 1, 5 do
  local before = weft.info(endless.pid).cpu
  local paused_at = weft.now()
  local asleep = false
  repeat -- until it sleeps: the pipe is full
    weft.sleep(0.001)
    asleep = weft.info(endless.pid).state == "S"
  until asleep or weft.now() - paused_at > 2
  local after = weft.info(endless.pid)
  held = held + (asleep and 1 or 0)
  local spent = after.cpu.user + after.cpu.system - before.user - before.system
  print(("  pause %d: yes %s, %.0f ms of CPU time, %.1f MiB in memory; read so far %4d KiB %s"):format(round,
    asleep and "waits" or "runs ", spent * 1e3, after.memory.rss / (1 << 20), read // 1024, draw.full:rep(math.min(40, read // 65536))))
  for _ = 1, 256 do read = read + #assert(endless.stdout:read(1024)) end
end
endless.stdout:close()
local signal = endless:wait().signal
print(("\nyes waited in %d of 5 pauses; when nobody read any more it was ended by %s"):format(held, signal))
