-- Cost against the number of tasks. Arguments: what, n, operations.
-- start: n tasks are started at once, then awaited, as often as makes the operations.
-- among: two tasks answer each other while n others stay parked.
-- visit: each of n parked tasks in turn is asked and answers once.
local clock, weft = require "bclock", require "weft"
local what, n, ops = arg[1], tonumber(arg[2]), tonumber(arg[3])
local cases, t = {}, nil

function cases.start()
  local go, wait = weft.go, weft.wait
  local function body() end
  t = clock.cpu()
  for _ = 1, ops // n do
    for _ = 1, n do go(body) end
    wait()
  end
end

function cases.among()
  local never, a, b = weft.channel(), weft.channel(), weft.channel()
  local function body() never:recv() end
  for _ = 1, n do weft.go(body) end
  weft.go(function() while true do b:send(a:recv()) end end)
  weft.go(function()
    for i = 0, ops do
      if i == 1 then t = clock.cpu() end
      a:send(i)
      b:recv()
    end
  end):join()
end

function cases.visit()
  local asks, back = {}, weft.channel()
  for i = 1, n do
    local c = weft.channel()
    asks[i] = c
    weft.go(function() for v in c do back:send(v) end end)
  end
  weft.go(function()
    local function round(m)
      for i = 1, m do
        asks[i]:send(i)
        back:recv()
      end
    end
    round(n)
    collectgarbage()
    t = clock.cpu()
    for _ = 1, ops // n do round(n) end
  end):join()
end

cases[what]()
print("ns", (clock.cpu() - t) / (ops // n * n))
io.stdout:flush()
os.exit(0, false)
