-- A task that always finds what it asks for gives way all the same, now and then: others have their turn, and time-outs and
-- cancellations reach it.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.net.connect("127.0.0.1", 1) == nil) -- the loop stays once it is used
assert(weft.fs.scandir "/") -- and the threads for files

-- Each: what makes a function that never has to wait, and what closes what it uses.
local function socket()
  local server = weft.net.listen("127.0.0.1", 0)
  local host, port = server:sockname()
  local flood = weft.thread(function()
    local c <close> = weft.net.connect(host, port)
    while c:write(("line\n"):rep(20000)) do end
  end)
  local c = server:accept()
  server:close()
  return c, function()
    c:close()
    flood:join()
  end
end

local function file(path)
  helper.write_file(path, ("line\n"):rep(100))
  return path
end

local always = {
  ["receives from a channel that others fill"] = function()
    local ch = weft.channel(1000)
    local flood = weft.thread(function() while true do ch:send(1) end end)
    return function() ch:recv() end, function() flood:cancel() flood:wait() end
  end,
  ["iterates over such a channel"] = function()
    local ch = weft.channel(1000)
    local flood = weft.thread(function() while true do ch:send(1) end end)
    return function()
      for n in ch do
        if n == 1 then break end
      end
    end, function() flood:cancel() flood:wait() end
  end,
  ["receives lists"] = function()
    local ch = weft.channel(1000)
    local flood = weft.thread(function() while true do ch:send(1) end end)
    return function() ch:recv_many(2) end, function() flood:cancel() flood:wait() end
  end,
  ["sends to itself"] = function()
    local ch = weft.channel(1)
    return function() ch:send(true) ch:recv() end
  end,
  ["sends to itself what cannot be kept as a number"] = function()
    local ch = weft.channel(1)
    return function() ch:send {} ch:recv() end
  end,
  ["selects"] = function()
    local ch = weft.channel(1)
    return function() weft.select { { ch, send = 1 } } weft.select { { ch }, { weft.channel() } } end
  end,
  ["gets ticks that come faster than it is"] = function()
    local ticker = weft.ticker(1e-6)
    return function() ticker:recv() end, function() ticker:close() end
  end,
  ["reads bytes"] = function()
    local c, close = socket()
    return function() c:read(3) end, close
  end,
  ["reads lines"] = function()
    local c, close = socket()
    local lines = c:lines()
    return function() lines() end, close
  end,
  ["writes"] = function()
    local null = weft.fs.open("/dev/null", "w")
    return function() null:write "text" end, function() null:close() end
  end,
  ["sends datagrams to itself"] = function()
    local u = weft.net.udp("127.0.0.1", 0)
    local host, port = u:sockname()
    return function() u:send("text", host, port) u:recv() end, function() u:close() end
  end,
  ["accepts connections"] = function(dir)
    local server = weft.net.unix.listen(dir .. "/socket")
    return function()
      local client = weft.net.unix.connect(dir .. "/socket")
      server:accept():close()
      client:close()
    end, function() server:close() end
  end,
  ["reads files"] = function(dir)
    local path = file(dir .. "/file")
    return function() weft.fs.read(path) end
  end,
}

describe("a task that never has to wait and", function()
  for name, make in pairs(always) do
    describe(name, function()
      local dir, op, close
      before_each(function()
        dir = helper.tmpdir()
        op, close = make(dir)
      end)
      after_each(function()
        if close then close() end
        helper.collect()
        helper.remove_dir(dir)
      end)

      it("lets others have their turn", function()
        local turns = 0
        local other = weft.go(function()
          for _ = 1, 5 do
            weft.sleep(1e-5)
            turns = turns + 1
          end
        end)
        weft.go(function()
          local n = 0
          while turns < 5 do
            op()
            n = n + 1
            assert(n < 1e6, "the other task does not get its turn")
          end
        end):join()
        other:join()
      end)

      it("lets them from the main chunk too, and from a generator", function()
        for _, around in ipairs { function(f) f() end, function(f) coroutine.wrap(f)() end } do
          local done = false
          weft.go(function() weft.sleep(1e-5) done = true end)
          around(function()
            local n = 0
            while not done do
              op()
              n = n + 1
              assert(n < 1e6, "the other task does not get its turn")
            end
          end)
        end
      end)

      it("is reached by its time-out", function()
        helper.raises_kind("timeout", weft.timeout, 1e-3, function()
          for _ = 1, 1e7 do op() end
        end)
      end)
    end)
  end
end)

describe("operations that are not to wait", function()
  it("do not give way", function()
    local core = require "weft.core"
    local ch, kept = weft.channel(1), weft.channel(1)
    local ran = false
    local other = weft.go(function() ran = true end)
    local function busy(op)
      local stop = weft.nanotime() + 5000000
      while weft.nanotime() < stop do op() end
      assert.is_false(ran)
    end
    busy(function() ch:try_send(1) ch:try_recv() end)
    busy(function() weft.select { { ch, send = 1 }, default = true } weft.select { { ch }, timeout = 0 } end)
    core.atomically(busy, function() kept:send(1) kept:recv() end)
    other:join()
    assert.is_true(ran)
  end)
end)
