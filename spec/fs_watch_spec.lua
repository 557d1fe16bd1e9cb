-- weft.fs.watch: changes of files are received like values of a channel.

local helper = require "spec.helper"
local weft = require "weft"

local fs = weft.fs
fs.watch("/"):close()

local dir
before_each(function() dir = helper.tmpdir() end)
after_each(function() helper.end_folder(dir) end)

local function at(name) return dir .. "/" .. name end

local function next_of(w)
  local e = assert(w:recv())
  return e.event .. " " .. (e.name or "-")
end

describe("weft.fs.watch", function()
  it("tells what happens in a folder", function()
    local w <close> = fs.watch(dir)
    assert.same({ nil, false, "empty" }, { w:try_recv() })
    helper.write_file(at "f", "x")
    assert.same({ "created f", "changed f", "written f" }, { next_of(w), next_of(w), next_of(w) })
    fs.chmod(at "f", "600")
    assert.equal("attributes f", next_of(w))
    fs.rename(at "f", at "g")
    local from, to = w:recv(), w:recv()
    assert.same({ "moved_from", "f", "moved_to", "g" }, { from.event, from.name, to.event, to.name })
    assert.equal(from.cookie, to.cookie)
    assert.equal(at "g", to.path)
    fs.mkdir(at "d")
    local e = w:recv()
    assert.same({ "created", "directory" }, { e.event, e.type })
    fs.remove(at "g")
    assert.equal("removed g", next_of(w))
  end)

  it("waits, in several tasks, in select, with a time-out", function()
    local w <close> = fs.watch(dir, { "created" })
    assert.same({ nil, "timeout" }, { weft.select { { w }, timeout = 0.001 } })
    local jobs = {}
    for i = 1, 3 do jobs[i] = weft.go(function() return next_of(w) end) end
    local chosen = weft.go(function()
      weft.sleep(0.001)
      local i, e = weft.select { { weft.channel() }, { w } }
      return i .. " " .. e.event .. " " .. e.name
    end)
    for _ = 1, 5 do weft.yield() end
    for i = 1, 4 do helper.write_file(at("f" .. i), "") end
    local got = weft.all(jobs)
    got[4] = chosen:join():match "^2 (.*)"
    table.sort(got)
    assert.equal("created f1 created f2 created f3 created f4", table.concat(got, " "))
  end)

  it("tells of one file, and when it is gone", function()
    helper.write_file(at "f", "x")
    local w = fs.watch(at "f")
    fs.append(at "f", "y")
    local e = w:recv()
    assert.same({ "changed", at "f" }, { e.event, e.path })
    assert.is_nil(e.name)
    assert.equal("written -", next_of(w))
    os.remove(at "f")
    local events = {}
    for each in w do events[#events + 1] = each.event end
    assert.equal("gone", events[#events])
    assert.same({ nil, false }, { w:recv() })
    assert.same({ nil, false, "closed" }, { w:try_recv() })
    w:close()
  end)

  it("ends for who waits when it is closed", function()
    local w = fs.watch(dir)
    local job = weft.go(function() return w:recv() end)
    weft.yield()
    w:close()
    assert.same({ nil, false }, { job:join() })
    assert.truthy(tostring(w):find "closed")
    w:close()
  end)

  it("ends when what it watches goes while somebody waits", function()
    fs.mkdir(at "d")
    local w = fs.watch(at "d", { "created" })
    local job = weft.go(function()
      local first = w:recv()
      return first.event, (w:recv())
    end)
    weft.yield()
    fs.remove(at "d")
    assert.same({ "gone", nil }, { job:join() })
  end)

  it("can be cancelled", function()
    local w <close> = fs.watch(dir, { "created" })
    local job = weft.go(function() return w:recv() end)
    weft.yield()
    job:cancel()
    assert.is_false((job:result()))
    helper.raises_kind("timeout", weft.timeout, 0.001, function() w:recv() end)
    helper.write_file(at "f", "")
    assert.equal("created f", next_of(w))
  end)

  it("says so when it could not keep up", function()
    local w <close> = fs.watch(dir, { "moved_from", "moved_to" })
    helper.write_file(at "f0", "")
    local most = tonumber(helper.read_file "/proc/sys/fs/inotify/max_queued_events")
    if most > 100000 then return end
    local a, b = at "f0", at "f1"
    for _ = 1, most // 4 + 500 do -- four events each
      os.rename(a, b)
      os.rename(b, a)
    end
    local overflow, n = false, 0
    while true do
      local e = w:try_recv()
      if not e then break end
      n = n + 1
      overflow = overflow or e.event == "overflow"
    end
    assert.is_true(overflow, n)
  end)

  it("fails and is refused as other calls", function()
    helper.fails("ENOENT", fs.watch, at "none")
    helper.raises("item 1 is no event's name", fs.watch, dir, { "exploded" })
    helper.raises("table expected", fs.watch, dir, "created")
    helper.raises("without zero bytes", fs.watch, "a\0")
  end)

  it("is collected when it is forgotten", function()
    for _ = 1, 20 do fs.watch(dir) end
    helper.collect()
  end)

  it("works in threads and isolates", function()
    local function f(path)
      local weft = require "weft" -- luacheck: ignore 431
      local w <close> = weft.fs.watch(path, { "created" })
      local writer = weft.go(function() weft.fs.write(path .. "/x" .. weft.nanotime(), "") end)
      local event = w:recv().event
      writer:join()
      return event
    end
    assert.equal("created", weft.thread(f, dir):join())
    assert.equal("created", weft.spawn(f, dir):join())
  end)
end)
