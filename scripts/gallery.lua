-- Makes docs/gallery.md and the pictures in docs/gallery from real runs of what gallery_items.lua lists.
--
--   lua5.4 scripts/gallery.lua [--into DIR]      (LUA_PATH and LUA_CPATH say where weft is: `make gallery` sets them)
--
-- DIR stands for the project's folder: what runs runs there, and what is written is written there.

local root = arg[0]:match "^(.*)/scripts/[^/]*$" or "."
local items = dofile(root .. "/scripts/gallery_items.lua")
local into = arg[1] == "--into" and arg[2] or root
local MOST = 120000 -- bytes of a picture: more is a mistake

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

local function fail(...)
  io.stderr:write("gallery: ", string.format(...), "\n")
  os.exit(1)
end

local function write_file(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

local function size_of(path)
  local f = io.open(path, "rb")
  local n = f and f:seek "end"
  if f then f:close() end
  return n
end

-- What a command prints, with the width and characters of a page.
local function run(command, title)
  local p = assert(io.popen(("cd %s && COLUMNS=80 NO_COLOR=1 LC_ALL=C.UTF-8 %s 2>&1"):format(quote(into), command)))
  local out = p:read "a"
  local ok, _, code = p:close()
  if not ok then fail("%s: exit code %s\n%s", title, code, out) end
  return (out:gsub("%s+$", ""):gsub("[ \t]+\n", "\n"))
end

-- The part of a text from the line that matches `first` to the `times`-th that matches `last` from there.
local function part_of(text, item)
  if not item.first then return text end
  local lines, left = {}, nil
  for line in (text .. "\n"):gmatch "(.-)\n" do
    if not left and line:find(item.first) then left = item.times end
    if left and left > 0 then
      lines[#lines + 1] = line
      if line:find(item.last) then left = left - 1 end
    end
  end
  if #lines == 0 then fail("%s: nothing begins with %s", item.title, item.first) end
  return table.concat(lines, "\n")
end

local function browser()
  for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    if os.execute("command -v " .. name .. " >/dev/null 2>&1") then return name end
  end
end

-- A picture of a page; without a browser the one that is there stays.
local function shoot(item)
  local folder = into .. "/docs/gallery/"
  local program = browser()
  if program then
    local profile = os.tmpname()
    os.remove(profile)
    run(("%s --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1100,420 --virtual-time-budget=3000 "
      .. "--user-data-dir=%s --screenshot=docs/gallery/%s file://$PWD/docs/gallery/%s"):format(program, quote(profile), item.png,
      item.page), item.title)
    os.execute("rm -rf " .. quote(profile))
  elseif not size_of(folder .. item.png) then
    io.stderr:write("gallery: no browser here, so no picture of the page\n")
  end
  os.remove(folder .. item.page)
  return ("![%s](gallery/%s)"):format(item.title, item.png)
end

os.execute("mkdir -p " .. quote(into .. "/docs/gallery"))
local out = { [[
# Gallery

What weft draws. `make gallery` makes this page: every script here ran as it stands, every picture shows what was recorded. Most
of the text pictures are coloured by thread in a terminal.
]] }
local function put(...) out[#out + 1] = string.format(...) end

for _, item in ipairs(items) do
  if item.part then put("## %s\n", item.part) end
  put("### %s\n", item.title)
  if item.text ~= "" then put("%s\n", item.text) end
  if item.png then
    put("%s\n", shoot(item))
  else
    local shown
    if item.code then
      local path = os.tmpname()
      write_file(path, item.code)
      shown = run("lua5.4 " .. quote(path), item.title):gsub(path:gsub("%p", "%%%0"), "script.lua")
      os.remove(path)
      put("```lua\n%s```\n", item.code)
    else
      shown = part_of(run(item.command, item.title), item)
      shown = "$ " .. item.command .. "\n" .. shown
    end
    if shown ~= "" then put("```\n%s\n```\n", shown) end
    if item.svg then
      local n = size_of(into .. "/docs/gallery/" .. item.svg)
      if not n or n > MOST then fail("%s: %s has %s bytes", item.title, item.svg, n) end
      put("![%s](gallery/%s)\n", item.title, item.svg)
    end
  end
end
write_file(into .. "/docs/gallery.md", table.concat(out, "\n"))
print(("gallery: %d pictures in %s/docs/gallery.md"):format(#items, into))
