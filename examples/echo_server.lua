-- Claim: one thread serves ten thousand connections, each with a task that reads as if it were alone. The clients are
-- another process, so that each side has its own limit of descriptors. `lua5.4 examples/echo_server.lua serve 7777` only
-- serves: try `nc 127.0.0.1 7777`.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")

local function limit()
  local p = io.popen "ulimit -n"
  local n = p:read "n"
  p:close()
  return n or 1 << 20 -- "unlimited"
end

-- The clients: n connections, of which 100 at a time ask and wait for their answer; prints every answer's time in us.
local function clients(port, n, rounds)
  local turns, times, conns = weft.semaphore(100), {}, {}
  for i = 1, n do conns[i] = assert(weft.net.connect("127.0.0.1", port)) end
  local start = weft.now()
  for _ = 1, rounds do
    weft.scope(function(s)
      for i, conn in ipairs(conns) do
        turns:acquire()
        s:go(function()
          local begin = weft.nanotime()
          conn:write(i, "\n")
          assert(conn:read "l" == tostring(i))
          times[#times + 1] = (weft.nanotime() - begin) / 1000
          turns:release()
        end)
      end
    end)
  end
  local seconds = weft.now() - start
  for _, conn in ipairs(conns) do conn:close() end
  table.sort(times)
  print(#times / seconds)
  for _, t in ipairs(times) do print(("%.1f"):format(t)) end
end

if arg[1] == "clients" then return clients(tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4])) end

local function resident()
  local f = io.open "/proc/self/statm"
  if not f then return 0 end
  local pages = tonumber(f:read "a":match "^%d+ (%d+)")
  f:close()
  return pages * 4096
end

local function echo(conn)
  for line in conn:lines() do conn:write(line, "\n") end
end

if arg[1] == "serve" then
  local server = assert(weft.net.listen("127.0.0.1", tonumber(arg[2] or 0), echo))
  print("echo at port " .. select(2, server:sockname()))
  io.stdout:flush()
  weft.signal("SIGTERM"):recv()
  return
end

local wanted = draw.quick and 200 or 10000
local n = math.min(wanted, limit() - 64)
local server = assert(weft.net.listen("127.0.0.1", 0, echo))

print(("one thread serves %d connections%s\n"):format(n, n < wanted and " (ulimit -n allows no more)" or ""))
local before = resident()
local others = assert(io.popen(("%s %s clients %d %d %d"):format(arg[-1] or "lua5.4", arg[0], select(2, server:sockname()), n,
  draw.quick and 2 or 5)))
local most, bytes = 0, 0
local watch = weft.every(0.01, function()
  local open, all = server:connections()
  if open > most then most, bytes = open, (resident() - before) / open end
  return all < n or open > 0
end)
watch:join() -- until all have come and gone
local rate, times = others:read "n", {}
for t in others:lines "n" do times[#times + 1] = t end
others:close()
server:close()

local function at(q) return times[math.ceil(#times * q)] end
print(("%d connections, %s requests/s, p50 %.0f us, p99 %.0f us, %.1f KiB a connection\n"):format(most, draw.number(rate), at(0.5),
  at(0.99), bytes / 1024))
local rows, bin = {}, {}
for _, t in ipairs(times) do
  local k = 0
  while t >= 10 * 2 ^ k do k = k + 1 end
  bin[k] = (bin[k] or 0) + 1
end
for k = 0, 24 do
  if bin[k] then rows[#rows + 1] = { ("< %d us"):format(10 * 2 ^ k), bin[k], tostring(bin[k]) } end
end
draw.bars(rows)
