-- n tasks sleep 1 to 1000 ms each.
local clock, weft = require "bclock", require "weft"
local n = tonumber(arg[1])
local go, sleep, fired = weft.go, weft.sleep, 0

local t = clock.now()
for i = 1, n do
  local d = (i % 1000 + 1) / 1000
  go(function()
    sleep(d)
    fired = fired + 1
  end)
end
weft.wait()
assert(fired == n)
print("cpu", clock.cpu() / 1e9)
print("wall", (clock.now() - t) / 1e9)
print("rss", clock.peak() / 2 ^ 20)
io.stdout:flush()
os.exit(0, false)
