-- Claim: asynchronous files are a lie, told by a few threads. A socket says when it is ready, a file never does; so
-- libuv has a pool of 4 threads that wait instead. Twelve slow reads that begin at once end in steps of 4; twelve
-- waits for sockets end together. weft reads what is in the system's memory by itself: there is nothing to wait for.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local READS, BYTES = 12, draw.quick and 1 << 20 or 4 << 20

-- Reads the kernel's random numbers, which takes a while wherever this runs: the times at which each was done, in ms.
local function slow_reads(n, bytes)
  local weft = require "weft" -- luacheck: ignore 431
  local source <close> = weft.fs.open "/dev/urandom"
  local start, jobs = weft.now(), {}
  for i = 1, n do
    jobs[i] = weft.go({ name = "read " .. i }, function()
      assert(#source:pread(bytes, 0) == bytes)
      return (weft.now() - start) * 1e3
    end)
  end
  local times = weft.all(jobs)
  table.sort(times)
  return times, weft.fs.pool()
end

local function show(what, times, step)
  local text = {}
  for i, t in ipairs(times) do
    text[i] = ("%s%.0f"):format(i > 1 and (i - 1) % step == 0 and "| " or "", t)
  end
  print(("%-26s %s ms"):format(what, table.concat(text, " ")))
end

print "asynchronous files are a lie, told by a pool of threads: reads that begin at once end in steps\n"
local times, threads
local trace = weft.trace(function() times, threads = slow_reads(READS, BYTES) end)
show(("files, %d threads:"):format(threads), times, threads)

-- The same in a process whose pool has another size: it can be set before its first use only.
times, threads = weft.process(function(f, ...)
  require("weft").fs.pool(8)
  return f(...)
end, slow_reads, READS, BYTES):join()
show(("files, %d threads:"):format(threads), times, threads)

-- As many waits for sockets.
local server <close> = weft.net.listen("127.0.0.1", 0, function(conn)
  weft.sleep(0.03)
  conn:write "answer"
end)
local start, jobs = weft.now(), {}
for i = 1, READS do
  jobs[i] = weft.go(function()
    local conn <close> = weft.net.connect(server:sockname())
    conn:read "a"
    return (weft.now() - start) * 1e3
  end)
end
show("sockets, no thread:", weft.all(jobs), READS)

-- What was used a moment ago is in memory.
local file <close> = weft.fs.tempfile()
file:write(("x"):rep(4096))
file:flush()
weft.fs.read(file.path)
start = weft.now()
local n = 1000
for _ = 1, n do weft.fs.read(file.path) end
print(("%-26s %.1f us each\n"):format("a file in memory:", (weft.now() - start) / n * 1e6))
trace:timeline()
