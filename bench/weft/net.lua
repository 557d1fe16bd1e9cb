-- A server for bench/c/load_net: echo, bulk or http.
local weft = require "weft"

local handlers = {}

function handlers.echo(conn)
  while true do
    local data = conn:read()
    if not data then return end
    conn:write(data)
  end
end

function handlers.bulk(conn)
  while conn:read() do end
  conn:write "done\n"
end

local answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n"

function handlers.http(conn)
  for line in conn:lines() do
    local method, target, version = line:match "^(%u+) (%S+) HTTP/(1%.[01])\r$"
    if not method then return conn:write "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" end
    local headers = {}
    for header in conn:lines() do
      local name, value = header:match "^([^:%s]+):%s*(.-)%s*$"
      if not name then break end
      headers[name:lower()] = value
    end
    if target ~= "/" then conn:write "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    else conn:write(answer) end
    if headers.connection == "close" or version == "1.0" and headers.connection ~= "keep-alive" then return end
  end
end

local server = assert(weft.net.listen("127.0.0.1", 0, handlers[arg[1]]))
print(select(2, server:sockname()))
io.stdout:flush()
weft.wait()
