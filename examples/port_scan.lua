-- Claim: what is slow because it waits is fast when the waits overlap. Tries every port of this machine, one after the
-- other and then a few hundred at once, and names those that answer. (Scan machines of your own only.)
--
--   lua5.4 examples/port_scan.lua [first] [last]

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local FIRST, LAST = tonumber(arg[1] or 1), tonumber(arg[2] or (draw.quick and 3000 or 65535))
local AT_ONCE = 200

local own <close> = weft.net.listen("127.0.0.1", 0, function() end) -- one that is open for sure

local function is_open(port)
  local conn = weft.net.connect("127.0.0.1", port, { timeout = 1 })
  if conn then conn:close() end
  return conn ~= nil
end

local function scan(ports, workers)
  local open, next_port = {}, 0
  local start = weft.now()
  weft.scope(function(s)
    for _ = 1, workers do
      s:go(function()
        while next_port < #ports do
          next_port = next_port + 1
          local port = ports[next_port]
          if is_open(port) then open[#open + 1] = port end
        end
      end)
    end
  end)
  table.sort(open)
  return open, #ports / (weft.now() - start)
end

local ports, some = {}, {}
for port = FIRST, LAST do ports[#ports + 1] = port end
ports[#ports + 1] = select(2, own:sockname())
for i = 1, math.min(#ports, draw.quick and 500 or 5000) do some[i] = ports[i] end

print "a port that does not answer costs a wait; waits overlap\n"
local _, slow = scan(some, 1)
local open, fast = scan(ports, AT_ONCE)
draw.bars { { "one after the other", slow, draw.number(slow) .. " ports/s" }, { AT_ONCE .. " at once", fast, draw.number(fast) .. " ports/s" } }
print(("\n%d ports tried, %d open: %s"):format(#ports, #open, table.concat(open, " ")))
print "(on one machine the answers come at once, so little is gained; over a network each costs a round trip)"
