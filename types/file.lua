---@meta _
-- luacheck: ignore 211 212 241 431

---# Open files
---
---What weft.fs.open and weft.fs.tempfile give. The methods for reading and writing are those of streams.

---An open file: a stream that has places. It is read ahead; what is written is collected, up to 64 KiB, and goes to the
---system when the task waits or others have their turn: so the failure of a write is told by the next write, flush or
---close. One that is forgotten is closed by the collector.
---
---Closing: as file:close.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "0123456789"
---print(f:pread(3, 4), f:seek())       --> 456 10
---```
---@class weft.file
---@field path string  as it was given to weft.fs.open
local file = {}

---As stream:read.
---
---Blocks: while bytes come from the disk.
---Errors: as stream:read.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "one\ntwo, three"
---f:seek "set"
---print(f:read "l", f:read(2), f:read "a")             --> one tw o, three
---```
---@param what? integer|string  a number of bytes, "l", "L" or "a"; nil: what is at hand
---@param longest? integer
---@return string? data  nil at the end, as it is now: a file can grow
---@return string? message
---@return string? code
function file:read(what, longest) end

---As stream:lines.
---
---Blocks: the call does not, each step does.
---Errors: as stream:read.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "1\n2\n3\n"
---f:seek "set"
---local sum = 0
---for line in f:lines() do sum = sum + tonumber(line) end
---print(sum)                           --> 6
---```
---@param what? integer|string
---@param longest? integer
---@return function next
function file:lines(what, longest) end

---Collects strings, numbers and buffers, to be written from the present place on; at the end when the file was opened to append.
---
---Blocks: while much is waiting to be written.
---Errors: neither a string, a number nor a buffer without gaps.
---
---```lua
---local f <close> = weft.fs.tempfile()
---print(f:write("answer ", 42, "\n"))  --> true
---```
---@param ... string|number|weft.buffer
---@return boolean? ok  true
---@return string? message  of this write, or of one before it
---@return string? code
---@return integer? written
function file:write(...) end

---Waits until what was written is with the system: others who read the file see it.
---
---Blocks: until it is.
---Errors: none.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "text"
---print(f:flush(), weft.fs.read(f.path))               --> true text
---```
---@return boolean? ok  true
---@return string? message  what was written could not be
---@return string? code
function file:flush() end

---The same, and waits until it is on the disk.
---
---Blocks: until it is.
---Errors: none.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "text"
---print(f:sync())                      --> true
---```
---@return boolean? ok  true
---@return string? message
---@return string? code
function file:sync() end

---Goes to a place, and says which it is, from the beginning of the file.
---
---Blocks: with "end", until the size is known.
---Errors: another word; no integer.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "0123456789"
---print(f:seek("set", 3), f:seek("cur", 2), f:seek("end", -1))   --> 3 5 9
---```
---@param whence? string  "set", "cur" (default) or "end"
---@param offset? integer  from there; default 0
---@return integer? place
---@return string? message  EINVAL: before the beginning
---@return string? code
function file:seek(whence, offset) end

---Reads up to n bytes at a place, and leaves the present one as it is.
---
---Blocks: while bytes come from the disk, or are written.
---Errors: negative numbers.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "0123456789"
---print(f:pread(3, 8), f:pread(3, 10))                 --> 89 nil
---```
---@param n integer
---@param offset integer  from 0
---@return string? data  shorter at the end; nil beyond it
---@return string? message
---@return string? code
function file:pread(n, offset) end

---Writes at a place, and leaves the present one as it is. In a file opened to append Linux writes at the end all the same.
---
---Blocks: until it is written.
---Errors: as file:write; a negative place.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "0123456789"
---f:pwrite("ab", 4)
---print(f:pread(10, 0))                --> 0123ab6789
---```
---@param data string|number|weft.buffer
---@param offset integer  from 0
---@return boolean? ok  true
---@return string? message
---@return string? code
---@return integer? written
function file:pwrite(data, offset) end

---Cuts the file off, or fills it up with zeros. The present place stays.
---
---Blocks: until it is done.
---Errors: a negative size.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "0123456789"
---f:truncate(3)
---print(f:stat().size)                 --> 3
---```
---@param size integer
---@return boolean? ok  true
---@return string? message
---@return string? code
function file:truncate(size) end

---As weft.fs.stat, of this file, whatever its name is by now.
---
---Blocks: until what was written is with the system.
---Errors: none.
---
---```lua
---local f <close> = weft.fs.tempfile()
---f:write "text"
---print(f:stat().size)                 --> 4
---```
---@return weft.fs.facts? stat
---@return string? message
---@return string? code
function file:stat() end

---Closes. Tasks that wait for it get `ECANCELED`. What was written gets to the system first. Closing twice is harmless.
---
---Blocks: until what was written is with the system.
---Errors: none.
---
---```lua
---local f = weft.fs.tempfile()
---print(f:close(), f:is_closed())      --> true true
---```
---@return boolean? ok  true
---@return string? message  what was written could not be
---@return string? code
function file:close() end

---As stream:timeout.
---
---Blocks: no.
---Errors: a negative number, NaN.
---
---```lua
---local f <close> = weft.fs.tempfile()
---print(f:timeout(5) == f)             --> true
---```
---@param seconds? number
---@return weft.file self
function file:timeout(seconds) end

---As stream:buffered: bytes that have been read ahead.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local f <close> = weft.fs.tempfile()
---print(f:buffered())                  --> 0
---```
---@return integer bytes
function file:buffered() end

---The descriptor. It stays the file's.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local f <close> = weft.fs.tempfile()
---print(f:fileno() > 2)                --> true
---```
---@return integer? fd
---@return string? message
---@return string? code
function file:fileno() end

---Says whether it has been closed, here.
---
---Blocks: no.
---Errors: none.
---
---```lua
---local f <close> = weft.fs.tempfile()
---print(f:is_closed())                 --> false
---```
---@return boolean closed
function file:is_closed() end
