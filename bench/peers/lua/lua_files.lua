-- Reads n files of 4 KiB with io.open, one after the other.
local clock, set = require "bclock", require "file_set"
local n = tonumber(arg[1])
local path = set.make(n)

local function run()
  local bytes = 0
  for i = 1, n do
    local f = io.open(path .. i, "rb")
    bytes = bytes + #f:read "a"
    f:close()
  end
  return bytes
end

run()
local t = clock.now()
assert(run() == n * set.SIZE)
print("us", (clock.now() - t) / n / 1e3)
