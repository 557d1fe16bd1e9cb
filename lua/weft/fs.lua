--- weft.fs: files. The work is C (csrc/lib/l_fs*.c, l_file.c, l_watch.c); here are the parts that take several calls: walking
-- through folders, temporary folders, and what an open file does after it has flushed what was written.

local blame = require "weft.blame"
local core = require "weft.core"

local fs = {
  read = core.fs_read, write = core.fs_write, append = core.fs_append, copy = core.fs_copy, open = core.fs_open,
  stat = core.fs_stat, lstat = core.fs_lstat, exists = core.fs_exists, access = core.fs_access, rename = core.fs_rename,
  link = core.fs_link, symlink = core.fs_symlink, readlink = core.fs_readlink, realpath = core.fs_realpath,
  chmod = core.fs_chmod, chown = core.fs_chown, utime = core.fs_utime, truncate = core.fs_truncate,
  scandir = core.fs_scandir, mkdir = core.fs_mkdir, remove = core.fs_remove, watch = core.fs_watch, pool = core.fs_pool,
}

---------------------------------------------------------------------- open files

local methods, steps = core.file_methods()

-- Each comes after what was written before it.
function methods.pread(file, n, offset)
  local ok, message, code = file:flush()
  if not ok then return nil, message, code end
  return steps.pread(file, n, offset)
end

function methods.pwrite(file, data, offset)
  local ok, message, code = file:flush()
  if not ok then return nil, message, code end
  return steps.pwrite(file, data, offset)
end

function methods.truncate(file, size)
  local ok, message, code = file:flush()
  if not ok then return nil, message, code end
  return steps.truncate(file, size)
end

function methods.stat(file)
  local ok, message, code = file:flush()
  if not ok then return nil, message, code end
  return steps.stat(file)
end

function methods.sync(file)
  local ok, message, code = file:flush()
  if not ok then return nil, message, code end
  return steps.sync(file)
end

local FROM = { set = true, cur = true, ["end"] = true }

function methods.seek(file, whence, offset)
  whence, offset = whence or "cur", offset or 0
  if not FROM[whence] then
    error(("bad argument #1 to 'seek' (\"set\", \"cur\" or \"end\" expected, got %s)"):format(tostring(whence)), 2)
  end
  if math.type(offset) ~= "integer" then
    error(("bad argument #2 to 'seek' (an integer expected, got %s)"):format(tostring(offset)), 2)
  end
  local base, message, code = 0, nil, nil
  if whence == "end" then
    base, message, code = methods.stat(file)
    base = base and base.size
  elseif whence == "cur" then
    base, message, code = steps.tell(file)
  end
  if not base then return nil, message, code end
  if whence == "cur" and offset == 0 then return base end
  return steps.move(file, base + offset)
end

---------------------------------------------------------------------- what waits like a pipe

local hidden = {} -- for the C half, which finds out in the middle of a call that a path leads to no file

function hidden.read_stream(path, opts)
  local stream <close>, message, code = core.fs_open(path)
  if not stream then return nil, message, code end
  local text
  text, message, code = stream:read("a", opts and opts.max)
  if not text and code == "EMSGSIZE" then return nil, "EFBIG: file too large: " .. path, "EFBIG" end
  return text, message, code
end

function hidden.write_stream(path, data)
  local stream <close>, message, code = core.fs_open(path, "w")
  if not stream then return nil, message, code end
  local ok
  ok, message, code = stream:write(data)
  return ok, message, code
end

hidden.append_stream = hidden.write_stream

---------------------------------------------------------------------- walking

local function join(folder, name) return (folder:sub(-1) == "/" and folder or folder .. "/") .. name end

local function sight(st) return st.dev .. ":" .. st.ino end

-- Is the entry a folder to go into? With `follow`, a link to one is, unless the way to it has led through it already.
local function enters(path, entry, opts, above)
  if entry.skip then return false end
  if entry.type == "directory" and not opts.follow then return true end
  if not opts.follow or entry.type ~= "directory" and entry.type ~= "link" then return false end
  local st = core.fs_stat(path)
  if not st or st.type ~= "directory" then return false end
  entry.sight = sight(st)
  while above do
    if above.sight == entry.sight then return false end
    above = above.above
  end
  return true
end

local WALK = { depth = "number", follow = "boolean" }

--- An iterator: path, entry for everything below the folder. A folder comes before what is in it.
function fs.walk(folder, opts)
  if type(folder) ~= "string" then error(("bad argument #1 to 'walk' (string expected, got %s)"):format(type(folder)), 2) end
  if opts ~= nil and type(opts) ~= "table" then blame.type(2, "walk", "table", opts) end
  for key, value in pairs(opts or {}) do
    if not WALK[key] then error(("bad argument #2 to 'walk' (%s)"):format(blame.unknown(tostring(key), WALK)), 2) end
    if type(value) ~= WALK[key] then
      error(("bad argument #2 to 'walk' (option '%s': %s expected, got %s)"):format(key, WALK[key], tostring(value)), 2)
    end
  end
  opts = opts or {}
  local list, message, code = core.fs_scandir(folder)
  if not list then return nil, message, code end
  local st = opts.follow and core.fs_stat(folder)
  local most = opts.depth or math.huge
  -- The folder being listed, with those above it; the entry that was given last, which may have to be entered.
  local at = { path = folder, list = list, i = 0, depth = 1, sight = st and sight(st) }
  local last, last_path
  return function()
    if last and at.depth < most and enters(last_path, last, opts, at) then
      local inner, why = core.fs_scandir(last_path)
      if inner then
        at = { path = last_path, list = inner, i = 0, depth = at.depth + 1, sight = last.sight, above = at }
      else
        last.error = why
        local failed, path = last, last_path
        last = nil
        return path, failed
      end
    end
    while at.i == #at.list do
      at = at.above
      if not at then
        last = nil
        at = { list = {}, i = 0, depth = 1 }
        return nil
      end
    end
    at.i = at.i + 1
    last = at.list[at.i]
    last.depth = at.depth
    last_path = join(at.path, last.name)
    return last_path, last
  end
end

---------------------------------------------------------------------- temporary files

local TEMP = { dir = "string", prefix = "string", keep = "boolean" }

local function temp_options(opts, name)
  if opts ~= nil and type(opts) ~= "table" then
    error(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(opts)), 3)
  end
  for key, value in pairs(opts or {}) do
    if not TEMP[key] then error(("bad argument #1 to '%s' (%s)"):format(name, blame.unknown(tostring(key), TEMP)), 3) end
    if type(value) ~= TEMP[key] then
      error(("bad argument #1 to '%s' (option '%s': %s expected, got %s)"):format(name, key, TEMP[key], tostring(value)), 3)
    end
  end
  opts = opts or {}
  local prefix = opts.prefix or "weft-"
  if prefix:find "/" then error(("bad argument #1 to '%s' (option 'prefix': a name without '/' expected)"):format(name), 3) end
  return opts.dir or os.getenv "TMPDIR" or "/tmp", prefix, not opts.keep
end

function fs.tempfile(opts)
  local dir, prefix, removes = temp_options(opts, "tempfile")
  return core.fs_tempfile(dir, prefix, removes)
end

--- A temporary folder: what leaving a block, or :remove, takes away with all that is in it.
local Folder = {}
Folder.__index = Folder
Folder.__name = "weft.tempdir"

function Folder.__tostring(folder) return folder.path end

function Folder.remove(folder)
  if folder.removed then return true end
  local ok, message, code = core.fs_remove(folder.path, { recursive = true })
  if not ok and code ~= "ENOENT" then return nil, message, code end
  folder.removed = true
  return true
end

function Folder.__close(folder)
  if not folder.kept then folder:remove() end
end

function fs.tempdir(opts)
  local dir, prefix, removes = temp_options(opts, "tempdir")
  local path, message, code = core.fs_tempdir(dir, prefix)
  if not path then return nil, message, code end
  return setmetatable({ path = path, kept = not removes }, Folder)
end

return setmetatable(fs, hidden)
