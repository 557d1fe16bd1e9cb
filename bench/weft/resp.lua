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
  local words = {}
  for line in conn:lines() do
    if line:byte() == 42 then -- "*3": three words, each after a line with its length
      for i = 1, tonumber(line:sub(2, -2)) do
        local n = tonumber(conn:read "l":sub(2, -2))
        words[i] = conn:read(n)
        conn:read "l"
      end
    else
      words[1], words[2], words[3] = line:match "^(%S*)%s*(%S*)%s*(%S*)"
    end
    local f = run[words[1]] or run[words[1]:upper()]
    conn:write(f and f(words[2], words[3]) or "-ERR unknown command\r\n")
  end
end))
print((select(2, server:sockname())))
io.stdout:flush()
weft.wait()
