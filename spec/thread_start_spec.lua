-- Threads that the system refuses: the starter is told, nothing is left of them, and all else goes on.

local helper = require "spec.helper"
local weft = require "weft"

weft.exec({ "true" }):wait() -- the loop of this thread stays

-- Everything that needs a thread or a process of its own, again and again. Prints what came of each, once.
local SCRIPT = [[
  local weft = require "weft"
  local starts = {
    thread = function() return weft.thread(function() end) end,
    spawn = function() return weft.spawn(function() return 1 end) end,
    blocking = function() return weft.blocking(function() return 1 end) end,
    process = function() return weft.process(function() end) end,
    exec = function() return weft.exec { "true" } end,
    map = function() return weft.map(function(x) return x end, { 1, 2 }) end,
  }
  local function descriptors() return #weft.info().fds end
  local names = {}
  for name in pairs(starts) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local told, before
    for round = 1, 50 do
      local ok, value, message, code = pcall(starts[name])
      if ok then
        local job = type(value) == "userdata" and value
        told = value == nil and code .. (message:find("^" .. code .. ": ") and "" or " without its name") or "started"
        if job and job.wait then job:wait() end
      else
        told = tostring(value):match "E%u+" or tostring(value)
      end
      if round == 10 then before = descriptors() end
    end
    print(name, told, descriptors() - before)
  end
  print(weft.go(function() weft.sleep(0.001) return "alive" end):join())
  local ch = weft.channel()
  weft.go(function() ch:send "alive" end)
  print((ch:recv()))
]]

describe("where no thread can be started", function()
  it("whoever starts one is told, and what needs none goes on", function()
    if helper.sanitizer then return pending "the sanitizers need threads of their own" end
    local opts = { helper.lua, "-e", SCRIPT, stdout = "pipe", stderr = "pipe", limits = { nproc = 1 } }
    if weft.info().euid == 0 then -- to root the limit does not apply
      opts.uid, opts.gid, opts.groups = 64321, 64321, {}
    end
    local child = assert(weft.exec(opts))
    local out, err, status = child:output()
    local text = ("%s\n%s"):format(out, err)
    assert.equal(0, status and status.code or child:wait().code, text)
    local seen = {}
    for name, told, left in out:gmatch "(%a+)\t([^\t\n]+)\t(%-?%d+)" do
      seen[name] = told
      assert.equal("0", left, text)
    end
    for _, name in ipairs { "thread", "spawn", "blocking", "process", "exec" } do assert.equal("EAGAIN", seen[name], text) end
    assert.truthy(seen.map == "EAGAIN" or seen.map == "started", text)
    assert.truthy(out:find "\nalive\nalive\n$", text)
    helper.injected(6 * 50)
  end)
end)
