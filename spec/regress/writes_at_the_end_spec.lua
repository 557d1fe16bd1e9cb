-- os.exit(0) closes no state, so no box of an operation is collected: a job that was over when the script's end came,
-- and one that ended when it had been told to stop, left their temporary files.
local helper = require "spec.helper"
local fs = require("weft").fs
assert(fs.exists "/") -- the loop and the pool stay once they are used

describe("writes on their way at os.exit", function()
  local dir
  before_each(function() dir = helper.tmpdir() end)
  after_each(function() helper.end_folder(dir) end)

  local start = [[
    local weft = require "weft"
    local fs, dir = weft.fs, arg[1]
    local data = ("x"):rep(2000000)
    for _ = 1, 4 do weft.thread(function() SPIN end):detach() end
    for i = 1, 8 do
      weft.go(function() while true do fs.write(dir .. "/f" .. i, data) end end):detach()
    end
  ]]
  start = start:gsub("SPIN", helper.SPIN)
  for ending, code in pairs {
    ["of the main chunk"] = "weft.sleep(0.005) os.exit(0)",
    ["of a task, the main chunk in a call"] = [[
      weft.go(function() weft.sleep(0.005) os.exit(0) end):detach()
      while true do fs.write(dir .. "/f", data) end
    ]],
  } do
    it("leave nothing: " .. ending, function()
      for _ = 1, 8 do
        local out, err, status = helper.run_script(start .. code, { args = { dir } })
        assert.same({ "", "", 0 }, { out, err, status })
        for _, e in ipairs(fs.scandir(dir)) do assert.truthy(e.name:find "^f%d?$", e.name) end
      end
    end)
  end
end)
