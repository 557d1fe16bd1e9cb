-- The security context of one thread: who it is, what it may do, that it cannot come back. #root

local helper = require "spec.helper"
local weft = require "weft"

local root = weft.info().euid == 0
local test = root and it or function(name) pending(name .. " (needs root)") end

weft.exec({ "true" }):wait()
assert(weft.fs.exists "/") -- libuv's pool stays once it is used; a thread that takes another identity starts it

-- Runs f on a thread of another user.
local function as_other(f, ...) return assert(weft.thread({ uid = 1234, gid = 4321, groups = { 7, 8 } }, f, ...)):join() end

describe("a thread of another user", function()
  test("is that user in every respect, and alone so", function()
    local go, ready = weft.channel(), weft.channel()
    local job = weft.thread({ uid = 1234, gid = 4321, groups = { 7, 8 }, name = "other" }, function()
      ready:send(true)
      go:recv()
    end)
    ready:recv()
    local t = weft.info(job)
    assert.same({ 1234, 1234, 1234, 1234 }, { t.uid, t.euid, t.suid, t.fsuid })
    assert.same({ 4321, 4321, 4321, 4321 }, { t.gid, t.egid, t.sgid, t.fsgid })
    assert.same({ 7, 8 }, t.groups)
    assert.same({}, t.caps.effective)
    local info = weft.info()
    assert.equal(0, info.euid)
    for _, each in ipairs(info.threads) do assert.equal(each.name == "other" and 1234 or 0, each.euid) end
    go:send(true)
    job:join()
  end)

  test("has none of root's groups unless they are given", function()
    local n = weft.thread({ uid = 1234 }, function()
      for _, t in ipairs(require("weft").info().threads) do
        if t.euid == 1234 then return #t.groups end
      end
    end):join()
    assert.equal(0, n)
  end)

  test("may not do what that user may not", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/secret", "s")
    os.execute("chmod 700 " .. dir)
    local opened, message, pid1 = as_other(function(path)
      local weft = require "weft" -- luacheck: ignore 431
      local f, message = io.open(path)
      return f, message, weft.info(1).exe
    end, dir .. "/secret")
    assert.same({ nil, nil }, { opened, pid1 })
    assert.truthy(message:find "Permission denied")
    assert.equal("s", helper.read_file(dir .. "/secret"))
    helper.remove_dir(dir)
  end)

  test("starts programs, processes and threads as that user", function()
    local id, worker, thread = as_other(function()
      local weft = require "weft" -- luacheck: ignore 431
      local function who()
        for _, t in ipairs(require("weft").info().threads) do
          if t.euid ~= 0 then return t.euid end
        end
      end
      local id = weft.exec { "id", "-u", stdout = "pipe" }:output()
      return id, weft.process(function() return require("weft").info().euid end):join(), weft.thread(who):join()
    end)
    assert.same({ "1234\n", 1234, 1234 }, { id, worker, thread })
  end)

  test("cannot become root again", function()
    local code, _, why = as_other(function()
      local weft = require "weft" -- luacheck: ignore 431
      local job, message, code = weft.thread({ uid = 0 }, print)
      return code, job, message
    end)
    assert.equal("EPERM", code)
    assert.truthy(why:find "groups" or why:find "uid")
    assert.equal("EPERM", (as_other(function()
      return (select(3, require("weft").exec { "true", uid = 0 }))
    end)))
  end)

  test("can be had many times, at once", function()
    local jobs = {}
    for i = 1, helper.scale(50, 4) do
      jobs[i] = weft.thread({ uid = 1000 + i }, function(want)
        for _, t in ipairs(require("weft").info().threads) do
          if t.euid == want then return true end
        end
      end, 1000 + i)
    end
    for _, job in ipairs(jobs) do assert.is_true(job:join()) end
    assert.equal(0, weft.info().euid)
  end)

  it("is refused where there is no right to it", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      print(select(3, weft.thread({ uid = 0 }, print)))
      print(select(3, weft.thread({ gid = 0 }, print)))
      print(weft.thread(function() return "still works" end):join())
    ]], { shell = root and "setpriv --bounding-set=-all --inh-caps=-all --reuid 0 --regid 0 --clear-groups" or nil })
    assert.equal("EPERM\nEPERM\nstill works\n", out)
  end)

  it("is named by numbers", function()
    helper.raises("option 'uid'", weft.thread, { uid = "root" }, print)
    helper.raises("option 'gid'", weft.thread, { gid = -1 }, print)
    helper.raises("item 1 is not a group", weft.thread, { groups = { "wheel" } }, print)
    helper.raises("option 'groups'", weft.thread, { groups = 1 }, print)
  end)
end)
