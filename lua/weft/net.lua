-- weft.net: connections by name. The C half (core.tcp_connect, core.tcp_listen ...) takes numeric addresses; here
-- names are looked up, and when there are several addresses, attempts race ("happy eyeballs", RFC 8305).

local blame = require "weft.blame"
local core = require "weft.core"

local net = { unix = {} }

local STAGGER = 0.25 -- seconds that an attempt has before the next one begins beside it

local function fail(code, text, what) return nil, code .. ": " .. text .. ": " .. what, code end

-- Alternate the families, beginning with that of the first address.
local function interleave(addresses)
  local kinds, order = { {}, {} }, {}
  for _, a in ipairs(addresses) do
    local kind = a.family == addresses[1].family and kinds[1] or kinds[2]
    kind[#kind + 1] = a.address
  end
  for i = 1, math.max(#kinds[1], #kinds[2]) do
    order[#order + 1] = kinds[1][i]
    order[#order + 1] = kinds[2][i]
  end
  return order
end

-- Connect to one of several addresses: the first attempt that succeeds wins.
local function race(addresses, port, opts, deadline)
  local results = core.channel(#addresses)
  local jobs, started, ended = {}, 0, 0
  local guard <close> = setmetatable({}, { -- luacheck: ignore 211
    __close = function()
      for _, job in ipairs(jobs) do job:cancel() end
      core.shield(function()
        for _, job in ipairs(jobs) do job:wait() end
      end)
      for _ = 1, #results do
        local r = results:recv()
        if r[1] then r[1]:close() end
      end
    end,
  })
  while true do
    if started < #addresses then
      started = started + 1
      local address = addresses[started]
      jobs[started] = core.go(function() results:send { core.tcp_connect(address, port, opts) } end)
      jobs[started]:detach()
    end
    local wait = started < #addresses and STAGGER or nil
    if deadline then wait = math.min(wait or math.huge, math.max(0, deadline - core.now())) end
    local case, r = core.select { { results }, timeout = wait }
    if case then
      if r[1] then return r[1] end
      ended = ended + 1
      if ended == #addresses then return table.unpack(r, 1, 3) end
    elseif deadline and core.now() >= deadline then
      return fail("ETIMEDOUT", "connection timed out", addresses[started] .. ":" .. port)
    end
  end
end

local function copy_without_timeout(opts)
  local copy = {}
  for k, v in pairs(opts or {}) do if k ~= "timeout" then copy[k] = v end end
  return copy
end

function net.connect(host, port, opts)
  local conn, message, code = blame.call("connect", 0, core.tcp_connect, host, port, opts)
  if conn ~= false then return conn, message, code end
  local timeout = opts and opts.timeout
  local deadline = timeout and core.now() + timeout
  local addresses
  addresses, message, code = core.resolve(host, timeout and { timeout = timeout })
  if not addresses then return nil, message, code end
  if #addresses == 0 then return fail("EAI_NONAME", "unknown node or service", host) end
  opts = copy_without_timeout(opts)
  if #addresses == 1 then
    opts.timeout = deadline and math.max(0, deadline - core.now())
    return core.tcp_connect(addresses[1].address, port, opts)
  end
  return race(interleave(addresses), port, opts, deadline)
end

-- The options may be left out in front of the handler.
local function arguments(opts, handler)
  if handler == nil and opts ~= nil then
    local meta = getmetatable(opts)
    if type(opts) == "function" or type(meta) == "table" and meta.__call then return nil, opts end
  end
  return opts, handler
end

function net.listen(host, port, opts, handler)
  opts, handler = arguments(opts, handler)
  if host == "*" then
    local server, message, code = blame.call("listen", 0, core.tcp_listen, "::", port, opts, handler)
    if server or code ~= "EAFNOSUPPORT" and code ~= "EADDRNOTAVAIL" then return server, message, code end
    return core.tcp_listen("0.0.0.0", port, opts, handler)
  end
  local server, message, code = blame.call("listen", 0, core.tcp_listen, host, port, opts, handler)
  if server ~= false then return server, message, code end
  local addresses
  addresses, message, code = core.resolve(host)
  if not addresses then return nil, message, code end
  for _, a in ipairs(addresses) do
    server, message, code = core.tcp_listen(a.address, port, opts, handler)
    if server then return server end
  end
  return nil, message, code
end

-- Of a unix socket's arguments the second, a port, is left out.
function net.unix.connect(path, opts)
  local conn, message, code = blame.call("connect", 1, core.unix_connect, path, nil, opts)
  return conn, message, code
end

function net.unix.listen(path, opts, handler)
  opts, handler = arguments(opts, handler)
  local server, message, code = blame.call("listen", 1, core.unix_listen, path, nil, opts, handler)
  return server, message, code
end

function net.udp(host, port, opts)
  local socket, message, code = blame.call("udp", 0, core.udp, host, port, opts)
  if socket ~= false then return socket, message, code end
  local addresses
  addresses, message, code = core.resolve(host)
  if not addresses then return nil, message, code end
  return core.udp(addresses[1].address, port, opts)
end

net.attach = core.attach

return net
