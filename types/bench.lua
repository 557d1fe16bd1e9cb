---@meta _
-- luacheck: ignore 211 212 241 431

---# Measuring
---
---weft.bench measures what a function costs and says how well that is known. The function runs in fresh Lua states, each on a
---thread of its own: a *round*. In a round the number of calls that fill a sample is found, the function is warmed up,
---samples are taken, and the cost of the empty loop is subtracted. What is compared is measured in turn, A B C A B C, so that a
---machine whose speed drifts is unfair to none. The interval around the median comes from a bootstrap over rounds and
---samples. What the machine spoils or cannot show is said below the numbers.

---@class weft
---@field bench weft.bench.module
local weft = {}

---`weft.bench(name, f, opts)` measures one function, or with `params` one function for several values, which it gets as its
---last argument. The result prints itself.
---
---Blocks: until it is done; others run meanwhile.
---Errors: wrong arguments or options; those of the function; a function that cannot go to another Lua state.
---
---```lua
---local r = weft.bench("sort", function(list)
---  table.sort(table.move(list, 1, #list, 1, {}))
---end, { setup = function() return { 3, 1, 2 } end, seconds = 0.05 })
---print(r.count, r.low <= r.median and r.median <= r.high)
-----> 50 true
---```
---
---```lua
---local t = weft.bench("concat", function(n) return ("x"):rep(n) end, { params = { 1, 1000 }, param = "n", seconds = 0.02 })
---print(#t, t[2].param)                --> 2 1000
---```
---@class weft.bench.module
---@overload fun(name: string, f: function, opts?: weft.bench.options): weft.bench.result
weft.bench = {}

---Options of weft.bench and weft.bench.compare.
---@class weft.bench.options
---@field seconds? number  of sampling, for each function; default 1
---@field rounds? integer  fresh states; default 5
---@field samples? integer  in each round; default 10
---@field loops? integer  calls in a sample; default: as many as fill it
---@field warmup? number  seconds in each round
---@field setup? function  called once a round with the parameter; what it returns is the function's first argument
---@field teardown? function  called at the end of a round with the same and the parameter
---@field batch? boolean  the function itself does something n times: it gets n, then the rest
---@field collect? boolean  a full garbage collection before each sample; default true
---@field isolate? string|false  "thread" (default), "process", or false: in this Lua state
---@field cpu? integer  the CPU to run on
---@field params? table  values, each measured; not for compare
---@field param? string  what they are called

---Measures functions in turn and compares each with the first. Where the interval of the ratio holds 1 it says "no difference",
---and "too short to compare" where one of the two takes less time than the loop around it.
---
---Blocks: until it is done; others run meanwhile.
---Errors: as weft.bench.
---
---```lua
---local t = weft.bench.compare({ { "pack", function() return table.pack(1, 2) end },
---  { "braces", function() return { 1, 2 } end } }, { seconds = 0.02 })
---local verdict = t[2]:compare(t[1])
---print(#t, verdict.low <= verdict.ratio and verdict.ratio <= verdict.high)
-----> 2 true
---```
---@param t table  functions by name, compared in the order of their names, or a list of `{ name, function }`
---@param opts? weft.bench.options
---@return weft.bench.table t
function weft.bench.compare(t, opts) end

---Puts a load on a function that waits: starts `f(i)` as a task at each of the moments that `rate` a second makes, whether
---those before have ended or not, and measures each from the moment at which it was meant to start. So what has to wait in
---line is counted, which a loop that calls one after the other would hide.
---
---Blocks: until all have ended.
---Errors: wrong arguments or options. Calls that fail are counted.
---
---```lua
---local r = weft.bench.load("naps", function() weft.sleep(0.001) end, { rate = 500, seconds = 0.1 })
---print(#r.latencies, r.p50 >= 0.001, r.p50 <= r.p99 and r.p99 <= r.max)
-----> 50 true true
---```
---@param name string
---@param f function
---@param opts? weft.bench.load.options
---@return weft.bench.load r
function weft.bench.load(name, f, opts) end

---Options of weft.bench.load.
---@class weft.bench.load.options
---@field rate? number  calls a second; default 1000
---@field seconds? number  how long; default 1
---@field random? boolean  at random moments (a Poisson process) instead of equal steps
---@field patience? number  seconds to wait for the last ones

---A saved measurement, to compare with.
---
---Blocks: the whole thread, while the file is read.
---Errors: not a string. Returns nil, message, code when the file cannot be read, nil, message when it is none.
---
---```lua
---print(weft.bench.saved "no/such/file")
-----> nil ENOENT: no such file or directory: no/such/file ENOENT
---```
---@param path string
---@return weft.bench.result? r
---@return string? message
---@return string? code
function weft.bench.saved(path) end

---What measurements are stamped with: `cpus` that this process may use, `online`, `cores`, `model`, `virtual`, `governor`,
---`kernel`, `memory`, `versions`. What the system does not say is nil.
---
---Blocks: no.
---
---```lua
---print(weft.bench.machine().cpus == weft.cpus())
-----> true
---```
---@return table stamp
function weft.bench.machine() end

---A measurement. Times are seconds a call.
---@class weft.bench.result
---@field name string
---@field median number
---@field low number  the median is above this with 95 % confidence, together with
---@field high number  below this
---@field least number
---@field most number
---@field cpu number  the median of CPU time
---@field bytes number  of Lua memory a call
---@field switches number  how often a call gave the CPU away
---@field forced number  how often it was taken away
---@field count integer  samples
---@field loops integer  calls in each
---@field loop number  what the empty loop costs, subtracted from the times
---@field outliers table[]  samples far from the others: `{ value, round, severe }`
---@field warnings string[]
---@field machine table  as weft.bench.machine
---@field rounds table[]  the samples
local result = {}

---The verdict on two measurements: an object that prints itself, with `ratio` of the medians, `low` and `high` (95 %), and
---`different`: whether 1 lies outside of them. What was too short to measure is too short to compare: `short`.
---
---Blocks: no.
---Errors: not a measurement.
---
---```lua
---local r = weft.bench("text", function() return ("x"):rep(1000) end, { seconds = 0.02 })
---print(r:compare(r):text())           --> no difference (...)
---```
---@param other weft.bench.result
---@return weft.bench.ratio verdict
function result:compare(other) end

---The samples as a plot.
---
---Blocks: no.
---
---```lua
---local r = weft.bench("text", function() return ("x"):rep(1000) end, { seconds = 0.02 })
---print(r:histogram().count)           --> 50
---```
---@return weft.plot p
function result:histogram() end

---Saves the measurement for weft.bench.saved.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string. Returns nil, message, code when the file cannot be written.
---
---```lua
---local path = os.tmpname()
---local r = weft.bench("text", function() return ("x"):rep(1000) end, { seconds = 0.02 })
---r:save(path)
---print(weft.bench.saved(path).median == r.median)
-----> true
---os.remove(path)
---```
---@param path string
---@return boolean? ok
---@return string? message
---@return string? code
function result:save(path) end

---What result:compare returns.
---@class weft.bench.ratio
---@field ratio number
---@field low number
---@field high number
---@field different boolean
---@field short boolean
---@field warning string?  when the machines differ
local ratio = {}

---The verdict in words: "too short to compare", "no difference (0.98 to 1.03)", "1.95 times as long (1.90 to 2.01)", "0.51 of the time (0.50 to 0.53)".
---
---Blocks: no.
---
---```lua
---local r = weft.bench("text", function() return ("x"):rep(1000) end, { seconds = 0.02 })
---print(r:compare(r):text())           --> no difference (...)
---```
---@return string text
function ratio:text() end

---Several measurements: a list that prints itself as a table.
---@class weft.bench.table
---@field param string?  what the parameter is called
local list = {}

---The medians as a plot: a curve over a parameter that is a number, else bars.
---
---Blocks: no.
---
---```lua
---local t = weft.bench("rep", function(n) return ("x"):rep(n) end, { params = { 1, 1000 }, param = "n", seconds = 0.02 })
---print(#t:plot { logx = true }.series[1].points)
-----> 2
---```
---@param opts? weft.plot.curve.options
---@return weft.plot p
function list:plot(opts) end

---What weft.bench.load returns. Times are seconds from the moment that a call was meant to start.
---@class weft.bench.load
---@field name string
---@field p50 number
---@field p90 number
---@field p99 number
---@field p999 number
---@field max number
---@field latencies number[]  in order of size
---@field count integer  calls started
---@field failed integer
---@field rate number  a second, asked
---@field reached number  a second
---@field took number  seconds in all
---@field cpu number  seconds of CPU time, all threads
---@field most integer  calls that ran at once
---@field late number  how late a start was at most
---@field warnings string[]
---@field machine table
local load = {}

---The latencies as a plot.
---
---Blocks: no.
---
---```lua
---local r = weft.bench.load("naps", function() weft.sleep(0.001) end, { rate = 500, seconds = 0.1 })
---print(r:histogram().count)           --> 50
---```
---@return weft.plot p
function load:histogram() end
