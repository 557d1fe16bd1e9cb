-- Claim: a thread can have a security context of its own: the kernel keeps user and groups a thread, not a process.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local term = require "weft.term"

print "who may open the file? each thread asks for itself\n"
if weft.info().euid ~= 0 then
  print "this needs root: only root may give its threads other users; nothing was measured"
  os.exit(0)
end

local path = ("/tmp/weft-impersonation-%d"):format(weft.info().pid) -- not in TMPDIR: all must be able to enter
local f = assert(io.open(path, "w"))
f:write "for the owner and the group\n"
f:close()
assert(weft.exec { "chown", "1001:2001", path }:wait().code == 0)
assert(weft.exec { "chmod", "640", path }:wait().code == 0)

local function try(name)
  local weft = require "weft" -- luacheck: ignore 431
  local file, message = io.open(name)
  local words = file and "opens it" or message:match ": ([^:]*)$"
  if file then file:close() end
  local me
  for _, t in ipairs(weft.info().threads) do
    if t.isolate == weft.current().id >> 32 then me = t end
  end
  local id = weft.exec { "id", "-u", stdout = "pipe" }:output()
  local again, _, back = weft.thread({ uid = 0 }, function() end)
  if again then again:join() end
  return words, me.uid, me.gid, table.concat(me.groups, " "), #me.caps.effective, tonumber(id), back or "root again"
end

local rows = {
  { "owner", { uid = 1001, gid = 1001 } }, { "in the group", { uid = 1002, gid = 1002, groups = { 2001 } } },
  { "a stranger", { uid = 1003, gid = 1003 } }, { "root", {} },
}
print(("%-13s  %5s %5s  %-7s %12s  %-9s  %-18s %s"):format("thread", "uid", "gid", "groups", "capabilities", "its child",
  "the file", "become root again"))
local allowed = 0
for _, row in ipairs(rows) do
  row[2].name = row[1]
  local words, uid, gid, groups, caps, child, back = assert(weft.thread(row[2], try, path)):join()
  if words == "opens it" then allowed = allowed + 1 end
  print(("%-13s  %5d %5d  %-7s %12d  uid %-5d  %s %s"):format(row[1], uid, gid, groups, caps, child, term.fit(words, 18,
    draw.ascii),
    uid == 0 and "(it is)" or back))
end
os.remove(path)
print(("\n%d of %d threads may open it; the process as a whole is still uid %d"):format(allowed, #rows, weft.info().euid))
