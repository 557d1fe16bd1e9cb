-- weft.socket: LuaSocket's interface over weft's sockets. A library written for LuaSocket runs unchanged, and a call of it
-- that waits parks the task alone:
--
--   require("weft.socket").install()          -- package.loaded.socket and socket.unix are this from now on
--   local redis = require "redis"             -- uses them
--
-- What LuaSocket has in Lua (socket.http, socket.url, ltn12 ...) is LuaSocket's own, if it is installed.

local core = require "weft.core"
local tcp = require "weft.socket_tcp"
local udp = require "weft.socket_udp"
local word = require "weft.socket_error"

local M = { _VERSION = "LuaSocket 3.1.0 (weft.socket)", BLOCKSIZE = 2048, _SETSIZE = 1 << 20, _DATAGRAMSIZE = 8192 }

---------------------------------------------------------------------- making sockets

function M.tcp() return tcp.tcp() end
M.tcp4, M.tcp6 = M.tcp, M.tcp
function M.udp() return udp "inet" end
M.udp4 = M.udp
function M.udp6() return udp "inet6" end
M.unix = setmetatable({ stream = tcp.unix, tcp = tcp.unix }, { __call = function() return tcp.unix() end })

function M.connect(host, port)
  local s = tcp.tcp()
  local ok, problem = s:connect(host, port)
  if not ok then return nil, problem end
  return s
end
M.connect4, M.connect6 = M.connect, M.connect

function M.bind(host, port, backlog)
  local s = tcp.tcp()
  s:bind(host == "*" and "0.0.0.0" or host, port)
  local ok, problem = s:listen(backlog)
  if not ok then return nil, problem end
  return s
end

---------------------------------------------------------------------- waiting for several

-- "r" for what can be read, "w" for what can be written, at once.
local function is_ready(object, mode)
  if mode == "r" and object.dirty and object:dirty() then return true end
  local fd = object:getfd()
  return fd < 0 or core.poll(fd, mode, 0) ~= nil
end

local function ready_ones(list, mode)
  local found = {}
  for _, object in ipairs(list or {}) do
    if is_ready(object, mode) then
      found[#found + 1] = object
      found[object] = #found
    end
  end
  return found
end

-- Waits until one of them may be ready: a task for each.
local function wait_for_one(reading, writing, timeout)
  local told, jobs = core.channel(1), {}
  local guard <close> = setmetatable({}, { -- luacheck: ignore 211
    __close = function()
      for _, job in ipairs(jobs) do job:cancel() end
      core.shield(function()
        for _, job in ipairs(jobs) do job:wait() end
      end)
    end,
  })
  for mode, list in pairs { r = reading or {}, w = writing or {} } do
    for _, object in ipairs(list) do
      jobs[#jobs + 1] = core.go(function()
        core.poll(object:getfd(), mode)
        told:try_send(true)
      end)
      jobs[#jobs]:detach()
    end
  end
  core.select { { told }, timeout = timeout }
end

function M.select(reading, writing, timeout)
  if timeout and timeout < 0 then timeout = nil end
  local deadline = timeout and core.now() + timeout
  while true do
    local r, w = ready_ones(reading, "r"), ready_ones(writing, "w")
    if #r > 0 or #w > 0 then return r, w end
    local left = deadline and math.max(0, deadline - core.now())
    if left == 0 then return r, w, "timeout" end
    wait_for_one(reading, writing, left)
  end
end

---------------------------------------------------------------------- time, names

M.gettime, M.sleep = core.walltime, function(s) core.sleep(math.max(0, s)) end

M.dns = {}

function M.dns.getaddrinfo(host)
  local list, message, code = core.resolve(host)
  if not list then return nil, word(message, code) end
  local out = {}
  for i, a in ipairs(list) do out[i] = { family = a.family, addr = a.address } end
  return out
end

function M.dns.toip(host)
  local list, problem = M.dns.getaddrinfo(host)
  if not list then return nil, problem end
  local ips = {}
  for i, a in ipairs(list) do ips[i] = a.addr end
  return ips[1], { name = host, alias = {}, ip = ips }
end

function M.dns.gethostname()
  local f = io.open "/proc/sys/kernel/hostname"
  local name = f and f:read "l" or os.getenv "HOSTNAME" or "localhost"
  if f then f:close() end
  return name
end

---------------------------------------------------------------------- exceptions, as LuaSocket has them

local Thrown = {}
Thrown.__index = Thrown
function Thrown:__tostring() return tostring(self[1]) end

function M.newtry(finalizer)
  return function(...)
    local ok, problem = ...
    if ok then return ... end
    if finalizer then pcall(finalizer) end
    error(setmetatable({ problem }, Thrown), 0)
  end
end

M.try = M.newtry()

function M.protect(f)
  return function(...)
    local r = table.pack(pcall(f, ...))
    if r[1] then return table.unpack(r, 2, r.n) end
    if getmetatable(r[2]) == Thrown then return nil, r[2][1] end
    error(r[2], 0)
  end
end

function M.skip(n, ...) return select(n + 1, ...) end
M.__unload = function() end

---------------------------------------------------------------------- sources and sinks for ltn12

function M.choose(list)
  return function(name, first, second)
    if type(name) ~= "string" then name, first, second = "default", name, first end
    local f = list[name or "nil"]
    if not f then error("unknown key (" .. tostring(name) .. ")", 3) end
    return f(first, second)
  end
end

M.sinkt = {}
function M.sinkt.default(sock)
  return function(chunk)
    if chunk then return sock:send(chunk) end
    return 1
  end
end
M.sinkt["keep-open"] = M.sinkt.default
M.sinkt["close-when-done"] = function(sock)
  return function(chunk)
    if chunk then return sock:send(chunk) end
    sock:close()
    return 1
  end
end
M.sink = M.choose(M.sinkt)

M.sourcet = {}
M.sourcet["by-length"] = function(sock, length)
  return function()
    if length <= 0 then return nil end
    local chunk, problem = sock:receive(math.min(M.BLOCKSIZE, length))
    if problem then return nil, problem end
    length = length - #chunk
    return chunk
  end
end
M.sourcet["until-closed"] = function(sock)
  local done
  return function()
    if done then return nil end
    local chunk, problem, part = sock:receive(M.BLOCKSIZE)
    if not problem then return chunk end
    if problem ~= "closed" then return nil, problem end
    sock:close()
    done = true
    return part
  end
end
M.sourcet.default = M.sourcet["until-closed"]
M.source = M.choose(M.sourcet)

-- Libraries that say require "socket" get this one.
function M.install()
  package.loaded.socket, package.loaded["socket.core"], package.loaded["socket.unix"] = M, M, M.unix
  return M
end

return M
