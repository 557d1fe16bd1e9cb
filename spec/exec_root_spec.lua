-- weft.exec as root: other users, groups, priorities. #root

local helper = require "spec.helper"
local weft = require "weft"

local root = weft.info().euid == 0
local test = root and it or function(name) pending(name .. " (needs root)") end

weft.exec({ "true" }):wait()

local function sh(script, opts)
  local args = { "sh", "-c", script, stdout = "pipe" }
  for k, v in pairs(opts) do args[k] = v end
  return (assert(weft.exec(args)):output())
end

local IDS = "sed -n -E 's/^(Uid|Gid|Groups):[ \t]*//p' /proc/$$/status | tr -s '\t ' ' '"

describe("a child of root", function()
  test("gets another user, group and groups, all of them", function()
    assert.equal("1234 1234 1234 1234\n4321 4321 4321 4321\n7 8 \n", sh(IDS, { uid = 1234, gid = 4321, groups = { 7, 8 } }))
  end)

  test("has none of root's groups left", function()
    assert.equal("1234 1234 1234 1234\n4321 4321 4321 4321\n \n", (sh(IDS, { uid = 1234, gid = 4321 }):gsub("\n\n$", "\n \n")))
  end)

  test("cannot become root again", function()
    local out = sh("setpriv --reuid 0 true 2>&1 || echo refused", { uid = 1234, gid = 1234 })
    assert.truthy(out:find "refused")
  end)

  test("enters its folder as who it is", function()
    local dir = helper.tmpdir()
    assert(os.execute("chmod 700 " .. dir))
    helper.fails("EACCES", weft.exec, { "true", uid = 1234, gid = 1234, cwd = dir })
    helper.remove_dir(dir)
  end)

  test("may run before others, with a real-time policy", function()
    assert.equal("-5\n", sh("nice", { nice = -5 }))
    assert.equal("SCHED_FIFO\n3\n", sh("chrt -p $$ | sed -n 's/.*policy: //p; s/.*priority: //p'", { policy = "fifo",
      priority = 3 }))
  end)
end)

describe("a child of root without capabilities", function()
  test("is refused what takes them", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local function code(opts)
        local c, message, code = weft.exec(opts)
        io.write(code or "ok", " ", message and message:match "[^:]*$" or "", "\n")
        if c then c:wait() end
      end
      assert(weft.exec { "true" }):wait()
      code { "true", uid = 0 }
      code { "true", groups = { 1 } }
      code { "true", nice = -5 }
      code { "true", uid = weft.info().uid }
      code { "true", policy = "fifo", priority = 1 }
    ]], { shell = "setpriv --bounding-set=-all --inh-caps=-all --reuid 0 --regid 0 --clear-groups" })
    -- still uid 0 in name, but without capabilities: it cannot give its groups up, so it cannot become another either
    assert.equal("EPERM  groups\nEPERM  groups\nEACCES  nice\nEPERM  groups\nEPERM  policy\n", out)
  end)
end)
