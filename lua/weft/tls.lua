-- weft.tls: TLS 1.2 and 1.3 over weft's streams, by OpenSSL. Optional: needs the module weft.tls_core (`make tls`, or the
-- rock weft-tls). A TLS stream has the methods of other streams; several tasks may use it.

local weft = require "weft"

local there, core = pcall(require, "weft.tls_core")
if not there then
  error("weft.tls needs the module weft.tls_core, which needs OpenSSL: make tls, or luarocks install weft-tls\n" .. core, 2)
end

local M = { version = core.version }

local function fail(code, text) return nil, code .. ": " .. text, code end

---------------------------------------------------------------------- contexts

-- A PEM text, or the contents of a file.
local function pem(what, value)
  if type(value) ~= "string" then error(("option '%s': a file name or a PEM text expected"):format(what), 4) end
  if value:find("-----BEGIN", 1, true) then return value end
  local f, message = io.open(value, "rb")
  if not f then error(("option '%s': %s"):format(what, message), 4) end
  local text = f:read "a"
  f:close()
  return text
end

local KNOWN = { cert = true, key = true, ca = true, verify = true, alpn = true, name = true }

-- The options of a side as a context. Raises when a certificate or a key is wrong: that is the script's matter.
local function context(server, opts, more)
  for name in pairs(opts) do
    if not KNOWN[name] and not (more and more[name]) then error(("unknown option '%s'"):format(tostring(name)), 3) end
  end
  local c = core.context(server)
  local function check(ok, message)
    if not ok then error(message, 4) end
  end
  if server and not (opts.cert and opts.key) then error("options 'cert' and 'key' expected", 3) end
  if opts.cert then check(c:identity(pem("cert", opts.cert), pem("key", opts.key))) end
  if server and opts.ca or not server and opts.verify ~= false then check(c:trust(opts.ca and pem("ca", opts.ca) or nil)) end
  if opts.alpn then check(c:alpn(opts.alpn)) end
  return c
end

---------------------------------------------------------------------- streams

local Stream = {}
Stream.__index = Stream
Stream.__name = "weft.tls"

function Stream:__tostring() return ("weft.tls (%s)"):format(tostring(self._conn)) end

-- Send what the session has for the network. One at a time: the order of its records counts.
local function flush(self)
  return self._writing:with(function()
    while true do
      local bytes = self._session:take()
      if not bytes then return true end
      local ok, message, code = self._conn:write(bytes)
      if not ok then return nil, message, code end
    end
  end)
end

-- Get more from the network: true, or nil and why.
local function feed(self)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local bytes
  bytes, message, code = self._conn:read()
  if bytes then
    self._session:feed(bytes)
    return true
  end
  if message then return nil, message, code end
  if self._ended then return fail("EPROTO", "tls: the stream ended without an orderly end: " .. tostring(self._conn)) end
  self._ended = true
  self._session:ended()
  return true
end

local function handshake(self)
  while true do
    local ok, why = self._session:handshake()
    if ok then return flush(self) end
    if ok == false then
      flush(self) -- the alert
      return fail("EPROTO", why .. ": " .. tostring(self._conn))
    end
    local fed, message, code = feed(self)
    if not fed then return nil, message, code end
  end
end

-- More of the contents into `_in`: true; false at the end; nil and why.
local function fill(self)
  while true do
    local data, why = self._session:read()
    if data then
      self._in = self._in == "" and data or self._in .. data
      return true
    end
    if data == false and why == "end" then return false end
    if data == false then return fail("EPROTO", why .. ": " .. tostring(self._conn)) end
    local fed, message, code = feed(self)
    if not fed then return nil, message, code end
  end
end

local function take(self, n)
  local data = self._in:sub(1, n)
  self._in = self._in:sub(n + 1)
  return data
end

local function read_line(self, keep, longest)
  local from = 1
  while true do
    local at = self._in:find("\n", from, true)
    if longest and (at or #self._in + 1) - 1 > longest then
      return fail("EMSGSIZE", "message too long: " .. tostring(self._conn))
    end
    if at then
      local line = take(self, at)
      return keep and line or line:sub(1, -2)
    end
    from = #self._in + 1
    local more, message, code = fill(self)
    if more == nil then return nil, message, code end
    if not more then return #self._in > 0 and take(self, #self._in) or nil end
  end
end

-- n bytes, or all for math.huge.
local function read_bytes(self, n, longest)
  local parts, have = {}, 0
  while have < n do
    if self._in == "" then
      local more, message, code = fill(self)
      if more == nil then
        self._in = table.concat(parts) -- for the next read
        return nil, message, code
      end
      if not more then break end
    end
    local part = take(self, math.min(#self._in, n - have) // 1)
    parts[#parts + 1], have = part, have + #part
    if longest and have > longest then return fail("EMSGSIZE", "message too long: " .. tostring(self._conn)) end
  end
  return table.concat(parts), have
end

local function read(self, what, longest)
  if self._closed then return fail("EBADF", "bad file descriptor: " .. tostring(self)) end
  if what == nil then
    if self._in == "" then
      local more, message, code = fill(self)
      if not more then return nil, message, code end
    end
    return take(self, #self._in)
  elseif what == "l" or what == "L" then
    return read_line(self, what == "L", longest)
  elseif what == "a" then
    local data, message, code = read_bytes(self, math.huge, longest)
    return data, data == nil and message or nil, code
  elseif math.type(what) == "integer" and what >= 0 then
    local data, have, code = read_bytes(self, what)
    if not data then return nil, have, code end
    if data == "" and what > 0 then return nil end
    return data
  end
  error(("bad argument #1 to 'read' (a number, \"l\", \"L\" or \"a\" expected, got %s)"):format(tostring(what)), 3)
end

function Stream:read(what, longest) return self._reading:with(read, self, what, longest) end

function Stream:lines(what, longest)
  return function() return self:read(what or "l", longest) end
end

function Stream:write(...)
  if self._closed then return fail("EBADF", "bad file descriptor: " .. tostring(self)) end
  local data = table.concat({ ... })
  local ok, why = self._session:write(data)
  if not ok then return fail("EPIPE", (why or "cannot write now") .. ": " .. tostring(self._conn)) end
  return flush(self)
end

function Stream:shutdown()
  if self._closed then return fail("EBADF", "bad file descriptor: " .. tostring(self)) end
  self._session:shutdown()
  return flush(self)
end

function Stream:close()
  if self._closed then return true end
  self._closed = true
  self._session:shutdown()
  if not self._conn:is_closed() then
    self._conn:timeout(1) -- the peer may be gone
    flush(self)
  end
  return self._conn:close()
end
Stream.__close = Stream.close

function Stream:timeout(seconds)
  self._conn:timeout(seconds)
  return self
end

function Stream:is_closed() return self._closed or self._conn:is_closed() end
function Stream:buffered() return #self._in end
function Stream:sockname() return self._conn:sockname() end
function Stream:peername() return self._conn:peername() end
function Stream:info() return self._session:info() end

---------------------------------------------------------------------- making them

-- Take over a connection: the handshake is done, or the connection closed.
local function wrap(conn, c, name)
  local session = c:session(name)
  local self = setmetatable({
    _conn = conn, _session = session, _in = "", _reading = weft.mutex(), _writing = weft.mutex(), _closed = false,
  }, Stream)
  local ok, message, code = handshake(self)
  if ok then return self end
  conn:close()
  return nil, message, code
end

-- wrap(conn, opts): the client's side, or with server = true the server's.
function M.wrap(conn, opts)
  opts = opts or {}
  return wrap(conn, context(opts.server, opts, { server = true }), opts.name)
end

local OF_CONNECT = { timeout = true, nodelay = true, keepalive = true }

-- connect(host, port, opts): options of weft.net.connect, and cert, key, ca, verify, alpn, name.
function M.connect(host, port, opts)
  opts = opts or {}
  local c = context(false, opts, OF_CONNECT)
  local conn, message, code = weft.net.connect(host, port,
    { timeout = opts.timeout, nodelay = opts.nodelay, keepalive = opts.keepalive })
  if not conn then return nil, message, code end
  conn:timeout(opts.timeout)
  local stream
  stream, message, code = wrap(conn, c, opts.name or host)
  return stream and stream:timeout(nil), message, code
end

local OF_LISTEN = { backlog = true, reuseport = true, max = true, nodelay = true, timeout = true }

-- listen(host, port, opts, handler): options of weft.net.listen, and cert, key, ca, alpn.
function M.listen(host, port, opts, handler)
  if type(handler) ~= "function" then error("bad argument #4 to 'listen' (function expected)", 2) end
  local c = context(true, opts, OF_LISTEN)
  local of_net = {}
  for name in pairs(OF_LISTEN) do of_net[name] = opts[name] end
  return weft.net.listen(host, port, of_net, function(conn)
    if not opts.timeout then conn:timeout(30) end -- who never shakes hands
    local stream <close> = wrap(conn, c)
    if not stream then return end
    if not opts.timeout then stream:timeout(nil) end
    handler(stream)
  end)
end

return M
