-- Claim: a low-priority thread that holds a lock can keep a high-priority one waiting, when one in between takes the CPU.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local term = require "weft.term"
local WORK = draw.quick and 0.02 or 0.1 -- seconds that each computes

print "low priority holds the lock, high priority wants it, the one in between computes: who waits?\n"

local cpu = weft.info().affinity[1]
local function options(name, priority) return { name = name, policy = "fifo", priority = priority, affinity = { cpu } } end
do
  local job, message = weft.thread(options("probe", 1), function() end)
  if not job then
    print("this needs the right to real-time priorities: " .. message .. "; nothing was measured")
    os.exit(0)
  end
  job:join()
end

-- The lock is an element of a buffer: 0 free, 1 held. All three run on one CPU, first the one with the highest priority.
local function run(middle_too)
  local lock, stamps = weft.buffer("i64", 1), weft.buffer("f64", 8)
  local held = weft.channel(1)
  local function spin(seconds)
    local began = os.clock() -- CPU time of the process: of the thread that has the CPU
    repeat until os.clock() - began >= seconds
  end
  local low = weft.thread(options("low", 5), function(seconds)
    local weft = require "weft" -- luacheck: ignore 431
    lock:exchange(1, 1)
    held:send(true)
    stamps[1] = weft.now()
    spin(seconds)
    lock:store(1, 0)
    lock:wake(1)
    stamps[2] = weft.now()
  end, WORK)
  held:recv()
  local high = weft.thread(options("high", 20), function()
    local weft = require "weft" -- luacheck: ignore 431
    stamps[3] = weft.now()
    while not lock:cas(1, 0, 1) do lock:wait(1, 1) end
    stamps[4] = weft.now()
    lock:store(1, 0)
  end)
  local middle = middle_too and weft.thread(options("middle", 10), function(seconds)
    local weft = require "weft" -- luacheck: ignore 431
    stamps[5] = weft.now()
    spin(seconds)
    stamps[6] = weft.now()
  end, 3 * WORK)
  high:join()
  low:join()
  if middle then middle:join() end
  return (stamps[4] - stamps[3]), stamps
end

local function lanes(stamps, with_middle)
  local from, to = stamps[1], math.max(stamps[2], stamps[4], with_middle and stamps[6] or 0)
  local wide = 48
  local function at(t) return math.max(0, math.min(wide, math.floor((t - from) / (to - from) * wide + 0.5))) end
  local function lane(name, a, b, mark)
    print(("  %-7s|%s%s%s|"):format(name, (" "):rep(at(a)), mark:rep(math.max(1, at(b) - at(a))), (" "):rep(wide - at(a) - math.max(1, at(b) - at(a)))))
  end
  lane("high", stamps[3], stamps[4], draw.ascii and "." or "░")
  if with_middle then lane("middle", stamps[5], stamps[6], draw.full) end
  lane("low", stamps[1], stamps[2], draw.ascii and "=" or "▒")
end

local alone, stamps = run(false)
print "high and low only: high waits until low has let go"
lanes(stamps, false)
local blocked, all = run(true)
print "\nwith one in between: low does not come to let go"
lanes(all, true)
print(draw.ascii and "  . waits for the lock   # computes   = holds the lock, when it gets the CPU"
  or "  ░ waits for the lock   █ computes   ▒ holds the lock, when it gets the CPU")
print(("\nhigh priority waited %s without the one in between, %s with it"):format(term.seconds(alone, draw.ascii), term.seconds(blocked, draw.ascii)))
