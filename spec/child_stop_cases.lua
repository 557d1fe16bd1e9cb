-- Stopping an isolate of another carrier: one that waits, one that spins, wherever its code is. For thread_stop_spec.lua
-- and spawn_stop_spec.lua.

local helper = require "spec.helper"
local weft = require "weft"

return function(verb, kind)

local start = weft -- a verb may be a path: "blocking.submit"
for name in verb:gmatch "%w+" do start = start[name] end
local a_child = (kind == "isolate" and "an " or "a ") .. kind

-- Starts f(ready, ...) in a thread, waits until it has called ready(), cancels it, and waits for its end.
-- The time that this takes is no one's to promise on a busy machine: a minute is as good as never.
local function stop(f, ...)
  local begun = weft.channel(1)
  local job = start(function(body, ch, ...)
    return body(function() ch:try_send(true) end, ...)
  end, f, begun, ...)
  begun:recv()
  job:cancel "enough"
  assert.is_true(job:wait(60), "it goes on")
  return job
end

local function is_cancelled(job)
  local ok, err = job:result()
  assert.is_false(ok)
  assert.equal("cancelled", job:status(), tostring(err))
  assert.equal("enough", err.reason)
end

describe("cancelling " .. a_child .. " that waits", function()
  for what, wait in pairs {
    ["in sleep"] = function() weft.sleep(1e6) end,
    ["to receive"] = function()
      weft.go(weft.sleep, 1e6) -- else it is a deadlock
      weft.channel():recv()
    end,
    ["for a task"] = function() weft.go(weft.sleep, 1e6):join() end,
    ["for another child"] = function() start(function() weft.sleep(1e6) end):join() end,
    ["in select"] = function() weft.select { { weft.channel() }, { weft.go(weft.sleep, 1e6) } } end,
    ["for all"] = function()
      weft.go(weft.sleep, 1e6)
      weft.wait()
    end,
    ["for a lock"] = function()
      local m = weft.mutex()
      local holder = weft.go(function()
        m:lock()
        weft.sleep(1e6)
      end)
      weft.yield()
      m:lock()
      holder:cancel()
    end,
    ["in a scope"] = function() weft.scope(function(s) s:go(weft.sleep, 1e6) end) end,
    ["in a time-out"] = function() weft.timeout(1e6, weft.sleep, 1e6) end,
    ["in a generator"] = function() coroutine.wrap(weft.sleep)(1e6) end,
    ["in a comparator"] = function() table.sort({ 1, 2, 3 }, function() weft.sleep(1e6) end) end,
    ["by yielding for ever"] = function() while true do weft.yield() end end,
    ["by sleeping for ever"] = function() while true do weft.sleep(1e-5) end end,
    ["and catches it, and waits again"] = function() while true do pcall(weft.sleep, 1e6) end end,
  } do
    it(what, function()
      is_cancelled(stop(function(ready, f)
        weft.go(ready)
        f()
      end, wait))
    end)
  end

  it("runs its <close> handlers, which may wait", function()
    local log = weft.channel(10)
    local job = stop(function(ready, ch)
      local _ <close> = setmetatable({}, { __close = function(_, err)
        weft.sleep(0.001)
        ch:send(err.reason)
      end })
      ready()
      weft.sleep(1e6)
    end, log)
    is_cancelled(job)
    assert.equal("enough", (log:recv()))
  end)

  it("cancels its tasks and its threads", function()
    local log = weft.channel(10)
    local job = stop(function(ready, ch)
      local function child(name)
        local _ <close> = setmetatable({}, { __close = function() ch:send(name) end })
        ch:send("begun " .. name)
        weft.sleep(1e6)
      end
      weft.go(child, "task"):detach()
      start(child, "thread"):detach()
      local begun = 0
      while begun < 2 do
        if #ch >= 2 then begun = 2 end
        weft.sleep(0.001)
      end
      ready()
      weft.sleep(1e6)
    end, log)
    is_cancelled(job)
    local seen = {}
    for _ = 1, 4 do seen[(log:recv())] = true end
    assert.same({ task = true, thread = true, ["begun task"] = true, ["begun thread"] = true }, seen)
  end)

  it("is done when it catches the cancellation and returns", function()
    local job = stop(function(ready)
      weft.go(ready) -- runs once the function waits
      local ok, err = pcall(weft.sleep, 1e6)
      return ok, err.kind
    end)
    assert.same({ false, "cancelled" }, { job:join() })
    assert.equal("done", job:status())
  end)
end)

-- The thread sanitizer holds signals back until the thread calls something that it watches: what only computes does not
-- hear of its cancellation.
local watched = { allocating = true, ["printing numbers"] = true }
local function it_spins(what, f) return (helper.sanitizer == "tsan" and not watched[what] and pending or it)(what, f) end

describe("cancelling " .. a_child .. " that spins", function()
  for what, spin in pairs {
    ["in a loop"] = function() while true do end end,
    ["in a loop of calls"] = function()
      local function f() return 1 end
      while true do f() end
    end,
    ["in a recursion of tail calls"] = function()
      local function f() return f() end
      f()
    end,
    ["in pcall, and again after it"] = function()
      pcall(function() while true do end end)
      while true do end
    end,
    ["in pcall, for ever"] = function() while true do pcall(function() while true do end end) end end,
    ["in pcall of pcall, for ever"] = function()
      local function f() while true do pcall(pcall, pcall, error) end end
      while true do xpcall(f, function(e) return e end) end
    end,
    ["in a coroutine"] = function() coroutine.wrap(function() while true do end end)() end,
    ["in ever new coroutines"] = function()
      while true do coroutine.wrap(function() for _ = 1, 10 do end end)() end
    end,
    ["in two coroutines that take turns"] = function()
      local a = coroutine.wrap(function() while true do coroutine.yield() end end)
      local b = coroutine.wrap(function() while true do coroutine.yield() end end)
      while true do
        a()
        b()
      end
    end,
    ["in coroutines whose errors are caught"] = function()
      while true do coroutine.resume(coroutine.create(function() while true do end end)) end
    end,
    ["in table.sort"] = function()
      while true do table.sort({ 3, 1, 2 }, function(a, b) for _ = 1, 1000 do end return a < b end) end
    end,
    ["in string.gsub"] = function() while true do ("abc"):gsub(".", function() for _ = 1, 1000 do end end) end end,
    ["in a comparator without end"] = function() table.sort({ 3, 1, 2 }, function() while true do end end) end,
    ["in a replacement without end"] = function() ("abc"):gsub(".", function() while true do end end) end,
    ["in a metamethod"] = function()
      local t = setmetatable({}, { __add = function() while true do end end })
      return t + 1
    end,
    ["in __index of a C function's argument"] = function()
      return table.concat(setmetatable({}, { __len = function() return 1 end, __index = function() while true do end end }))
    end,
    ["in an iterator"] = function() for _ in function() return 1 end do end end,
    ["in a loaded chunk"] = function() load("while true do end")() end,
    ["in a task"] = function() weft.go(function() while true do end end):join() end,
    ["in a task that caught it"] = function()
      weft.go(function() while true do pcall(function() while true do end end) end end):join()
    end,
    ["in one task after the other"] = function()
      while true do pcall(function() weft.go(function() while true do end end):join() end) end
    end,
    ["in a generator of a task"] = function()
      weft.go(function() for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end end):join()
    end,
    ["in a <close> handler at the end of a block"] = function()
      do local _ <close> = setmetatable({}, { __close = function() while true do end end }) end
    end,
    ["with a hook of its own"] = function()
      debug.sethook(function() end, "l")
      while true do end
    end,
    ["allocating"] = function() while true do local _ = { {}, ("x"):rep(100) } end end,
    ["printing numbers"] = function() while true do local _ = tostring(math.random()) end end,
  } do
    -- See helper.close_yields: the error that a hook raises in the handler calls it once more.
    local stoppable = helper.close_yields or verb ~= "spawn" or what ~= "in a <close> handler at the end of a block"
    ;(stoppable and it_spins or pending)(what, function()
      is_cancelled(stop(function(ready, f)
        ready()
        f()
      end, spin))
    end)
  end

  it_spins("in a <close> handler that unwinds, after the shield's time", function()
    -- 5 seconds are the handler's to clean up in.
    is_cancelled(stop(function(ready)
      local _ <close> = setmetatable({}, { __close = function() while true do end end })
      ready()
      weft.sleep(1e6)
    end))
  end)

  it_spins("lets the others go on meanwhile", function()
    local other = start(function(c)
      local n = 0
      for v in c do n = n + v end
      return n
    end, nil)
    other:cancel()
    local ch = weft.channel()
    local counts = start(function(c)
      local n = 0
      for v in c do n = n + v end
      return n
    end, ch)
    local spinner = start(function() while true do end end)
    for i = 1, 100 do ch:send(i) end
    ch:close()
    assert.equal(5050, counts:join())
    spinner:cancel "enough"
    spinner:wait()
    is_cancelled(spinner)
  end)
end)

describe("cancelling " .. a_child .. "", function()
  it("that is in a C function waits for that to return", function()
    local job = stop(function(ready)
      ready()
      -- Matching goes on for about a second, far from any hook.
      local s = ("x"):rep(100)
      for n = 3, 100 do
        local began = os.clock()
        s:find((".-"):rep(n) .. "y")
        if os.clock() - began > 0.2 then break end
      end
      while true do end
    end)
    is_cancelled(job)
  end)

  it("from a task, a finaliser, another thread's task: whoever has the handle", function()
    local job = start(function() weft.sleep(1e6) end)
    weft.go(function() job:cancel "enough" end)
    is_cancelled(job)
    job = start(function() weft.sleep(1e6) end)
    setmetatable({}, { __gc = function() job:cancel "enough" end })
    helper.collect()
    is_cancelled(job)
  end)

  it("carries the reason, the first one", function()
    local job = start(function() weft.sleep(1e6) end)
    assert.is_true(job:cancel { code = 1 })
    assert.is_true(job:cancel "second")
    local _, err = job:result()
    assert.same({ code = 1 }, err.reason)
    assert.is_false(job:cancel "late")
  end)

  it("refuses a reason that cannot travel, and does nothing then", function()
    local job = start(function() weft.sleep(1e6) end)
    helper.raises("coroutine", job.cancel, job, coroutine.create(print))
    assert.equal("running", job:status())
    job:cancel "enough"
    is_cancelled(job)
  end)
end)

end
