-- So many MiB through the standard input and output of `cat`: one task writes, another reads. Argument: MiB.
local clock, weft = require "bclock", require "weft"
local mib = tonumber(arg[1])
local block <const> = ("x"):rep(1 << 16)

local t = clock.now()
local cat = assert(weft.exec { "cat", stdin = "pipe", stdout = "pipe" })
local writer = weft.go(function()
  for _ = 1, mib * 16 do assert(cat.stdin:write(block)) end
  cat.stdin:close()
end)
local got = 0
while true do
  local piece = cat.stdout:read()
  if not piece then break end
  got = got + #piece
end
writer:join()
cat:wait()
print("rate", mib / ((clock.now() - t) / 1e9))
assert(got == mib << 20)
