-- Claim: asynchronous files are a lie, told by a few threads. A socket says when it is ready, a file never does; so
-- libuv has a pool of 4 threads that wait instead. Twelve slow reads that begin at once end in steps of 4; twelve
-- waits for sockets end together. weft reads what is in the system's memory by itself: there is nothing to wait for.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local READS, BYTES = 12, draw.quick and 2 << 20 or 32 << 20

-- Reads the kernel's random numbers until they are too many, which takes a while wherever this runs: when each was done, in
-- milliseconds, and how many threads the pool has.
local function slow_reads(n, bytes)
  local weft = require "weft" -- luacheck: ignore 431
  local start, jobs = weft.now(), {}
  for i = 1, n do
    jobs[i] = weft.go({ name = "read " .. i }, function()
      assert(select(3, weft.fs.read("/dev/urandom", { max = bytes })) == "EFBIG")
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
local us, least, most = draw.median(21, function()
  start = weft.now()
  for _ = 1, 50 do weft.fs.read(file.path) end
  return (weft.now() - start) / 50 * 1e6
end)
print(("%-26s %.1f us each (%.1f to %.1f)\n"):format("a file in memory:", us, least, most))
trace:timeline()
