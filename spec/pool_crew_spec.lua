-- What is particular to pools whose workers are isolates, and to the way in which workers get their work: copies,
-- cancellation, workers that are replaced, the ends of a script.

local helper = require "spec.helper"
local weft = require "weft"

local function double(x) return x * 2 end

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

local spin = helper.spin

for _, kind in ipairs { "thread", "isolate" } do

describe("workers that are isolates of kind " .. kind, function()
  local pool

  before_each(function() pool = weft.pool { kind = kind, size = 2 } end)
  after_each(function() pool:close() end)

  it("are isolates of their own, which stay", function()
    local function id() return require("weft").current().id end
    local seen, n = {}, 0
    for _ = 1, 3 do
      for _, i in ipairs(pool:map(id, range(20), { chunk = 1 })) do
        if not seen[i] then seen[i], n = true, n + 1 end
      end
    end
    assert.is_true(n <= 2)
    assert.is_nil(seen[weft.current().id])
  end)

  it("run at the same time", function()
    local there, back = weft.channel(), weft.channel()
    assert.same({ n = 2, "a", "b" }, pool:map(function(x)
      if x == "a" then
        there:send "to b"
        back:recv()
      else
        there:recv()
        back:send "to a"
      end
      return x
    end, { "a", "b" }, { chunk = 1 }))
  end)

  it("get the function once for a map", function()
    local calls = 0
    local function count()
      calls = calls + 1
      return calls
    end
    local highest = 0
    for _, c in ipairs(pool:map(count, range(40), { chunk = 1 })) do highest = math.max(highest, c) end
    assert.is_true(highest >= 20)
    assert.equal(0, calls)
    for _, c in ipairs(pool:map(count, range(2), { chunk = 1 })) do assert.is_true(c <= 2) end -- a new copy
  end)

  it("get the function as it was when the map began", function()
    local factor, jobs = 2, {}
    local hold = weft.channel(2)
    for i = 1, 2 do jobs[i] = pool:submit(function() hold:recv() end) end
    local job = pool:submit(function(x) return x * factor end, 10)
    factor = 3
    hold:send(true)
    hold:send(true)
    assert.equal(20, job:join())
    weft.all(jobs)
  end)

  it("give what has not begun to one that has nothing to do", function()
    local go_on, done = weft.channel(1), weft.channel(100)
    local job = weft.go(pool.map, pool, function(x)
      if x == 1 then go_on:recv() end
      done:send(x)
    end, range(8), { chunk = 1 })
    for _ = 1, 7 do assert.not_equal(1, (done:recv())) end
    go_on:send(true)
    job:join()
  end)

  describe("name what cannot travel:", function()
    local thing = coroutine.create(print)

    it("of the function", function()
      local err = helper.raises_kind("transfer", pool.map, pool, function() return thing end, { 1 })
      assert.equal("arg 1 upvalue 'thing': a coroutine cannot cross isolates", err.message)
      helper.raises("arg 1 upvalue 'thing'", pool.imap, pool, function() return thing end, { 1 })
      helper.raises("init upvalue 'thing'", weft.pool, { init = function() return thing end })
    end)

    it("of an argument", function()
      local err = helper.raises_kind("transfer", pool.submit, pool, print, 1, { lock = thing })
      assert.equal("arg 3.lock: a coroutine cannot cross isolates", err.message)
    end)

    it("of an item", function()
      local list = range(9)
      list[7] = { lock = thing }
      local err = helper.raises_kind("item", pool.map, pool, double, list)
      assert.equal(7, err.index)
      assert.equal("transfer", err.cause.kind)
      assert.equal("item 7: value.lock: a coroutine cannot cross isolates", tostring(err))
      err = helper.raises_kind("item", function() for _ in pool:imap(double, list, { chunk = 3 }) do end end)
      assert.equal(7, err.index)
    end)

    it("of a result", function()
      local function f(x)
        if x == 4 then return { coroutine.create(print) } end
        return x
      end
      local err = helper.raises_kind("item", pool.map, pool, f, range(9), { chunk = 3 })
      assert.equal(4, err.index)
      assert.equal("item 4: result[1]: a coroutine cannot cross isolates", tostring(err))
      local _, why = pool:submit(function() return 1, coroutine.create(print) end):result()
      assert.equal("result 2: a coroutine cannot cross isolates", tostring(why))
    end)

    it("of an error, as text", function()
      local err = helper.raises_kind("item", pool.map, pool, function()
        error(setmetatable({}, { __tostring = function() return "odd" end }))
      end, { 1 })
      assert.truthy(err.cause:match "^odd %(the error value itself: value: .*metatable", err.cause)
    end)

    it("of what the worker cannot make", function()
      local mt = {}
      weft.register("pool_crew_spec.here " .. kind, mt)
      local err = helper.raises_kind("item", pool.map, pool, double, { setmetatable({}, mt) }, { chunk = 1 })
      local text = "no metatable is registered here as 'pool_crew_spec.here " .. kind .. "'"
      assert.truthy(tostring(err):find(text, 1, true), tostring(err))
      assert.same({ n = 1, 2 }, pool:map(double, { 1 }))
    end)

    it("of what cannot be made here", function()
      local function f(name)
        local meta = {}
        require("weft").register(name, meta)
        return setmetatable({}, meta)
      end
      local err = helper.raises_kind("item", pool.map, pool, f, { "pool_crew_spec.there" })
      assert.equal(1, err.index)
      assert.truthy(tostring(err):find("no metatable is registered here as 'pool_crew_spec.there'", 1, true), tostring(err))
      local _, why = pool:submit(f, "pool_crew_spec.elsewhere"):result()
      assert.truthy(tostring(why):find("no metatable is registered here", 1, true))
    end)
  end)

  it("inherit no task-locals", function()
    weft.go(function()
      weft.current():set("lock", weft.mutex())
      local p <close> = weft.pool { kind = kind, size = 1 }
      assert.same({ n = 1, "none" }, p:map(function() return require("weft").current():get "lock" or "none" end, { 1 }))
      assert.truthy(weft.current():get "lock")
    end):join()
  end)

  it("serve an isolate that is a thread", function()
    assert.equal(12, weft.thread(function()
      local w = require "weft"
      local p <close> = w.pool { kind = kind, size = 2 }
      local r = p:map(function(x) return x * 2 end, { 1, 2, 3 })
      return r[1] + r[2] + r[3]
    end):join())
  end)
end)

end

for _, kind in ipairs { "task", "thread", "isolate" } do
  describe("workers of kind " .. kind, function()
    local pool

    before_each(function() pool = weft.pool { kind = kind, size = 2 } end)
    after_each(function() pool:close() end)

    local function works() assert.same({ n = 3, 2, 4, 6 }, pool:map(double, { 1, 2, 3 })) end

    -- Items that say that they are there and then block; `closed` is told when one is unwound.
    local function make_item()
      local here, closed = weft.channel(100), weft.channel(100)
      return function()
        local _ <close> = setmetatable({}, { __close = function()
          require("weft").yield() -- shielded
          closed:send(true)
        end })
        here:send(true)
        require("weft").sleep(1e6)
      end, here, closed
    end

    it("end their items when the caller is cancelled", function()
      local item, here, closed = make_item()
      local job = weft.go(pool.map, pool, item, range(10), { chunk = 1 })
      here:recv()
      here:recv()
      job:cancel "enough"
      local _, err = job:result()
      assert.equal("enough", err.reason)
      assert.equal("cancelled", job:status())
      assert.equal(2, #closed)
      works()
      assert.equal(0, #here)
    end)

    it("end their items when the time of the caller is over", function()
      local item, here, closed = make_item()
      helper.raises_kind("timeout", weft.timeout, 0.02, pool.map, pool, item, range(10), { chunk = 1 })
      assert.is_true(#closed == 2 - (2 - #here))
      works()
    end)

    it("end what else runs when an item fails", function()
      local item, here, closed = make_item()
      local err = helper.raises_kind("item", pool.map, pool, function(x)
        if x == 2 then
          here:recv()
          error("no luck", 0)
        end
        item()
      end, { 1, 2, 3, 4 }, { chunk = 1 })
      assert.equal("no luck", err.cause)
      assert.equal(1, #closed)
      works()
    end)

    it("end a call that is cancelled, wherever it stands", function()
      local item, here, closed = make_item()
      local first = pool:submit(item)
      first:cancel() -- before anything
      assert.same({ false, true }, { (first:result()), weft.is(select(2, first:result()), "cancelled") })
      local jobs = {}
      for i = 1, 6 do jobs[i] = pool:submit(item) end
      here:recv()
      here:recv()
      jobs[6]:cancel() -- waits for a worker
      jobs[1]:cancel() -- runs
      assert.equal("cancelled", (jobs[6]:wait() and jobs[6]:status()))
      assert.equal("cancelled", (jobs[1]:wait() and jobs[1]:status()))
      for _, job in ipairs(jobs) do job:cancel() end
      for _, job in ipairs(jobs) do job:wait() end
      assert.is_true(#closed >= 2)
      works()
    end)

    it("end a call when its block is left", function()
      local item, here, closed = make_item()
      do
        local _ <close> = pool:submit(item)
        here:recv()
      end
      assert.equal(1, #closed)
      works()
    end)

    it("go on with what others asked for", function()
      local item, here = make_item()
      local go_on = weft.channel(10)
      local blocked = pool:submit(item)
      local good = {}
      for i = 1, 6 do
        good[i] = pool:submit(function(x)
          go_on:recv()
          return x
        end, i)
      end
      local bad = {}
      for i = 1, 3 do bad[i] = pool:submit(item) end
      here:recv()
      weft.yield()
      for _, job in ipairs(bad) do job:cancel() end
      blocked:cancel()
      for _ = 1, 6 do go_on:send(true) end
      for i, job in ipairs(good) do assert.equal(i, job:join()) end
    end)

    it("survive many cancellations and failures", function()
      for round = 1, helper.scale(100, 5) do
        local job = pool:submit(function() require("weft").sleep(1e6) end)
        local map = weft.go(function()
          return pcall(pool.map, pool, function(x) if x == round % 7 then error(x) end return x end, range(6))
        end)
        weft.yield()
        job:cancel()
        assert.equal(round % 7 == 0, (map:join()))
        job:wait()
      end
      works()
    end)

    it("let a wait that can never end be told", function()
      local never = weft.channel()
      local err = helper.raises_kind("deadlock", pool.map, pool, function() never:recv() end, { 1, 2 })
      assert.truthy(tostring(err):find("waits in recv for weft.channel", 1, true))
      works()
    end)

    it("are sliced without harm", function()
      weft.preempt(0.001)
      local jobs = {}
      for k = 1, 4 do
        jobs[k] = weft.go(function()
          for _ = 1, helper.scale(100, 3) do
            local r = pool:map(function(x) return x + k end, range(20), { chunk = 1 })
            for i = 1, 20 do assert(r[i] == i + k) end
            local sum = 0
            for _, v in pool:imap(double, range(10)) do sum = sum + v end
            assert(sum == 110)
          end
        end)
      end
      local ok, err = pcall(weft.all, jobs)
      weft.preempt(false)
      assert(ok, err)
    end)
  end)
end

for _, kind in ipairs { "thread", "isolate" } do

describe("items that never block, in workers of kind " .. kind, function()
  local function cancel_running(pool)
    local here = weft.channel(1)
    local job = pool:submit(function()
      here:send(true)
      spin()
    end)
    here:recv()
    job:cancel()
    job:wait()
    assert.equal("cancelled", job:status())
  end

  it("are stopped all the same", function()
    local pool <close> = weft.pool { kind = kind, size = 2 }
    cancel_running(pool)
    helper.raises_kind("item", pool.map, pool, function(x)
      if x == 2 then error "no luck" end
      spin()
    end, { 1, 2 }, { chunk = 1 })
    helper.raises_kind("timeout", weft.timeout, 0.01, pool.map, pool, spin, { 1, 2, 3 })
    assert.same({ n = 2, 2, 4 }, pool:map(double, { 1, 2 }))
  end)

  it("run init in the worker that comes instead", function()
    local calls = weft.channel(10)
    local pool <close> = weft.pool { kind = kind, size = 1, init = function(slot)
      calls:send(slot)
      _G.ready = true
    end }
    cancel_running(pool)
    assert.is_true((pool:submit(function() return _G.ready end):join()))
    assert.equal(2, #calls)
  end)

  it("find a pool broken whose init fails in the worker that comes instead", function()
    local first = weft.channel(1)
    first:send(true)
    local pool <close> = weft.pool { kind = kind, size = 1, init = function()
      if not first:try_recv() then error("only once", 0) end
    end }
    cancel_running(pool)
    local err = helper.raises_kind("init", pool.map, pool, double, { 1 })
    assert.equal("init failed in worker 1: only once", tostring(err))
    helper.raises_kind("init", pool.submit, pool, double, 1)
  end)
end)

end

describe("a script with a pool", function()
  it("ends while items run", function()
    for _, kind in ipairs { "task", "thread", "isolate" } do
      local out, err, code = helper.run_script(([[
        local weft = require "weft"
        local pool = weft.pool { kind = %q, size = 2 }
        weft.go(pool.map, pool, function() require("weft").sleep(1e6) end, { 1, 2, 3 }):detach()
        pool:submit(function() require("weft").sleep(1e6) end):detach()
        weft.sleep(0.01)
        print "end"
      ]]):format(kind))
      assert.same({ "end\n", "", 0 }, { out, err, code })
    end
  end)

  it("ends by os.exit", function()
    local _, err, code = helper.run_script(([[
      local weft = require "weft"
      local pool = weft.pool { kind = "thread", size = 2 }
      pool:submit(function() %s end)
      weft.sleep(0.01)
      os.exit(5)
    ]]):format(helper.SPIN))
    assert.equal(5, code, err)
  end)

  it("stops at Ctrl-C", function()
    for _, call in ipairs { "weft.map(f, { 1, 2, 3, 4 }, { size = 2, progress = true })",
      "for _ in pool:imap(f, { 1, 2, 3, 4 }) do end", "pool:submit(f, 1):join()" } do
      local out, err, code = helper.run_script(([[
        local weft = require "weft"
        local pid = io.open "/proc/self/stat":read "n"
        local closed = weft.channel(10)
        local function f(x)
          local c <close> = setmetatable({}, { __close = function() closed:send(true) end })
          if x == 1 then io.popen("kill -INT " .. pid):close() end -- os.execute would have the signal ignored meanwhile
          %s
        end
        local ok, err = pcall(function()
          local pool <close> = weft.pool { kind = "thread", size = 2 }
          %s
        end)
        print(err, #closed > 0)
        weft.wait()
      ]]):format(helper.SPIN, call))
      assert.same({ "interrupted!\ttrue\n", 0 }, { out, code }, err)
    end
  end)

  it("that has no more threads is told so", function()
    if helper.sanitizer then return pending "the sanitizers need threads of their own" end
    local out, err
    for _ = 1, 5 do -- it may be Lua that finds no room first
      out, err = helper.run_script([[
        local weft = require "weft"
        local pool, message, code = weft.pool { kind = "thread", size = 2000 }
        print(pool, message, code)
        print(weft.map(print, { 1, 2 }, { kind = "task" }))
      ]], { shell = "prlimit --as=" .. (200 << 20) })
      if not err:find "not enough memory" then break end
    end
    assert.truthy(out:find "^nil\tEAGAIN: [^\n]*: thread\tEAGAIN\n1\n2\n", out .. err)
  end)
end)
