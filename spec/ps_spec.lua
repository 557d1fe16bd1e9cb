-- weft.ps: what lives now.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop of this thread stays: no test is to be blamed for it

local function find(list, name)
  for _, p in ipairs(list) do
    if p.name == name then return p end
  end
end

describe("weft.ps", function()
  it("lists tasks with what they wait for and where", function()
    local ch, lock = weft.channel(), weft.mutex()
    lock:lock()
    local jobs = {
      weft.go({ name = "reader" }, function() ch:recv() end),
      weft.go({ name = "locker" }, function() lock:with(function() end) end),
      weft.go({ name = "sleeper" }, weft.sleep, 60),
    }
    weft.yield()
    weft.go({ name = "fresh" }, function() end)
    local list = weft.ps()
    assert.equal(5, #list)
    assert.same({ "main", "main", "running" }, { list[1].kind, list[1].name, list[1].state })
    assert(list[1].cpu > 0 and list[1].memory > 1000)
    local reader = find(list, "reader")
    assert.same({ "task", "waiting", jobs[1].id }, { reader.kind, reader.state, reader.id })
    assert.truthy(reader.waits:find "^recv for weft%.channel %d+")
    assert.truthy(reader.at:find "ps_spec%.lua:%d+$")
    assert.truthy(reader.started:find "ps_spec%.lua:%d+$")
    assert.truthy(find(list, "locker").waits:find "held by main")
    assert.truthy(find(list, "sleeper").waits:find "^sleep")
    assert.same({ "ready" }, { find(list, "fresh").state, find(list, "fresh").waits })
    assert.truthy(tostring(list):find "\ntask +reader +waiting +recv for weft")
    ch:close()
    jobs[3]:cancel()
    lock:unlock()
    weft.wait()
  end)

  it("knows who asks, in a task too, and forgets who has ended", function()
    local inside
    weft.go({ name = "asker" }, function() inside = weft.ps() end):join()
    assert.equal("running", find(inside, "asker").state)
    assert.same({ "main", "waiting" }, { inside[1].name, inside[1].state })
    assert.equal(1, #weft.ps())
  end)

  it("lists threads and isolates", function()
    local gate = weft.channel()
    local thread = weft.thread({ name = "far" }, function(ch) ch:recv() end, gate)
    local isolate = weft.spawn({ name = "island" }, function(ch) ch:recv() end, gate)
    local list = weft.ps()
    local far, island = find(list, "far"), find(list, "island")
    assert.same({ "thread", thread.id, "isolate", isolate.id }, { far.kind, far.id, island.kind, island.id })
    assert(not island.tid and not island.pid)
    helper.eventually(function()
      far = find(weft.ps(), "far")
      return far.tid and far.cpu
    end, "the thread runs")
    gate:close()
    thread:join()
    isolate:join()
    assert.equal(1, #weft.ps())
  end)

  it("lists processes", function()
    local job = weft.process({ name = "elsewhere" }, function() require "weft".sleep(60) end)
    local p = find(weft.ps(), "elsewhere")
    assert.same({ "process", job.id }, { p.kind, p.id })
    assert(p.pid > 0 and p.cpu >= 0)
    job:cancel()
    job:wait()
    assert.equal(1, #weft.ps())
  end)

  it("copes with odd names", function()
    weft.go({ name = "a: b at c:1 (started at \27[31m" }, weft.sleep, 60)
    weft.yield()
    local list = weft.ps()
    assert.truthy(list[2].waits:find "^sleep")
    assert.is_nil(tostring(list):find "\27")
    weft.current()
    for _, p in ipairs(list) do assert.is_string(p.name) end
  end)
end)
