-- What the C half gives to weft's own Lua half, and is reached by scripts that look for it: it refuses nonsense, and stays whole.
-- Signals and tickers at their edges.

local core = require "weft.core"
local helper = require "spec.helper"
local weft = require "weft"

for _ in pairs(weft) do end
weft.thread(function() end):join()
weft.signal("SIGUSR1"):close() -- libuv keeps what it opens for signals

describe("a sealed value", function()
  it("is opened as often as one likes, until it is discarded", function()
    local s = core.seal("arg", 1, { 2 }, nil)
    for _ = 1, 2 do assert.same({ n = 3, 1, { 2 } }, table.pack(core.unseal(s))) end
    assert.same({ 1, { 2 } }, { core.unseal(s, true) })
    helper.raises("it was discarded", core.unseal, s)
    helper.raises("it was discarded", core.unseal, s, true)
    core.discard(s)
    helper.raises("discarded cannot cross", weft.thread, function() end, s)
    for _, v in ipairs { 1, "x", {}, io.stdout, weft.channel() } do
      helper.raises("weft.sealed expected", core.unseal, v)
      helper.raises("weft.sealed expected", core.discard, v)
    end
    helper.raises("cannot cross", core.seal, "arg", coroutine.create(print))
  end)

  it("crosses to threads, and to processes if it was sealed for them", function()
    local function open(s) return require "weft.core".unseal(s) end
    local s = core.seal("arg", { 5 })
    assert.same({ 5 }, weft.thread(open, s):join())
    helper.raises("sealed for isolates cannot leave the process", weft.process, open, s)
    assert.same({ 6 }, weft.process(open, core.seal_for_peers("arg", { 6 })):join())
  end)
end)

describe("the helpers of the Lua half", function()
  it("let errors through", function()
    for _, f in ipairs { core.atomically, core.bare } do
      assert.same({ 1, 2 }, { f(function(...) return ... end, 1, 2) })
      helper.raises("inside", f, function() error "inside" end)
    end
    helper.raises("function expected", core.atomically, 5)
    helper.raises("weft.channel expected", core.drain, {})
    local ch = weft.channel(3)
    ch:send(1)
    ch:send(2)
    assert.same({ 1, 2 }, core.drain(ch))
    assert.same({}, core.drain(ch))
  end)

  it("take handles of all kinds of jobs", function()
    local ch = weft.channel()
    local task = weft.go(function() return ch:recv() end)
    local thread = weft.thread(function(job)
      require "weft.core".background(job) -- another isolate's: it is not ours to say so
      return job:join()
    end, task)
    helper.raises("weft.job expected", core.background, {})
    weft.yield()
    ch:send(3)
    assert.equal(3, thread:join())
  end)
end)

describe("tickers and signals", function()
  it("refuse what is no ticker, no signal, no period", function()
    local t, s = weft.ticker(1), weft.signal "SIGUSR1"
    helper.raises("weft.ticker expected", t.close, s)
    helper.raises("weft.signal expected", s.close, t)
    helper.raises("expected", t.recv, {})
    for _, period in ipairs { 0, -1, 1e-7, 2e9, 0 / 0 } do helper.raises("a period from", weft.ticker, period) end
    assert.is_nil(tostring(t):find "closed")
    t:close()
    t:close()
    s:close()
    s:close()
    assert.truthy(tostring(t):find "closed")
    for _, object in ipairs { t, s } do
      getmetatable(object).__gc(object)
      getmetatable(object).__gc {}
    end
  end)
end)
