-- Claim: requests overlap by themselves: five that take 50 ms each take 50 ms. An HTTP/1.1 client:
-- lua5.4 examples/http_client.lua http://host[:port]/path ...; without arguments it asks a little server of its own.

local weft = require "weft"

-- A body: of a known length, in chunks, or up to the end.
local function body_of(conn, headers)
  if (headers["transfer-encoding"] or ""):lower() == "chunked" then
    local parts = {}
    while true do
      local size = tonumber((conn:read("l", 100) or ""):match "^%x+" or "", 16)
      if not size then return nil, "EPROTO: broken chunk" end
      if size > 0 then parts[#parts + 1] = conn:read(size) end
      conn:read "l" -- the end of the chunk, or of the trailers
      if size == 0 then return table.concat(parts) end
    end
  end
  local length = tonumber(headers["content-length"], 10)
  if not length then return conn:read "a" end
  return length == 0 and "" or conn:read(length)
end

-- GET: status, headers, body; or nil and a message.
local function get(url)
  local host, port, path = url:match "^http://([^:/]+):?(%d*)(/?.*)$"
  if not host then return nil, "not an http URL: " .. url end
  local conn <close>, message = weft.net.connect(host, tonumber(port) or 80, { timeout = 10 })
  if not conn then return nil, message end
  conn:timeout(10)
  conn:write("GET ", path == "" and "/" or path, " HTTP/1.1\r\nHost: ", host, "\r\nConnection: close\r\n\r\n")
  local line, trouble = conn:read("l", 8192)
  local status = (line or ""):match "^HTTP/1%.[01] (%d%d%d)"
  if not status then return nil, trouble or "EPROTO: no HTTP answer" end
  local headers = {}
  for header in conn:lines("l", 8192) do
    local name, value = header:match "^([^:%s]+):%s*(.-)%s*$"
    if not name then break end
    headers[name:lower()] = value
  end
  return tonumber(status), headers, body_of(conn, headers)
end

local urls, server = table.move(arg, 1, #arg, 1, {}), nil
if #urls == 0 then
  server = weft.net.listen("127.0.0.1", 0, function(conn)
    conn:read "l"
    weft.sleep(0.05) -- it thinks
    conn:write "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
  end)
  for i = 1, 5 do urls[i] = ("http://127.0.0.1:%d/%d"):format(select(2, server:sockname()), i) end
end
local start = weft.now()
for i, got in ipairs(weft.map(function(url) return { get(url) } end, urls, { kind = "task" })) do
  print(urls[i], got[1] or "failed", got[3] and #got[3] .. " bytes" or got[2])
end
print(("%d requests in %.2f s"):format(#urls, weft.now() - start))
if server then server:close() end
