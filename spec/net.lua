-- What specs of weft.net share. Requiring it brings up what stays once it is used, so that the leak check does not count
-- it: the loop, libuv's threads, the look-up of names.
--
--   local net = require "spec.net"

local weft = require "weft"

local M = {}

M.HOST = "127.0.0.1"

assert(weft.net.connect("localhost", 1) == nil)

-- A connection and its other side; opts are those of weft.net.listen.
function M.pair(opts)
  local server = assert(weft.net.listen(M.HOST, 0, opts))
  local client = assert(weft.net.connect(server:sockname()))
  local other = assert(server:accept())
  server:close()
  return client, other
end

return M
