-- Checks the layers of csrc/ and the size of files; run by `make test` and `make lint`.
--
--   lua5.4 scripts/layers.lua [ROOT]
--
-- csrc/base -> sys -> lx -> rt -> lib -> csrc/*.c: a folder includes only itself and the folders before
-- it. base is C11 alone (no lua.h, uv.h or pthread.h), sys never sees lua.h, and csrc/weft.h, being the
-- public header, includes nothing of ours. Files: a warning past 400 lines, a failure past 600.

local root = arg[1] or "."

local LAYERS = { base = 1, sys = 2, lx = 3, rt = 4, lib = 5, top = 6 }
local WARN_LINES, MAX_LINES = 400, 600

-- Headers from outside that a layer must not see.
local FORBIDDEN = {
  base = { "^lua%.h$", "^lauxlib%.h$", "^lualib%.h$", "^luaconf%.h$", "^lua%.hpp$", "^uv%.h$", "^pthread%.h$" },
  sys = { "^lua%.h$", "^lauxlib%.h$", "^lualib%.h$", "^luaconf%.h$", "^lua%.hpp$" },
}

-- Headers from outside that many write in quotes.
local EXTERNAL = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true, ["luaconf.h"] = true, ["uv.h"] = true }

local problems, warnings = {}, {}
local function problem(...) problems[#problems + 1] = string.format(...) end

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- Files below root, as paths relative to it, whose names end in one of the given ways.
local function files(folder, ...)
  local list = {}
  local p = assert(io.popen("cd " .. quote(root) .. " && find " .. folder .. " -type f 2>/dev/null | LC_ALL=C sort"))
  for path in p:lines() do
    for _, ending in ipairs { ... } do
      if path:sub(-#ending) == ending then list[#list + 1] = path end
    end
  end
  p:close()
  return list
end

local function exists(path)
  local f = io.open(root .. "/" .. path, "r")
  if f then f:close() end
  return f ~= nil
end

local function check_include(path, line, layer, kind, name)
  if kind == "<" then
    for _, pattern in ipairs(FORBIDDEN[layer] or {}) do
      if name:match(pattern) then problem("%s:%d: csrc/%s must not include <%s>", path, line, layer, name) end
    end
    return
  end
  for _, pattern in ipairs(FORBIDDEN[layer] or {}) do
    if name:match(pattern) then problem("%s:%d: csrc/%s must not include \"%s\"", path, line, layer, name) end
  end
  if EXTERNAL[name] then return end
  if name == "weft.h" then
    if LAYERS[layer] < LAYERS.rt then problem("%s:%d: csrc/%s must not include \"weft.h\"", path, line, layer) end
    return
  end
  local target = name:match "^(%w+)/"
  if not target or not LAYERS[target] then
    if not exists("csrc/" .. name) then
      problem("%s:%d: \"%s\" is not a path from csrc/ (as in \"base/list.h\")", path, line, name)
    end
    return
  end
  if not exists("csrc/" .. name) then problem("%s:%d: \"%s\" does not exist", path, line, name) end
  if LAYERS[target] > LAYERS[layer] then
    problem("%s:%d: csrc/%s must not include \"%s\": %s lies above it", path, line, layer, name, target)
  end
end

local function check_c_file(path)
  local layer = path:match "^csrc/(%w+)/" or "top"
  if not LAYERS[layer] then return problem("%s: csrc/%s is no layer", path, layer) end
  local line = 0
  for text in io.lines(root .. "/" .. path) do
    line = line + 1
    local kind, name = text:match '^%s*#%s*include%s*([<"])([^>"]+)[>"]'
    if name then
      if path == "csrc/weft.h" and kind == '"' then
        problem("%s:%d: the public header includes \"%s\"", path, line, name)
      else
        check_include(path, line, layer, kind, name)
      end
    end
  end
end

local function check_size(path)
  local n = 0
  for _ in io.lines(root .. "/" .. path) do n = n + 1 end
  if n > MAX_LINES then
    problem("%s: %d lines; more than %d are two subjects", path, n, MAX_LINES)
  elseif n > WARN_LINES then
    warnings[#warnings + 1] = string.format("%s: %d lines", path, n)
  end
end

local c_files = files("csrc", ".c", ".h")
for _, path in ipairs(c_files) do check_c_file(path) end

local sized = {}
for _, folder in ipairs { "csrc", "lua", "scripts", "examples", "bench", "spec" } do
  for _, path in ipairs(files(folder, ".c", ".h", ".lua", ".sh")) do sized[#sized + 1] = path end
end
for _, path in ipairs(sized) do check_size(path) end

for _, w in ipairs(warnings) do print("warning: " .. w) end
for _, p in ipairs(problems) do print(p) end
print(string.format("layers: %d C files, %d files measured, %d problems, %d warnings", #c_files, #sized, #problems,
  #warnings))
os.exit(#problems == 0)
