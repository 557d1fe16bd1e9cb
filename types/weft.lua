---@meta weft
-- luacheck: ignore 211 212 241 431

---# The module
---
---`local weft = require "weft"` gives a table of functions. The examples below leave that line out. A comment
---`--> text` shows what a line prints.
---
---A *task* is a function that weft runs in turns with others of the same Lua state; tasks share all values. A
---*thread* runs a function in a Lua state of its own on an OS thread; values are copied to it and back. The handle
---of either is a *job*. The main chunk counts as a task too.
---
---A call that *blocks* parks the task that makes it, and other tasks run meanwhile. In the main chunk, and wherever
---Lua cannot yield (inside `table.sort`, `string.gsub`, `require`, a metamethod called from C), it runs the other
---tasks itself until its answer is there. Nothing needs a `run()` or an `await`. Each entry says when it blocks.
---
---Times are seconds and may have fractions; `math.huge` means no limit. Negative times and NaN raise.
---
---Misuse raises a string that names the argument. Errors that weft raises for other reasons are tables (weft.error).
---What the world refuses (too many threads, no right to a priority) returns `nil, message, code`.

---Every call that blocks is a place where a cancelled task raises, even when it would not have to wait this time.
---Calls named `try_` that are given no time never block and never raise for that reason.
---@class weft
---@field trace weft.trace.module  records what runs, for pictures; loaded at its first use
local weft = {}

---Starts a function as a task and returns its job. The task first runs when its starter blocks or yields: all tasks
---of a state share one OS thread, and one runs until it gives its turn away.
---
---A table as first argument gives options (weft.go.options).
---
---Blocks: no.
---Errors: not a function; an unknown option; the script is ending.
---
---```lua
---local job = weft.go(function(a, b) return a + b end, 2, 3)
---local named = weft.go({ name = "greeter" }, function() return "hello" end)
---print(job:join(), named:join())      --> 5 hello
---```
---@param f function  what to run; a value with a `__call` metamethod will do
---@param ... any  its arguments
---@return weft.job job
---@overload fun(opts: weft.go.options, f: function, ...): weft.job
function weft.go(f, ...) end

---Options of weft.go.
---@class weft.go.options
---@field name? string  shown in pictures and reports; pictures keep 23 bytes, of a longer one the first 12 and the last 8

---Starts a function in a Lua state of its own, an *isolate*, which the workers of a pool run: a few OS threads, as many as
---there are CPUs, share all isolates among them. It runs at the same time as this state and as other isolates, costs a
---tenth of what a thread does, and there may be hundreds of thousands.
---
---Function and arguments, results and errors are copied as with weft.thread (see *What travels* below). An isolate that waits
---holds no worker; one that computes gives its worker up after 10 ms of CPU time when others wait, and goes on on any of
---them. Where Lua cannot yield (inside `table.sort`, `string.gsub`) a wait keeps the worker, and another one takes its place
---meanwhile. A C function that blocks keeps it too, and nobody takes its place: use weft.thread for those.
---
---A table as first argument gives options (weft.spawn.options).
---
---Blocks: no.
---Errors: not a function; an option that is unknown or out of range; a value that cannot travel (`transfer`).
---When the system refuses the first worker, `nil, message, code`.
---
---```lua
---local jobs = {}
---for i = 1, 4 do jobs[i] = weft.spawn(function(n) return n * n end, i) end
---for i = 1, 4 do io.write(jobs[i]:join(), " ") end
---print(weft.spawn({ name = "small", memory = 1 << 20 }, function() return "done" end):join())
----->  1 4 9 16 done
---```
---@param f function  what to run
---@param ... any  its arguments
---@return weft.job? job  nil when the system refuses
---@return string? message  "EAGAIN: resource temporarily unavailable: thread"
---@return string? code  "EAGAIN"
---@overload fun(opts: weft.spawn.options, f: function, ...): weft.job?, string?, string?
function weft.spawn(f, ...) end

---Options of weft.spawn.
---@class weft.spawn.options
---@field name? string  shown in pictures and reports; pictures keep 23 bytes, of a longer one the first 12 and the last 8
---@field memory? integer  the most bytes that its Lua state may hold, its finalisers 32 KiB more; past that it fails alone with an error of kind "memory"

---How many workers run the isolates of weft.spawn, or will when the first one starts: as many as CPUs, if nobody says
---otherwise. With a number, that many from now on. The pool belongs to the process, and it can grow but not shrink while it
---runs.
---
---Blocks: no.
---Errors: not a number from 1 to 512; fewer than run already.
---
---```lua
---print(weft.workers() == weft.cpus())  --> true
---```
---@param n? integer  1 to 512
---@return integer n  how many there are, or will be
function weft.workers(n) end

---Starts a function in a Lua state of its own on an OS thread of its own, which runs at the same time as this one.
---
---The function and its arguments are copied to the new state, its results or its error back (see *What travels*
---below). It finds weft there by `require "weft"`, or by an upvalue `weft`. Modules are found as here: package.path, cpath,
---preload and searchers are copied too. When the function has returned, tasks that
---it left are cancelled. While it runs, it and its starter talk through channels (weft.channel).
---
---A table as first argument gives options (weft.thread.options).
---
---Blocks: no.
---Errors: not a function; an option that is unknown or out of range; a value that cannot travel (`transfer`).
---When the system refuses, `nil, message, code`: `EAGAIN` for one thread too many, `EPERM` or `EACCES` for a `nice` or a
---`policy` without the right to it, `EINVAL` for a CPU that is not there.
---
---```lua
---local job = weft.thread(function(n)
---  local sum = 0
---  for i = 1, n do sum = sum + i end
---  return sum
---end, 1000)
---print(job:join())                    --> 500500
---```
---@param f function  what to run
---@param ... any  its arguments
---@return weft.job? job  nil when the system refuses
---@return string? message  "EAGAIN: resource temporarily unavailable: thread"
---@return string? code  "EAGAIN"
---@overload fun(opts: weft.thread.options, f: function, ...): weft.job?, string?, string?
function weft.thread(f, ...) end

---Options of weft.thread. All of them concern the new thread alone.
---@class weft.thread.options
---@field name? string  shown in pictures, in reports and by the system, which keeps 15 bytes
---@field memory? integer  bytes that its Lua state may hold, 1 or more, its finalisers 32 KiB more; past them it fails with an error of kind "memory"
---@field stack? integer  bytes of C stack; at least 1 MiB is given, which is the default
---@field nice? integer  -20 (first) to 19 (last)
---@field policy? string  "other" "batch" "idle" "fifo" "rr"
---@field priority? integer  1 to 99 with "fifo" and "rr", else 0
---@field affinity? integer[]  the CPUs that it may run on, the system's numbers, from 0
---@field sigmask? string[]  signals that it blocks, "SIGINT" ..., and no others; without it all are blocked that can be (not SIGURG, faults, SIGKILL, SIGSTOP). A signal that is not blocked may be handled on this thread, by whatever handler the program has for it
---@field uid? integer  the user that this thread alone is, for good: files, signals and programs that it starts are under that user's rights; isolates of the pool, which have the process's, cannot be started from it (`EPERM`). It shares its memory with threads that have others: this protects from mistakes, not from code that does as it likes
---@field gid? integer  the same for the group
---@field groups? integer[]  supplementary groups; none when uid or gid is given and this is not

---Parks the task for a time. The clock is monotonic and its unit is the nanosecond; the system adds its timer slack, on
---Linux usually 50 us, and what else runs may add more. 0 is as weft.yield.
---
---Blocks: for that time.
---Errors: not a number, negative, NaN.
---
---```lua
---local start = weft.now()
---weft.sleep(0.01)
---print(weft.now() - start >= 0.01)    --> true
---```
---@param seconds number  0 or more
function weft.sleep(seconds) end

---Lets every other ready task run once, then goes on. A function that computes for long calls it now and then, or
---nothing else in this state runs (but see weft.preempt).
---
---Blocks: until its turn comes again.
---
---```lua
---local job = weft.go(function() print "task" end)
---weft.yield()
---print "main"
-----> task
-----> main
---```
function weft.yield() end

---Parks the task until every other task of this state and every thread started here has finished. Put at the end of
---a script, it keeps the script alive until all is done. It takes no time-out: `weft.timeout(s, weft.wait)` limits it.
---
---Blocks: until then.
---Errors: `deadlock` when what is left can never finish; a number as argument.
---
---```lua
---for i = 1, 3 do weft.go(function() weft.sleep(i / 1000) print(i) end) end
---weft.wait()
---print "all done"
-----> 1
-----> 2
-----> 3
-----> all done
---```
function weft.wait() end

---Seconds of the monotonic clock, from an unknown start. For spans of time, not for the date.
---
---Blocks: no.
---
---```lua
---local start = weft.now()
---for _ = 1, 1e5 do end
---print(weft.now() > start)            --> true
---```
---@return number seconds
function weft.now() end

---The same clock in whole nanoseconds.
---
---Blocks: no.
---
---```lua
---print(math.type(weft.nanotime()))    --> integer
---```
---@return integer nanoseconds
function weft.nanotime() end

---How many CPUs the calling thread may run on.
---
---Blocks: no.
---
---```lua
---print(weft.cpus() >= 1)              --> true
---```
---@return integer n  1 or more
function weft.cpus() end

---The job of the running task. The main chunk has none: there it is an object with `id`, `name`, `kind`, `get` and
---`set` only (weft.main).
---
---Blocks: no.
---
---```lua
---print(weft.current().kind)           --> main
---weft.go({ name = "worker" }, function() print(weft.current().name) end):join()
-----> worker
---```
---@return weft.job|weft.main job
function weft.current() end

---Calls a function in which no cancellation is raised, so that it can finish what must be finished. The shield lasts
---for 5 seconds from the moment when a cancellation is due; then blocking calls raise it after all. `<close>` handlers
---that run because their task is being cancelled are shielded in the same way, but not those inside a `pcall`, nor those
---of a coroutine that the script runs itself (`coroutine.wrap`): call weft.shield there.
---
---Blocks: as `f` does.
---Errors: those of `f`; not a function.
---
---```lua
---local job = weft.go(function()
---  weft.shield(function()
---    weft.sleep(0.005)
---    print "saved"
---  end)
---  weft.yield()
---  print "never"
---end)
---weft.yield()
---job:cancel()
---job:wait()
---print(job:status())
-----> saved
-----> cancelled
---```
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function weft.shield(f, ...) end

---Time slices for the tasks of this isolate: a task that never calls weft gives way to the others after `slice` seconds
---of CPU time. `false` ends it. Off at first, since tasks of one isolate share all values and a turn may then end
---between any two instructions. Costs nothing between the slices. A cancelled task that comes to no blocking call is
---stopped by it too. The main chunk, and what runs inside table.sort, string.gsub and other C functions, cannot give
---way.
---
---Blocks: no.
---Errors: not a number from 0.001 to 60, nor false; in an isolate of weft.spawn, whose worker slices it anyway.
---
---```lua
---weft.preempt(0.002)
---local done
---weft.go(function() weft.sleep(0.004) done = true end)
---weft.go(function() while not done do end print "both" end):join()
---weft.preempt(false)
-----> both
---```
---@param slice number|false  seconds
---@return true|nil ok  nil where the system has no such timers
---@return string? message
---@return string? code
function weft.preempt(slice) end

---Is the value an error of weft's own, of this kind? False for everything else.
---
---Blocks: no.
---Errors: no value at all; a kind that there is not.
---
---```lua
---local ok, err = pcall(weft.timeout, 0.001, weft.sleep, 1)
---print(weft.is(err, "timeout"), weft.is(err), weft.is("timeout"))
-----> true true false
---```
---@param value any
---@param kind? string  "cancelled" "timeout" "closed" "deadlock" "transfer" "memory" "process" "item" "init"; any of them when nil
---@return boolean yes
function weft.is(value, kind) end

---Says who is told of a failed job that nobody looked at: `fn(job, err, traceback)`. `join`, `result`, `wait`, `on_done`,
---`select` and the functions on groups count as looking. Without a handler it is written to stderr.
---
---The failure is told when the job's handle has been collected, so never while somebody holds it who may still look, and at
---the end of the script at the latest. A state that has failed jobs and nothing to do runs the collector at once.
---
---Blocks: no.
---Errors: neither a function nor nil.
---
---```lua
---weft.on_unhandled(function(job, err) print(job.name, err) end)
---weft.go({ name = "faulty" }, function() error("no luck", 0) end)
---weft.sleep(0.01)                     --> faulty no luck
---```
---@param fn function?  nil: stderr again
---@return function? before  the handler until now
function weft.on_unhandled(fn) end

---Gives a metatable a name by which it travels to other states: a table with this metatable arrives there with the
---metatable that was registered under the same name. Both sides must register. The same pair again is harmless.
---
---An argument arrives before the function over there can register anything. So let the module that makes such values
---register when it is loaded, and let the function use the module as an upvalue (`local Point = require "point"`): it is
---required over there before the arguments are read. The workers of a pool require it in `init`.
---
---Blocks: no.
---Errors: a name or a metatable that is registered already with another partner.
---
---```lua
---local function open_points()
---  local weft = require "weft"
---  local Point = { __tostring = function(p) return p.x .. "," .. p.y end }
---  weft.register("point", Point)
---  return Point
---end
---local Point = open_points()
---local job = weft.thread(function(open_points)
---  return setmetatable({ x = 1, y = 2 }, open_points())
---end, open_points)
---print(job:join())                    --> 1,2
---```
---@param name string
---@param metatable table
function weft.register(name, metatable) end

---An error that weft raises. `tostring(err)` is the message, behind the place if there is one (`where`). Two errors
---that say the same are equal, so an error that came from another state equals the one it was there.
---
---| kind | raised |
---|---|---|
---| cancelled | in a job that was cancelled, at this and every later blocking call; and by whoever joins it |
---| timeout | by weft.timeout |
---| closed | by a send to a closed channel |
---| deadlock | by a blocking call that can never end; the message names every task, what it waits for and where |
---| transfer | where a value cannot travel to another state; the message names its path |
---| memory | where a message to another state finds no memory or is too large |
---| process | where a worker process has ended before its function; the message says how |
---| item | by pool:map, pool:imap and weft.map: an item failed; `index`, `cause` and `traceback` say which and how |
---| init | by weft.pool: `init` failed in a worker; `cause` and `traceback` say how |
---
---```lua
---local ok, err = pcall(function() weft.channel():recv() end)
---print(err.kind)                      --> deadlock
---```
---@class weft.error
---@field kind string
---@field message string
---@field reason any  what job:cancel was given
---@field where string?  "script.lua:12", where a mistake of the script has a place: a send to what is closed, a value that cannot travel, a lock that nobody can give back
---@field index integer?  of kind "item": the place of the item in the list
---@field cause any  of kinds "item" and "init": the error as it was raised
---@field traceback string?  of kinds "item" and "init": where that was
local error_value = {}

---# What travels
---
---Arguments and results of a thread, errors and reasons are copied from state to state. They may be nil, booleans,
---numbers, strings and light userdata; tables, with cycles and shared references kept; Lua functions with their upvalues
---(upvalues shared within one message stay shared; a global means the global of the target); functions of libraries,
---modules and the standard files, by name: what a module's name means there is required there. A table with a
---metatable travels when that is registered (weft.register).
---
---A channel travels and is shared from then on: both sides have the same one, and what it carries is copied. Locks
---travel and are shared, too. So does the handle of a job: it is joined, waited for, selected and cancelled from there as
---from here; its results and its error are copied, and a job of another state that has not ended is "running".
---
---Coroutines, open files, tables nested deeper than 200, and whatever else is tied to its state
---cannot travel. That raises, and the error names the place; nothing was started or sent.
---
---```lua
---local ok, err = pcall(weft.thread, print, { users = { { co = coroutine.create(print) } } })
---print(err)                           --> ...: arg 2.users[1].co: a coroutine cannot cross isolates
---print(err.message)                   --> arg 2.users[1].co: a coroutine cannot cross isolates
---```

return weft
