---@meta _
-- luacheck: ignore 211 212 241 431

---# Channels and select
---
---A channel is a queue between tasks, with room for a number of values. Who cannot send or receive at once waits, and who
---waits is served in the order of coming. A value goes to one receiver. A task that never has to wait gives way now and then all the
---same when it sends, receives or selects; `try_send`, `try_recv` and a `select` that is not to wait never do.
---
---Within a Lua state channels pass references: what is received is the very table that was sent. A channel that is given
---to a thread, by argument, upvalue, result or another channel, is shared from then on: both sides have the same one, and what it
---carries is copied, even between tasks of one state. What cannot travel then cannot be sent (`transfer`).
---
---```lua
---local requests, answers = weft.channel(), weft.channel()
---local job = weft.thread(function()
---  for n in requests do answers:send(n * n) end
---  answers:close()
---end)
---for i = 1, 3 do
---  requests:send(i)
---  print(answers:recv())
---end
---requests:close()
---print(answers:recv())
---job:join()
-----> 1 true
-----> 4 true
-----> 9 true
-----> nil false
---```

---@class weft
local weft = {}

---Makes a channel. With capacity 0, the default, each send waits for its receiver and each receive for its sender.
---
---Blocks: no.
---Errors: not an integer, negative.
---
---```lua
---local ch = weft.channel(2)
---ch:send "a"
---ch:send "b"
---print(#ch, ch:capacity())            --> 2 2
---```
---@param capacity? integer  values that it keeps, 0 or more; default 0
---@return weft.channel ch
function weft.channel(capacity) end

---`tostring(ch)` says its number, in another isolate with that of the one where it was made: "weft.channel 1.2".
---`#ch` is the number of values kept. `for v in ch do` receives until the channel is closed and empty, or until a nil
---arrives: use recv where nils are sent.
---
---Closing: as channel:close.
---
---```lua
---local ch = weft.channel()
---weft.go(function()
---  for i = 1, 3 do ch:send(i * i) end
---  ch:close()
---end)
---for v in ch do io.write(v, " ") end  --> 1 4 9
---```
---@class weft.channel
---@operator len: integer
---@operator call: any
local channel = {}

---Sends a value; nil is one.
---
---Blocks: while there is no room and nobody receives.
---Errors: `closed`, also when the channel is closed during the wait; no value at all; on a shared channel, a value that
---cannot travel (`transfer`).
---
---```lua
---local ch = weft.channel()
---weft.go(function() print(ch:recv()) end)
---ch:send "hello"                      --> hello true
---weft.yield()
---```
---@param v any
function channel:send(v) end

---Sends a value if that is possible without waiting.
---
---Blocks: no.
---Errors: no value at all; on a shared channel, a value that cannot travel (`transfer`).
---
---```lua
---local ch = weft.channel(1)
---print(ch:try_send(1))                --> true
---print(ch:try_send(2))                --> false full
---ch:close()
---print(ch:try_send(3))                --> false closed
---```
---@param v any
---@return boolean sent
---@return string? why  "full" or "closed"
function channel:try_send(v) end

---Receives a value. A closed channel first gives what it kept.
---
---Blocks: while there is none.
---
---```lua
---local ch = weft.channel(1)
---ch:send(nil)
---ch:close()
---print(ch:recv())                     --> nil true
---print(ch:recv())                     --> nil false
---```
---@return any v
---@return boolean ok  false when the channel is closed and empty
function channel:recv() end

---Receives a value if one is there.
---
---Blocks: no.
---
---```lua
---local ch = weft.channel(1)
---print(ch:try_recv())                 --> nil false empty
---ch:send(5)
---print(ch:try_recv())                 --> 5 true
---```
---@return any v
---@return boolean ok
---@return string? why  "empty" or "closed"
function channel:try_recv() end

---Receives what is there, at most `n` values and at least one.
---
---Blocks: while there is none.
---Errors: not an integer from 1 to 2^26.
---
---```lua
---local ch = weft.channel(8)
---for i = 1, 5 do ch:send(i) end
---local list = ch:recv_many(3)
---print(list.n, list[1], list[3])      --> 3 1 3
---```
---@param n integer  1 to 2^26
---@return table? list  with `n`; nil when the channel is closed and empty
---@return boolean? ok  false then
function channel:recv_many(n) end

---Closes the channel: sends raise from now on, receivers get what is kept, then `nil, false`. Who waits to send gets a
---`closed` error. Closing twice is harmless.
---
---Blocks: no.
---
---```lua
---local ch = weft.channel()
---local job = weft.go(function() ch:send(1) end)
---weft.yield()
---ch:close()
---print(job:result())                  --> false ...: cannot send: channel 1 is closed
---```
function channel:close() end

---Has it been closed?
---
---Blocks: no.
---
---```lua
---local ch = weft.channel()
---ch:close()
---print(ch:is_closed())                --> true
---```
---@return boolean yes
function channel:is_closed() end

---The number of values that it can keep.
---
---Blocks: no.
---
---```lua
---print(weft.channel():capacity(), weft.channel(8):capacity())
-----> 0 8
---```
---@return integer n
function channel:capacity() end

---Waits for the first of several things and does it. When more than one is ready, chance decides.
---
---A case is `{ch}` to receive, `{ch, send = v}` or `{ch, "send", v}` to send (the second form can send nil), or `{job}` to
---wait for a job's end. What comes back is the number of the case and
---
---- of a receive: the value and true, or `nil, false` when the channel is closed and empty;
---- of a send: true;
---- of a job: what job:result returns.
---
---With `timeout = seconds` in the table it gives up after that time and returns `nil, "timeout"`. With `default = true`
---it does not wait and returns `nil, "default"` when nothing is ready.
---
---Blocks: until a case is ready, unless `default` is true or `timeout` is 0.
---Errors: `closed` when a send case's channel is closed; not a case; a bad time; more than 30000 cases.
---
---```lua
---local numbers, words = weft.channel(), weft.channel()
---weft.go(function() words:send "hello" end)
---print(weft.select { { numbers }, { words } })
-----> 2 hello true
---print(weft.select { { numbers }, { words, send = "bye" }, timeout = 0.001 })
-----> nil timeout
---print(weft.select { { numbers }, default = true })
-----> nil default
---print(weft.select { { numbers }, { weft.go(function() return 7 end) } })
-----> 2 true 7
---```
---@param cases weft.select.cases
---@return integer? index  nil: none
---@return any ...  see above; "timeout" or "default" when none
function weft.select(cases) end

---The argument of weft.select: a list of cases, with these.
---@class weft.select.cases
---@field timeout? number  seconds, 0 or more
---@field default? boolean  true: do not wait
