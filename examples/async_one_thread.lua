-- Claim: an async call hands the wait to something outside and goes on; so one thread waits for a thousand things at
-- once. A server answers each question after 50 ms. Asked one after the other the waits add up, asked at once they
-- overlap, and no thread is needed for that.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local ONE_BY_ONE, AT_ONCE, DELAY = draw.quick and 3 or 10, draw.quick and 50 or 400, 0.05

-- The server: a thread of its own, so that its work is not counted with the questions.
local ready, stop = weft.channel(), weft.channel()
local outside = weft.thread({ name = "the outside" }, function()
  local server <close> = weft.net.listen("127.0.0.1", 0, function(conn)
    for question in conn:lines() do
      weft.sleep(DELAY)
      conn:write("answer to ", question, "\n")
    end
  end)
  ready:send((select(2, server:sockname())))
  stop:recv()
end)
local port = ready:recv()

local function ask(i)
  local conn <close> = assert(weft.net.connect("127.0.0.1", port))
  conn:write("question ", i, "\n")
  assert(conn:read "l" == "answer to question " .. i)
end

local function threads()
  local n = 0
  for line in io.lines "/proc/self/status" do n = tonumber(line:match "^Threads:%s*(%d+)") or n end
  return n - 1 -- the server's is not ours
end

local function timed(f)
  local start = weft.now()
  f()
  return weft.now() - start
end

print "an async call hands the wait to something outside: one thread waits for a thousand things\n"
local seconds = timed(function() for i = 1, ONE_BY_ONE do ask(i) end end)
print(("one after the other: %4d questions in %.2f s: %s waits/s"):format(ONE_BY_ONE, seconds, draw.number(ONE_BY_ONE / seconds)))
local n
seconds = timed(function()
  local jobs = {}
  for i = 1, AT_ONCE do jobs[i] = weft.go(ask, i) end
  weft.sleep(DELAY / 2)
  n = threads()
  weft.all(jobs)
end)
print(("at once:             %4d questions in %.2f s: %s waits/s, OS threads = %d\n"):format(AT_ONCE, seconds,
  draw.number(AT_ONCE / seconds), n))

local trace = weft.trace(function()
  weft.scope(function(s)
    for i = 1, 6 do
      s:go(ask, i)
      weft.sleep(DELAY / 6)
    end
  end)
end)
trace:timeline()
stop:send(true)
outside:join()
