-- Claim: a slow reader holds nobody up. A chat: lua5.4 examples/chat.lua [port], then `nc 127.0.0.1 port` from several
-- terminals. Each line goes to all the others; a client that reads too slowly is put out rather than waited for. Without
-- a port, three clients talk and the script ends.

local weft = require "weft"
local ROOM = 100 -- lines that may wait for a client

local members = {}

local function say(from, text)
  for member in pairs(members) do
    if member ~= from and not member.lines:try_send(text) then member.conn:close() end
  end
end

local server = assert(weft.net.listen("127.0.0.1", tonumber(arg[1] or 0), function(conn)
  conn:write "your name? "
  local name = conn:read("l", 80)
  if not name then return end
  local me = { conn = conn, lines = weft.channel(ROOM), name = name:match "^%s*(.-)%s*$" }
  members[me] = true
  say(me, "* " .. me.name .. " comes in")
  weft.scope(function(s)
    local writer = s:go(function()
      for line in me.lines do conn:write(line, "\n") end
    end)
    for line in conn:lines("l", 4096) do say(me, me.name .. ": " .. line) end
    members[me] = nil
    writer:cancel()
  end)
  say(me, "* " .. me.name .. " has left")
end))

print("chat at port " .. select(2, server:sockname()))
if arg[1] then
  weft.signal("SIGINT"):recv()
  return
end

-- Three people; each hears the other two.
local heard, gone = weft.channel(100), weft.waitgroup()
local function person(name, ...)
  local conn <close> = assert(weft.net.connect(server:sockname()))
  conn:read(#"your name? ")
  conn:write(name, "\n")
  gone:done() -- all are in before anyone speaks
  gone:wait()
  for _, line in ipairs { ... } do
    weft.sleep(0.02)
    conn:write(line, "\n")
  end
  conn:timeout(0.2)
  for line in conn:lines() do
    if line:sub(1, 1) ~= "*" then heard:send(name .. " hears " .. line) end
  end
end
gone:add(3)
weft.all { weft.go(person, "ann", "hello", "bye"), weft.go(person, "bob", "hello ann"), weft.go(person, "cy") }
heard:close()
for line in heard do print(line) end
server:close()
weft.wait() -- until all handlers have seen the end
