-- Claim: read-write locks are not free. Readers need not wait for each other, as they do at a mutex; but each of them pays for
-- coming in and going out, at one word of memory that all of them want. Where little is read that is most of the time.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local READERS, SECONDS = 2, draw.quick and 0.02 or 0.25

-- Reads a second by threads that look at `size` numbers each time, while another one writes every millisecond; and how
-- long 99 % of the writes had to wait, at most.
local function run(reading, writing, size)
  local data, over, readers = weft.buffer("i64", size), weft.event(), {}
  for i = 1, READERS do
    readers[i] = weft.thread(function()
      local n, sum = 0, 0
      repeat
        reading(function()
          for k = 1, size do sum = sum + data[k] end
        end)
        n = n + 1
      until n % 16 == 0 and over:is_set()
      return n
    end)
  end
  local writer = weft.thread(function()
    local waits = {}
    repeat
      local start = weft.now()
      writing(function()
        waits[#waits + 1] = weft.now() - start
        data:fill(#waits)
      end)
    until over:wait(0.001)
    table.sort(waits)
    return waits[math.ceil(#waits * 0.99)]
  end)
  local start = weft.now()
  weft.sleep(SECONDS)
  over:set()
  local reads, p99 = 0, writer:join()
  for i = 1, READERS do reads = reads + readers[i]:join() end
  return reads / (weft.now() - start), p99
end

print(("read-write locks are not free: %d threads read so many numbers at a time, another one writes\n"):format(READERS))
local mutex, rwlock = weft.mutex(), weft.rwlock()
local function bare(f) f() end
local function locked(f) mutex:with(f) end
local ways = {
  { "no lock", bare, bare }, { "rwlock", function(f) rwlock:reading(f) end, function(f) rwlock:writing(f) end },
  { "mutex", locked, locked },
}
local lines = { logx = true, logy = true, x = "numbers read each time", y = "reads", unit = "/s" }
for k, way in ipairs(ways) do lines[k] = { label = way[1] } end
for i, size in ipairs { 1, 10, 100, 1000, 10000 } do
  local text = {}
  for k, way in ipairs(ways) do
    local p99 = {}
    local rate, least, most = draw.median(draw.quick and 1 or 5, function()
      local reads
      reads, p99[#p99 + 1] = run(way[2], way[3], size)
      return reads
    end)
    table.sort(p99)
    lines[k][i] = { size, rate, least, most }
    text[k] = ("%s %s/s, %s us"):format(way[1], draw.number(rate), draw.number(p99[(#p99 + 1) // 2] * 1e6))
  end
  print(("%6d numbers: %s"):format(size, table.concat(text, "; ")))
end
print "                (what the writer's p99 waited beside the reads)\n"
print(weft.plot.curve(lines))
local none, rw = lines[1], lines[2]
print(("of the reads without a lock the rwlock leaves %.0f %% at 1 number, %.0f %% at 10000"):format(
  100 * rw[1][2] / none[1][2], 100 * rw[5][2] / none[5][2]))
if weft.cpus() == 1 then print "one CPU only: two readers are never inside at the same time here, and none of this can be shown" end
