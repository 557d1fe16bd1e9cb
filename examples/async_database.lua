-- Claim: a query to a database is a wait, and waits overlap. Queries that take 0.1 s each, sent to a real redis-server: one
-- after the other; at once in direct style (a task for each); at once in callback style (on_done). The client library
-- is redis-lua, unchanged, which knows only LuaSocket: weft.socket stands in for that. Then the same library on the
-- true, blocking LuaSocket, which stops everything unless weft.blocking gives it a thread of its own.
--
-- Needs redis-server and redis-lua (Debian: apt install redis-server lua-redis lua-socket).

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local QUERIES = draw.quick and 10 or 50

package.path = package.path .. ";/usr/share/lua/5.1/?.lua" -- Debian keeps redis-lua there; it runs on 5.4 too
require("weft.socket").install()
local there, redis = pcall(require, "redis")
local p = io.popen "command -v redis-server"
local server_there = p:read "a" ~= ""
p:close()
if not there or not server_there then
  print "async_database needs redis-server and redis-lua: apt install redis-server lua-redis lua-socket"
  return
end

-- The server, on a loopback port that is free.
local free = weft.net.listen("127.0.0.1", 0)
local _, port = free:sockname()
free:close()
local server = io.popen(("exec redis-server --bind 127.0.0.1 --port %d --save '' --appendonly no"):format(port))
while not weft.net.connect("127.0.0.1", port) do weft.sleep(0.01) end

-- A query that takes its time: nothing is ever put into that list. (DEBUG SLEEP would stop the server for all.)
redis.commands.slow = redis.command("BLPOP", { request = function(client, command, seconds)
  client.requests.multibulk(client, command, "empty", seconds)
end })

local function query(i)
  local client = redis.connect("127.0.0.1", port)
  client:slow(0.1)
  client:incr "queries"
  client:quit()
  return i
end

local function timed(title, f)
  local start = weft.now()
  f()
  local rate = QUERIES / (weft.now() - start)
  return { title, rate, draw.number(rate) .. " queries/s" }
end

print(("a query to a database is a wait: %d queries of 0.1 s each to a redis-server\n"):format(QUERIES))
local rows = {
  timed("one after the other", function()
    for i = 1, QUERIES do query(i) end
  end),
  timed("direct style, at once", function()
    local jobs = {}
    for i = 1, QUERIES do jobs[i] = weft.go(query, i) end
    weft.all(jobs)
  end),
  timed("callback style, at once", function()
    local left, done = QUERIES, weft.event()
    for i = 1, QUERIES do
      weft.go(query, i):on_done(function(ok, answer)
        assert(ok and answer == i)
        left = left - 1
        if left == 0 then done:set() end
      end)
    end
    done:wait()
  end),
}
draw.bars(rows)
local check <close> = setmetatable({ client = redis.connect("127.0.0.1", port) }, {
  __close = function(self)
    pcall(self.client.shutdown, self.client)
    server:close()
  end,
})
print(("\nthe server counts %s queries, %d were sent"):format(check.client:get "queries", 3 * QUERIES))

-- A library that blocks, called by weft.blocking, stops nobody. Meanwhile a task ticks here.
local ticks = 0
local ticker = weft.every(0.001, function() ticks = ticks + 1 end)
local answer = weft.blocking(function(to, path)
  package.path = path
  local ok, client = pcall(function() return require("redis").connect("127.0.0.1", to) end)
  if not ok then return "no LuaSocket here" end
  for _ = 1, 5 do client:raw_cmd "BLPOP empty 0.1\r\n" end
  client:quit()
  return "5 queries by a library that blocks"
end, port, package.path)
print(("%s, on a thread of its own: %d ticks of a task here meanwhile\n"):format(answer, ticks))
ticker:cancel()

weft.trace(function()
  weft.scope(function(s)
    for i = 1, 4 do s:go({ name = "query " .. i }, query, i) end
  end)
end):timeline()
