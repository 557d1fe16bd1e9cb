-- Reads n files of 4 KiB, "one" after the other or by 64 tasks ("many"). "us" is wall-clock time a file.
local clock, set = require "bclock", require "file_set"
local weft = require "weft"
local how, n = arg[1], tonumber(arg[2])
local path = set.make(n)
local read = weft.fs.read

local function one()
  local bytes = 0
  for i = 1, n do bytes = bytes + #read(path .. i) end
  return bytes
end

local function many()
  local bytes, next = 0, 0
  for _ = 1, 64 do
    weft.go(function()
      while next < n do
        next = next + 1
        local size = #read(path .. next)
        bytes = bytes + size
      end
    end)
  end
  weft.wait()
  return bytes
end

local run = how == "one" and one or many
run()
local t = clock.now()
assert(run() == n * set.SIZE)
print("us", (clock.now() - t) / n / 1e3)
