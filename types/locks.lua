---@meta _
-- luacheck: ignore 211 212 241 431

---# Locks
---
---For tasks that share values and block while they work on them. Tasks change only where they block, so a stretch of
---code without a blocking call needs no lock. Who waits is served in the order of coming, and a lock is handed over: nobody can
---come in between.
---
---Locks of every kind may be sent to threads and isolates, as arguments and through channels, and are shared from then on: a
---task that waits in one of them parks, its OS thread goes on with others. A once takes its function along, and its results
---are copied. What a lock protects must be shared too: a buffer, an atomic, a file.
---
---Locks with a holder (mutex, rwlock) are not recursive. Relocking one, or unlocking one that another task holds, raises.
---A task that ends with a lock held, or whose isolate ends, leaves it locked: who wants it gets a `deadlock` error that
---names the task, and `unlock` by any task frees it.

---@class weft
local weft = {}

---Makes a mutex: one holder at a time.
---
---Blocks: no.
---
---```lua
---local m = weft.mutex()
---local balance = 100
---local function withdraw(n)
---  local g <close> = m:guard()
---  local b = balance
---  weft.yield()
---  balance = b - n
---end
---weft.all { weft.go(withdraw, 10), weft.go(withdraw, 20) }
---print(balance)                       --> 70
---```
---@return weft.mutex m
function weft.mutex() end

---Closing: unlocks it if the running task holds it.
---@class weft.mutex
local mutex = {}

---Locks it.
---
---Blocks: while another task holds it.
---Errors: the running task holds it already; `deadlock` when its holder has ended.
---
---```lua
---local m = weft.mutex()
---m:lock()
---print(m)                             --> weft.mutex 1 (held by main)
---m:unlock()
---```
function mutex:lock() end

---Locks it if it is free, or becomes free within the time.
---
---Blocks: at most for the time; without one, or with 0, not at all.
---Errors: `deadlock` when its holder has ended; a bad time. With a time: the running task holds it already.
---
---```lua
---local m = weft.mutex()
---weft.go(function() m:lock() weft.sleep(0.01) m:unlock() end)
---weft.yield()
---print(m:try_lock(), m:try_lock(60))  --> false true
---```
---@param timeout? number  seconds, 0 or more; default 0
---@return boolean locked
function mutex:try_lock(timeout) end

---Unlocks it. The task that has waited longest holds it from this moment.
---
---Blocks: no.
---Errors: nobody holds it; another task that still lives holds it.
---
---```lua
---local m = weft.mutex()
---print(pcall(m.unlock, m))            --> false cannot unlock mutex 1: nobody holds it
---```
function mutex:unlock() end

---Calls a function with the mutex locked, and unlocks it however the function ends.
---
---Blocks: as lock does, and as the function does.
---Errors: those of lock and of the function.
---
---```lua
---local m = weft.mutex()
---print(m:with(function(a, b) return a + b end, 1, 2))
-----> 3
---```
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function mutex:with(f, ...) end

---Locks it until the block is left.
---
---Blocks: as lock does.
---Errors: those of lock.
---
---```lua
---local m = weft.mutex()
---do
---  local g <close> = m:guard()
---  print(m:try_lock())                --> false
---end
---print(m:try_lock())                  --> true
---```
---@return weft.guard g  for `local g <close> =`
function mutex:guard() end

---What mutex:guard returns.
---
---Closing: unlocks the mutex if the guard still has it.
---@class weft.guard
local guard = {}

---Unlocks the mutex before the block ends.
---
---Blocks: no.
---Errors: it has done so already.
---
---```lua
---local m = weft.mutex()
---local g <close> = m:guard()
---g:unlock()
---print(m)                             --> weft.mutex 1 (free)
---```
function guard:unlock() end

---Makes a read-write lock: one writer, or any number of readers. Writers and readers are served in the order of coming,
---readers that stand next to each other together, so neither can starve the other.
---
---Blocks: no.
---
---```lua
---local rw = weft.rwlock()
---rw:rlock()
---weft.go(function() print(rw:try_rlock(), rw:try_lock()) rw:runlock() end):join()
-----> true false
---rw:runlock()
---```
---@return weft.rwlock rw
function weft.rwlock() end

---Closing: gives back what the running task holds of it.
---@class weft.rwlock
local rwlock = {}

---Locks it for reading.
---
---Blocks: while another task writes, or waits to write and came first.
---Errors: the running task holds it already; `deadlock` when its writer has ended.
---
---```lua
---local rw = weft.rwlock()
---rw:rlock()
---print(rw)                            --> weft.rwlock 1 (read by main)
---```
function rwlock:rlock() end

---Gives back a lock for reading.
---
---Blocks: no.
---Errors: the running task does not read, and no reader has ended with it.
---
---```lua
---local rw = weft.rwlock()
---rw:rlock()
---rw:runlock()
---print(rw)                            --> weft.rwlock 1 (free)
---```
function rwlock:runlock() end

---Locks it for writing.
---
---Blocks: while others read or write.
---Errors: the running task holds it already; `deadlock` when its holder has ended.
---
---```lua
---local rw = weft.rwlock()
---rw:lock()
---print(rw)                            --> weft.rwlock 1 (written by main)
---```
function rwlock:lock() end

---Gives back the lock for writing.
---
---Blocks: no.
---Errors: nobody writes; another task that still lives does.
---
---```lua
---local rw = weft.rwlock()
---rw:lock()
---rw:unlock()
---print(rw:try_lock())                 --> true
---```
function rwlock:unlock() end

---Locks it for reading if that is possible now, or within the time.
---
---Blocks: at most for the time; without one, or with 0, not at all.
---Errors: `deadlock` when its writer has ended; a bad time. With a time: the running task holds it already.
---
---```lua
---local rw = weft.rwlock()
---print(rw:try_rlock(), rw:try_rlock())
-----> true false
---```
---@param timeout? number  seconds, 0 or more; default 0
---@return boolean locked
function rwlock:try_rlock(timeout) end

---Locks it for writing if that is possible now, or within the time.
---
---Blocks: at most for the time; without one, or with 0, not at all.
---Errors: `deadlock` when its holder has ended; a bad time. With a time: the running task holds it already.
---
---```lua
---local rw = weft.rwlock()
---weft.go(function() rw:rlock() weft.sleep(0.005) rw:runlock() end)
---weft.yield()
---print(rw:try_lock(), rw:try_lock(60))
-----> false true
---```
---@param timeout? number  seconds, 0 or more; default 0
---@return boolean locked
function rwlock:try_lock(timeout) end

---Calls a function with the lock held for reading.
---
---Blocks: as rlock does, and as the function does.
---Errors: those of rlock and of the function.
---
---```lua
---local rw = weft.rwlock()
---print(rw:reading(function() return tostring(rw) end))
-----> weft.rwlock 1 (read by main)
---```
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function rwlock:reading(f, ...) end

---Calls a function with the lock held for writing.
---
---Blocks: as lock does, and as the function does.
---Errors: those of lock and of the function.
---
---```lua
---local rw, config = weft.rwlock(), {}
---rw:writing(function(k, v) config[k] = v end, "color", "blue")
---print(config.color)                  --> blue
---```
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function rwlock:writing(f, ...) end

---Makes a semaphore: a number of units to be had. Who releases need not be who acquired.
---
---Blocks: no.
---Errors: not an integer, negative.
---
---```lua
---local slots, inside, most = weft.semaphore(2), 0, 0
---local function visit()
---  slots:with(function()
---    inside = inside + 1
---    most = math.max(most, inside)
---    weft.sleep(0.001)
---    inside = inside - 1
---  end)
---end
---for _ = 1, 5 do weft.go(visit) end
---weft.wait()
---print(most)                          --> 2
---```
---@param n integer  units that are free at first, 0 or more
---@return weft.semaphore s
function weft.semaphore(n) end

---Closing: nothing.
---@class weft.semaphore
local semaphore = {}

---Takes a unit.
---
---Blocks: while none is free.
---
---```lua
---local s = weft.semaphore(1)
---s:acquire()
---print(s:count())                     --> 0
---```
function semaphore:acquire() end

---Takes a unit if one is free now, or within the time.
---
---Blocks: at most for the time; without one, or with 0, not at all.
---Errors: a bad time.
---
---```lua
---local s = weft.semaphore(1)
---print(s:try_acquire(), s:try_acquire(), s:try_acquire(0.001))
-----> true false false
---```
---@param timeout? number  seconds, 0 or more; default 0
---@return boolean acquired
function semaphore:try_acquire(timeout) end

---Gives units back, or adds new ones. Those who wait get them first.
---
---Blocks: no.
---Errors: not an integer, less than 1; more than math.maxinteger units in all.
---
---```lua
---local s = weft.semaphore(0)
---s:release(3)
---print(s)                             --> weft.semaphore 1 (3 free, 0 waiting)
---```
---@param k? integer  1 or more; default 1
function semaphore:release(k) end

---Calls a function with a unit taken, and gives it back however the function ends.
---
---Blocks: as acquire does, and as the function does.
---Errors: those of the function.
---
---```lua
---local s = weft.semaphore(1)
---print(s:with(function() return s:count() end), s:count())
-----> 0 1
---```
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function semaphore:with(f, ...) end

---The number of units that are free.
---
---Blocks: no.
---
---```lua
---print(weft.semaphore(4):count())     --> 4
---```
---@return integer n
function semaphore:count() end

---Makes a condition: tasks wait in it until another says that what a mutex protects has changed.
---
---Blocks: no.
---
---```lua
---local m, changed, queue = weft.mutex(), weft.condition(), {}
---local job = weft.go(function()
---  local g <close> = m:guard()
---  while #queue == 0 do changed:wait(m) end
---  return table.remove(queue, 1)
---end)
---weft.yield()
---m:with(function() queue[1] = "work" changed:signal() end)
---print(job:join())                    --> work
---```
---@return weft.condition c
function weft.condition() end

---Closing: nothing.
---@class weft.condition
local condition = {}

---Unlocks the mutex, waits to be woken, and has the mutex again before it returns or raises. Test what you wait for in a
---loop: another task may have come first.
---
---Blocks: until it is signalled or the time is over, and then until the mutex is free.
---Errors: the running task does not hold the mutex; a bad time.
---
---```lua
---local m, c = weft.mutex(), weft.condition()
---m:lock()
---print(c:wait(m, 0.001), m)           --> false weft.mutex 1 (held by main)
---```
---@param mutex weft.mutex  held by the running task
---@param timeout? number  seconds, 0 or more; nil: no limit
---@return boolean signalled  false when the time was over
function condition:wait(mutex, timeout) end

---Wakes the task that has waited longest. Nothing happens when none waits.
---
---Blocks: no.
---
---```lua
---local c = weft.condition()
---c:signal()
---print(c)                             --> weft.condition 1 (0 waiting)
---```
function condition:signal() end

---Wakes all that wait.
---
---Blocks: no.
---
---```lua
---local m, c = weft.mutex(), weft.condition()
---for i = 1, 3 do weft.go(function() m:lock() c:wait(m) m:unlock() print(i) end) end
---weft.yield()
---c:broadcast()
---weft.wait()
-----> 1
-----> 2
-----> 3
---```
function condition:broadcast() end

---Makes a barrier: each of `n` tasks waits there for the others. It can be used again and again.
---
---Blocks: no.
---Errors: not an integer from 1 to 2^31 - 1.
---
---```lua
---local b, order = weft.barrier(2), {}
---local function step(name)
---  for round = 1, 2 do
---    order[#order + 1] = name .. round
---    b:wait()
---  end
---end
---weft.all { weft.go(step, "a"), weft.go(step, "b") }
---print(table.concat(order, " "))      --> a1 b1 b2 a2
---```
---@param n integer  1 or more
---@return weft.barrier b
function weft.barrier(n) end

---Closing: nothing.
---@class weft.barrier
local barrier = {}

---Waits until `n` tasks are here. A task that is cancelled while it waits has not come.
---
---Blocks: until all have come.
---
---```lua
---local b = weft.barrier(2)
---local first = weft.go(function() return b:wait() end)
---weft.yield()
---print(b:wait(), first:join())        --> true false
---```
---@return boolean leader  true for one of them, the last to come
function barrier:wait() end

---Makes a wait group: a count of what is still to be done.
---
---Blocks: no.
---
---```lua
---local g, sum = weft.waitgroup(), 0
---for i = 1, 3 do
---  g:add()
---  weft.go(function() sum = sum + i g:done() end)
---end
---g:wait()
---print(sum)                           --> 6
---```
---@return weft.waitgroup g
function weft.waitgroup() end

---Closing: nothing.
---@class weft.waitgroup
local waitgroup = {}

---Counts up. Those who wait go on when the count comes to 0.
---
---Blocks: no.
---Errors: not an integer; a count below 0 or beyond math.maxinteger.
---
---```lua
---local g = weft.waitgroup()
---g:add(3)
---g:add(-1)
---print(g)                             --> weft.waitgroup 1 (2 left, 0 waiting)
---```
---@param k? integer  how many, negative too; default 1
function waitgroup:add(k) end

---Counts down by one.
---
---Blocks: no.
---Errors: the count is 0.
---
---```lua
---local g = weft.waitgroup()
---g:add()
---g:done()
---print(g:count())                     --> 0
---```
function waitgroup:done() end

---Waits until nothing is left to be done.
---
---Blocks: until the count is 0 or the time is over.
---Errors: a bad time.
---
---```lua
---local g = weft.waitgroup()
---print(g:wait())                      --> true
---g:add()
---print(g:wait(0.001))                 --> false
---```
---@param timeout? number  seconds, 0 or more; nil: no limit
---@return boolean all_done
function waitgroup:wait(timeout) end

---What is left to be done.
---
---Blocks: no.
---
---```lua
---local g = weft.waitgroup()
---g:add(5)
---print(g:count())                     --> 5
---```
---@return integer n
function waitgroup:count() end

---Makes a function that runs once, for whoever calls it first; the others wait and get the same results, or the same
---error. A run that was cut short, because its task was cancelled, does not count: the next caller runs the function anew.
---
---Blocks: no.
---Errors: not a function.
---
---```lua
---local connect = weft.once(function() print "connecting" weft.sleep(0.001) return "conn" end)
---local a, b = weft.go(connect), weft.go(connect)
---print(a:join(), b:join())
-----> connecting
-----> conn conn
---```
---@param f function  gets the arguments of the first call
---@return weft.once o
function weft.once(f) end

---`o(...)` calls it. It blocks while the function runs in another task, and as the function does. Called by the function
---itself it raises.
---
---Closing: nothing.
---
---```lua
---local o = weft.once(function(x) return x, x * x end)
---print(o(3))                          --> 3 9
---print(o(4))                          --> 3 9
---print(o)                             --> weft.once 1 (done)
---```
---@class weft.once
---@operator call: any
local once = {}

---Makes an event: something that is set or not, and can be waited for.
---
---Blocks: no.
---
---```lua
---local ready = weft.event()
---weft.go(function() print "starting" ready:set() end)
---ready:wait()
---print(ready)
-----> starting
-----> weft.event 1 (set)
---```
---@return weft.event e
function weft.event() end

---Closing: nothing.
---@class weft.event
local event = {}

---Sets it: all that wait go on, and who comes later does not wait, until clear.
---
---Blocks: no.
---
---```lua
---local e = weft.event()
---e:set()
---print(e:is_set(), e:wait())          --> true true
---```
function event:set() end

---Clears it.
---
---Blocks: no.
---
---```lua
---local e = weft.event()
---e:set()
---e:clear()
---print(e:wait(0.001))                 --> false
---```
function event:clear() end

---Is it set?
---
---Blocks: no.
---
---```lua
---print(weft.event():is_set())         --> false
---```
---@return boolean yes
function event:is_set() end

---Waits until it is set.
---
---Blocks: until it is set or the time is over.
---Errors: a bad time.
---
---```lua
---local e = weft.event()
---local job = weft.go(function() return e:wait() end)
---weft.yield()
---e:set()
---print(job:join())                    --> true
---```
---@param timeout? number  seconds, 0 or more; nil: no limit
---@return boolean set  false when the time was over
function event:wait(timeout) end
