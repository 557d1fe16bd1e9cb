-- weft.socket: stream sockets with LuaSocket's methods, over weft.net. One object is a master until it connects or
-- listens; `_conn` is its stream then, `_server` its listening socket.

local core = require "weft.core"
local net = require "weft.net"
local word = require "weft.socket_error"

local M = {}

local Stream = {}
Stream.__index = Stream

local function new(how, conn)
  local self = setmetatable({ _how = how, _conn = conn, _received = 0, _sent = 0, _born = core.now() }, Stream)
  return self
end

-- A socket for TCP: `family` is nil, "inet" or "inet6". One for paths.
function M.tcp() return new "tcp" end
function M.unix() return new "unix" end

function Stream:__tostring()
  local state = self._conn and "client" or self._server and "server" or "master"
  return ("%s{%s}: %s"):format(self._how, state, tostring(self._conn or self._server or "not connected"))
end

function Stream:settimeout(value, mode)
  if value and value < 0 then value = nil end
  if mode == "t" or mode == "r" then self._total = value else self._block = value end
  local limit = self._block
  if self._total and (not limit or self._total < limit) then limit = self._total end
  self._limit = limit
  if self._conn and not self._conn:is_closed() then self._conn:timeout(limit) end
  return 1
end

function Stream:gettimeout() return self._block or -1, self._total or -1 end

-- What is to be connected to, or bound.
local function where(self, host, port)
  if self._how == "unix" then return host end
  return host, tonumber(port)
end

function Stream:connect(host, port)
  if self._conn or self._server then return nil, "already connected" end
  local connect = self._how == "unix" and function(path, opts) return net.unix.connect(path, opts) end
    or function(_, opts) return net.connect(host, tonumber(port), opts) end
  local conn, message, code = connect(where(self, host, port), { timeout = self._limit })
  if not conn then return nil, word(message, code) end
  self._conn = conn:timeout(self._limit)
  return 1
end

function Stream:bind(host, port)
  self._at = { where(self, host, port) }
  return 1
end

function Stream:listen(backlog)
  local server, message, code
  local opts = { backlog = math.max(1, backlog or 32), nodelay = false }
  if not self._at then return nil, "not bound" end
  if self._how == "unix" then server, message, code = net.unix.listen(self._at[1], opts)
  else server, message, code = net.listen(self._at[1], self._at[2], opts) end
  if not server then return nil, word(message, code) end
  self._server = server
  return 1
end

function Stream:accept()
  if not self._server then return nil, "closed" end
  local conn, message, code = self._server:accept(self._limit)
  if not conn then return nil, word(message, code) end
  return new(self._how, conn)
end

function Stream:send(data, first, last)
  if not self._conn then return nil, "closed", 0 end
  data = tostring(data)
  first, last = first or 1, last or -1
  if first < 0 then first = math.max(#data + first + 1, 1) end
  if last < 0 then last = #data + last + 1 end
  last = math.min(last, #data)
  local piece = first == 1 and last == #data and data or data:sub(first, last)
  local ok, message, code, written = self._conn:write(piece)
  if ok then
    self._sent = self._sent + #piece
    return last
  end
  self._sent = self._sent + (written or 0)
  return nil, word(message, code), first - 1 + (written or 0)
end

-- What is kept of an answer that is not complete.
local function partial(conn)
  local n = conn:buffered()
  return n > 0 and conn:read(n) or ""
end

local function receive_line(conn)
  local line, message, code = conn:read "L"
  if line and line:sub(-1) == "\n" then return (line:sub(1, -2):gsub("\r", "")) end
  if line then return nil, "closed", line end
  if not message then return nil, "closed", "" end
  return nil, word(message, code), partial(conn)
end

local function receive_all(conn)
  local data, message, code = conn:read "a"
  if not data then return nil, word(message, code), partial(conn) end
  if data == "" then return nil, "closed", "" end
  return data
end

local function receive_bytes(conn, n)
  local data, message, code = conn:read(n)
  if data and #data == n then return data end
  if data or not message then return nil, "closed", data or "" end
  return nil, word(message, code), partial(conn)
end

function Stream:receive(pattern, prefix)
  if not self._conn then return nil, "closed", prefix or "" end
  pattern = pattern or "*l"
  prefix = prefix and tostring(prefix) or ""
  local data, problem, part
  if type(pattern) == "number" then
    if pattern <= #prefix then return prefix end
    data, problem, part = receive_bytes(self._conn, math.floor(pattern) - #prefix)
  else
    local kind = tostring(pattern):gsub("^%*", ""):sub(1, 1)
    if kind == "l" then data, problem, part = receive_line(self._conn)
    elseif kind == "a" then data, problem, part = receive_all(self._conn)
    else error("bad argument #1 to 'receive' (invalid receive pattern)", 2) end
  end
  self._received = self._received + #(data or part)
  if data then return prefix .. data end
  return nil, problem, prefix .. part
end

function Stream:shutdown(how)
  if not self._conn then return nil, "not connected" end
  how = how or "both"
  if how ~= "receive" then self._conn:shutdown() end
  if how == "both" then self:close() end
  return 1
end

function Stream:close()
  if self._conn then self._conn:close() end
  if self._server then self._server:close() end
  self._conn, self._server = nil, nil
  return 1
end
Stream.__close = Stream.close

function Stream:setoption(name, value)
  if name == "tcp-nodelay" and self._conn then self._conn:nodelay(value and true or false) end
  if name == "keepalive" and self._conn then self._conn:keepalive(value and true or false) end
  return 1 -- the others are as weft has them
end

function Stream.getoption(_, name) return nil, "unsupported option " .. tostring(name) end

local function name_of(host, port)
  if not host then return nil, "closed" end
  return host, port, type(host) == "string" and (host:find(":", 1, true) and "inet6" or "inet") or nil
end

function Stream:getsockname()
  local object = self._conn or self._server
  if object then return name_of(object:sockname()) end
  if self._at then return name_of(table.unpack(self._at)) end
  return nil, "closed"
end

function Stream:getpeername()
  if not self._conn then return nil, "not connected" end
  return name_of(self._conn:peername())
end

function Stream:getstats() return self._received, self._sent, core.now() - self._born end
function Stream:setstats(received, sent, age)
  self._received, self._sent = received or self._received, sent or self._sent
  self._born = age and core.now() - age or self._born
  return 1
end

-- For select: the descriptor, and whether a read would give something at once.
function Stream:getfd()
  local conn = self._conn
  return conn and not conn:is_closed() and conn:fileno() or self._server and self._server:fileno() or -1
end
function Stream:dirty() return self._conn ~= nil and self._conn:buffered() > 0 end
function Stream.setfd() end

M.class = Stream

return M
