-- A server of the redis protocol that knows PING, GET, SET and INCR.
local weft = require "weft"
local data, run = {}, {}

function run.PING() return "+PONG\r\n" end
function run.GET(key)
  local v = data[key]
  return v and ("$%d\r\n%s\r\n"):format(#v, v) or "$-1\r\n"
end
function run.SET(key, v)
  data[key] = v
  return "+OK\r\n"
end
function run.INCR(key)
  data[key] = tostring((math.tointeger(tonumber(data[key] or 0)) or 0) + 1)
  return (":%s\r\n"):format(data[key])
end

local server = assert(weft.net.listen("127.0.0.1", 0, function(conn)
  for line in conn:lines() do
    local words = {}
    for i = 1, tonumber(line:match "^%*(%d+)") or 0 do
      local n = tonumber(conn:read "l":match "^$(%d+)")
      words[i] = conn:read(n + 2):sub(1, -3)
    end
    if #words == 0 then for w in line:gmatch "%S+" do words[#words + 1] = w end end
    local f = run[(words[1] or ""):upper()]
    conn:write(f and f(table.unpack(words, 2)) or "-ERR unknown command\r\n")
  end
end))
print((select(2, server:sockname())))
io.stdout:flush()
weft.wait()
