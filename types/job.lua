---@meta _
-- luacheck: ignore 211 212 241 431

---# Jobs
---
---What weft.go and weft.thread return. A job may be joined any number of times, by anyone, with the same results. One
---that failed and that nobody looked at is reported (weft.on_unhandled). When the main chunk ends, jobs that still run
---are cancelled and waited for, and a line on stderr says where they were started.

---`tostring(job)` says what it is and how it stands.
---
---Closing: cancels the job and waits for its end. How it ended is not raised.
---
---```lua
---do
---  local job <close> = weft.go(weft.sleep, 60)
---  weft.yield()
---end
---print "left at once"                 --> left at once
---```
---@class weft.job
---@field id integer  unique in this process
---@field name string?  as given in the options
---@field kind string  "task", "isolate", "thread" or "process"; of pool:submit the pool's kind
local job = {}

---Waits for the end and returns the function's results, or raises its error: the same value, a string unchanged. From
---a thread both are copies.
---
---Blocks: until the job has ended.
---Errors: that of the job, `cancelled` when it was cancelled; a job that waits for itself.
---
---```lua
---local job = weft.go(function() error("no luck", 0) end)
---print(pcall(job.join, job))          --> false no luck
---```
---@return any ...
function job:join() end

---The same without raising the job's error.
---
---Blocks: until the job has ended.
---Errors: a job that waits for itself.
---
---```lua
---local good = weft.go(function() return 1, 2 end)
---local bad = weft.go(function() error { code = 7 } end)
---print(good:result())                 --> true 1 2
---local ok, err = bad:result()
---print(ok, err.code)                  --> false 7
---```
---@return boolean ok
---@return any ...  the results, or the error
function job:result() end

---Waits for the end, at most for a time.
---
---Blocks: until the job has ended or the time is over.
---Errors: a bad time; a job that waits for itself. Never that of the job.
---
---```lua
---local job = weft.go(weft.sleep, 60)
---print(job:wait(0.001), job:cancel(), job:wait())
-----> false true true
---```
---@param timeout? number  seconds, 0 or more; nil: no limit
---@return boolean finished
function job:wait(timeout) end

---Asks the job to end. From then on its blocking calls raise a `cancelled` error, each of them, so a `pcall` does not
---swallow it; `<close>` handlers on the way out may block (weft.shield). A thread that computes is stopped by a hook. So is a
---task, while time slices are on (weft.preempt); else it notices at its next blocking call. A job that catches the error and
---returns is "done". One that has not begun never does.
---
---Blocks: no.
---Errors: for a thread, a reason that cannot travel.
---
---```lua
---local job = weft.go(function() weft.sleep(60) end)
---weft.yield()
---job:cancel "too slow"
---local ok, err = job:result()
---print(job:status(), err, err.reason) --> cancelled cancelled: too slow too slow
---```
---@param reason? any  kept in the error's `reason`; that of the first call counts
---@return boolean asked  false when the job had ended
function job:cancel(reason) end

---Runs a function as a task of this state once the job has ended: `fn(ok, ...)` gets what job:result returns.
---
---Blocks: no.
---Errors: not a function.
---
---```lua
---weft.go(function() return 42 end):on_done(function(ok, value) print(ok, value) end)
---weft.wait()                          --> true 42
---```
---@param fn function
---@return weft.job self
function job:on_done(fn) end

---How the job stands: "ready", "running" or "waiting" while it lives, then "done", "failed" or "cancelled". A thread that
---lives is always "running": what happens inside is not seen from here.
---
---Blocks: no.
---
---```lua
---local job = weft.go(weft.sleep, 0.001)
---print(job:status())                  --> ready
---weft.yield()
---print(job:status())                  --> waiting
---job:join()
---print(job:status())                  --> done
---```
---@return string status
function job:status() end

---Nobody will look at how the job ends: no report if it fails, no line if it still runs when the script ends. It is
---cancelled then all the same.
---
---Blocks: no.
---
---```lua
---weft.go(function() error "nobody hears this" end):detach()
---weft.wait()
---```
---@return weft.job self
function job:detach() end

---Where a task stands now, or where the job failed; then where it was started. Of a thread that runs, only the latter.
---
---Blocks: no.
---
---```lua
---local job = weft.go(function() error "no luck" end)
---job:wait()
---print(job:traceback())
-----> stack traceback:
-----> [C]: in function 'error'
-----> ...: in function ...
-----> [C]: in ?
-----> started at ...
---```
---@return string text
function job:traceback() end

---A task-local value: what this task, or the one that started it before that, has set under the key. A thread
---begins with copies of its starter's. Only of the running task: weft.current().
---
---Blocks: no.
---Errors: called on another job than the running one.
---
---```lua
---weft.current():set("user", "ann")
---weft.go(function() print(weft.current():get "user") end):join()
-----> ann
---```
---@param key any
---@return any value  nil: nothing is set
function job:get(key) end

---Sets a task-local of the running task. Tasks that it starts later see it, those that it started before do not.
---
---Blocks: no.
---Errors: called on another job than the running one; a key that is nil or NaN.
---
---```lua
---weft.current():set("depth", 1)
---local job = weft.go(function()
---  weft.current():set("depth", 2)
---  return weft.current():get "depth"
---end)
---print(job:join(), weft.current():get "depth")
-----> 2 1
---```
---@param key any  neither nil nor NaN
---@param value any
function job:set(key, value) end

---What weft.current() is in the main chunk of a script or the function of a thread.
---@class weft.main
---@field id integer  unique in this process
---@field name string  "main"
---@field kind string  "main"; "isolate", "thread" or "process" in the function of one
local main = {}

---As job:get.
---
---Blocks: no.
---
---```lua
---weft.current():set("level", "debug")
---print(weft.current():get "level")    --> debug
---```
---@param key any
---@return any value
function main:get(key) end

---As job:set.
---
---Blocks: no.
---
---```lua
---weft.current():set("level", nil)
---print(weft.current():get "level")    --> nil
---```
---@param key any
---@param value any
function main:set(key, value) end
