-- Claim: waiting for a file to change is a wait like any other. `tail -f`: prints the last lines of a file and what is added to it,
-- and goes on with the new file when a log is rotated. Without arguments it follows a log that a task writes, and rotates.
--
--   lua5.4 examples/tail.lua [-n lines] file ...

local weft = require "weft"
local fs = weft.fs

-- The place from which on the file has its last n lines.
local function place_of_last(file, n)
  local at, PIECE = file:seek "end", 4096
  local size = at
  while at > 0 do
    local from = math.max(0, at - PIECE)
    local text = file:pread(at - from, from)
    for i = #text, 1, -1 do
      if text:byte(i) == 10 and from + i < size then
        n = n - 1
        if n == 0 then return from + i end
      end
    end
    at = from
  end
  return 0
end

-- Calls f with each line of the file, from its last n on, until the task is cancelled.
local function follow(path, n, f)
  -- The folder is watched: there a file of this name appears again after a rotation.
  local folder, name = path:match "^(.*)/([^/]*)$"
  local changes <close> = assert(fs.watch(folder or ".", { "changed", "created", "moved_to", "removed" }))
  name = name or path
  local file, message = fs.open(path)
  if file then file:seek("set", place_of_last(file, n)) else print(message) end
  local half = "" -- of a line whose end has not been written yet
  while true do
    for line in file and file:lines "L" or function() end do
      half = half .. line
      if line:sub(-1) == "\n" then
        f(half:sub(1, -2))
        half = ""
      end
    end
    local change
    repeat change = changes:recv() until not change or change.name == name or change.event == "overflow"
    if not change then break end
    local is, was = fs.stat(path), file and file:stat()
    if is and not (was and is.ino == was.ino) then -- another file has the name now
      if file then
        for line in file:lines() do f(half .. line) half = "" end -- what came last into the old one
        file:close()
      end
      file, half = fs.open(path), ""
    elseif is and is.size < file:seek() then -- it was cut off
      file:seek "set"
    end
  end
end

local function demonstrate()
  print "tail -f: each line is printed as soon as it is written, across a rotation\n"
  local dir <close> = fs.tempdir()
  local log, lines, got, late = dir.path .. "/log", 20, weft.channel(), {}
  fs.write(log, "old 1\nold 2\nold 3\n")
  local tail = weft.go(follow, log, 2, function(line) got:send(line) end)
  print(got:recv() .. "\n" .. got:recv())
  for i = 1, lines do
    if i == lines // 2 then fs.rename(log, log .. ".1") end
    local start = weft.now()
    fs.append(log, ("line %d%s\n"):format(i, i == lines // 2 and ", into a new file" or ""))
    local line = got:recv()
    late[i] = (weft.now() - start) * 1e6
    if i <= 2 or i >= lines // 2 and i < lines // 2 + 2 then print(line) end
    assert(line:match "^line (%d+)" == tostring(i))
  end
  tail:cancel()
  tail:wait()
  table.sort(late)
  print(("...\n%d lines, none lost; from before the write to after the read %.0f us (median)"):format(lines, late[lines // 2 + 1]))
end

local n, paths = 10, {}
while arg[1] do
  if arg[1] == "-n" then
    n = assert(math.tointeger(tonumber(table.remove(arg, 2))), "-n takes a number")
  else
    paths[#paths + 1] = arg[1]
  end
  table.remove(arg, 1)
end
if #paths == 0 then return demonstrate() end
local stop = weft.signal "SIGTERM"
for _, path in ipairs(paths) do
  weft.go(follow, path, n, function(line)
    print(#paths > 1 and path .. ": " .. line or line)
    io.stdout:flush()
  end):detach()
end
stop:recv()
