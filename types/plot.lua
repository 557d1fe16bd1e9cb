---@meta _
-- luacheck: ignore 211 212 241 431

---# Plots
---
---Pictures of numbers, in the terminal and as SVG. Each function of weft.plot takes one table, the numbers in its list part
---and options beside them, and returns a plot: printing it draws it. These options all know: `title`; `unit` of the values:
---`"s"` is written as ns, µs, ms or s, `"B"` as KiB and so on, any other word follows the number; `note`, a line below.

---@class weft
---@field plot weft.plot.module
local weft = {}

---@class weft.plot.module
weft.plot = {}

---A curve, or several: series of points.
---
---Blocks: no.
---Errors: no table; an unknown option; a value that is not a finite number, or not above 0 on a logarithmic scale.
---
---```lua
---local p = weft.plot.curve { x = "workers", y = "speed-up", { 1, 1 }, { 2, 1.9 }, { 4, 2.8 } }
---print(p:text { width = 30, height = 4, ascii = true })
-----> speed-up
-----> | ...*
-----> 2 + ...*...
-----> |*...
-----> 0 +
-----> +---...
-----> 2 4
-----> workers
---```
---@param t weft.plot.curve.options
---@return weft.plot p
function weft.plot.curve(t) end

---What weft.plot.curve takes. The list part: points `{ x, y }` or `{ x, y, low, high }`, or series, each a list of such points
---with a `label`.
---@class weft.plot.curve.options
---@field title? string
---@field x? string  what stands along the axis
---@field y? string
---@field unit? string  of the y values
---@field xunit? string
---@field logx? boolean
---@field logy? boolean
---@field note? string

---A bar for each row `{ label, value }` or `{ label, value, low, high }`, the latter with its spread.
---
---Blocks: no.
---Errors: as weft.plot.curve; a value below 0.
---
---```lua
---local p = weft.plot.bars { unit = "s", log = true, { "task", 1.3e-7 }, { "thread", 4e-5, 2e-5, 8e-5 } }
---print(p:text { width = 60, ascii = true })
-----> task #... 130 ns
-----> thread #... 40 us (20 us to 80 us)
-----> 100 ns ... us
-----> logarithmic
---```
---@param t weft.plot.bars.options
---@return weft.plot p
function weft.plot.bars(t) end

---What weft.plot.bars takes, beside the rows.
---@class weft.plot.bars.options
---@field title? string
---@field unit? string
---@field log? boolean  ten times as much is a step of equal length
---@field note? string

---How often values fall into each part of their span.
---
---Blocks: no.
---Errors: as weft.plot.curve.
---
---```lua
---local p = weft.plot.histogram { 1, 2, 2, 3, 3, 3, 9, bins = 8, marks = { p50 = 3 } }
---print(p:text { width = 30, height = 3, ascii = true })
-----> 3 |...
----->   |...
----->   |...
-----> 0 +...
-----> ...
-----> ^
-----> p50 3
---```
---@param t weft.plot.histogram.options
---@return weft.plot p
function weft.plot.histogram(t) end

---What weft.plot.histogram takes, beside the values.
---@class weft.plot.histogram.options
---@field title? string
---@field unit? string
---@field bins? integer  parts, 1 to 1000; default: what suits the number of values
---@field log? boolean  parts of equal ratio instead of equal width
---@field marks? table  values to point out, by name
---@field note? string

---A cell for each number of a matrix, a list of rows: the more, the darker in plain text, the brighter in colour.
---Where a picture in text is too narrow, neighbours in a row share a cell: their mean.
---
---Blocks: no.
---Errors: as weft.plot.curve.
---
---```lua
---local p = weft.plot.heat { rows = { "core 0", "core 1" }, columns = { "a", "b", "c" }, { 1, 2, 3 }, { 3, 2, 1 } }
---print(p:text { width = 30, ascii = true, color = false })
-----> core 0 ++++++######
-----> core 1 ######++++++
-----> a b c
-----> 1 ...# 3
---```
---@param t weft.plot.heat.options
---@return weft.plot p
function weft.plot.heat(t) end

---What weft.plot.heat takes, beside the rows of numbers.
---@class weft.plot.heat.options
---@field title? string
---@field unit? string
---@field rows? string[]  labels
---@field columns? string[]
---@field x? string  what stands along the axis
---@field y? string
---@field log? boolean
---@field note? string

---A number as plots write it.
---
---Blocks: no.
---
---```lua
---print(weft.plot.number(1.5e-6, "s"), weft.plot.number(2048, "B"), weft.plot.number(1234567))
-----> 1.5 µs 2 KiB 1.23 M
---```
---@param v number
---@param unit? string
---@return string text
function weft.plot.number(v, unit) end

---A plot. `tostring(p)` is what p:text() returns.
---@class weft.plot
local plot = {}

---The picture for the terminal. What is left open the terminal decides, as for trace:timeline.
---
---Blocks: no.
---Errors: an unknown option.
---
---```lua
---print(weft.plot.bars({ { "a", 1 } }):text { width = 30, ascii = true })
-----> a ##... 1
-----> 0 ...
---```
---@param opts? weft.plot.text.options
---@return string text
function plot:text(opts) end

---Options of plot:text.
---@class weft.plot.text.options
---@field width? integer  columns, 30 or more
---@field height? integer  rows of a curve or histogram
---@field color? boolean
---@field ascii? boolean

---Writes the picture as SVG.
---
---Blocks: the whole thread, while the file is written.
---Errors: not a string. Returns nil, message, code when the file cannot be written.
---
---```lua
---print(weft.plot.bars({ { "a", 1 } }):svg():match "^<svg")
-----> <svg
---```
---@param path? string  where to; without it the text is returned
---@return boolean|string? ok  true, or the text
---@return string? message
---@return string? code
function plot:svg(path) end
