-- n coroutines sleep k times 1 ms each, each on a libuv timer of its own: CPU time a sleep.
local clock, uv = require "bclock", require "luv"
local n, k = tonumber(arg[1]), tonumber(arg[2])
local slept = 0

for _ = 1, n do
  local co, timer = nil, uv.new_timer()
  local function wake() assert(coroutine.resume(co)) end
  co = coroutine.create(function()
    for _ = 1, k do
      timer:start(1, 0, wake)
      coroutine.yield()
      slept = slept + 1
    end
    timer:close()
  end)
  assert(coroutine.resume(co))
end
local t = clock.cpu()
uv.run()
assert(slept == n * k)
print("ns", (clock.cpu() - t) / (n * k))
