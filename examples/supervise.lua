-- Claim: "let it crash": a worker process that dies takes nobody along, and its supervisor starts it again, later each time.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local term = require "weft.term"
local JOBS, FIRST, MOST = draw.quick and 6 or 12, 0.01, 0.5

print "a worker that crashes is started again with back-off; what it had not finished is done by the next one\n"

-- A rendezvous hands a worker one job at a time: that is all that is lost with it.
local todo, done = weft.channel(), weft.channel(JOBS)
weft.go(function()
  for i = 1, JOBS do todo:send(i) end
end)

-- Squares numbers; every third kills the process in another way.
local function worker()
  local weft = require "weft" -- luacheck: ignore 431
  for i in todo do
    if i % 6 == 3 then os.exit(i) end
    if i % 6 == 0 then weft.exec({ "sh", "-c", "kill -KILL $PPID" }):wait() end
    done:send { i, i * i, weft.info().pid }
  end
end

local lives, pause, finished, crashed = 0, FIRST, 0, 0
local results, start = {}, weft.now()
while finished + crashed < JOBS do
  lives = lives + 1
  local job = weft.process({ name = "life " .. lives }, worker)
  local served = 0
  local ended
  repeat
    local i, a = weft.select { { done }, { job } }
    if i == 1 then
      served, finished = served + 1, finished + 1
      results[a[1]] = a[2]
    end
    ended = i == 2
    if finished + crashed == JOBS then break end
  until ended
  if not ended then
    job:cancel()
    job:wait()
    print(("%6s  life %d: %d results, all is done"):format(term.seconds(weft.now() - start, true), lives, served))
    break
  end
  for _ = 1, #done do -- what it had sent before it died
    local a = done:recv()
    served, finished = served + 1, finished + 1
    results[a[1]] = a[2]
  end
  crashed = crashed + 1
  local _, err = job:result()
  pause = served > 0 and FIRST or math.min(MOST, pause * 2) -- it did some work: begin with a short pause again
  print(("%6s  life %d: %d result%s, then %s; next one in %d ms"):format(term.seconds(weft.now() - start, true), lives, served,
    served == 1 and "" or "s", tostring(err):gsub(" before its function had ended", ""), pause * 1000))
  weft.sleep(pause)
end

io.write "\nresults  "
for i = 1, JOBS do io.write(results[i] and ("%4d"):format(results[i]) or (draw.ascii and "   x" or "   ✗")) end
print(("\n%d of %d jobs done in %d lives, %d killed their worker; this process lives"):format(finished, JOBS, lives, crashed))
