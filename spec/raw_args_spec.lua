-- The arguments of methods are read in place once something has run often (csrc/lx/raw_args.h): what a script may pass wrongly is
-- told the same before and after.

local weft = require "weft"

local function often()
  local job = weft.go(function() for _ = 1, 600 do weft.yield() end end)
  job:join()
end

-- What each method says of what it is called with, as one list of texts.
local function misuse()
  local ch, lock, buffer, waiters = weft.channel(5), weft.mutex(), weft.buffer("i64", 4), weft.waitgroup()
  local said = {}
  local function try(what, f, ...)
    local _, err = pcall(f, ...)
    said[#said + 1] = ("%s: %s"):format(what, err):gsub("0x%x+", "ADDRESS"):gsub("channel %d+", "channel N")
  end
  local strangers = {
    none = false, ["nil"] = nil, boolean = true, integer = 1, float = 1.5, string = "x", table = {}, ["function"] = print,
    thread = coroutine.create(print), userdata = io.stdout, channel = ch, lock = lock, buffer = buffer, group = waiters,
  }
  local names = {}
  for name in pairs(strangers) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = strangers[name]
    local methods = {
      send = name ~= "channel" and ch.send, recv = name ~= "channel" and ch.recv, lock = name ~= "lock" and lock.lock,
      fill = name ~= "buffer" and buffer.fill, add = name ~= "group" and waiters.add,
    }
    for method, f in pairs(methods) do
      if f then try(method .. " of " .. name, f, value, 1) end
    end
  end
  try("nothing", ch.send)
  try("nothing", ch.recv)
  try("no value", ch.send, ch)
  for _, value in ipairs { 1, 1.5, "1", true } do
    try("kept", ch.send, ch, value)
    local got = ch:recv()
    said[#said + 1] = math.type(got) or type(got)
  end
  ch:send(nil)
  said[#said + 1] = tostring(ch:recv())
  ch:send(1, 2, 3)
  said[#said + 1] = tostring(ch:recv())
  table.sort(said)
  return said
end

describe("arguments that are read in place", function()
  it("are checked as before", function()
    local before = misuse()
    often()
    local after = misuse()
    assert.truthy(#before > 50)
    assert.same(before, after)
    local list = "\n" .. table.concat(after, "\n") .. "\n"
    assert.truthy(list:find "weft.channel expected, got string")
    assert.truthy(list:find "\ninteger\n" and list:find "\nfloat\n" and list:find "\nstring\n" and list:find "\nboolean\n")
  end)

  it("are those of the call, not what lies there from the one before", function()
    often()
    local ch = weft.channel(1)
    for _ = 1, 100 do
      ch:send(1)
      assert.is_false(pcall(ch.recv))
      assert.equal(1, (ch:recv()))
      assert.is_false(pcall(ch.send))
    end
  end)

  it("are found where the stack has moved", function()
    often()
    local ch = weft.channel(1)
    local function deep(n, ...)
      if n == 0 then
        ch:send(select("#", ...))
        return ch:recv()
      end
      return (deep(n - 1, n, ...))
    end
    for n = 1, 150, 7 do assert.equal(n, (deep(n))) end
    local co = coroutine.wrap(function() return (deep(100)) end)
    assert.equal(100, co())
  end)

  it("are found in threads and isolates", function()
    local work = load [[
      local ch = ...
      local weft = require "weft"
      local own, sum = weft.channel(2), 0
      weft.go(function() for i = 1, 2000 do own:send(i) end own:close() end)
      for v in own do sum = sum + v end
      ch:send(sum)
      return pcall(own.send, "x")
    ]]
    for _, verb in ipairs { "thread", "spawn" } do
      local ch = weft.channel(1)
      local job = weft[verb](work, ch)
      assert.equal(2001000, (ch:recv()))
      local ok, err = job:join()
      assert.is_false(ok)
      assert.truthy(tostring(err):find "weft.channel expected, got string")
    end
  end)
end)
