---@meta _
-- luacheck: ignore 211 212 241 431

---# Programs
---
---`weft.exec` starts a program from its list of arguments; no shell is ever involved, and the arguments arrive byte for byte.
---The program gets descriptors 0 to 2 and those that are listed, default dispositions for all signals (but an ignored SIGHUP
---stays ignored) and no blocked ones.
---
---What goes wrong before the program runs, in the child too, is what `weft.exec` returns; then there is no child. No zombie stays,
---even if the script forgets the handle. Programs that still run when the script, or the thread that started them, ends
---are sent SIGTERM and, half a second later, SIGKILL, unless they are `detached`.

---Starts a program. The list's first item is the program: a path if it has a slash (relative to `cwd`), else a name that is looked
---for in the `PATH` of the child's environment. Options are fields of the same table (weft.exec.options).
---
---Blocks: no, but for the microseconds until the program runs.
---Errors: an unknown option, arguments that are no strings or numbers or have a zero in them. What the system refuses is
---`nil, message, code`: `ENOENT`, `EACCES`, `E2BIG`, `ENOEXEC` (a text without `#!` is not run by a shell) ..., and the message ends
---in what was at fault: the program, the folder, a file, "uid", "nice", "limits" and so on.
---
---```lua
---local out, _, status = weft.exec { "printf", "%s|", "a b", "$HOME", stdout = "pipe" }:output()
---print(out, status.code)              --> a b|$HOME| 0
---print(select(3, weft.exec { "no-such-program" })) --> ENOENT
---```
---@param opts weft.exec.options
---@return weft.child? child
---@return string? message
---@return string? code
function weft.exec(opts) end

---Options of weft.exec. What is not given is as in this process.
---
---A standard stream is one of: "inherit" (the default), "null", "pipe" (a stream in the handle), a path, a descriptor's number, a
---stream, `{ path =, mode = }`, where mode is "r", "w", "a" or "r+": stdin is read, the others are made new, or longer with
---`append = true`, if it is not given. A stream of a socket or a pipe is given away: it is closed here once the child has it, so two
---programs joined by one see each other end. `stdin` may also be `{ data = s }`, the bytes themselves, or simply a string; one that
---begins with `/`, `./` or `../` and has no line end is a path. For bytes that come from elsewhere say `{ data = s }`.
---@class weft.exec.options
---@field [integer] string  the program and its arguments
---@field stdin? any
---@field stdout? any
---@field stderr? any  also "stdout": where stdout goes
---@field fds? table  further descriptors: number (3 and up) -> "null", "inherit", a descriptor's number, a stream, `{ data = }`, or `{ path =, mode = }`: here nothing but the mode tells whether the file is read
---@field pty? boolean|table  a pseudo-terminal, `{ rows = 24, cols = 80 }`, as the three streams and as the controlling terminal of a new session; `child.pty` is our side
---@field env? table  the whole environment, name -> value; with `inherit = true` what is to be different in this process's, where false removes
---@field cwd? string  entered with the new identity
---@field uid? integer  real, effective and saved; that root cannot be regained is tried
---@field gid? integer
---@field groups? integer[]  supplementary groups; when uid or gid is given and this is not: none
---@field nice? integer  -20 to 19
---@field policy? string  "other" "batch" "idle" "fifo" "rr"
---@field priority? integer  1 to 99 with "fifo" and "rr", else 0
---@field affinity? integer[]  CPUs, from 0
---@field limits? table  name -> number, soft and hard limit, or `{ soft, hard }`; names as for weft.set
---@field umask? integer
---@field session? boolean  a session of its own
---@field group? boolean|integer  true: a process group of its own; a number: that group
---@field no_new_privs? boolean
---@field timeout? number  seconds until SIGTERM; SIGKILL follows 2 s later
---@field detached? boolean  a session of its own, and it may outlive the script

---A program that was started. A case `{child}` of weft.select is ready when it has ended, and receives its status.
---
---`tostring(child)` says its number and how it stands.
---
---Closing: sends SIGTERM, 2 s later SIGKILL, and waits.
---@class weft.child
---@field pid integer
---@field stdin weft.stream?  where it was asked to be a pipe
---@field stdout weft.stream?
---@field stderr weft.stream?
---@field pty weft.stream?
local child = {}

---Waits for the end of the program.
---
---Blocks: until then.
---Errors: a bad time.
---
---```lua
---local status = weft.exec { "sh", "-c", "exit 7" }:wait()
---print(status.code, status.signal, status.usage.peak > 0)
-----> 7 nil true
---```
---@param timeout? number  seconds
---@return weft.child.status? status
---@return string? message  when the time is over
---@return string? code  "ETIMEDOUT"
function child:wait(timeout) end

---How it ended; nil while it runs.
---
---Blocks: no.
---
---```lua
---local child = weft.exec { "sleep", "60" }
---print(child:status())                --> nil
---child:kill "KILL"
---print(child:wait().signal, child:status().signal)
-----> SIGKILL SIGKILL
---```
---@return weft.child.status? status
function child:status() end

---Sends a signal, never to another process: the number stays the program's own until its end was seen.
---
---Blocks: no.
---Errors: no such signal; "group" for a program that does not lead one.
---
---```lua
---local child = weft.exec { "sleep", "60", group = true }
---print(child:kill("INT", "group"), child:wait().signal)
-----> true SIGINT
---```
---@param signal? string|integer  "SIGTERM" by default; "TERM" and numbers will do
---@param whom? string  "group": its process group
---@return boolean? sent
---@return string? message
---@return string? code  "ESRCH" when it has ended
function child:kill(signal, whom) end

---Closes the program's input, reads what it writes to its pipes, and waits for its end.
---
---Blocks: until then.
---
---```lua
---local out, err, status = weft.exec { "sh", "-c", "cat; echo oops >&2; exit 1", stdin = "data\n", stdout = "pipe", stderr = "pipe" }
---  :output()
---io.write(out, err, status.code, "\n")
-----> data
-----> oops
-----> 1
---```
---@return string? out  nil when stdout is no pipe
---@return string? err  nil when stderr is no pipe
---@return weft.child.status status
function child:output() end

---How a program ended: `code` of its exit or the name of the `signal`.
---@class weft.child.status
---@field code integer?
---@field signal string?
---@field core boolean?  it left a core file
---@field timed_out boolean?  its time-out was over
---@field unknown boolean?  somebody else has waited for it, or SIGCHLD is ignored
---@field usage table  of it and of the children that it waited for: `user system` seconds, `peak` bytes of the largest working set, `minor_faults major_faults voluntary involuntary`
