-- weft.socket: datagram sockets with LuaSocket's methods, over weft.net.udp.

local core = require "weft.core"
local net = require "weft.net"
local word = require "weft.socket_error"

local Datagram = {}
Datagram.__index = Datagram

-- The socket itself, made at its first use: its family is that of the first address.
local function open(self, host, port)
  if self._closed then return nil, "EBADF: closed", "EBADF" end
  if self._udp then return self._udp end
  local udp, message, code = net.udp(host or self._any, port or 0, { reuseaddr = self._reuse })
  if not udp then return nil, message, code end
  self._udp = udp:timeout(self._limit)
  return udp
end

function Datagram:__tostring() return ("udp{%s}: %s"):format(self._peer and "connected" or "unconnected", tostring(self._udp)) end

function Datagram:settimeout(value)
  self._limit = value and value >= 0 and value or nil
  if self._udp then self._udp:timeout(self._limit) end
  return 1
end

function Datagram:setsockname(host, port)
  if self._udp then return nil, "already bound" end
  local udp, message, code = open(self, host == "*" and self._any or host, tonumber(port))
  return udp and 1, word(message, code)
end

-- The first numeric address of a name.
local function numeric(host)
  if host:find "^[%d.]+$" or host:find(":", 1, true) then return host end
  local list, message, code = core.resolve(host)
  if not list then return nil, message, code end
  for _, a in ipairs(list) do
    if a.family == "inet" then return a.address end
  end
  return list[1].address
end

function Datagram:setpeername(host, port)
  local address, message, code = numeric(host)
  local udp = address
  if address then udp, message, code = open(self) end
  if udp then udp, message, code = udp:connect(address, tonumber(port)) end
  if not udp then return nil, word(message, code) end
  self._peer = { address, tonumber(port) }
  return 1
end

local function sent(data, ok, message, code)
  if ok then return #data end
  return nil, word(message, code)
end

function Datagram:send(data)
  if not self._peer then return nil, "refused" end
  return sent(data, self._udp:send(data))
end

function Datagram:sendto(data, host, port)
  local udp, message, code = open(self)
  if not udp then return nil, word(message, code) end
  return sent(data, udp:send(data, host, tonumber(port)))
end

function Datagram:receivefrom(size)
  local udp, message, code = open(self)
  if not udp then return nil, word(message, code) end
  local data, host, port = udp:recv()
  if not data then return nil, word(host, port) end
  return size and data:sub(1, size) or data, host, port
end

function Datagram:receive(size)
  local data, problem = self:receivefrom(size)
  if data then return data end
  return nil, problem
end

function Datagram:close()
  if self._udp then self._udp:close() end
  self._closed = true
  return 1
end
Datagram.__close = Datagram.close

function Datagram:setoption(name, value)
  if name == "reuseaddr" then self._reuse = value and true or false end
  local udp = (name == "broadcast" or name:find "^ip%-multicast" or name:find "membership$") and open(self)
  if name == "broadcast" and udp then udp:broadcast(value and true or false) end
  if name == "ip-multicast-ttl" and udp then udp:multicast_ttl(value) end
  if name == "ip-multicast-loop" and udp then udp:multicast_loop(value and true or false) end
  if name == "ip-add-membership" and udp then
    local interface = value.interface
    local ok, message, code = udp:join(value.multiaddr, interface ~= "*" and interface or nil)
    return ok and 1, word(message, code)
  end
  if name == "ip-drop-membership" and udp then udp:leave(value.multiaddr) end
  return 1
end

function Datagram.getoption(_, name) return nil, "unsupported option " .. tostring(name) end

function Datagram:getsockname()
  if not self._udp then return self._any, 0 end
  local host, port = self._udp:sockname()
  return host, type(port) == "number" and port or nil
end

function Datagram:getpeername()
  if not self._peer then return nil, "not connected" end
  return self._peer[1], self._peer[2]
end

function Datagram:getfd() return self._udp and self._udp:fileno() or -1 end
function Datagram.dirty() return false end
function Datagram.setfd() end

-- A socket for "inet" (the default) or "inet6".
return function(family) return setmetatable({ _any = family == "inet6" and "::" or "0.0.0.0" }, Datagram) end
