-- Two Copas threads take turns with pause(0).
local clock, copas = require "bclock", require "copas"
local n = tonumber(arg[1])

local function body()
  for _ = 1, n do copas.pause(0) end
end

copas.addthread(body)
copas.addthread(body)
local t = clock.cpu()
copas.loop()
print("ns", (clock.cpu() - t) / (2 * n))
