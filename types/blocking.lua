---@meta _
-- luacheck: ignore 211 212 241 431

---# What blocks: foreign libraries, names
---
---A C library that waits by itself (a database's client, `os.execute`, a file that may be on a slow disk) holds up the OS thread on
---which it is called, and all tasks and isolates there. weft.blocking calls it on another thread, of which there are as many as it
---takes, apart from the workers of weft.spawn and from libuv's threads. The system's resolver is such a library too: weft.dns has
---threads of its own.

---@class weft
---@field blocking weft.blocking.module
---@field dns weft.dns.module
local weft = {}

---`weft.blocking(f, ...)` calls a function on a thread for what blocks, waits, and gives its results, or raises its error.
---
---The function runs in an isolate made for this call, on an OS thread that has run others before: arguments, upvalues, results
---and errors are copied as for weft.thread, and nothing stays behind in globals. A table as first argument gives options.
---
---There are 64 such threads at most (weft.blocking.pool), started when they are needed; further calls wait in turn. One that has
---nothing to do for 5 seconds ends. A call made inside such a function is given a thread in any case, so calls in calls cannot wait
---for themselves. The function runs with the process's affinity, priority and identity, whatever the caller's are; a thread that
---has an identity of its own is refused (`EPERM`).
---
---When the caller is cancelled, so is the function: Lua code is stopped, a call that waits in turn is taken out. C code
---cannot be stopped: after 1.5 seconds the caller goes on without it, which is told on stderr. The end of the script is held
---up no longer than by a thread that does not end, 1.5 seconds.
---
---Blocks: until the function has ended.
---Errors: those of the function; not a function; an unknown option; a value that cannot travel (`transfer`). What the system
---refuses is `nil, message, code`.
---
---```lua
---local ticks = 0
---local clock = weft.every(0.001, function() ticks = ticks + 1 end)
---print(weft.blocking(os.execute, "sleep 0.05"))   --> true exit 0
---print(ticks > 0)                     --> true
---clock:cancel()
---```
---@class weft.blocking.module
---@operator call: any
---@overload fun(f: function, ...): ...
---@overload fun(opts: weft.blocking.options, f: function, ...): ...
weft.blocking = {}

---Options of weft.blocking and weft.blocking.submit.
---@class weft.blocking.options
---@field name? string  of the job, for reports and pictures
---@field memory? integer  bytes that the function's Lua values may take

---The same, but gives a job at once.
---
---Blocks: no.
---Errors: as weft.blocking, but for those of the function.
---
---```lua
---local job = weft.blocking.submit({ name = "sleeper" }, os.execute, "sleep 0.01")
---print(job.name, job.kind, job:join())    --> sleeper thread true exit 0
---```
---@param ... any  [options,] function, arguments
---@return weft.job? job  of kind "thread"
---@return string? message
---@return string? code
function weft.blocking.submit(...) end

---How the threads for blocking calls stand, after the settings have been changed, if any are given. They are those of the
---main state and of all isolates and threads that come from it.
---
---Blocks: no.
---Errors: an unknown setting; a value out of range.
---
---```lua
---local p = weft.blocking.pool { limit = 8 }
---print(p.limit, p.queued)             --> 8 0
---```
---@param settings? weft.blocking.settings
---@return weft.blocking.facts facts
function weft.blocking.pool(settings) end

---Settings of weft.blocking.pool.
---@class weft.blocking.settings
---@field limit? integer  threads at most, 1 to 10000; default 64. Fewer: those that are too many end when they are free
---@field idle? number  seconds that a thread without work stays; default 5

---What weft.blocking.pool returns.
---@class weft.blocking.facts
---@field limit integer
---@field idle number
---@field threads integer  that there are
---@field busy integer  of these, that run a function
---@field queued integer  calls that wait for a thread

---`weft.dns`: names and addresses, by the system's resolver (`/etc/hosts`, DNS, whatever the system is set up for).
---
---That one blocks and cannot be interrupted, so each look-up is made on a thread, 32 at most at a time; those that come then wait
---in turn. A caller that is cancelled, or out of time, goes its way at once, and so does the end of the script: the look-up is
---left to come to its own end. While a server does not answer, its look-ups keep their threads for as long as the system
---tries (`timeout` and `attempts` in /etc/resolv.conf, 10 seconds by default).
---
---weft.net.connect and the others that take names look them up in the same way.
---@class weft.dns.module
weft.dns = {}

---Looks up the addresses of a name, in the order in which the system wants them tried. A numeric address is its own answer, without
---waiting.
---
---Options: `family`, `"inet"` or `"inet6"` alone; `service`, the name or number of a port; `socktype`, `"stream"` (default) or
---`"dgram"`, which the service is for; `canonname`, the first address tells the name's canonical form; `addrconfig`, no addresses
---of a family that this machine has none of; `timeout`, in seconds.
---
---Failures: `EAI_NONAME` there is no such name, or what is given can be none; `EAI_AGAIN` nobody could tell; `EAI_SERVICE`;
---`ETIMEDOUT`, and others.
---
---Blocks: until the answer is there.
---Errors: not a string; an unknown option; a value out of range.
---
---```lua
---print(weft.dns.resolve("127.0.0.1", { service = 80 })[1].port)    --> 80
---print(select(3, weft.dns.resolve ""))                             --> EAI_NONAME
---```
---@param name string
---@param opts? table  family, service, socktype, canonname, addrconfig, timeout
---@return weft.dns.address[]? addresses
---@return string? message
---@return string? code
function weft.dns.resolve(name, opts) end

---An address that weft.dns.resolve has found.
---@class weft.dns.address
---@field address string  numeric: "192.0.2.1", "::1", "fe80::1%eth0"
---@field family string  "inet" or "inet6"
---@field canonname? string  of the first, if it was asked for
---@field port? integer  if a service was given, and
---@field socktype? string  "stream" or "dgram"

---Looks up the name of an address.
---
---Options: `port`, whose service is told too; `socktype`, `"stream"` (default) or `"dgram"`, which the service is for; `numeric`,
---an address that has no name is its own; `timeout`, in seconds. Failures are those of weft.dns.resolve.
---
---Blocks: until the answer is there.
---Errors: not a numeric address; an unknown option; a value out of range.
---
---```lua
---print(select("#", weft.dns.reverse("127.0.0.1", { port = 9, numeric = true })))    --> 2
---```
---@param address string  numeric
---@param opts? table  port, socktype, numeric, timeout
---@return string? name
---@return string? service  of the port; else the message
---@return string? code
function weft.dns.reverse(address, opts) end
