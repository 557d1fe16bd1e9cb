---@meta _
-- luacheck: ignore 211 212 241 431

---# Exploring schedules
---
---A test of tasks runs one schedule of many; a race shows in another one. weft.explore runs a function under many schedules
---of its tasks, in this Lua state, with a clock of its own, and finds the schedule that fails. It is for functions that do
---the same whenever their tasks do the same: state of their own in each run, no IO, no threads.
---
---| where a task can be switched | `points` |
---|---|
---| before every operation of weft that other tasks can notice: a lock, a send, a look at an event, an atomic access | "operations" (default) |
---| before every line too | "lines" |
---| before every instruction of Lua's virtual machine too: `n = n + 1` is three or four | "instructions" |
---
---| which schedules | `strategy` |
---|---|
---| all: first those without a preemption, then all with one, and so on (*iterative context bounding*, as in CHESS) | "exhaustive" (default) |
---| tasks get random priorities that change at `depth - 1` places (*probabilistic concurrency testing*): finds a bug of that depth with a known probability, in programs too large for all | "pct" |
---| any choice with the same probability | "random" |
---
---A *preemption* takes the turn from a task that could go on. Most bugs need one or two. A case of weft.select that is ready
---beside others is a choice too.
---
---What fails: an error of the function, or of a task at which nobody looks; a *deadlock*, when tasks wait for ever, total or
---partial (the rest has ended, or goes on); a *lost wake-up*, a deadlock whose reason is that a signal came before the wait;
---a *livelock*, when there is no end after `steps` steps; a *race*, two accesses to something watched that nothing orders;
---with `same`, a second outcome. Tasks that the function leaves are run to their end, but for detached ones.
---
---Time stands still while a task can run; when none can, it goes on to the next timer at once. With `clock = "free"` it may
---go on at any point: so each time-out is tried before and after what it limits.

---@class weft
local weft = {}

---Runs a function under many schedules of its tasks. Prints nothing: the report that it returns has all as fields, and as
---text (`print(report)`) shows the failing interleaving, one column a task.
---
---The function gets one argument, an object to watch things with (weft.explored). What it returns is the run's *outcome*.
---`math.random` gives the same numbers in every run; after all it is seeded anew. Other tasks of this state have their turns
---between runs only. A mutex or a table from outside must be as before when the function ends.
---
---A failing schedule is made as small as possible, by leaving out what it does not need, and has a *token*, a short text that
---replays exactly it: `weft.explore(f, { replay = token })`. A token fits as long as the function is the same.
---
---There is no switch point inside functions that cannot yield (a comparison of `table.sort`); the report counts them.
---
---Blocks: while it works; other tasks have their turns between runs. At most `seconds`, plus the time for the report.
---Errors: an option that is unknown or out of range, a token that is none; inside a function that is explored. Failures of
---the function are in the report.
---
---```lua
---local function f()
---  local n, mutex = 0, weft.mutex()
---  local function add()
---    local v = n
---    mutex:with(function() end)         -- locks, but too late
---    n = v + 1
---  end
---  weft.all { weft.go(add), weft.go(add) }
---  assert(n == 2, "an update was lost")
---end
---local r = weft.explore(f)
---print(r.ok, r.failure.kind, r.failure.preemptions)
-----> false error 1
---print(r.failure.message)             --> ...an update was lost
---print(r.failure.interleaving:find "preempted" ~= nil)
-----> true
---print(weft.explore(f, { replay = r.failure.token }).failure.kind)
-----> error
---```
---@param f fun(x: weft.explored): ...
---@param opts? weft.explore.options
---@return weft.exploration report
function weft.explore(f, opts) end

---Options of weft.explore.
---@class weft.explore.options
---@field points? string  "operations" "lines" "instructions"
---@field strategy? string  "exhaustive" "pct" "random"
---@field preemptions? integer  exhaustive: no more than that many in a schedule; default: no limit
---@field depth? integer  pct; default 3
---@field seed? integer  of pct and random, and of `math.random`; default 1
---@field schedules? integer  the budget: no more than that many; default 100000
---@field seconds? number  the budget: no longer than that; default 10
---@field steps? integer  a schedule with more steps has no end; default 10000
---@field clock? string  "idle": time passes when no task can run (default); "free": at any point
---@field same? boolean  a second outcome is a failure
---@field keep_going? boolean  go on after a failure, to the end of the budget
---@field watch? table<string, table>  tables to watch in every run, by the names that the report gives them
---@field replay? string  run the schedule of this token, and no other

---What the explored function gets: it tells what is shared.
---@class weft.explored
local explored = {}

---Watches a table, or an upvalue of a function, from now to the end of the run: each access is a switch point, and two
---accesses by tasks of which one writes are a *race* unless one *happens before* the other. What orders: locks, channels,
---jobs, events and the like, elements of buffers but for relaxed accesses, the start and the end of tasks. This is worked
---out with vector clocks; what only happens to be in some order in a schedule is no order.
---
---Of a table the keys are watched one by one; raw accesses (`rawget`, `next`) do not see a watched table's contents, `pairs`
---and `#` do. Of an upvalue each line that reads or writes it counts as an access when the line begins; accesses by the
---function whose local variable it is are not seen.
---
---Blocks: no.
---Errors: what is neither table nor function; a function without such an upvalue.
---
---```lua
---local r = weft.explore(function(x)
---  local account = x:watch({ balance = 100 }, "account")
---  local function draw() account.balance = account.balance - 10 end
---  weft.all { weft.go(draw), weft.go(draw) }
---end)
---print(r.failure.kind)                --> race
---print(r.failure.message)             --> unsynchronised accesses to account.balance: ...
---```
---@param what table | function
---@param name? string  the table's name in the report; of a function the name of its upvalue
---@return table | function what  as given
function explored:watch(what, name) end

---The report of weft.explore. As text it tells all of it.
---@class weft.exploration
---@field ok boolean  no schedule failed
---@field failure weft.exploration.failure?  the first one
---@field failures weft.exploration.failure[]  all; more than one with `keep_going` only
---@field outcomes table[]  what the function returned: `{ text, count, token }`; 1000 are kept
---@field schedules integer  run, without those that made a failure small
---@field complete boolean  there are no other schedules: every one was run
---@field coverage string  what was run, what was left, why it stopped
---@field seconds number  it took
---@field points string  where tasks were switched
local exploration = {}

---Raises the report as an error when a schedule failed; else returns it. For tests.
---
---Blocks: no.
---Errors: the report's text.
---
---```lua
---weft.explore(function()
---  local ch = weft.channel()
---  weft.go(function() ch:send(1) end)
---  assert(ch:recv() == 1)
---end):assert()
---```
---@return weft.exploration report
function exploration:assert() end

---One way to fail.
---@class weft.exploration.failure
---@field kind string  "error" "deadlock" "lost wake-up" "livelock" "race" "outcome"; "nondeterminism" when the function does not depend on its schedule alone; "outside" when it waits for another isolate; "left" when tasks do not end though cancelled
---@field message string
---@field traceback string?  of an error
---@field task integer?  whose error it was; the function itself is 1
---@field token string  replays it
---@field schedule integer  how many had been run
---@field count integer  how many failed in this way
---@field preemptions integer
---@field steps integer
---@field tasks integer
---@field interleaving string  the columns
---@field stuck string[]  of a deadlock: who waits for what, and where
---@field names table<integer, string>  of the tasks

return weft
