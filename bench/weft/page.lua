-- How long a browser takes for the page of a trace of N events: page_ms, from its start to the page that is drawn, less what an
-- empty page takes; write_ms, how long it took to write the page.
--   page.lua N BROWSER
local clock, weft = require "bclock", require "weft"
local n, browser = tonumber(arg[1]), arg[2]

local t = weft.trace({ capacity = n * 2 }, function()
  local a, b = weft.channel(), weft.channel()
  weft.go(function()
    for i = 1, n // 6 do
      a:send(i)
      b:recv()
    end
  end)
  weft.go(function()
    for _ = 1, n // 6 do b:send(a:recv()) end
  end)
  weft.wait()
end)
assert(t.lost == 0)

local dir = os.tmpname()
os.remove(dir)
os.execute("mkdir " .. dir)
local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. dir) end })
local start = clock.now()
assert(t:html(dir .. "/t.html"))
print("write_ms", (clock.now() - start) / 1e6)
local f = assert(io.open(dir .. "/empty.html", "w"))
f:write '<!doctype html><body data-ready="empty">'
f:close()

local function open(name)
  local from = clock.now()
  local dom = weft.exec({ browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
    "--user-data-dir=" .. dir .. "/profile", "file://" .. dir .. "/" .. name, stdout = "pipe", stderr = "null", env = { inherit = true, HOME = dir } }):output()
  assert(dom:find 'data%-ready="', "the page did not come up")
  return (clock.now() - from) / 1e6
end

open "empty.html" -- makes the profile
local own = {}
for i = 1, 5 do own[i] = open "t.html" - open "empty.html" end
table.sort(own)
print("page_ms", own[3])
