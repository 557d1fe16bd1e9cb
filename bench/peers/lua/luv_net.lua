-- An echo server, or one that counts what comes, on luv with callbacks.
local uv = require "luv"
local counts = arg[1] == "bulk"
local server = uv.new_tcp()
server:bind("127.0.0.1", 0)
server:listen(1024, function()
  local c = uv.new_tcp()
  server:accept(c)
  c:nodelay(true)
  c:read_start(function(_, data)
    if not data then
      if counts then c:try_write "done\n" end
      return c:close()
    end
    if counts then return end
    local n = c:try_write(data)
    if n ~= #data then c:write(data:sub((n or 0) + 1)) end
  end)
end)
print(server:getsockname().port)
io.stdout:flush()
uv.run()
