-- file_set: the files that programs about files read. Made at the first use.
local M = { SIZE = 4096, dir = "build/bench/files" }

-- The path of file i is what this returns, followed by i.
function M.make(n)
  local path = M.dir .. "/f"
  local last = io.open(path .. n)
  if last then
    last:close()
    return path
  end
  os.execute("mkdir -p " .. M.dir)
  for i = 1, n do
    local f = assert(io.open(path .. i, "wb"))
    f:write(string.rep(string.char(i % 256), M.SIZE))
    assert(f:close())
  end
  return path
end

return M
