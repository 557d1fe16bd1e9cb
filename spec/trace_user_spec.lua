-- What a script adds to a trace: names of channels and locks, marks, regions.

local helper = require "spec.helper"
local weft = require "weft"

describe("weft.trace.label", function()
  it("names channels, locks and buffers in the traces that follow", function()
    local label = weft.trace.label
    local ch, m, b = label(weft.channel(), "mail"), label(weft.mutex(), "door"), label(weft.buffer("i32", 1), "flag")
    local t = weft.trace(function()
      m:lock()
      weft.go({ name = "a" }, function() ch:recv() end)
      weft.go({ name = "b" }, function() m:with(function() end) end)
      weft.go({ name = "c" }, function() b:wait(1, 0) end)
      weft.sleep(0.001)
      ch:send(1)
      m:unlock()
      b:store(1, 1)
      b:wake(1)
      weft.wait()
    end)
    local jobs = t:summary().jobs
    assert(jobs.a.resources["recv mail"] and jobs.b.resources["lock door"] and jobs.c.resources["wait flag"])
  end)

  it("refuses what has no place in a trace", function()
    helper.raises("bad argument #1 to 'trace.label' (channel, lock or buffer expected, got table)", weft.trace.label, {}, "x")
    helper.raises("bad argument #1 to 'trace.label'", weft.trace.label, nil, "x")
    helper.raises("bad argument #1 to 'trace.label'", weft.trace.label, io.stdout, "x")
    helper.raises("bad argument #2 to 'trace.label' (string expected, got number)", weft.trace.label, weft.event(), 5)
  end)
end)

describe("weft.mark and weft.region", function()
  it("do nothing without a trace", function()
    weft.mark "nobody looks"
    assert.same({ 1, nil, 3 }, { weft.region("r", function(...) return ... end, 1, nil, 3) })
    helper.raises("no", weft.region, "r", error, "no")
  end)

  it("pass results and errors on while a trace runs", function()
    local t = weft.trace(function()
      return weft.region("r", function(...) return select("#", ...), ... end, nil, 2, nil)
    end)
    assert.same({ n = 4, 3, nil, 2, nil }, t.results)
    local err = {}
    weft.trace(function()
      local ok, got = pcall(weft.region, "r", error, err)
      assert(not ok and got == err)
    end)
  end)

  it("check their arguments", function()
    helper.raises("bad argument #1 to 'mark' (string expected, got nil)", weft.mark)
    helper.raises("bad argument #1 to 'region' (string expected, got function)", weft.region, print)
    helper.raises("bad argument #2 to 'region' (function expected, got nil)", weft.region, "r")
  end)

  it("are lines of the timeline", function()
    local t = weft.trace(function()
      weft.region("load", weft.sleep, 0.002)
      weft.region("load", weft.sleep, 0.002)
    end)
    local text = t:timeline { print = false, ascii = true, width = 100 }
    assert(text:find "\nload +=+.*  2 times, [%d.]+ ms\n", text)
  end)
end)
