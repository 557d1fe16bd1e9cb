-- A copy to what is no file (a device, a pipe) went into the file that it was read from, and was said to be done.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.fs.exists "/") -- the pool is there

describe("a copy to what is no file", function()
  it("is written there, or fails as it does there", function()
    local dir <close> = weft.fs.tempdir()
    local from, pipe = dir.path .. "/from", dir.path .. "/pipe"
    assert(weft.fs.write(from, "text"))
    assert(weft.fs.chmod(from, tonumber("444", 8))) -- it is only read
    assert.is_true(weft.fs.copy(from, "/dev/null"))
    helper.fails("ENOSPC", weft.fs.copy, from, "/dev/full")
    os.execute("mkfifo " .. helper.quote(pipe))
    local reader = assert(io.open(pipe, "r+")) -- so that it can be opened
    helper.fails("ESPIPE", weft.fs.copy, from, pipe)
    reader:close()
    assert.equal("text", weft.fs.read(from))
  end)
end)
