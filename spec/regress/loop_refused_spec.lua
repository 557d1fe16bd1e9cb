-- Where libuv could not make its loop, for want of a descriptor, the next look at the loop ran one that was not there: the
-- process crashed.

local helper = require "spec.helper"

describe("a libuv loop that cannot be made", function()
  it("is an error of the call that needs it, and nothing else", function()
    local out = helper.run_ok([[
      local weft = require "weft"
      local signal = weft.signal
      local server = weft.net.listen("127.0.0.1", 0) -- our loop is there, libuv's is not
      local held, f = {}, nil
      repeat
        f = io.open "/dev/null"
        held[#held + 1] = f
      until not f
      local ok, _, code = signal "SIGUSR1"
      weft.sleep(0.001)
      weft.go(weft.yield):join()
      for _, file in ipairs(held) do file:close() end
      print(ok, code)
      print(signal "SIGUSR1" ~= nil)
      server:close()
    ]], { shell = "prlimit --nofile=40" })
    assert.equal("nil\tEMFILE\ntrue\n", out)
  end)
end)
