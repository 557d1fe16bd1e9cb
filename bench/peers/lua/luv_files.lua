-- Reads n files of 4 KiB with luv: "one" after the other by its blocking calls, or "many", 64 chains of callbacks.
local clock, set, uv = require "bclock", require "file_set", require "luv"
local how, n = arg[1], tonumber(arg[2])
local path = set.make(n)

local function one()
  local bytes = 0
  for i = 1, n do
    local f = uv.fs_open(path .. i, "r", 0)
    bytes = bytes + #uv.fs_read(f, uv.fs_fstat(f).size, 0)
    uv.fs_close(f)
  end
  return bytes
end

local function many()
  local bytes, next = 0, 0
  local function chain()
    next = next + 1
    if next > n then return end
    uv.fs_open(path .. next, "r", 0, function(_, f)
      uv.fs_fstat(f, function(_, st)
        uv.fs_read(f, st.size, 0, function(_, data)
          bytes = bytes + #data
          uv.fs_close(f, chain)
        end)
      end)
    end)
  end
  for _ = 1, 64 do chain() end
  uv.run()
  return bytes
end

local run = how == "one" and one or many
run()
local t = clock.now()
assert(run() == n * set.SIZE)
print("us", (clock.now() - t) / n / 1e3)
