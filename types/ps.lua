---@meta _
-- luacheck: ignore 211 212 241 431

---# What lives now
---
---`weft.ps()` tells of every unfinished task of this program, of whichever isolate, where it waits and for what, and of the
---workers. Other isolates are asked, and answer when they look at their mail: at once when they wait, at the end of their
---slice when they compute on a worker. A thread that computes does not look until it calls weft; it is listed without
---details then, and so is a process. A worker is "blocked" while it sits in an isolate that waits where it cannot yield.

---@class weft
local weft = {}

---@class weft.ps.options
---@field timeout? number  seconds to wait for the others' answers at most; default 0.1

---One unfinished task, or one worker. Fields that are not known are nil.
---@class weft.ps.row
---@field kind "main"|"task"|"thread"|"isolate"|"process"|"worker"
---@field id integer       the job's; of a worker its number
---@field isolate? integer the number of the isolate that it is in
---@field name? string
---@field state "ready"|"running"|"waiting"|"awake"|"asleep"|"blocked"  of workers the last three
---@field wait? string     what it does: "recv", "send", "select", "join", "lock", "sleep", "wait", "io"
---@field on? string       what it waits for, as text
---@field waits? string    both in one: "recv for weft.channel 1 (0 of 0)"
---@field at? string       file and line
---@field started? string  file and line of the call that started it; of tasks
---@field cpu? number      seconds of the thread: of the main chunk, threads and workers
---@field memory? integer  bytes of the isolate's Lua values and buffers: of the main chunk, threads and isolates
---@field tasks? integer   unfinished tasks beside its function: of the same
---@field worker? integer  of an isolate of weft.spawn: the worker that ran it last
---@field slices? integer  of a worker: how often it has run an isolate
---@field stolen? integer  of a worker: isolates that it took from another worker's queue
---@field tid? integer     the system's number of the thread: of the main chunk, threads and workers

---@class weft.ps.list  a list of rows, in order, that prints itself as a table
---@field [integer] weft.ps.row

---What lives now.
---
---Blocks: until all others have answered, or the time is over.
---Errors: an unknown option; a time-out that is no number of seconds.
---
---```lua
---local ch = weft.channel()
---local job = weft.spawn({ name = "reader" }, function(c) return (c:recv()) end, ch)
---weft.sleep(0.05)
---for _, row in ipairs(weft.ps()) do
---  if row.name then print(row.kind, row.name, row.state, row.wait) end
---end
---ch:send(1)
---job:join()
-----> main     main    running  nil
-----> isolate  reader  waiting  recv
---```
---@param opts? weft.ps.options
---@return weft.ps.list list
function weft.ps(opts) end
