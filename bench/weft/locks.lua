-- Locks: what one turn costs when nobody is in the way, and what handing over to another task costs.
-- Prints "metric value", ns a turn. "ns" is lock and unlock of a free mutex; "handover_ns" is one mutex
-- going round two tasks, each of which yields while it holds it.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])

local function time(count, f)
  f(count // 20) -- warm
  local t = clock.now()
  f(count)
  return (clock.now() - t) / count
end

local function alone(turn)
  return time(n, function(k)
    weft.go(function()
      for _ = 1, k do turn() end
    end):join()
  end)
end

local m, rw, s, e, o = weft.mutex(), weft.rwlock(), weft.semaphore(1), weft.event(), weft.once(function() return 1 end)
local function noop() end
e:set()

local function lock() m:lock() m:unlock() end -- luacheck: ignore
local function rlock() rw:rlock() rw:runlock() end -- luacheck: ignore
local function wlock() rw:lock() rw:unlock() end -- luacheck: ignore
local function acquire() s:acquire() s:release() end -- luacheck: ignore
local function with() m:with(noop) end
local function guard() local _ <close> = m:guard() end
local function wait() e:wait() end
local function once() o() end

local call = alone(noop) -- the loop and the call themselves
print("ns", alone(lock) - call)
print("rlock_ns", alone(rlock) - call)
print("wlock_ns", alone(wlock) - call)
print("semaphore_ns", alone(acquire) - call)
print("with_ns", alone(with) - call)
print("guard_ns", alone(guard) - call)
print("event_ns", alone(wait) - call)
print("once_ns", alone(once) - call)

-- Each of `tasks` tasks takes the mutex in turn; `hold` keeps it while the others come to wait.
local function round(tasks, hold)
  return time(n // 4, function(k)
    local jobs = {}
    for i = 1, tasks do
      jobs[i] = weft.go(function()
        for _ = 1, k // tasks do
          m:lock()
          hold()
          m:unlock()
        end
      end)
    end
    for i = 1, tasks do jobs[i]:join() end
  end)
end

print("handover_ns", round(2, weft.yield))
print("handover_100_ns", round(100, weft.yield))

-- One unit goes back and forth between two tasks over two semaphores: a switch each way.
print("pingpong_ns", time(n // 4, function(k)
  local a, b = weft.semaphore(0), weft.semaphore(0)
  weft.go(function()
    for _ = 1, k do
      a:acquire()
      b:release()
    end
  end)
  weft.go(function()
    for _ = 1, k do
      a:release()
      b:acquire()
    end
  end):join()
end))

-- A condition signalled and waited for, by turns.
print("condition_ns", time(n // 4, function(k)
  local c, turn = weft.condition(), 0
  local function player(me)
    return function()
      m:lock()
      for _ = 1, k do
        while turn ~= me do c:wait(m) end
        turn = 1 - me
        c:signal()
      end
      m:unlock()
    end
  end
  local a, b = weft.go(player(0)), weft.go(player(1))
  a:join()
  b:join()
end))
