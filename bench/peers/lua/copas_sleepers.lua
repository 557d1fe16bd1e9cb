-- n Copas threads sleep 1 to 1000 ms each; reported as for `whole` of them, which would take minutes.
-- Arguments: n, whole.
local clock, copas = require "bclock", require "copas"
local n, whole = tonumber(arg[1]), tonumber(arg[2])

copas.loop(function()
  local fired = 0
  for i = 1, n do
    local d = (i % 1000 + 1) / 1000
    copas.addthread(function()
      copas.pause(d)
      fired = fired + 1
      if fired == n then
        print("cpu", clock.cpu() / 1e9 * whole / n)
        print("rss", clock.peak() / 2 ^ 20 * whole / n)
        os.exit(0, false)
      end
    end)
  end
end)
