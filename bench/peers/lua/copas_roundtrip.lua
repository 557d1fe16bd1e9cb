-- Two Copas threads answer each other over two semaphores.
local clock, copas, semaphore = require "bclock", require "copas", require "copas.semaphore"
local n = tonumber(arg[1])

copas.loop(function()
  local a, b = semaphore.new(1, 0, math.huge), semaphore.new(1, 0, math.huge)
  copas.addthread(function()
    for _ = 1, n do
      a:take()
      b:give()
    end
  end)
  local t = clock.cpu()
  for _ = 1, n do
    a:give()
    b:take()
  end
  print("ns", (clock.cpu() - t) / n)
  os.exit(0, false)
end)
