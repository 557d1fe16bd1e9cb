-- n Copas threads in all, started in batches and awaited batch by batch. Arguments: n, batch.
local clock, copas, semaphore = require "bclock", require "copas", require "copas.semaphore"
local n, batch = tonumber(arg[1]), tonumber(arg[2])

copas.loop(function()
  local done, ran, goal = semaphore.new(1, 0, math.huge), 0, 0
  local function body()
    ran = ran + 1
    if ran == goal then done:give() end
  end
  local t = clock.cpu()
  for r = 1, n // batch do
    goal = r * batch
    for _ = 1, batch do copas.addthread(body) end
    done:take()
  end
  print("ns", (clock.cpu() - t) / n)
  os.exit(0, false)
end)
