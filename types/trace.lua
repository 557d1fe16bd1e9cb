---@meta _
-- luacheck: ignore 211 212 241 431

---# Traces
---
---A trace records what every task did when: started, ran, was ready, waited and for what, ended. It is of the whole
---process, threads included, and there is one at a time. Each OS thread writes to memory of its own; when that is
---full the oldest events go and are counted as lost.

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

---Notes a text at this moment; t:timeline() shows it. Without a running trace it does nothing.
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
---@param text string  23 bytes are kept
function weft.trace.mark(text) end

---A trace made from a list of records, for tests of pictures.
---@private
---@param records table
---@return weft.trace t
function weft.trace.from_records(records) end

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
---"live" "run" "stop" "ready" "mark"; `why`, the kind of a new task or the reason of a stop; `task`, an id; `arg`, the id of
---who started or woke it or of what it waits for; `iso`, the Lua state; `thread`, an index into `t.threads`; `text` of a mark.
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
