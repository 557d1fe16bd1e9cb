-- Seats, the C stacks on which tasks wait (csrc/rt/seat.h): a script sees no difference between a task that sits and one that
-- yields. Who sits, and where there are none, is seen in spec/c/seat_test.c.

local helper = require "spec.helper"

-- WEFT_CSTACK: none; as always; from the first wait on, where asserts are on.
local MODES = { off = "off", default = "", always = "always" }

-- What a script says in each mode, which must be the same.
local function says(script)
  local said = {}
  for name, value in pairs(MODES) do
    said[name] = helper.run_ok(script, { env = { WEFT_CSTACK = value } }):gsub("[^ \t<\n]*/script%.lua", "script.lua")
  end
  assert.equal(said.off, said.default)
  assert.equal(said.off, said.always)
  return said.off
end

-- Ahead of each script: turns(n) waits n times; f of together(n, f) runs in n tasks at once, after each has waited often.
local PRELUDE = ([[
  local weft = require "weft"
  local close_yields = %s -- Lua's own limit, before 5.4.3
  local function turns(n) for _ = 1, n do weft.yield() end end
  local function together(n, f)
    local jobs = {}
    for i = 1, n do jobs[i] = weft.go({ name = "t" .. i }, function() turns(50) return f(i) end) end
    local results = {}
    for i, job in ipairs(jobs) do results[i] = ("%s %s"):format(job:result()) end
    return table.concat(results, "\n")
  end
]]):gsub("%%s", tostring(helper.close_yields), 1)

describe("a task that waits on a C stack of its own", function()
  it("takes its turns in the same order", function()
    local out = says(PRELUDE .. [[
      local order = {}
      for i = 1, 40 do
        weft.go(function()
          for k = 1, 30 do
            order[#order + 1] = i * 100 + k
            weft.yield()
          end
        end)
      end
      weft.wait()
      print(#order, table.concat(order, " "))
    ]])
    assert.truthy(out:find "^1200\t")
  end)

  it("fails with the same message and tracebacks", function()
    local out = says(PRELUDE .. [[
      local function inner(i) weft.yield() error("wanted " .. i, 2) end
      print(together(5, function(i) local x = inner(i) return x end))
      local job = weft.go(function() turns(50) local _ = nil + 1 end)
      local ok, err = job:result()
      print(ok, err)
      print(select(2, pcall(job.join, job)))
      print(xpcall(function() turns(5) error "here" end, debug.traceback))
      weft.go(function()
        turns(50)
        print(xpcall(function() turns(5) error "in a task" end, debug.traceback))
      end):join()
    ]])
    assert.truthy(out:find "wanted 5" and out:find "arithmetic on a nil value" and out:find "in a task")
  end)

  it("is seen by others where it waits", function()
    local out = says(PRELUDE .. [[
      local ch = weft.channel()
      local function here() return ch:recv() end
      local job = weft.go({ name = "waiter" }, function()
        turns(50)
        for v in coroutine.wrap(function() coroutine.yield(here()) end) do return v end
      end)
      turns(60)
      print(job:status(), job:traceback())
      ch:send "there"
      print(job:join())
    ]])
    assert.truthy(out:find "here" and out:find "there\n$")
  end)

  it("is cancelled, and times out, wherever it waits, and closes what it has open", function()
    local out = says(PRELUDE .. [[
      local closed = {}
      local function open(name) return setmetatable({}, { __close = function(_, err)
        if close_yields then weft.shield(weft.yield) end
        closed[#closed + 1] = name .. (err and " by an error" or "")
      end }) end
      local places = {
        function() weft.sleep(1e6) end,
        function() for _ in coroutine.wrap(function() local _ <close> = open "generator" weft.sleep(1e6) end) do end end,
        function() table.sort({ 3, 2, 1 }, function() weft.sleep(1e6) end) end,
        function() pcall(weft.sleep, 1e6) weft.sleep(1e6) end,
        function() weft.channel():recv() end,
      }
      weft.go(function() -- not the main chunk: what waits in a sort would lie above that on the C stack
        for i, place in ipairs(places) do
          local job = weft.go(function() local _ <close> = open(i) turns(50) place() end)
          turns(60)
          job:cancel "enough"
          local ok, err = job:result()
          print(i, ok, err)
          print(i, weft.go(function() turns(50) return pcall(weft.timeout, 1e-3, place) end):join())
        end
      end):join()
      table.sort(closed)
      print(table.concat(closed, "\n"))
    ]])
    assert.truthy(out:find "5\tfalse\t.*enough" and out:find "generator")
  end)

  it("may hold generators that are left, closed and resumed by another task", function()
    says(PRELUDE .. [[
      print(together(8, function(i)
        local sum = 0
        local g = coroutine.create(function()
          for k = 1, 10 do
            turns(3)
            coroutine.yield(k)
          end
        end)
        for _ = 1, 4 do sum = sum + select(2, coroutine.resume(g)) end
        local rest = weft.go(function() turns(2) return select(2, coroutine.resume(g)) end):join()
        print(i, coroutine.status(g), coroutine.close(g), coroutine.status(g), coroutine.running() ~= g)
        return sum + rest
      end))
    ]])
  end)

  it("may overflow Lua's stack and the limit of nested C calls, and lives", function()
    local out = says(PRELUDE .. [[
      local function deep() return 1 + deep() end
      local function nest() return (("x"):gsub(".", nest)) end
      local function pack() return setmetatable({}, { __tostring = function() return tostring(pack()) end }) end
      local function wraps() return coroutine.wrap(wraps)() end
      for name, f in pairs { deep = deep, nest = nest, tostring = function() return tostring(pack()) end, wraps = wraps } do
        local job = weft.go(function()
          turns(50)
          local ok, err = pcall(f)
          turns(50)
          return name .. " " .. tostring(ok) .. " " .. tostring(tostring(err):find "stack overflow" ~= nil)
        end)
        local other = weft.go(turns, 200)
        io.stderr:write(job:join(), "\n") -- in no order
        other:join()
      end
      print "alive"
    ]])
    assert.equal("alive\n", out)
  end)

  it("raises Lua's own error when C calls nest too deep", function()
    local _, err = helper.run_ok(PRELUDE .. [[
      local function nest() return (("x"):gsub(".", nest)) end
      local function wraps() return coroutine.wrap(wraps)() end
      for _, f in ipairs { nest, wraps } do
        weft.go(function()
          turns(50)
          local ok, err = pcall(f)
          turns(50)
          assert(not ok and tostring(err):find "C stack overflow", err)
        end):join()
      end
    ]])
    assert.equal("", err)
  end)

  it("waits in a deadlock that is told the same", function()
    local out = says(PRELUDE .. [[
      local ch = weft.channel()
      for i = 1, 3 do weft.go({ name = "t" .. i }, function() turns(50) ch:recv() end):detach() end
      local ok, err = pcall(weft.wait)
      print(ok, err)
    ]])
    assert.truthy(out:find "deadlock" and out:find "t3")
  end)

  it("sits for ever inside a generator without harm to others", function()
    local out = says(PRELUDE .. [[
      local gate, got = weft.channel(), 0
      for _ = 1, 100 do
        weft.go(function()
          for v in coroutine.wrap(function() turns(50) coroutine.yield(gate:recv()) end) do got = got + v end
        end)
      end
      turns(100)
      local ch = weft.channel()
      weft.go(function() for i = 1, 2000 do ch:send(i) end ch:close() end)
      local sum = weft.go(function()
        local n = 0
        for v in ch do n = n + v end
        return n
      end):join()
      for _ = 1, 100 do gate:send(1) end
      weft.wait()
      print(sum, got)
    ]])
    assert.equal("2001000\t100\n", out)
  end)

  it("ends with the script", function()
    for _, ending in ipairs { "", "os.exit(0)", "os.exit(0, true)", "weft.go(function() turns(50) os.exit(0, true) end):join()" } do
      says(PRELUDE .. [[
        for _ = 1, 40 do
          weft.go(function()
            local _ <close> = setmetatable({}, { __close = function() if close_yields then weft.yield() end end })
            turns(50)
            weft.channel():recv()
          end):detach()
        end
        turns(100)
        print "over"
        io.stdout:flush()
      ]] .. ending)
    end
  end)
end)
