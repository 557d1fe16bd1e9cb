-- Many connections for a while, one in a hundred exchanges ending in a reset. `make deep` has ten thousand connections for ten
-- minutes; WEFT_SOAK=connections,seconds says how many and how long, also under a sanitizer.

local helper = require "spec.helper"

local SCRIPT = [[
  local weft = require "weft"
  local n, seconds = tonumber(arg[1]), tonumber(arg[2])
  local CLIENTS = 2

  local function descriptors() return #weft.info().fds end

  local accepted, open, served = 0, 0, 0
  local server = assert(weft.net.listen("127.0.0.1", 0, { backlog = 4096 }, function(conn)
    accepted, open = accepted + 1, open + 1
    for line in conn:lines() do
      served = served + 1
      if not conn:write(line, "\n") then break end
    end
    open = open - 1
  end))
  local _, port = server:sockname()

  -- Half of the connections, in a process of their own.
  local function client(port, n, seconds)
    local weft = require "weft"
    local answers, resets, connects, failures = 0, 0, 0, {}
    local starting = weft.semaphore(100)
    local deadline = weft.now() + seconds
    local pause = n / 4000 -- so that a core can serve all
    local function connect()
      local conn, message = starting:with(weft.net.connect, "127.0.0.1", port)
      if not conn then failures[#failures + 1] = message else connects = connects + 1 end
      return conn
    end
    local function live(i)
      local conn, k = connect(), 0
      while conn and (k == 0 or weft.now() < deadline) do
        k = k + 1
        local line = i .. " " .. k
        conn:write(line, "\n")
        local answer, message = conn:read "l"
        if answer == line then answers = answers + 1 else failures[#failures + 1] = message or answer or "no answer" end
        if math.random(100) == 1 then
          conn:write "never read\n"
          if k % 2 == 0 then weft.poll(conn:fileno(), "r", 10) end -- half of them while the answer is still on its way
          conn:close()
          resets = resets + 1
          conn = connect()
        end
        weft.sleep(math.random() * 2 * pause)
      end
      if conn then conn:close() end
    end
    local jobs = {}
    for i = 1, n do jobs[i] = weft.go(live, i) end
    for _, job in ipairs(jobs) do job:join() end
    return answers, resets, connects, #failures, failures[1]
  end

  client(port, 1, 0) -- what a process opens once is open then
  weft.process(function() end):join()
  while open > 0 do weft.sleep(0.001) end
  accepted, served = 0, 0
  local before = descriptors()
  local jobs = {}
  for i = 1, CLIENTS do jobs[i] = weft.process(client, port, n // CLIENTS, seconds) end
  local most = 0
  local watch = weft.every(0.1, function() most = math.max(most, open) end)
  local answers, resets, connects, failures, first = 0, 0, 0, 0, nil
  for i = 1, CLIENTS do
    local a, r, c, f, text = jobs[i]:join()
    answers, resets, connects, failures, first = answers + a, resets + r, connects + c, failures + f, first or text
  end
  watch:cancel()
  local patience = weft.now() + 30
  while (open > 0 or accepted < connects) and weft.now() < patience do weft.sleep(0.01) end
  print(("connections %d answers %d resets %d failures %d %s"):format(connects, answers, resets, failures, first or ""))
  print(("accepted %d open %d most %d served %d"):format(accepted, open, most, served))
  print(("descriptors %d"):format(descriptors() - before))
  print(("memory %d KiB, %d bytes a connection"):format(weft.info().memory.peak // 1024, weft.info().memory.peak // n))
  server:close()
]]

describe("many connections with random resets", function()
  it("are all served, and leave nothing", function()
    local n, seconds = helper.scale(10000, 100), helper.quick and 1 or 60
    if helper.sanitizer then n, seconds = 100, 1 end
    if os.getenv "WEFT_SOAK" then
      local a, b = os.getenv("WEFT_SOAK"):match "^(%d+),(%d+)$"
      n, seconds = tonumber(a), tonumber(b)
    end
    local limit = tonumber(io.popen("ulimit -H -n"):read "l") or math.huge
    if limit < n + 200 then
      print(("only %d descriptors are allowed here: %d connections instead of %d"):format(limit, limit - 200, n))
      n = limit - 200
    end
    local out = helper.run_ok(SCRIPT, {
      args = { n, seconds }, timeout = seconds + 200,
      shell = "sh -c 'ulimit -S -n $(ulimit -H -n); exec \"$0\" \"$@\"'",
    })
    if not helper.quick then print("\n" .. out) end
    local connects, answers, resets, failures, first = out:match "connections (%d+) answers (%d+) resets (%d+) failures (%d+) (%C*)"
    assert.equal("0", failures, first)
    assert.truthy(tonumber(answers) >= n // 2 * 2, out)
    assert.truthy(tonumber(resets) > 0 or n < 1000, out)
    local accepted, open, most, served = out:match "accepted (%d+) open (%d+) most (%d+) served (%d+)"
    assert.equal(connects, accepted)
    assert.equal("0", open)
    assert.truthy(tonumber(most) > n // 2, out)
    assert.truthy(tonumber(served) >= tonumber(answers), out)
    assert.equal("descriptors 0", out:match "descriptors %-?%d+")
    helper.injected(tonumber(resets))
  end)
end)
