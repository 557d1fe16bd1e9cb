---@meta _
-- luacheck: ignore 211 212 241 431

---# Buffers and atomics
---
---A buffer is an array of numbers of one type in memory outside Lua. It travels to other isolates without being copied:
---all of them read and write the same elements, at the same time and without a lock. So it carries large data from
---thread to thread for the price of a pointer, and it is where threads meet to count, to signal and to wait.
---
---`b[i]` reads and writes an element, from 1 to `#b`. That is a plain access: it never gives half of a value, but `b[i] =
---b[i] + 1` in two threads loses additions, as it does in any language. The methods `load store exchange add cas` are
---*atomics*: nobody comes between their steps, and they order what a thread does before and after them by the rules of
---C11, whose orders they take by name: `"relaxed"`, `"acquire"`, `"release"`, `"acq_rel"` and `"seq_cst"`, the default.
---
---```lua
---local sum = weft.buffer("i64", 2)
---local jobs = {}
---for k = 1, 4 do
---  jobs[k] = weft.thread(function()
---    for _ = 1, 1000 do
---      sum:add(1, 1)         -- whole
---      sum[2] = sum[2] + 1   -- in steps
---    end
---  end)
---end
---weft.all(jobs)
---print(sum[1], sum[2] <= 4000)        --> 4000 true
---```
---
---The types are `i8 u8 i16 u16 i32 u32 i64 u64` and `f32 f64`. An index that is not from 1 to `#b` raises, and so does a
---value that the type cannot hold: `300` in `u8`, `0.5` in any integer type. An f32 is rounded to nearest; what is too
---large for it becomes infinite. Elements of u64 above `math.maxinteger` read as the negative integer of the same bits,
---and can be written so: what `b[i]` gives, `b[i]` takes.
---
---Methods that go over many elements (fill, copy, string, sum, min, max, sort) run at the speed of C and let no other task
---come meanwhile. Other threads may: each element is then seen at some moment, not all at one.

---@class weft
local weft = {}

---Makes a buffer whose elements are 0. It begins at a cache line (64 bytes) and shares none with other buffers.
---
---A table as third argument gives options (weft.buffer.options).
---
---Blocks: no.
---Errors: no such type; a negative size; a size in bytes that overflows; an unknown option; a stride that is no multiple of the
---size of an element. `memory` when there is not so much.
---
---```lua
---local b = weft.buffer("f64", 3)
---b[1], b[2] = 1.5, 2
---print(#b, b[1] + b[2] + b[3])        --> 3 3.5
---print(weft.buffer("u8", 4, { stride = 64 }))
-----> weft.buffer 2 (u8, 4, 64 bytes apart)
---```
---@param type string  "i8" "u8" "i16" "u16" "i32" "u32" "i64" "u64" "f32" "f64"
---@param n integer  elements, 0 or more
---@param opts? weft.buffer.options
---@return weft.buffer b
function weft.buffer(type, n, opts) end

---Options of weft.buffer.
---@class weft.buffer.options
---@field stride? integer  bytes from one element to the next; a multiple of their size, the default; 64: a cache line each

---Makes an atomic integer: a buffer of one i64, in a cache line of its own.
---
---Blocks: no.
---Errors: not an integer.
---
---```lua
---local counter = weft.atomic(5)
---print(counter:add(1, 2), counter[1]) --> 5 7
---```
---@param v? integer  default 0
---@return weft.buffer b
function weft.atomic(v) end

---`#b` is the number of elements, `pairs(b)` goes through them (`ipairs` would not stop at the end: `b[#b + 1]` raises). `a == b`
---when both are the same elements of the same memory.
---
---Closing: as buffer:close.
---@class weft.buffer
---@operator len: integer
local buffer = {}

---The type of the elements, as given to weft.buffer.
---
---Blocks: no.
---
---```lua
---print(weft.buffer("i16", 1):type())  --> i16
---```
---@return string type
function buffer:type() end

---The bytes from one element to the next.
---
---Blocks: no.
---
---```lua
---print(weft.buffer("i16", 1):stride())
-----> 2
---```
---@return integer stride
function buffer:stride() end

---Gives the memory up now, not when the collector comes to it. Slices of it, and other isolates that have it, keep it. The
---buffer has no elements from then on: `#b` is 0, and whatever needs elements raises. Closing it twice is harmless.
---
---Blocks: no.
---
---```lua
---local b = weft.buffer("f64", 1000000)
---b:close()
---print(#b, b)                         --> 0 weft.buffer 1 (closed)
---```
function buffer:close() end

---A buffer of the elements i to j of this one: the same memory, not a copy. Its indices begin at 1 again.
---
---Blocks: no.
---Errors: i is not from 1 to `#b + 1`, j not from i - 1 to `#b`.
---
---```lua
---local b = weft.buffer("i32", 10)
---local s = b:slice(3, 5)
---s:fill(7)
---print(#s, b[2], b[3], b[5], b[6])    --> 3 0 7 7 0
---```
---@param i? integer  default 1
---@param j? integer  default `#b`; i - 1 gives an empty one
---@return weft.buffer slice
function buffer:slice(i, j) end

---Sets all elements to a value.
---
---Blocks: no.
---Errors: a value that the type cannot hold.
---
---```lua
---print(weft.buffer("f32", 8):fill(0.5):sum())
-----> 4.0
---```
---@param v number
---@return weft.buffer b  itself
function buffer:fill(v) end

---Copies the elements of another buffer to the first elements of this one; or the values of a list; or the bytes of a string,
---as buffer:string gives them.
---
---Elements of another type are converted by value, and what does not fit raises: a negative number in an unsigned type
---(u64 too), 0.5 in an integer type. Both may be slices of one buffer, and overlap.
---
---Blocks: no.
---Errors: the source is longer than this buffer; bytes that are no whole number of elements; a value that does not fit: those
---before it are copied then.
---
---```lua
---local b = weft.buffer("u8", 4):copy { 1, 2, 3 }
---b:slice(2):copy(b:slice(1, 3))
---print(b[1], b[2], b[3], b[4])        --> 1 1 2 3
---print(weft.buffer("u8", 2):copy("hi")[1])
-----> 104
---print(pcall(b.copy, b, weft.buffer("i32", 1):fill(300)))
-----> false bad argument #2 to ... (element 1: 300 does not fit u8 (0 to 255))
---```
---@param src weft.buffer|string|number[]
---@return weft.buffer b  itself
function buffer:copy(src) end

---The bytes of elements i to j, in the machine's order, without what lies between them: `string.unpack` reads them.
---
---Blocks: no.
---Errors: as buffer:slice.
---
---```lua
---local b = weft.buffer("u8", 5):copy("hello")
---print(b:string(), b:string(2, 3))    --> hello el
---```
---@param i? integer  default 1
---@param j? integer  default `#b`
---@return string bytes
function buffer:string(i, j) end

---The sum of all elements. Of integers it is exact, and raises when the result does not fit an integer (that of u64 fits when it
---is below 2^64, and reads wrapped); it may overflow on the way. Of floats it is added in double precision, pairwise: the
---error grows with the logarithm of the number of elements, and the result is the same on every machine.
---
---Blocks: no.
---Errors: a sum of integers that does not fit.
---
---```lua
---print(weft.buffer("f64", 1000000):fill(0.1):sum() - 100000 < 1e-9)
-----> true
---```
---@return number sum  0 when there are no elements
function buffer:sum() end

---The least element; NaN when one of them is.
---
---Blocks: no.
---Errors: there are no elements.
---
---```lua
---print(weft.buffer("i8", 3):copy({ 5, -7, 2 }):min())
-----> -7
---```
---@return number least
function buffer:min() end

---The greatest element; NaN when one of them is.
---
---Blocks: no.
---Errors: there are no elements.
---
---```lua
---print(weft.buffer("i8", 3):copy({ 5, -7, 2 }):max())
-----> 5
---```
---@return number greatest
function buffer:max() end

---Sorts the elements, least first. -0.0 comes before 0.0; NaNs come last, and lose their signs. Takes twice the memory of the
---elements meanwhile. What other threads write to them then may be lost.
---
---Blocks: no.
---Errors: `memory`.
---
---```lua
---local b = weft.buffer("i16", 4):copy({ 3, -1, 2, 0 }):sort()
---print(b[1], b[2], b[3], b[4])        --> -1 0 2 3
---```
---@return weft.buffer b  itself
function buffer:sort() end

---Reads an element.
---
---Blocks: no.
---Errors: an order that a load cannot have.
---
---```lua
---local a = weft.atomic(3)
---print(a:load(1), a:load(1, "acquire"))
-----> 3 3
---```
---@param i integer
---@param order? string  "relaxed" "acquire" "seq_cst"; default "seq_cst"
---@return number v
function buffer:load(i, order) end

---Writes an element.
---
---Blocks: no.
---Errors: a value that the type cannot hold; an order that a store cannot have.
---
---```lua
---local a = weft.atomic()
---a:store(1, 4, "release")
---print(a[1])                          --> 4
---```
---@param i integer
---@param v number
---@param order? string  "relaxed" "release" "seq_cst"; default "seq_cst"
function buffer:store(i, v, order) end

---Writes an element and gives what was there.
---
---Blocks: no.
---Errors: a value that the type cannot hold; an unknown order.
---
---```lua
---local a = weft.atomic(1)
---print(a:exchange(1, 2), a[1])        --> 1 2
---```
---@param i integer
---@param v number
---@param order? string  any of the five; default "seq_cst"
---@return number old
function buffer:exchange(i, v, order) end

---Adds to an element and gives what was there. Integers wrap around at the limits of their type; to subtract, add a
---negative amount, in unsigned types too.
---
---Blocks: no.
---Errors: an amount that is no integer for an integer type, or beyond what the type can change by (u8: -255 to 255); an unknown
---order.
---
---```lua
---local b = weft.buffer("u8", 1)
---print(b:add(1, 255), b:add(1, 2), b[1])
-----> 0 255 1
---```
---@param i integer
---@param v number
---@param order? string  any of the five; default "seq_cst"
---@return number old
function buffer:add(i, v, order) end

---Compares and swaps: writes an element if it is the one that was expected. Bits are compared, after `old` was converted to the
---type: a NaN is equal to itself, -0.0 is not 0.0. It does not fail for no reason (C's strong form).
---
---Blocks: no.
---Errors: values that the type cannot hold; an unknown order. When it fails it is a load, with the load's half of the order.
---
---```lua
---local a = weft.atomic(1)
---print(a:cas(1, 1, 2))                --> true
---print(a:cas(1, 1, 3))                --> false 2
---```
---@param i integer
---@param old number  expected
---@param new number
---@param order? string  any of the five; default "seq_cst"
---@return boolean done
---@return number? actual  what was there, when it was not the expected
function buffer:cas(i, old, new, order) end

---Parks the task until another one, in any isolate, wakes those who wait for this element; unless the element is not the expected
---one: the look and the beginning of the wait are one step, so no change that is followed by a wake is missed. With that,
---locks and queues between threads can be made (it is Linux's futex).
---
---A wake may come for another reason than yours: look at the element again.
---
---Blocks: until then, at most for the time.
---Errors: a value that the type cannot hold; a bad time. `deadlock` when nobody can ever wake it.
---
---```lua
---local a = weft.atomic(0)
---local job = weft.thread(function()
---  a:store(1, 1)
---  a:wake(1)
---end)
---while a:load(1) == 0 do a:wait(1, 0) end
---print(a[1], a:wait(1, 0), a:wait(1, 1, 0.01))
-----> 1 changed timeout
---```
---@param i integer
---@param expected number
---@param timeout? number  seconds, 0 or more; default no limit
---@return string how  "woken" "changed" "timeout"
function buffer:wait(i, expected, timeout) end

---Wakes tasks that wait for an element, first come, first served. Change the element first.
---
---Blocks: no.
---Errors: a negative number.
---
---```lua
---local a = weft.atomic()
---for _ = 1, 3 do weft.go(a.wait, a, 1, 0) end
---weft.yield()
---print(a:wake(1), a:wake(1, math.huge), a:wake(1))
-----> 1 2 0
---weft.wait()
---```
---@param i integer
---@param n? number  how many at most; default 1, math.huge for all
---@return integer woken  how many
function buffer:wake(i, n) end
