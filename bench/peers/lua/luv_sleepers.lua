-- n coroutines sleep 1 to 1000 ms each, each on a libuv timer of its own.
local clock, uv = require "bclock", require "luv"
local n = tonumber(arg[1])
local yield, resume, create = coroutine.yield, coroutine.resume, coroutine.create
local fired = 0

local function sleep(ms, self)
  local timer = uv.new_timer()
  timer:start(ms, 0, function()
    timer:close()
    assert(resume(self))
  end)
  yield()
end

local t = clock.now()
for i = 1, n do
  local co
  co = create(function()
    sleep(i % 1000 + 1, co)
    fired = fired + 1
  end)
  resume(co)
end
uv.run()
assert(fired == n)
print("cpu", clock.cpu() / 1e9)
print("wall", (clock.now() - t) / 1e9)
print("rss", clock.peak() / 2 ^ 20)
os.exit(0, false)
