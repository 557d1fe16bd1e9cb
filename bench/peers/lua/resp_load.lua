-- redis-benchmark against a server of the redis protocol: lua resp_load.lua SECONDS server... ; "redis-server" is started
-- on a free port, others print theirs. Server and client have a CPU each. Prints "rate" and "pipelined" (16 at once).
local function output(command)
  local p = assert(io.popen(command .. " 2>/dev/null"))
  local text = p:read "a"
  p:close()
  return text
end

local server, port, pid
if arg[2] == "redis-server" then
  port = 7300 + os.time() % 500
  local command = "exec taskset -c 0 redis-server --bind 127.0.0.1 --port %d --save '' --appendonly no"
  server = assert(io.popen(command:format(port)))
  for line in server:lines() do
    if line:find "eady to accept" then break end
  end
else
  server = assert(io.popen("echo $$; exec taskset -c 0 " .. table.concat(arg, " ", 2)))
  pid = server:read "n"
  port = assert(server:read "n", "the server says no port")
end

local function rate(options, n)
  local command = "taskset -c 1 redis-benchmark -h 127.0.0.1 -p %d -t ping_mbulk -n %d -c 50 --csv %s"
  local text = output(command:format(port, n, options))
  return tonumber(text:match '"PING_MBULK","([%d.]+)"' or text:match '"PING_[%u]*","([%d.]+)"')
end

local n = tonumber(arg[1])
print("rate", rate("", n))
print("pipelined", rate("-P 16", n * 5))
if arg[2] == "redis-server" then output(("redis-cli -p %d shutdown nosave"):format(port))
else os.execute(("kill %d"):format(pid)) end
server:close()
