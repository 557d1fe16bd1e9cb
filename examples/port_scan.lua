-- Claim: what is slow because it waits is fast when the waits overlap. Tries ports of this machine, ten of which never
-- answer (their backlog is full), one after the other and then all at once, and names those that are open. Scan machines of
-- your own only.
--
--   lua5.4 examples/port_scan.lua [first] [last]

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local FIRST, LAST = tonumber(arg[1] or 1), tonumber(arg[2] or (draw.quick and 100 or 1023))
local PATIENCE, AT_ONCE, SILENT = 0.1, 200, draw.quick and 3 or 10

-- A port that does not answer: the system lets connections wait there, and no more when that many wait.
local held = {}
local function silent_port()
  local server = assert(weft.net.listen("127.0.0.1", 0, { backlog = 1 }))
  local host, port = server:sockname()
  repeat
    local conn = weft.net.connect(host, port, { timeout = PATIENCE })
    held[#held + 1] = conn
  until not conn
  held[#held + 1] = server
  return port
end

local function is_open(port)
  local conn, _, code = weft.net.connect("127.0.0.1", port, { timeout = PATIENCE })
  if conn then conn:close() end
  return conn ~= nil, code == "ETIMEDOUT"
end

-- Tries all ports, as many at once as there are workers: those that are open, how many were silent, seconds.
local function scan(ports, workers)
  local open, silent, at = {}, 0, 0
  local start = weft.now()
  weft.scope(function(s)
    for _ = 1, workers do
      s:go(function()
        while at < #ports do
          at = at + 1
          local port = ports[at]
          local yes, mute = is_open(port)
          if yes then open[#open + 1] = port end
          if mute then silent = silent + 1 end
        end
      end)
    end
  end)
  table.sort(open)
  return open, silent, weft.now() - start
end

local own <close> = weft.net.listen("127.0.0.1", 0, function() end) -- one that is open for sure
local mine = select(2, own:sockname())
local ports = weft.map(silent_port, table.move({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 1, SILENT, 1, {}), { kind = "task" })
for port = FIRST, LAST do
  if port ~= mine then ports[#ports + 1] = port end
end
ports[#ports + 1] = mine

print "a port that does not answer costs a wait; waits overlap\n"
local open, silent, slow = scan(ports, 1)
local _, _, fast = scan(ports, AT_ONCE)
draw.bars { { "one after the other", slow, ("%.2f s"):format(slow) }, { AT_ONCE .. " at once", fast, ("%.2f s"):format(fast) } }
print(("\n%d ports tried, %d of them silent, %d open: %s"):format(#ports, silent, #open, table.concat(open, " ")))
for _, object in ipairs(held) do object:close() end
