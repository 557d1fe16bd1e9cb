-- What a worker process says is believed, but read with care: one that sends frames that end early, name what is not there
-- or mean nothing fails its job, and nothing else. The worker here is a program that writes bytes to its connection.
-- (csrc/rt/peer.h has the frames.)

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop stays, and the pool
weft.fs.access "/"

local OP = {
  run = 1, cancel = 2, ["end"] = 3, fail = 4, forget = 5, forgotten = 6, demand = 7, bounce = 8, offer = 9, put = 10, noput = 11,
  close = 12, release = 13, leave = 14, value = 15, grant = 16, shut = 17, drained = 18, left = 19,
}
local DONE, FAILED = 3, 4
local CELL, MSG, HANDLE = "\0", "\1", "\2" -- how a value comes
local CHANNEL, BUFFER, MESSAGE = "\1", "\2", "\3" -- what a handle is
local NIL = CELL .. ("\0"):rep(16)

local function frame(op, body, chan, arg)
  body = body or ""
  return ("=I4BI3I8I8"):pack(#body, OP[op] or op, 0, chan or 0, arg or 0) .. body
end

local function channel(mine, id, capacity) return ("=BI8I8I8I8"):pack(mine, id, capacity or 1, 7, 8) end

local function view(f)
  return ("=I8I8I8I8I8BBBI5"):pack(f.id or 1, f.bytes or 64, f.offset or 0, f.n or 8, f.stride or 8, f.yours or 0, f.first or 0,
    f.type or 0, 0)
end

local function message(bytes, nside, side) return ("=I4I4"):pack(#bytes, nside or 0) .. bytes .. (side or "") end

describe("a worker process that says", function()
  local dir, before
  before_each(function()
    dir = helper.tmpdir()
    before = weft.interpreter()
    helper.write_file(dir .. "/worker", "#!/bin/sh\ncat \"${0%worker}said\" >&3\n")
    assert(weft.fs.chmod(dir .. "/worker", 448))
    weft.interpreter(dir .. "/worker")
  end)
  after_each(function()
    weft.interpreter(before)
    helper.end_folder(dir)
  end)

  -- A job whose worker says this, and how it ended.
  local function job_of(bytes, ...)
    helper.write_file(dir .. "/said", bytes)
    return weft.process(function() end, ...)
  end
  local function fails(bytes, ...)
    local ok, err = job_of(bytes, ...):result()
    assert.is_false(ok)
    assert.truthy(weft.is(err, "process"), tostring(err))
  end

  it("how it ended is believed", function()
    assert.is_true(job_of(frame("end", ("=BBI4"):pack(DONE, 0, 0))):result())
    local job = job_of(frame("end", ("=BBI4"):pack(FAILED, 0, 5) .. "where"))
    assert.is_false((job:result()))
    assert.equal("failed", job:status())
  end)

  it("that it leaves a channel which nobody knows is answered, as it waits for that", function()
    helper.write_file(dir .. "/worker", [[#!/bin/sh
      dir=${0%worker}
      cat "${dir}said" >&3
      n=$(head -c 4 <&3 | od -An -tu4) # the function comes first
      head -c $((20 + n)) <&3 >"${dir}function"
      head -c 24 <&3 >"${dir}heard"
      cat "${dir}last" >&3
    ]])
    helper.write_file(dir .. "/last", frame("end", ("=BBI4"):pack(DONE, 0, 0)))
    local job <close> = job_of(frame("leave", "", 77))
    assert.is_true(weft.timeout(20, job.result, job))
    assert.equal(frame("left", "", 77), helper.read_file(dir .. "/heard"))
  end)

  it("it in part, or wrongly, has died", function()
    local whole = ("=BB"):pack(FAILED, 1) .. message "bytes"
    for cut = 0, #whole - 1 do fails(frame("end", whole:sub(1, cut))) end
    fails(frame("end", ("=BBI4"):pack(99, 0, 0)))
    fails(frame("end", ("=BB"):pack(DONE, 1) .. message("", 1, "\9")))
    fails(frame("end", ("=BBI4"):pack(DONE, 0, 0)):sub(1, -2)) -- less than it promised
    for _, n in ipairs { 1, 100, 0xffffffff } do -- a traceback that is not there is none
      local job = job_of(frame("end", ("=BBI4"):pack(DONE, 0, n)))
      assert.is_true(job:result())
      assert.truthy(job:traceback():find "^%(done%)")
    end
    -- what is said after the end is not heard
    assert.is_true(job_of(frame("end", ("=BBI4"):pack(DONE, 0, 0)) .. frame("end", ("=BBI4"):pack(FAILED, 0, 0))):result())
    fails "too few bytes for a head"
    fails ""
    for op = 0, 6 do
      if op ~= OP["end"] then fails(frame(op, "whatever", 5, 6)) end
    end
    fails(frame(200, "no such thing"))
  end)

  it("something of channels that it was not given is not heard", function()
    local ch = weft.channel(1)
    for name, op in pairs(OP) do
      if op >= OP.demand then
        local valued = name == "bounce" or name == "put" or name == "value"
        fails(frame(op, valued and NIL or "", 1, 1))
        fails(frame(op, valued and NIL or "", 77, 1), ch)
      end
    end
    assert.same({ nil, false, "empty" }, { ch:try_recv() })
  end)

  it("too much of a channel that it was given leaves it whole", function()
    local ch = weft.channel(4)
    ch:send "mine"
    fails(frame("noput", "", 1, 9) .. frame("offer", "", 1, 2) .. frame("noput", "", 1, 1) .. frame("release", "", 1, 99)
      .. frame("release", "", 1, 1) .. frame("release", "", 1, 1), ch)
    assert.equal("mine", (ch:recv()))
    fails(frame("put", NIL, 1) .. frame("bounce", NIL, 1, 0) .. frame("bounce", NIL, 1, 5), ch)
    assert.equal(3, #ch)
    for _ = 1, 3 do assert.same({ nil, true }, { ch:recv() }) end
    fails(frame("close", "", 1) .. frame("close", "", 1) .. frame("put", NIL, 1), ch)
    assert.is_true(select(2, ch:recv())) -- it was accepted there before it heard
    assert.is_false(select(2, ch:recv()))
  end)

  it("that it has let go of a channel as often as it was given it gets nothing of it any more", function()
    local function left(said)
      local ch, other = weft.channel(4), weft.channel(1)
      ch:send "mine"
      other:send(ch)
      fails(frame("demand", "", 2, 1) .. said .. frame("demand", "", 1, 1), ch, other) -- ch comes in the other one again
      return (ch:try_recv())
    end
    local once = frame("release", "", 1, 1)
    assert.equal("mine", left(once .. once))
    assert.equal("mine", left(frame("release", "", 1, 2)))
    assert.is_nil(left(once)) -- it is on its way there once more
  end)

  it("a value that is none ends it", function()
    local ch = weft.channel(100)
    local values = {
      "", "\3", "\9", CELL, CELL .. ("\0"):rep(15), CELL .. ("\255"):rep(16), MSG, MSG .. ("=I4"):pack(9),
      MSG .. ("=I4I4"):pack(9, 0),
      MSG .. message("x", 1), MSG .. message("x", 1, "\0"), MSG .. message("x", 1, "\4"), HANDLE, HANDLE .. "\0", HANDLE .. "\4",
      HANDLE .. CHANNEL, HANDLE .. BUFFER, HANDLE .. MESSAGE, HANDLE .. MESSAGE .. ("=I4"):pack(1),
    }
    local sound = channel(0, 5)
    for cut = 0, #sound - 1 do values[#values + 1] = HANDLE .. CHANNEL .. sound:sub(1, cut) end
    values[#values + 1] = HANDLE .. CHANNEL .. channel(0, 0)
    values[#values + 1] = HANDLE .. CHANNEL .. channel(1, 55) -- ours, and we know of none
    sound = view {}
    for cut = 0, #sound - 1, 7 do values[#values + 1] = HANDLE .. BUFFER .. sound:sub(1, cut) end
    for _, f in ipairs {
      { id = 0 }, { type = 99 }, { stride = 0 }, { id = 5 }, { yours = 1, id = 5 }, { first = 1 }, -- no descriptor comes
    } do values[#values + 1] = HANDLE .. BUFFER .. view(f) end
    for _, v in ipairs(values) do fails(frame("put", v, 1) .. frame("put", NIL, 1), ch) end
    -- The one after it is not heard.
    assert.equal(0, #ch)
  end)

  it("a part of a buffer that is not in it ends it", function()
    local ch, b = weft.channel(100), weft.buffer("i64", 8)
    for _, f in ipairs {
      { offset = 3 }, { offset = 72 }, { n = 9 }, { offset = 8, n = 8 }, { stride = 4 }, { stride = 12 }, { n = math.maxinteger },
      { stride = math.maxinteger },
    } do
      f.yours, f.type = 1, f.type or 7
      fails(frame("put", HANDLE .. BUFFER .. view(f), 1), ch, b)
    end
    assert.equal(0, #ch)
    fails(frame("forget", "", 1, 50) .. frame("forget", "", 9, 1) .. frame("forget", "", 1, 1), ch, b)
    b[1] = 3
    assert.equal(3, b[1])
  end)

  it("a message of rubbish gives an error to who receives it, and only there", function()
    local ch = weft.channel(10)
    fails(frame("put", MSG .. message(("rubbish"):rep(9)), 1) .. frame("put", NIL, 1), ch)
    helper.raises_kind("transfer", ch.recv, ch)
    assert.same({ nil, true }, { ch:recv() })
  end)

  it("anything at all does no harm", function()
    local random = 12345
    local function below(n)
      random = (random * 1103515245 + 12345) & 0x7fffffff
      return (random >> 8) % n
    end
    for _ = 1, helper.scale(1000, 30) do
      local ch, b, said = weft.channel(3), weft.buffer("i32", 4), {}
      for i = 1, 1 + below(20) do
        local body = {}
        for k = 1, below(40) do body[k] = string.char(below(below(2) == 0 and 4 or 256)) end
        said[i] = frame(1 + below(19), table.concat(body), below(3), below(4))
      end
      job_of(table.concat(said), ch, b):wait()
      while ch:try_recv() do end
      b[1] = 1
    end
    weft.interpreter(before)
    assert.equal(7, weft.process(function() return 7 end):join())
  end)
end)
