-- Handles of jobs in other isolates: sent as arguments and through channels.

local helper = require "spec.helper"
local weft = require "weft"

-- Every test runs with both kinds of isolates on the other side.
local function each(name, f)
  for _, verb in ipairs { "thread", "spawn" } do
    it(name .. " (" .. verb .. ")", function() f(weft[verb]) end)
  end
end

-- The three kinds of jobs, each running f(...).
local kinds = {
  task = function(f, ...) return weft.go(f, ...) end,
  thread = function(f, ...) return weft.thread(f, ...) end,
  isolate = function(f, ...) return weft.spawn(f, ...) end,
}

describe("a job of another isolate", function()
  for kind, run in pairs(kinds) do
    each("can be joined, also when it has ended: " .. kind, function(start)
      local gate = weft.channel()
      local job = run(function(ch) return (ch:recv()), nil, { "t" } end, gate)
      local function look(j)
        local before = j:status()
        local a, b, c = j:join()
        local ok, again = j:result()
        return before, a, b, c[1], ok, again, j:wait(), j:status(), j.kind
      end
      local one, two = start(look, job), start(look, job)
      weft.sleep(0.001)
      gate:send "value"
      local want = { "value", nil, "t", true, "value", true, "done", kind }
      for _, looker in ipairs { one, two, start(look, job) } do
        local got = table.pack(looker:join())
        assert.same(want, { table.unpack(got, 2, got.n) })
      end
      assert.equal("value", (job:join()))
    end)

    each("fails there as here: " .. kind, function(start)
      local job = run(function() error { code = 7 } end)
      local ok, code, status, text = start(function(j)
        local fine, err = pcall(j.join, j)
        return fine, err.code, j:status(), j:traceback()
      end, job):join()
      assert.same({ false, 7, "failed" }, { ok, code, status })
      assert.truthy(text:find("started at spec/job_share_spec.lua", 1, true), text)
      job:wait()
    end)

    each("can be cancelled from there: " .. kind, function(start)
      local job = run(function() weft.sleep(1e6) end)
      local asked, ok, reason, status = start(function(j)
        local asked = j:cancel "enough"
        local ok, err = j:result()
        return asked, ok, err.reason, j:status()
      end, job):join()
      assert.same({ true, false, "enough", "cancelled" }, { asked, ok, reason, status })
      assert.equal("cancelled", job:status())
      assert.is_false(start(function(j) return j:cancel() end, job):join())
    end)

    each("can be waited for with a time, selected, watched and called back: " .. kind, function(start)
      local gate, told = weft.channel(), weft.channel(10)
      local job = run(function(ch) return (ch:recv()) end, gate)
      local looker = start(function(j, ch)
        local in_time = j:wait(0.001)
        j:on_done(function(ok, v) ch:send { ok, v } end)
        ch:send(in_time)
        local i, ok, v = weft.select { { weft.channel() }, { j }, timeout = 60 }
        local all = weft.all { j, weft.go(function() return "own" end) }
        local seen = 0
        for k in weft.completed { j } do
          assert(rawequal(k, j))
          seen = seen + 1
        end
        weft.wait()
        return i, ok, v, all[1], all[2], seen
      end, job, told)
      assert.is_false((told:recv()))
      gate:send "late"
      assert.same({ 2, true, "late", "late", "own", 1 }, { looker:join() })
      assert.same({ true, "late" }, (told:recv()))
    end)
  end

  each("is the same handle however often it comes, and the own one at home", function(start)
    local ch, back = weft.channel(4), weft.channel(4)
    local gate = weft.channel()
    local job = weft.go(function() gate:recv() end)
    local other = start(function(j, c, b)
      local again = c:recv()
      b:send(j)
      return rawequal(j, again), rawequal(j, c:recv()[1]), tostring(j)
    end, job, ch, back)
    ch:send(job)
    ch:send { job }
    assert.is_true(rawequal(job, (back:recv())))
    local a, b, text = other:join()
    assert.same({ true, true }, { a, b })
    assert.truthy(text:find "^weft%.job task %d+ %(running, of another isolate%)$", text)
    gate:send(1)
    job:join()
  end)

  each("has its name, kind and number", function(start)
    local job = weft.thread({ name = "worker" }, function() end)
    assert.same({ "worker", "thread", job.id }, { start(function(j) return j.name, j.kind, j.id end, job):join() })
    job:join()
    local task = weft.go({ name = "n" }, function() return 1, 2 end)
    task:join()
    assert.same({ "n", "task", task.id, 1, 2 }, { start(function(j) return j.name, j.kind, j.id, j:join() end, task):join() })
  end)

  each("whose results cannot travel fails there", function(start)
    local job = weft.go(function() return coroutine.create(print) end)
    local ok, err = start(function(j) return j:result() end, job):join()
    assert.is_false(ok)
    assert.is_true(weft.is(err, "transfer"), tostring(err))
    assert.equal("thread", type(job:join()))
  end)

  each("that is started there can be joined here", function(start)
    local ch, go = weft.channel(1), weft.channel()
    local other = start(function(c, g)
      c:send(weft.go(function() return g:recv() + 1 end))
      weft.wait()
    end, ch, go)
    local job = ch:recv()
    assert.equal("running", job:status())
    go:send(41)
    assert.equal(42, (job:join()))
    other:join()
  end)

  each("ends when its isolate does", function(start)
    local ch = weft.channel(1)
    local other = start(function(c)
      c:send(weft.go(weft.sleep, 1e6))
    end, ch)
    local job = ch:recv()
    assert.is_false(job:result())
    assert.equal("cancelled", job:status())
    other:join()
  end)

  each("goes from hand to hand", function(start)
    local job = weft.go(function() weft.sleep(0.002) return "end" end)
    local function pass(j, n, begin)
      if n == 0 then return (j:join()) end
      return (weft[begin](pass, j, n - 1, begin):join())
    end
    assert.equal("end", (start(pass, job, 4, "spawn"):join()))
  end)

  each("that waits for its own waiter is a deadlock", function(start)
    local ch = weft.channel(1)
    local job = start(function(c) return c:recv():join() end, ch)
    ch:send(job)
    local err = helper.raises_kind("deadlock", job.join, job)
    assert.truthy(err.message:find("of another isolate", 1, true), err.message)
    job:cancel()
    job:wait()
  end)

  each("may end, be cancelled and be let go by many at once", function(start)
    for round = 1, helper.scale(60, 6) do
      local job = kinds[({ "task", "thread", "isolate" })[round % 3 + 1]](function(r)
        if r % 2 == 0 then weft.sleep(1e-4 * (r % 5)) end
        return r
      end, round)
      local lookers = {}
      for i = 1, 5 do
        lookers[i] = start(function(j, no, r)
          if no == 1 then return end
          if no == 2 and r % 3 == 0 then j:cancel() end
          local ok, v = j:result()
          return ok, ok and v
        end, job, i, round)
      end
      local ok, v = job:result()
      for i = 2, 5 do assert.same({ ok, ok and v }, { lookers[i]:join() }) end
      lookers[1]:join()
    end
  end)
end)
