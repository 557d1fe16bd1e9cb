---@meta _
-- luacheck: ignore 211 212 241 431

---# Groups of jobs

---@class weft
local weft = {}

---Calls a function that may start jobs through the scope it is given, and waits for all of them before it returns.
---The first failure, of a job or of the function itself, cancels the others and the function, and is raised when all have
---ended. A job that was cancelled on its own is not a failure. When the task of the scope is cancelled, so are its jobs.
---
---Blocks: until the function and all jobs of the scope have ended.
---Errors: the first failure; not a function.
---
---```lua
---local sum = 0
---local answer = weft.scope(function(s)
---  for i = 1, 3 do s:go(function() weft.sleep(0.001) sum = sum + i end) end
---  return "started"
---end)
---print(answer, sum)                   --> started 6
---```
---@param f function  called as `f(s, ...)` with the scope
---@param ... any  more arguments
---@return any ...  its results
function weft.scope(f, ...) end

---Calls a function and gives it a time. When that is over, its blocking calls raise, and once it has really ended a
---`timeout` error is raised here. Results that it returns nevertheless win. A function that never blocks is not stopped.
---
---Blocks: as the function does, until it has ended.
---Errors: `timeout`; those of the function; a bad time; not a function.
---
---```lua
---print(weft.timeout(1, function(a) return a end, "in time"))
-----> in time
---print(pcall(weft.timeout, 0.001, weft.sleep, 60))
-----> false timeout: not finished within 0.001 s
---```
---@param seconds number  0 or more
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function weft.timeout(seconds, f, ...) end

---Waits for all jobs of a list and returns the first result of each. The first that fails, or was cancelled, cancels
---the rest; its error is raised when they have ended.
---
---Blocks: until all have ended.
---Errors: the first error of a job; not a list of jobs.
---
---```lua
---local function after(s, v) weft.sleep(s) return v end
---local r = weft.all { weft.go(after, 0.002, "a"), weft.go(after, 0.001, "b") }
---print(r[1], r[2], r.n)               --> a b 2
---```
---@param jobs weft.job[]
---@return table results  in the order of the list, with `n`
function weft.all(jobs) end

---Waits for the first job of a list to end, cancels the others, waits for them too.
---
---Blocks: until all have ended.
---Errors: that of the first, if it failed; an empty list; not a list of jobs.
---
---```lua
---local function after(s, v) weft.sleep(s) return v end
---print(weft.race { weft.go(after, 60, "tortoise"), weft.go(after, 0.001, "hare") })
-----> 2 hare
---```
---@param jobs weft.job[]  at least one
---@return integer index  of the first
---@return any ...  its results
function weft.race(jobs) end

---For a loop over the jobs of a list in the order in which they end. Their errors are not raised: ask each one.
---
---Blocks: in each step until one more has ended.
---Errors: not a list of jobs.
---
---```lua
---local function after(s, v) weft.sleep(s) return v end
---for job in weft.completed { weft.go(after, 0.01, "slow"), weft.go(after, 0, "fast") } do
---  print(job:join())
---end
-----> fast
-----> slow
---```
---@param jobs weft.job[]
---@return fun():weft.job? next  the iterator
function weft.completed(jobs) end

---The scope that weft.scope gives to its function. It serves until that has returned and all its jobs have ended.
---`local part <close> = s` cancels and joins what still runs in it when the block is left; the scope goes on.
---@class weft.scope
local scope = {}

---As weft.go, for a job of this scope.
---
---Blocks: no.
---Errors: as weft.go; the scope has ended.
---
---```lua
---weft.scope(function(s) s:go({ name = "a" }, print, "in a scope") end)
-----> in a scope
---```
---@param f function
---@param ... any
---@return weft.job job
---@overload fun(self: weft.scope, opts: weft.go.options, f: function, ...): weft.job
function scope:go(f, ...) end

---As weft.spawn, for a job of this scope.
---
---Blocks: no.
---Errors: as weft.spawn; the scope has ended.
---
---```lua
---print(weft.scope(function(s)
---  local cube = s:spawn(function(x) return x * x * x end, 3)
---  return cube:join()
---end))                                 --> 27
---```
---@param f function
---@param ... any
---@return weft.job? job
---@return string? message
---@return string? code
---@overload fun(self: weft.scope, opts: weft.spawn.options, f: function, ...): weft.job?, string?, string?
function scope:spawn(f, ...) end

---As weft.thread, for a job of this scope.
---
---Blocks: no.
---Errors: as weft.thread; the scope has ended.
---
---```lua
---print(weft.scope(function(s)
---  local square = s:thread(function(x) return x * x end, 12)
---  return square:join()
---end))                                --> 144
---```
---@param f function
---@param ... any
---@return weft.job? job
---@return string? message
---@return string? code
---@overload fun(self: weft.scope, opts: weft.thread.options, f: function, ...): weft.job?, string?, string?
function scope:thread(f, ...) end

---Cancels all jobs of the scope and its function. weft.scope then raises a `cancelled` error.
---
---Blocks: no.
---Errors: the scope has ended.
---
---```lua
---local ok, err = pcall(weft.scope, function(s)
---  s:go(weft.sleep, 60)
---  s:cancel "enough"
---end)
---print(err)                           --> cancelled: enough
---```
---@param reason? any
function scope:cancel(reason) end

---Not there yet: raises.
---@private
---@param ... any
function scope:spawn(...) end

---Not there yet: raises.
---@private
---@param ... any
function scope:process(...) end
