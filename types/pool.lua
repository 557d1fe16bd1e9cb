---@meta _
-- luacheck: ignore 211 212 241 431

---# Pools
---
---A pool is a number of workers that call functions on many values. What runs at the same time is as many calls as
---there are workers; the rest waits. The kind says what a worker is:
---
---| kind | a worker is | values |
---|---|---|
---| inline | the caller itself, one item after the other: for tests and comparisons | the same |
---| task | a task of this state: for items that wait | the same |
---| isolate | an isolate of weft.spawn: for items that compute | copied, see *What travels* |
---| thread | a thread with a Lua state of its own: for items that compute and call C functions that block | copied |
---| process | a process of weft.process, which can die without taking others along | copied, as far as they travel to processes |
---
---Workers of kind isolate and thread get the function once for a map, however many items it has, and then items in chunks. They keep
---what it has in upvalues and globals from item to item; another map brings a new copy.
---
---An item that runs is stopped when its map fails or is cancelled, its imap loop is left, or its job is cancelled: as a
---thread or a task is (job:cancel), so also when it computes, in an isolate or a thread. Its worker ends with it, and another one takes
---its place before the next item; the pool can be used as before. What has not begun never does. The caller goes on when
---all has ended.
---
---A function that a worker of kind task calls may use its own pool; it then does that work itself.

---@class weft
local weft = {}

---Makes a pool and starts its workers.
---
---`init` is called once in each worker, before everything else, and again in a worker that takes another one's place. It gets
---the worker's number, 1 to `size`. Its globals are there for the items. When it fails in one, the pool is not made; when it
---fails later, in a worker that takes another one's place, the pool fails all that it is asked for with that error.
---
---A pool that is not closed keeps its threads, but weft.wait does not wait for them, and the script's end ends them. A pool
---that nobody has any more goes by itself.
---
---Blocks: until `init` has been called in all workers, if there is one.
---Errors: an option that is unknown or out of range; an `init` that cannot travel (`transfer`), or its failure (`init`). When
---the system refuses a thread, `nil, message, code`.
---
---```lua
---local pool <close> = weft.pool { kind = "thread", size = 2, init = function() base = 100 end }
---local r = pool:map(function(x) return base + x end, { 1, 2, 3 })
---print(r[1], r[2], r[3], r.n)         --> 101 102 103 3
---```
---@param opts? weft.pool.options
---@return weft.pool? pool  nil when the system refuses
---@return string? message  "EAGAIN: resource temporarily unavailable: thread"
---@return string? code  "EAGAIN"
function weft.pool(opts) end

---Options of weft.pool.
---@class weft.pool.options
---@field kind? string  "inline" "task" "isolate" "thread" "process"; default "isolate"
---@field size? integer  workers, 1 to 10000; default weft.cpus(); an inline pool has one
---@field init? function  called in each worker as `init(number)`

---Calls a function on each item of a list and returns the first result of each, in order: pool:map on a pool made for the
---call. It has as many workers as there are CPUs, but no more than items.
---
---With `progress = true` a line on stderr shows how much is done, how fast, and how long the rest will take, if stderr is
---a terminal. Ctrl-C ends the items and the call.
---
---Blocks: until all is done.
---Errors: as weft.pool and pool:map. When the system refuses a thread, `nil, message, code`.
---
---```lua
---local lengths = weft.map(function(word) return #word end, { "a", "bb", "ccc" })
---print(lengths[1], lengths[2], lengths[3])
-----> 1 2 3
---```
---@param f function
---@param list table
---@param opts? weft.map.options
---@return table? results  with `n`
---@return string? message
---@return string? code
function weft.map(f, list, opts) end

---Options of weft.map: those of weft.pool and of pool:map.
---@class weft.map.options
---@field kind? string
---@field size? integer
---@field init? function
---@field chunk? integer
---@field progress? boolean

---Closing: without an error as pool:close, because of an error as pool:cancel.
---
---```lua
---local job
---do
---  local pool <close> = weft.pool { size = 1 }
---  job = pool:submit(string.rep, "x", 3)
---end
---print(job:status(), job:join())      --> done xxx
---```
---@class weft.pool
---@field kind string  as given, or the default
---@field size integer
local pool = {}

---Calls a function on each item of a list: `f(item)`. Returns the first result of each, in the order of the list, with
---the number of items as `n`.
---
---Workers get chunks of items: large ones at first and small ones towards the end, or of the given size.
---
---The first failure that is seen stops the rest and is raised, when all has ended, as an error of kind "item" with `index`,
---the place in the list, `cause`, the error itself, and `traceback`, where it arose.
---
---Blocks: until all is done.
---Errors: `item`; a function that cannot travel (`transfer`); the pool is closed; arguments and options that do not fit.
---
---```lua
---local pool <close> = weft.pool { size = 2 }
---local r = pool:map(math.sqrt, { 1, 4, 9 })
---print(r[1], r[2], r[3])              --> 1.0 2.0 3.0
---local ok, err = pcall(pool.map, pool, function(x) return x.name end, { {}, 5 })
---print(err.index, err.kind)           --> 2 item
---```
---@param f function
---@param list table  or what has `#` and indices; with a field `n`, that many items, nil too
---@param opts? weft.pool.map.options
---@return table results
function pool:map(f, list, opts) end

---Options of pool:map.
---@class weft.pool.map.options
---@field chunk? integer  items in a chunk, 1 to 2^20
---@field progress? boolean  draw a progress bar, as weft.map does

---For a loop over the index and the first result of `f(item)`, for items of a list or an iterator. Results come in the
---order of the items, or with `ordered = false` as they are done.
---
---No more than three chunks a worker are in flight: read from the iterator, with their results not yet taken by the
---loop. So the iterator may be endless or slow, or be fed by the loop itself; it is called by a task of its own. It ends at
---its first nil. A channel is one.
---
---Leaving the loop stops the rest. The first failure is raised as pool:map does, in the step that would give a result; an
---error of the iterator as it is.
---
---Blocks: in each step until the next result is there.
---Errors: as pool:map; those of the iterator.
---
---```lua
---local pool <close> = weft.pool { size = 2 }
---local words = string.gmatch("one two three", "%a+")
---for i, word in pool:imap(string.upper, words) do print(i, word) end
-----> 1 ONE
-----> 2 TWO
-----> 3 THREE
---```
---@param f function
---@param source table|function  a list, or an iterator that is called without arguments
---@param opts? weft.pool.imap.options
---@return fun():integer?,any next  the iterator; two nils and what closes it follow
function pool:imap(f, source, opts) end

---Options of pool:imap.
---@class weft.pool.imap.options
---@field chunk? integer  items in a chunk, 1 to 2^20; default 1
---@field ordered? boolean  default true

---Calls `f(...)` in a worker and returns a job (Jobs) for it, which has all its results. The call is copied here and now, and
---begins as soon as a worker has nothing else to do. The job's `kind` is that of the pool; its status is "ready" first, and "waiting"
---while it waits for a worker or runs there. Its traceback is the one in the worker.
---
---An inline pool calls the function before it returns.
---
---Blocks: no; in an inline pool as the function does.
---Errors: not a function; a value that cannot travel (`transfer`); the pool is closed; an unknown option.
---
---```lua
---local pool <close> = weft.pool { size = 2 }
---local a, b = pool:submit(math.max, 3, 9), pool:submit({ name = "low" }, math.min, 3, 9)
---print(a:join(), b:join(), b.name)    --> 9 3 low
---```
---@param f function
---@param ... any
---@return weft.job job
---@overload fun(self: weft.pool, opts: weft.go.options, f: function, ...): weft.job
function pool:submit(f, ...) end

---Takes nothing on any more, waits until all is done that the pool was asked for, and ends the workers. An imap loop of the
---calling task is ended: it could not go on. Twice is harmless.
---
---Blocks: until the workers have ended.
---Errors: in a worker of the pool itself.
---
---```lua
---local pool = weft.pool { size = 1 }
---pool:submit(print, "last words")
---pool:close()                         --> last words
---print(pcall(pool.map, pool, print, { 1 }))
-----> false cannot map: the pool is closed
---```
function pool:close() end

---Cancels all that the pool does and was asked for, and ends the workers. Jobs of pool:submit end as cancelled; a map or
---imap of another task raises a `cancelled` error.
---
---Blocks: until all has ended.
---Errors: a reason that cannot travel; in a worker of the pool itself.
---
---```lua
---local pool = weft.pool { kind = "task", size = 1 }
---local job = pool:submit(weft.sleep, 60)
---pool:cancel "enough"
---print(job:result())                  --> false cancelled: enough
---```
---@param reason? any  kept in the error's `reason`
function pool:cancel(reason) end
