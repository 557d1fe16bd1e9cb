---@meta _
-- luacheck: ignore 211 212 241 431

---# Files
---
---A call parks its task until it is done, and others run meanwhile. What is in the system's caches is had at once, without
---another thread; everything else is done by the threads of libuv's pool (weft.fs.pool), one job a call, however many
---system calls that takes. All of it works in every state: the main one, threads, isolates of the pool. On a thread with
---an identity of its own (weft.thread with `uid`) file calls are made by that very thread, with its rights, and it waits
---for them.
---
---What the world refuses returns `nil, message, code`: `ENOENT`, `EACCES`, `EEXIST`, `EISDIR`, `ENOSPC`, `EMFILE` and others. A
---name with a zero byte is misuse, and raises. Every call can be cancelled and bounded by weft.timeout; what its job was about
---may have been done by then, but is never left half: a file that weft.fs.write was to replace is the old one or the new one.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.write(dir.path .. "/greeting", "hello\n")
---weft.fs.append(dir.path .. "/greeting", "world\n")
---for line in weft.fs.open(dir.path .. "/greeting"):lines() do io.write(line, " ") end  --> hello world
---```

---@class weft
---@field fs weft.fs  loaded at its first use
local weft = {}

---`weft.fs`, a table of functions.
---@class weft.fs
weft.fs = {}

---Reads a whole file. A pipe or a terminal is read to its end, as a stream.
---
---Options: `max`, bytes beyond which the answer is `EFBIG`.
---
---Blocks: until it is read; not for a file that is in memory.
---Errors: a name with a zero byte; an unknown option.
---
---```lua
---local text, message, code = weft.fs.read "/no/such/file"
---print(message)                       --> ENOENT: no such file or directory: /no/such/file
---```
---@param path string
---@param opts? table  max
---@return string? text
---@return string? message
---@return string? code
function weft.fs.read(path, opts) end

---Writes a whole file. What was there is replaced as a whole at the end, by renaming a new file that lies in the same folder
---until then: whoever reads sees the old contents or the new ones, and when something fails (`ENOSPC`, a cancellation) the
---old file is as it was and nothing else is left. Permissions stay; other hard links keep the old contents; a symbolic link
---stays, and what it leads to is replaced. A device or a pipe is written to itself. It takes the right to make files in that
---folder: where there is none, weft.fs.open with "w" writes into the file as it lies there.
---
---Options: `sync`, the contents and the name are on the disk when it returns; `exclusive`, the file must not be there
---(`EEXIST`); `mode`, permissions of a file that was not there, as a number or octal digits in a string, default "666",
---less what the process's mask takes away.
---
---Blocks: until it is done.
---Errors: neither a string, a number nor a buffer without gaps; an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---print(weft.fs.write(dir.path .. "/f", "text", { sync = true }))   --> true
---```
---@param path string
---@param data string|number|weft.buffer
---@param opts? table  sync, exclusive, mode
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.write(path, data, opts) end

---Adds to the end of a file, which is made if it is not there. Up to 1 MiB goes in one write.
---
---Blocks: until it is done.
---Errors: as weft.fs.write.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---for i = 1, 3 do weft.fs.append(dir.path .. "/log", i) end
---print(weft.fs.read(dir.path .. "/log"))              --> 123
---```
---@param path string
---@param data string|number|weft.buffer
---@param opts? table  sync, mode
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.append(path, data, opts) end

---Copies a file: contents and permissions, inside the system where it can. The other file is replaced as by weft.fs.write.
---
---Blocks: until it is done.
---Errors: an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.write(dir.path .. "/a", "text")
---weft.fs.copy(dir.path .. "/a", dir.path .. "/b")
---print(weft.fs.read(dir.path .. "/b"))                --> text
---```
---@param from string
---@param to string
---@param opts? table  sync, exclusive, as weft.fs.write
---@return boolean? ok  true
---@return string? message  EINVAL when both are the same file
---@return string? code
function weft.fs.copy(from, to, opts) end

---Opens a file. What is no file (a pipe, a terminal) gives a weft.stream instead, which has the same methods for reading and
---writing. A named pipe opened to read waits for a writer when it is read; opened to write, it needs a reader (`ENXIO`).
---
---Blocks: until it is open.
---Errors: another mode; an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---local f <close> = weft.fs.open(dir.path .. "/f", "w+")
---f:write("one\n", "two\n")
---f:seek "set"
---print(f:read "l", f:read "l")        --> one two
---```
---@param path string
---@param mode? string  "r", "w", "a", "r+", "w+" or "a+" as in io.open; with an "x" after w or a, the file must not be there
---@param opts? table  mode: permissions of a new file, as in weft.fs.write
---@return weft.file? file
---@return string? message  EISDIR for a folder
---@return string? code
function weft.fs.open(path, mode, opts) end

---@class weft.fs.facts
---@field size integer    bytes
---@field type string     "file", "directory", "link", "pipe", "socket", "char", "block" or "unknown"
---@field mode integer    permissions, 0 to 4095
---@field mtime number    last change of the contents, seconds since 1970
---@field atime number    last access
---@field ctime number    last change of the attributes
---@field uid integer
---@field gid integer
---@field ino integer
---@field dev integer
---@field rdev integer    of a device
---@field nlink integer   names that it has
---@field blocks integer  of 512 bytes

---What is known of a file. Links are followed.
---
---Blocks: only when the system has to look on the disk.
---Errors: none.
---
---```lua
---print(weft.fs.stat("/").type)        --> directory
---```
---@param path string
---@return weft.fs.facts? stat
---@return string? message
---@return string? code
function weft.fs.stat(path) end

---The same of a link itself.
---
---Blocks: as weft.fs.stat.
---Errors: none.
---
---```lua
---print(weft.fs.lstat("/proc/self").type)              --> link
---```
---@param path string
---@return weft.fs.facts? stat
---@return string? message
---@return string? code
function weft.fs.lstat(path) end

---Is there something of that name? A link that leads nowhere is not.
---
---Blocks: as weft.fs.stat.
---Errors: none.
---
---```lua
---print(weft.fs.exists "/", weft.fs.exists "/no/such/file")   --> true false
---```
---@param path string
---@return boolean? exists  nil when it cannot be known
---@return string? message
---@return string? code
function weft.fs.exists(path) end

---May this thread do that with the file?
---
---Blocks: until it is known.
---Errors: other letters.
---
---```lua
---print(weft.fs.access("/", "rx"))     --> true
---```
---@param path string
---@param how? string  letters of "rwx", default "r"
---@return boolean? may
---@return string? message  ENOENT and what else is no answer
---@return string? code
function weft.fs.access(path, how) end

---What is in a folder, in the order of the names; without "." and "..".
---
---Blocks: until it is read.
---Errors: none.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.mkdir(dir.path .. "/a")
---weft.fs.write(dir.path .. "/b", "")
---for _, entry in ipairs(weft.fs.scandir(dir.path)) do print(entry.name, entry.type) end
-----> a directory
-----> b file
---```
---@param path string
---@return table? list  of {name=, type=}; types as in weft.fs.stat
---@return string? message
---@return string? code
function weft.fs.scandir(path) end

---An iterator over everything below a folder: path, entry. A folder comes before what is in it. An entry has `name`, `type`
---and `depth`, from 1; set its `skip` and the folder is not entered. A folder that cannot be read is given a second time,
---with the message in `entry.error`.
---
---Options: `depth`, how deep; `follow`, links to folders are entered too, but none that leads to a folder above it.
---
---Blocks: while folders are read.
---Errors: not a string; an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.mkdir(dir.path .. "/a/b", { parents = true })
---weft.fs.write(dir.path .. "/a/f", "")
---for path, entry in weft.fs.walk(dir.path) do print(path:sub(#dir.path + 2), entry.depth) end
-----> a    1
-----> a/b  2
-----> a/f  2
---```
---@param path string
---@param opts? table  depth, follow
---@return function? next
---@return string? message  of the folder itself
---@return string? code
function weft.fs.walk(path, opts) end

---Makes a folder.
---
---Options: `parents`, the folders above it too, and it may be there already; `mode`, permissions, default "777" less the
---process's mask.
---
---Blocks: until it is done.
---Errors: an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---print(weft.fs.mkdir(dir.path .. "/a/b/c", { parents = true }))   --> true
---```
---@param path string
---@param opts? table  parents, mode
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.mkdir(path, opts) end

---Gives a file or folder another name; what has that name is replaced.
---
---Options: `exclusive`, the name must not be there (`EEXIST`).
---
---Blocks: until it is done.
---Errors: an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.write(dir.path .. "/a", "text")
---print(weft.fs.rename(dir.path .. "/a", dir.path .. "/b"))   --> true
---```
---@param from string
---@param to string
---@param opts? table  exclusive
---@return boolean? ok  true
---@return string? message  EXDEV across file systems
---@return string? code
function weft.fs.rename(from, to, opts) end

---Removes a file, a link or an empty folder.
---
---Options: `recursive`, a folder with all that is in it. Links in it are removed, and never followed.
---
---Blocks: until it is done.
---Errors: an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.mkdir(dir.path .. "/a/b", { parents = true })
---print(select(3, weft.fs.remove(dir.path .. "/a")))                    --> ENOTEMPTY
---print(weft.fs.remove(dir.path .. "/a", { recursive = true }))         --> true
---```
---@param path string
---@param opts? table  recursive
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.remove(path, opts) end

---A second name for a file.
---
---Blocks: until it is done.
---Errors: none.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.write(dir.path .. "/a", "text")
---weft.fs.link(dir.path .. "/a", dir.path .. "/b")
---print(weft.fs.stat(dir.path .. "/a").nlink)          --> 2
---```
---@param path string
---@param new string
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.link(path, new) end

---A symbolic link.
---
---Blocks: until it is done.
---Errors: none.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.symlink("where/it/leads", dir.path .. "/link")
---print(weft.fs.readlink(dir.path .. "/link"))         --> where/it/leads
---```
---@param target string  where it leads, from the folder that it is in
---@param new string     the path of the link
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.symlink(target, new) end

---Where a symbolic link leads, as it is written.
---
---Blocks: until it is read.
---Errors: none.
---
---```lua
---print(weft.fs.readlink "/proc/self/cwd" ~= nil)      --> true
---```
---@param path string
---@return string? target
---@return string? message  EINVAL when it is no link
---@return string? code
function weft.fs.readlink(path) end

---The path from the root, without links and dots.
---
---Blocks: until it is known.
---Errors: none.
---
---```lua
---print(weft.fs.realpath "/usr/../etc/.")              --> /etc
---```
---@param path string
---@return string? path
---@return string? message
---@return string? code
function weft.fs.realpath(path) end

---Sets permissions.
---
---Blocks: until it is done.
---Errors: neither a number from 0 to 4095 nor octal digits in a string.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.chmod(dir.path, "755")
---print(("%o"):format(weft.fs.stat(dir.path).mode))    --> 755
---```
---@param path string
---@param mode integer|string
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.chmod(path, mode) end

---Sets owner and group, by numbers.
---
---Blocks: until it is done.
---Errors: no numbers of users or groups; an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---print(weft.fs.chown(dir.path, nil, weft.info().egid))   --> true
---```
---@param path string
---@param uid? integer  nil: as it is
---@param gid? integer
---@param opts? table  follow: false for a link itself
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.chown(path, uid, gid, opts) end

---Sets the times of the last change and the last access.
---
---Blocks: until it is done.
---Errors: no number of seconds; an unknown option.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.utime(dir.path, 1e9)
---print(weft.fs.stat(dir.path).mtime)  --> 1000000000.0
---```
---@param path string
---@param mtime? number  seconds since 1970; nil: now
---@param atime? number  default: as mtime
---@param opts? table  follow: false for a link itself
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.utime(path, mtime, atime, opts) end

---Cuts a file off, or fills it up with zeros.
---
---Blocks: until it is done.
---Errors: a negative size.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.write(dir.path .. "/f", "0123456789")
---weft.fs.truncate(dir.path .. "/f", 3)
---print(weft.fs.read(dir.path .. "/f"))                --> 012
---```
---@param path string
---@param size integer
---@return boolean? ok  true
---@return string? message
---@return string? code
function weft.fs.truncate(path, size) end

---A new file, open to read and write, with permissions for its owner only. It is removed when it is closed.
---
---Options: `dir`, default `$TMPDIR` or "/tmp"; `prefix` of its name; `keep`, it stays.
---
---Blocks: until it is made.
---Errors: an unknown option; a prefix with a "/".
---
---```lua
---local path
---do
---  local f <close> = weft.fs.tempfile()
---  path = f.path
---  print(weft.fs.exists(path))        --> true
---end
---print(weft.fs.exists(path))          --> false
---```
---@param opts? table  dir, prefix, keep
---@return weft.file? file
---@return string? message
---@return string? code
function weft.fs.tempfile(opts) end

---A new folder, with permissions for its owner only. Leaving its block removes it with all that is in it.
---
---Options: as weft.fs.tempfile.
---
---Blocks: until it is made.
---Errors: as weft.fs.tempfile.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---weft.fs.write(dir.path .. "/f", "text")
---print(#weft.fs.scandir(dir.path))    --> 1
---```
---@param opts? table  dir, prefix, keep
---@return weft.tempdir? dir
---@return string? message
---@return string? code
function weft.fs.tempdir(opts) end

---A temporary folder; as text it is its path.
---
---Closing: as dir:remove, unless it is to be kept.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---print(tostring(dir) == dir.path)     --> true
---```
---@class weft.tempdir
---@field path string
local dir = {}

---Removes it now, with all that is in it. Twice is harmless.
---
---Blocks: until it is done.
---Errors: none.
---
---```lua
---local dir = weft.fs.tempdir()
---print(dir:remove(), weft.fs.exists(dir.path))        --> true false
---```
---@return boolean? ok  true
---@return string? message
---@return string? code
function dir:remove() end

---Watches a file, or what is in a folder (not in the folders below it). From now on changes are kept until they are received,
---like values of a channel, in a `for` loop and in weft.select too. Linux only (`ENOTSUP`).
---
---Blocks: until it is found.
---Errors: an event that has another name.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---local changes <close> = weft.fs.watch(dir.path, { "created", "removed" })
---weft.fs.append(dir.path .. "/f", "text")
---local change = changes:recv()
---print(change.event, change.name)     --> created f
---```
---@param path string
---@param events? table  a list of those in weft.watch:recv that are wanted; default: all
---@return weft.watch? watch
---@return string? message
---@return string? code
function weft.fs.watch(path, events) end

---A watched file or folder. `for change in w do` runs until it is closed, or what it watches is gone.
---
---Closing: as watch:close.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---local w <close> = weft.fs.watch(dir.path)
---print(weft.select { { w }, timeout = 0.001 })        --> nil timeout
---```
---@class weft.watch
---@operator call: any
local watch = {}

---Waits for the next change: a table with `event`, `path`, and in a folder `name` and `type` ("file" or "directory"). The
---events: "created", "removed", "changed" (contents), "attributes", "written" (closed by who had it open to write),
---"moved_from" and "moved_to" (of one move, they have the same `cookie`). Whatever was asked for: "gone" and "moved" when it
---is the watched thing itself, "overflow" when changes came faster than they were received and some were lost.
---
---Blocks: until there is one.
---Errors: none.
---
---```lua
---local dir <close> = weft.fs.tempdir()
---local w <close> = weft.fs.watch(dir.path, { "moved_to" })
---weft.fs.write(dir.path .. "/f", "text")              -- by renaming
---print(w:recv().event)                --> moved_to
---```
---@return table? change  nil once it is closed, or nothing more will come
---@return boolean ok
function watch:recv() end

---The same without waiting.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local w <close> = weft.fs.watch("/", { "moved_to" })
---print(w:try_recv())                  --> nil false empty
---```
---@return table? change
---@return boolean ok
---@return string? why  "empty" or "closed"
function watch:try_recv() end

---Stops watching; who waits gets `nil, false`.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local w = weft.fs.watch "/"
---w:close()
---print(w:recv())                      --> nil false
---```
function watch:close() end

---How many threads libuv's pool has, which does the file calls that are not answered at once, and looks names up. The
---number can be set before the pool's first use, here or by `UV_THREADPOOL_SIZE` in the environment; default 4.
---
---Blocks: no.
---Errors: a number that is not from 1 to 1024.
---
---```lua
---print(weft.fs.pool() >= 1)           --> true
---```
---@param n? integer
---@return integer? n
---@return string? message  EBUSY: it has been used
---@return string? code
function weft.fs.pool(n) end
