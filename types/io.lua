---@meta _
-- luacheck: ignore 211 212 241 431

---# Signals, clocks, standard streams
---
---Signals and tickers are received from like channels, in a `for` loop and in weft.select too. Nothing is lost while
---nobody receives.

---@class weft
---@field stdin weft.stream  standard input, of any kind; opened at its first use, and read ahead: use it or `io.stdin`, not both
---@field stdout weft.stream  standard output, beside `io.stdout`, whose buffer it does not know: flush that before
---@field stderr weft.stream  standard error
local weft = {}

---Watches a signal of the process: from now on, until the watcher is closed or collected, the signal does nothing else.
---What was there before (a host's handler for Ctrl-C) comes back then. While a signal is watched, a script in which
---everybody waits is no deadlock. `SIGURG` is weft's own.
---
---Blocks: no.
---Errors: no such signal.
---
---```lua
---local usr1 <close> = weft.signal "SIGUSR1"
---io.popen "kill -USR1 $PPID":close()
---print(usr1:recv())                   --> SIGUSR1 true
---```
---@param name string  "SIGINT", "SIGTERM" ...; "INT" will do
---@return weft.signal? signal
---@return string? message  EINVAL for SIGKILL and SIGSTOP
---@return string? code
function weft.signal(name) end

---A watched signal. `for name in s do` runs until it is closed.
---
---Closing: as signal:close.
---
---```lua
---local term <close> = weft.signal "SIGTERM"
---print(weft.select { { term }, timeout = 0.01 })      --> nil timeout
---```
---@class weft.signal
---@operator call: any
local signal = {}

---The name of the signal, when it has come.
---
---Blocks: until it comes.
---Errors: none.
---
---```lua
---local usr1 <close> = weft.signal "SIGUSR1"
---weft.go(function() io.popen "kill -USR1 $PPID":close() end)
---print((usr1:recv()))                 --> SIGUSR1
---```
---@return string? name  nil once the watcher is closed
---@return boolean ok
function signal:recv() end

---The same without waiting.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local usr1 <close> = weft.signal "SIGUSR1"
---print(usr1:try_recv())               --> nil false empty
---```
---@return string? name
---@return boolean ok
---@return string? why  "empty" or "closed"
function signal:try_recv() end

---Stops watching; who waits gets `nil, false`.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local usr1 = weft.signal "SIGUSR1"
---usr1:close()
---print(usr1:recv())                   --> nil false
---```
function signal:close() end

---A clock that beats. Its beats stay where they are however late the receivers come; who has missed some gets one tick.
---
---Blocks: no.
---Errors: a period that is no number from 0.000001 to 1e9.
---
---```lua
---local clock = weft.ticker(0.001)
---print(clock:recv() >= 1)             --> true
---```
---@param seconds number
---@return weft.ticker ticker
function weft.ticker(seconds) end

---A ticker. `for n in t do` runs until it is closed.
---
---Closing: as ticker:close.
---
---```lua
---local clock <close> = weft.ticker(0.001)
---local case = weft.select { { weft.channel() }, { clock } }
---print(case)                          --> 2
---```
---@class weft.ticker
---@operator call: any
local ticker = {}

---Waits for the next beat.
---
---Blocks: until the beat, if none has passed since the last one that was received.
---Errors: none.
---
---```lua
---local clock = weft.ticker(0.001)
---local a, b = clock:recv(), clock:recv()
---print(b > a)                         --> true
---```
---@return integer? n  number of the beat, from 1; nil once the ticker is closed
---@return boolean ok
function ticker:recv() end

---The same without waiting.
---
---Blocks: no.
---Errors: none.
---
---```lua
---print(weft.ticker(10):try_recv())    --> nil false empty
---```
---@return integer? n
---@return boolean ok
---@return string? why  "empty" or "closed"
function ticker:try_recv() end

---Stops it; who waits gets `nil, false`.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local clock = weft.ticker(10)
---clock:close()
---print(clock:recv())                  --> nil false
---```
function ticker:close() end

---Calls a function at every beat of a clock, in a task. It ends when the function returns false, by its error, or when
---it is cancelled. A call that takes longer than a beat misses that one.
---
---Blocks: no.
---Errors: as weft.ticker; not a function.
---
---```lua
---local n = 0
---weft.every(0.001, function()
---  n = n + 1
---  return n < 3
---end):join()
---print(n)                             --> 3
---```
---@param seconds number
---@param f function
---@param ... any  its arguments
---@return weft.job job
function weft.every(seconds, f, ...) end

---Waits until a descriptor is ready, for libraries that bring their own sockets.
---
---Blocks: until it is.
---Errors: not a descriptor's number, another mode, negative seconds.
---
---```lua
---print(weft.poll(1, "w"))             --> w
---```
---@param fd integer
---@param mode string  "r", "w" or "rw"
---@param timeout? number  seconds; beyond them `ETIMEDOUT`
---@return string? ready  "r" or "w"; also when the descriptor is broken: use it to see how
---@return string? message
---@return string? code
function weft.poll(fd, mode, timeout) end
