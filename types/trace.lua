---@meta _
-- luacheck: ignore 211 212 241 431

---# Traces
---
---A trace records what every task did when: started, ran, was ready, waited and for what, ended. It is of the whole
---process, threads included, and there is one at a time. Each OS thread writes to memory of its own; when that is
---full the oldest events go and are counted as lost. Worker processes (weft.process) that the state which traces has
---started meanwhile, and that have ended, are in it too.

---@class weft
---@field trace weft.trace.module
local weft = {}

---`weft.trace(f, ...)` runs a function while recording and returns the trace; the function's results are in `t.results`. An
---error of the function stops the recording and is raised. A table as first argument gives options.
---
---Blocks: as the function does.
---Errors: those of the function; not a function; an unknown option; a trace runs already.
---
---```lua
---local t = weft.trace(function()
---  local ch = weft.channel()
---  weft.go({ name = "sender" }, function() ch:send "hello" end)
---  return ch:recv()
---end)
---print(t.results[1], t.lost, #t.tasks)    --> hello 0 2
---```
---@class weft.trace.module
---@operator call: weft.trace
---@overload fun(f: function, ...): weft.trace
---@overload fun(opts: weft.trace.options, f: function, ...): weft.trace
weft.trace = {}

---Options of weft.trace and weft.trace.start.
---@class weft.trace.options
---@field capacity? integer  events kept of each OS thread, 1 to 2^26, rounded up to a power of two; default 65536

---Starts recording.
---
---Blocks: no.
---Errors: an unknown option; a trace runs already; no memory.
---
---```lua
---weft.trace.start()
---weft.go(weft.sleep, 0.001):join()
---local t = weft.trace.stop()
---print(t.wall >= 0.001)               --> true
---```
---@param opts? weft.trace.options
function weft.trace.start(opts) end

---Stops recording and returns the trace.
---
---Blocks: no.
---Errors: no trace runs; no memory for the records, which are lost then.
---
---```lua
---print(pcall(weft.trace.stop))        --> false weft.trace: no trace is running
---```
---@return weft.trace t
function weft.trace.stop() end

---Returns the trace up to now. Recording goes on.
---
---Blocks: no.
---Errors: no trace runs; no memory for the records.
---
---```lua
---weft.trace.start()
---local before = weft.trace.snapshot()
---weft.go(function() end):join()
---print(weft.trace.stop().count > before.count)
-----> true
---```
---@return weft.trace t
function weft.trace.snapshot() end

---Notes a text at this moment, as weft.mark does.
---
---Blocks: no.
---Errors: not a string.
---
---```lua
---local t = weft.trace(function() weft.trace.mark "here" end)
---for e in t:events() do
---  if e.ev == "mark" then print(e.text) end
---end                                  --> here
---```
---@param text string  of more than 23 bytes the first 12 and the last 8
function weft.trace.mark(text) end

---Gives a channel, lock or buffer a name in the traces that this Lua state takes from now on, and returns it.
---
---Blocks: no.
---Errors: not such an object; not a string.
---
---```lua
---local jobs = weft.trace.label(weft.channel(), "jobs")
---local t = weft.trace(function()
---  weft.go({ name = "worker" }, function() jobs:recv() end)
---  weft.sleep(0.001)
---  jobs:send(1)
---  weft.wait()
---end)
---print(t:summary().jobs.worker.resources["recv jobs"] > 0)
-----> true
---```
---@param object any  a channel, lock or buffer
---@param name string
---@return any object
function weft.trace.label(object, name) end

---Starts a flight recorder: a trace that is always on. What the threads' memory holds is written to a file when a task runs
---for longer than `stall` seconds without giving way while others of its Lua state wait, at a deadlock, at the signal, and
---when the script asks; a line on stderr says so. A thread of its own writes it, so it works while everything else is stuck.
---weft.trace.load reads the file. There is one recorder in a process, and no other trace while it runs.
---
---Blocks: no.
---Errors: an unknown or wrong option; a trace runs already; no memory, no thread.
---Closing: stops it.
---
---```lua
---local path = os.tmpname()
---local rec <close> = weft.trace.recorder { seconds = 5, path = path }
---weft.go({ name = "napper" }, weft.sleep, 0.001):join()
---rec:dump()
---local t = weft.trace.load(path)
---print(t.reason, t:summary().jobs.napper.outcome)
-----> asked done
---os.remove(path)
---```
---@param opts? weft.recorder.options
---@return weft.recorder recorder
function weft.trace.recorder(opts) end

---Options of weft.trace.recorder.
---@class weft.recorder.options
---@field seconds? number  what snapshot and stop give: the last seconds; default 10
---@field path? string  of the file; each dump overwrites it; default "weft-PID.trace"
---@field stall? number|false  seconds that a task may run; default 0.25; false: do not look
---@field signal? string|false  "SIGUSR2" (default) "SIGUSR1" "SIGHUP" "SIGQUIT" "SIGTERM"; false: none
---@field capacity? integer  events kept of each OS thread, as for weft.trace

---A flight recorder.
---@class weft.recorder
---@field path string  of its file
---@field seconds number  as given
local recorder = {}

---Writes the file now.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string; the recorder is stopped. Returns nil, message, code when the file cannot be written.
---
---```lua
---local rec <close> = weft.trace.recorder()
---print(rec:dump "no/such/folder/x")   --> nil ENOENT: no such file or directory: no/such/folder/x ENOENT
---```
---@param path? string  another file than the recorder's
---@return string? path
---@return string? message
---@return string? code
function recorder:dump(path) end

---Returns the trace of the last seconds. Recording goes on.
---
---Blocks: no.
---Errors: the recorder is stopped; no memory for the records.
---
---```lua
---local rec <close> = weft.trace.recorder()
---weft.go({ name = "napper" }, weft.sleep, 0.001):join()
---print(rec:snapshot():summary().jobs.napper.kind)
-----> task
---```
---@return weft.trace t
function recorder:snapshot() end

---Stops it and returns the trace of the last seconds.
---
---Blocks: until its thread has ended.
---
---```lua
---local rec = weft.trace.recorder()
---print(rec:stop().wall > 0, rec:stop())
-----> true nil
---```
---@return weft.trace? t  nil when it was stopped before
function recorder:stop() end

---Loads a trace that trace:save or a flight recorder has written on a machine of this kind. `t.reason` says why a recorder
---wrote it.
---
---Blocks: the whole thread, while the file is read.
---Errors: wrong arguments. Returns nil, message, code when the file cannot be read, nil, message when it is no trace.
---
---```lua
---print(weft.trace.load "no/such/file")
-----> nil ENOENT: no such file or directory: no/such/file ENOENT
---```
---@param path string
---@param seconds? number  only the last ones
---@return weft.trace? t
---@return string? message
---@return string? code
function weft.trace.load(path, seconds) end

---Joins traces of several processes of this machine to one, by its monotonic clock.
---
---Blocks: no.
---Errors: no trace among the arguments, or something else.
---
---```lua
---local a = weft.trace(function() weft.go({ name = "first" }, weft.sleep, 0.001):join() end)
---local b = weft.trace(function() weft.go({ name = "second" }, weft.sleep, 0.001):join() end)
---print(#weft.trace.merge(a, b).tasks) --> 4
---```
---@param ... weft.trace
---@return weft.trace t
function weft.trace.merge(...) end

---A trace made from a list of records, for tests of pictures.
---@private
---@param records table
---@return weft.trace t
function weft.trace.from_records(records) end

---Marks this moment of a running trace with a text, which the pictures show. Without a running trace it does nothing.
---
---Blocks: no.
---Errors: not a string.
---
---```lua
---local t = weft.trace(function() weft.mark "here" end)
---for e in t:events() do
---  if e.ev == "mark" then print(e.text) end
---end                                  --> here
---```
---@param name string  of more than 23 bytes the first 12 and the last 8
function weft.mark(name) end

---Calls a function and returns its results; a running trace shows the call as a region of the task that makes it, waits
---included. Regions may be nested. An error of the function ends the region and goes on. Without a running trace it is a
---plain call.
---
---Blocks: as the function does.
---Errors: those of the function; not a string; not a function.
---
---```lua
---local t = weft.trace(function()
---  weft.region("load", function()
---    weft.sleep(0.001)
---    weft.region("parse", weft.sleep, 0.001)
---  end)
---end)
---print(t:timeline { print = false, ascii = true, width = 70 })
-----> 0 s ...
-----> main ... sleep ...
-----> load ===...1 time...
-----> parse ...=...1 time...
-----> # running ...
-----> wall ...
-----> longest ...
---```
---@param name string  of more than 23 bytes the first 12 and the last 8
---@param f function
---@param ... any  its arguments
---@return any ...  its results
function weft.region(name, f, ...) end

---The module over another core, for tests.
---@private
---@param core table
---@return weft.trace.module trace
function weft.trace.new(core) end

---A finished trace.
---@class weft.trace
---@field wall number  seconds from start to stop
---@field cpu number  seconds of CPU time that the process used meanwhile, all threads
---@field count integer  events recorded
---@field lost integer  events that were overwritten, or found no memory
---@field threads table[]  OS threads seen: `{ tid, name, count, lost, ended }`
---@field tasks table[]  tasks seen: `{ id, name, kind, parent, born, ended, outcome, runs, ... }`; times in ns from the start
---@field switches integer  how often an OS thread went over to another task
---@field flows table[]  who acted on whom: `{ kind, from, at, to, till, what }`, kind being "message" "unlock" "join" "start" ...
---@field path table[]  the critical path: `{ task, from, to, kind, what }`, kind being "run" "ready" or "wait"; ns
---@field reason string?  why a flight recorder wrote the file that this was loaded from
---@field results table?  of the function given to weft.trace, with `n`
local trace = {}

---Draws the trace: a row for each task, or for each OS thread (`by = "carrier"`), a column for each span of time. `█` running,
---`▒` ready but not running, `·` parked, `~` waiting for IO; at the right what it waited for longest; below the numbers of
---the whole. It prints, or returns the text with `print = false`.
---
---The environment decides the rest: `NO_UNICODE` or a locale without UTF-8 for plain ASCII, `NO_COLOR` for no colour (there
---is none either when stdout is not a terminal), `COLUMNS` for the width.
---
---Blocks: no.
---Errors: an option that is unknown or out of range.
---
---```lua
---local t = weft.trace(function() weft.go({ name = "napper" }, weft.sleep, 0.01):join() end)
---print(t:timeline { print = false, width = 60, ascii = true })
-----> 0 s ... ms
-----> main ... join napper ...
-----> napper ... sleep ...
-----> # running ...
-----> wall ... cpu ... parallelism ... switches ...
-----> longest stall ...
---```
---@param opts? weft.timeline.options
---@return string? text  with `print = false`
function trace:timeline(opts) end

---Writes the trace to a file that weft.trace.load reads, or as what the path's ending names: ".html" trace:html, ".svg"
---trace:svg, ".json" trace:chrome.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string. Returns nil, message, code when the file cannot be written.
---
---```lua
---local path = os.tmpname()
---local t = weft.trace(function() weft.go(weft.sleep, 0.001):join() end)
---t:save(path)
---print(weft.trace.load(path).count == t.count)
-----> true
---os.remove(path)
---```
---@param path string
---@return boolean? ok
---@return string? message
---@return string? code
function trace:save(path) end

---Writes the trace as an SVG picture: a lane for each task and each OS thread, arrows from send to receive and from unlock
---to lock, the critical path as a red line under the runs. Of many tasks the 60 that ran most are drawn.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string. Returns nil, message, code when the file cannot be written.
---
---```lua
---local t = weft.trace(function() weft.go({ name = "a" }, weft.sleep, 0.001):join() end)
---print(t:svg():match "^<svg")         --> <svg
---print(t:svg "no/such/folder/t.svg")
-----> nil ENOENT: no such file or directory: no/such/folder/t.svg ENOENT
---```
---@param path? string  where to; without it the text is returned
---@return boolean|string? ok  true, or the text
---@return string? message
---@return string? code
function trace:svg(path) end

---Writes the trace as a web page that stands by itself and needs no network: lanes of tasks and OS threads, arrows, zoom
---with the wheel, details of what is under the pointer, sorting by name, running, ready or parked time, the critical path.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string. Returns nil, message, code when the file cannot be written.
---
---```lua
---local t = weft.trace(function() weft.go({ name = "a" }, weft.sleep, 0.001):join() end)
---print(t:html():match "<title>(.-)</title>")
-----> weft trace
---```
---@param path? string  where to; without it the text is returned
---@return boolean|string? ok  true, or the text
---@return string? message
---@return string? code
function trace:html(path) end

---Writes the trace as JSON that Perfetto (ui.perfetto.dev) and `chrome://tracing` open: a track for each OS thread with the
---runs of tasks, a track for each task with its waits and regions, arrows, and a counter of running and ready tasks.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string. Returns nil, message, code when the file cannot be written.
---
---```lua
---local t = weft.trace(function() weft.go({ name = "a" }, weft.sleep, 0.001):join() end)
---print(t:chrome():find('"name":"a"', 1, true) ~= nil)
-----> true
---```
---@param path? string  where to; without it the text is returned
---@return boolean|string? ok  true, or the text
---@return string? message
---@return string? code
function trace:chrome(path) end

---Options of trace:timeline.
---@class weft.timeline.options
---@field by? string  "task" (default) or "carrier"
---@field width? integer  columns in all, 20 or more; default: the terminal's
---@field rows? integer  rows at most, those that ran most; default 40
---@field from? number  seconds from the start of the trace
---@field to? number  the same
---@field print? boolean  false: return the text
---@field color? boolean
---@field ascii? boolean

---The trace in numbers: a table that prints itself.
---
---Blocks: no.
---
---```lua
---local t = weft.trace(function() weft.go({ name = "napper" }, weft.sleep, 0.01):join() end)
---local s = t:summary()
---print(s.jobs.napper.waits.sleep >= 0.01, s.parallelism < 1)
-----> true true
---```
---@return weft.trace.summary s
function trace:summary() end

---For a loop over the events in order of time. An event is a table: `time` in seconds from the start; `ev`, one of "new"
---"live" "run" "stop" "ready" "mark" "enter" "leave", of values that lie in a channel "put" "take", "post" where a
---thread ends the wait of another's task, and "ship" "land" "same" of what goes to another process; `why`, the kind of a new task or the reason of a stop; `task`, an id; `arg`, the
---id of who started or woke it or of what it waits for; `iso`, the Lua state; `thread`, an index into `t.threads`; `text` of
---a mark or of a region that is entered.
---
---Blocks: no.
---
---```lua
---local t = weft.trace(function() weft.go({ name = "a" }, weft.sleep, 0.001):join() end)
---for e in t:events() do
---  if e.task == t.tasks[2].id then print(e.ev, e.why or "-") end
---end
-----> new task
-----> run -
-----> stop sleep
-----> ready -
-----> run -
-----> stop done
---```
---@return fun():table? next  the iterator
function trace:events() end

---What trace:summary returns. Times are seconds.
---@class weft.trace.summary
---@field wall number
---@field cpu number
---@field parallelism number  cpu / wall
---@field switches integer
---@field migrations integer  how often a task went on on another OS thread: an isolate that another worker took over
---@field preemptions integer  how often a task gave way at the end of its time slice
---@field longest_stall number  the longest time that a ready task waited for its OS thread
---@field stalled table?  which: `{ id, name, at, by }`; `by` is the name of who ran meanwhile
---@field events integer
---@field lost integer
---@field jobs table  list, and by name: `{ id, name, kind, running, ready, parked, runs, migrations, preemptions, outcome, waits, resources }`
---@field carriers table[]  OS threads: `{ name, tid, running, tasks }`
local summary = {}
