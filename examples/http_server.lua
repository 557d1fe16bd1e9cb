-- Claim: an HTTP/1.1 server is 58 lines in direct style. Keep-alive, pipelining and bodies work, wrong and too large
-- requests are refused. lua5.4 examples/http_server.lua [port]; Ctrl-C ends it. WEFT_QUICK=1: it asks itself and ends.

local weft = require "weft"
local LINE, BODY = 8192, 1 << 20

local function respond(conn, status, body, head, close)
  return conn:write("HTTP/1.1 ", status, "\r\nContent-Type: text/plain\r\nContent-Length: ", #body,
    close and "\r\nConnection: close" or "", "\r\n\r\n", head and "" or body)
end

-- One request: method, path, headers, body; nil at the end, or nil and what is wrong.
local function request(conn)
  local line, message = conn:read("l", LINE)
  if not line then return nil, message and "400 Bad Request" end
  local method, path, version = line:match "^(%u+) (%S+) HTTP/1%.([01])\r?$"
  if not method then return nil, "400 Bad Request" end
  local headers, size = { version = version }, 0
  while true do
    line = conn:read("l", LINE)
    if not line then return nil, "400 Bad Request" end
    if line == "\r" or line == "" then break end
    local name, value = line:match "^([%w!#$%%&'*+.^_`|~-]+):%s*(.-)%s*$"
    size = size + #line
    if not name or size > 8 * LINE then return nil, "400 Bad Request" end
    headers[name:lower()] = value
  end
  if headers["transfer-encoding"] then return nil, "501 Not Implemented" end
  local length = tonumber(headers["content-length"] or "0", 10)
  if not length or length < 0 then return nil, "400 Bad Request" end
  if length > BODY then return nil, "413 Content Too Large" end
  local body = conn:read(length)
  return method, path, headers, body
end

local served = 0
local server = assert(weft.net.listen("127.0.0.1", tonumber(arg[1] or 0), { timeout = 30 }, function(conn)
  while true do
    local method, path, headers, body = request(conn)
    if not method then return path and respond(conn, path, path .. "\n", false, true) end
    served = served + 1
    local close = headers.connection == "close" or headers.version == "0" and headers.connection ~= "keep-alive"
    if method == "POST" then respond(conn, "200 OK", body, false, close)
    elseif method ~= "GET" and method ~= "HEAD" then respond(conn, "405 Method Not Allowed", "", false, close)
    elseif path == "/" then respond(conn, "200 OK", "Hello, world\n", method == "HEAD", close)
    elseif path == "/count" then respond(conn, "200 OK", served .. "\n", method == "HEAD", close)
    else respond(conn, "404 Not Found", "nothing here\n", method == "HEAD", close) end
    if close then return end
  end
end))

weft.stdout:write("listening on http://127.0.0.1:", select(2, server:sockname()), "/\n")
if os.getenv "WEFT_QUICK" and not arg[1] then
  local conn <close> = assert(weft.net.connect(server:sockname()))
  conn:write "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
  return weft.stdout:write(conn:read "a")
end
weft.select { { assert(weft.signal "SIGINT") }, { assert(weft.signal "SIGTERM") } }
