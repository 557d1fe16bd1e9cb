-- n tasks in all, started in batches and awaited batch by batch. Arguments: n, batch, "join" to join each job.
local clock, weft = require "bclock", require "weft"
local n, batch, join = tonumber(arg[1]), tonumber(arg[2]), arg[3] == "join"
local go, wait, ran, jobs = weft.go, weft.wait, 0, {}

local function body()
  ran = ran + 1
end

local t = clock.cpu()
for _ = 1, n // batch do
  if join then
    for i = 1, batch do jobs[i] = go(body) end
    for i = 1, batch do jobs[i]:join() end
  else
    for _ = 1, batch do go(body) end
    wait()
  end
end
local ns = (clock.cpu() - t) / n
assert(ran == n)
print("ns", ns)
