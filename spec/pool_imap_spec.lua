-- pool:imap: order, chunks, what is in flight, ends of all kinds.

local helper = require "spec.helper"
local weft = require "weft"

local function double(x) return x * 2 end

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

-- An iterator over 1..n that counts how far it was read.
local function counter(n)
  local state = { read = 0 }
  return function()
    if state.read < n then
      state.read = state.read + 1
      return state.read
    end
  end, state
end

local function collect(...)
  local list = {}
  for i, r in ... do list[#list + 1] = i .. "=" .. tostring(r) end
  return list
end

local function expected(n)
  local list = {}
  for i = 1, n do list[i] = i .. "=" .. i * 2 end
  return list
end

for _, kind in ipairs { "inline", "task", "thread" } do
  describe("imap of a pool of kind " .. kind, function()
    local pool

    before_each(function() pool = weft.pool { kind = kind, size = 2 } end)
    after_each(function() pool:close() end)

    for _, source in ipairs { "list", "iterator" } do
      local function make(n) return source == "list" and range(n) or (counter(n)) end

      it("gives results in order, from a " .. source, function()
        for _, chunk in ipairs { 1, 3, 100 } do
          assert.same(expected(25), collect(pool:imap(double, make(25), { chunk = chunk })))
        end
        assert.same(expected(25), collect(pool:imap(double, make(25))))
      end)

      it("gives each once, in any order, from a " .. source, function()
        local got = collect(pool:imap(double, make(25), { ordered = false, chunk = 2 }))
        local want = expected(25)
        table.sort(got)
        table.sort(want)
        assert.same(want, got)
      end)

      it("gives nothing from an empty " .. source, function()
        assert.same({}, collect(pool:imap(double, make(0))))
        local step = pool:imap(double, make(0))
        assert.is_nil(step())
        assert.is_nil(step())
      end)

      it("raises the error of an item, from a " .. source, function()
        local function f(x)
          if x == 7 then error("no luck", 0) end
          return x
        end
        local last
        local err = helper.raises_kind("item", function()
          for i in pool:imap(f, make(20)) do last = i end
        end)
        assert.equal(7, err.index)
        assert.equal("no luck", err.cause)
        assert.is_true(last == nil or last < 7)
        assert.same(expected(3), collect(pool:imap(double, range(3))))
      end)

      it("may be left early, from a " .. source, function()
        for _, chunk in ipairs { 1, 4 } do
          for i in pool:imap(double, make(100), { chunk = chunk }) do
            if i == 5 then break end
          end
          pcall(function()
            for i in pool:imap(double, make(100), { chunk = chunk, ordered = false }) do error(i) end
          end)
        end
        assert.same(expected(3), collect(pool:imap(double, range(3))))
      end)

      it("has no more than a few items in flight, from a " .. source, function()
        local list, state = range(200), nil
        local items = list
        if source == "iterator" then items, state = counter(200) end
        local started = weft.channel(1000)
        local function f(x)
          started:send(x)
          return x
        end
        local taken = 0
        for _ in pool:imap(f, items, { chunk = 2 }) do
          taken = taken + 1
          for _ = 1, 5 do weft.yield() end
          local ahead = (state and state.read or #started) - taken
          assert.is_true(ahead <= 3 * 2 * 2, ahead)
        end
        assert.equal(200, taken)
      end)
    end

    it("gives nil results", function()
      assert.same({ "1=nil", "2=false" }, collect(pool:imap(function(x) if x == 2 then return false end end, { 1, 2 })))
    end)

    it("reads a channel", function()
      local ch = weft.channel(3)
      weft.go(function()
        for i = 1, 10 do ch:send(i) end
        ch:close()
      end)
      assert.same(expected(10), collect(pool:imap(double, ch)))
    end)

    it("raises the iterator's own error", function()
      local n = 0
      local function iterator()
        n = n + 1
        if n == 4 then error("broken", 0) end
        return n
      end
      local ok, err = pcall(function() for _ in pool:imap(double, iterator) do end end)
      assert.same({ false, "broken" }, { ok, err })
      assert.same({ n = 1, 2 }, pool:map(double, { 1 }))
    end)

    it("several at once, and one in the other", function()
      local sum = 0
      for _, r in pool:imap(double, range(5)) do
        for _, q in pool:imap(double, range(3)) do sum = sum + q end
        sum = sum + pool:map(double, { r })[1]
      end
      assert.equal(5 * 12 + 60, sum)
      local jobs = {}
      for k = 1, 4 do jobs[k] = weft.go(function() return collect(pool:imap(double, range(30), { chunk = k })) end) end
      for _, list in ipairs(weft.all(jobs)) do assert.same(expected(30), list) end
    end)

    it("does not keep a pool from being closed by its own task", function()
      local step = pool:imap(double, range(100))
      step()
      pool:close()
      if kind == "inline" then return end
      helper.raises("the pool was closed in the middle of this loop", step)
    end)

    it("is finished before the pool is closed by another task", function()
      local started = weft.channel()
      local job = weft.go(function()
        local list = {}
        for _, r in pool:imap(double, range(50)) do
          if #list == 0 then started:send(true) end
          list[#list + 1] = r
          weft.yield()
        end
        return #list
      end)
      started:recv()
      pool:close()
      if kind == "inline" then return job:join() end
      assert.equal(50, job:join())
    end)
  end)
end

describe("imap", function()
  for _, kind in ipairs { "task", "thread" } do
    -- Each page that is done leads to two more: results must come while the iterator waits for its next item.
    it("feeds its own input, on a pool of kind " .. kind, function()
      local pool <close> = weft.pool { kind = kind, size = 2 }
      local pages = weft.channel(100)
      pages:send(1)
      local seen, open = 0, 1
      for _, more in pool:imap(function(p) return p < 8 and { 2 * p, 2 * p + 1 } or {} end, pages, { ordered = false }) do
        seen, open = seen + 1, open - 1
        for _, p in ipairs(more) do
          open = open + 1
          pages:send(p)
        end
        if open == 0 then pages:close() end
      end
      assert.equal(15, seen)
    end)

    it("gives what is done first, on a pool of kind " .. kind, function()
      local pool <close> = weft.pool { kind = kind, size = 2 }
      local go_on = weft.channel(1)
      local order = {}
      local function f(x)
        if x == 1 then go_on:recv() end
        return x
      end
      for i in pool:imap(f, range(4), { ordered = false }) do
        order[#order + 1] = i
        if #order == 3 then go_on:send(true) end
      end
      assert.equal(1, order[4]) -- what was to come after item 1 went to the other worker
    end)

    it("stops its items when its task is cancelled, on a pool of kind " .. kind, function()
      local pool <close> = weft.pool { kind = kind, size = 2 }
      local here, closed = weft.channel(10), weft.channel(10)
      local job = weft.go(function()
        for _ in pool:imap(function()
          local _ <close> = setmetatable({}, { __close = function() closed:send(true) end })
          here:send(true)
          require("weft").sleep(1e6)
        end, (counter(10))) do end
      end)
      here:recv()
      here:recv()
      job:cancel()
      job:wait()
      assert.equal("cancelled", job:status())
      assert.equal(2, #closed)
      assert.same({ n = 1, 2 }, pool:map(double, { 1 }))
    end)
  end
end)
