-- build: makes the peers' programs and the C limits under build/bench, each once, and knows what is absent and why.
-- A recipe returns the words of the command that runs a subject, or nil and the reason why it cannot run here.
local sh = require "sh"

local M = { dir = "build/bench" }
local made = {} -- out -> true, or the reason why it could not be made
local log = M.dir .. "/build.log"

local function say(text)
  io.stderr:write("bench: ", text, "\n")
end

-- Makes `out` from `sources` by `command` unless it is newer than they; the same result when asked again.
local function make(out, sources, command)
  if made[out] == nil then
    made[out] = true
    if sh.stale(out, sources) then
      say("building " .. out)
      if not sh.run(("( %s ) >>%s 2>&1"):format(command, log)) then
        os.remove(out)
        made[out] = "did not build, see " .. log
      end
    end
  end
  if made[out] == true then return true end
  return nil, made[out]
end

local function pkg_config(flag, package)
  return (sh.output(("pkg-config %s %s 2>/dev/null"):format(flag, package)):gsub("%s+$", ""))
end

-- The compiler and Lua's own static library, which is also what the interpreter was linked from: a shared one would
-- charge the C limits for calls through its jump table.
function M.toolchain()
  if M.cc then return end
  M.cc = os.getenv "CC" or sh.which "gcc" and "gcc" or sh.which "clang" and "clang" or "cc"
  M.lua = os.getenv "LUA" or arg[-1] or "lua5.4"
  M.lua_cflags = pkg_config("--cflags", "lua5.4")
  local archive = pkg_config("--variable=libdir", "lua5.4") .. "/liblua5.4.a"
  M.lua_libs = (sh.exists(archive) and archive or pkg_config("--libs", "lua5.4")) .. " -lm -ldl"
  M.uv_cflags, M.uv_libs = pkg_config("--cflags", "libuv"), pkg_config("--libs", "libuv")
  assert(sh.run("mkdir -p " .. M.dir .. " && : >" .. log))
end

local C = "%s -std=gnu11 -O2 -DNDEBUG -pthread %s -o %s %s %s"

function M.clock()
  local out, source = M.dir .. "/bclock.so", "bench/c/bclock.c"
  local flags = "-shared -fPIC " .. M.lua_cflags
  return make(out, { source, "bench/c/bench.h" }, C:format(M.cc, flags, out, source, ""))
end

local recipe = {}

-- A C program on libuv: bench/c/NAME.c.
function recipe.uv(name)
  local out, source = M.dir .. "/" .. name, ("bench/c/%s.c"):format(name)
  local ok, why = make(out, { source, "bench/c/bench.h" }, C:format(M.cc, M.uv_cflags, out, source, M.uv_libs))
  return ok and { out }, why
end

-- A C program that stands alone: bench/c/NAME.c.
function recipe.c(name)
  local out, source = M.dir .. "/" .. name, ("bench/c/%s.c"):format(name)
  local ok, why = make(out, { source, "bench/c/bench.h" }, C:format(M.cc, M.lua_cflags, out, source, M.lua_libs))
  return ok and { out }, why
end

-- A C program of bench/c that measures a part of weft: it is linked with the objects of the module.
function recipe.part(name)
  local out, source = M.dir .. "/" .. name, ("bench/c/%s.c"):format(name)
  if not sh.exists(source) then return nil, "no " .. source end
  local objects = {}
  for i, file in ipairs(sh.glob "csrc/*.c csrc/*/*.c") do
    objects[i] = file:gsub("^csrc/(.*)%.c$", "build/obj/%1.o")
    if not sh.exists(objects[i]) then return nil, objects[i] .. " is not built (make)" end
  end
  local flags = table.concat({ "-Icsrc -Wl,--export-dynamic", M.lua_cflags, M.uv_cflags }, " ")
  local sources = { source, "bench/c/bench.h", table.unpack(objects) }
  local libs = table.concat({ sh.join(objects), M.lua_libs, M.uv_libs }, " ")
  local ok, why = make(out, sources, C:format(M.cc, flags, out, source, libs))
  return ok and { out }, why
end

function recipe.go(name)
  if not sh.which "go" then return nil, "no go on this machine" end
  local out, source = ("%s/go_%s"):format(M.dir, name), ("bench/peers/go/%s.go"):format(name)
  local go = ("GO111MODULE=off GOFLAGS= GOCACHE=${GOCACHE:-$PWD/%s/gocache} go"):format(M.dir)
  local command = ("%s build -o %s %s"):format(go, out, source)
  local ok, why = make(out, { source }, command)
  return ok and { out }, why
end

-- A table of processes large enough for a million of them.
local function erlang(name, schedulers)
  if not (sh.which "erl" and sh.which "erlc") then return nil, "no erlang on this machine" end
  local module = "bench_" .. name
  local out, source = ("%s/%s.beam"):format(M.dir, module), ("bench/peers/erlang/%s.erl"):format(module)
  local ok, why = make(out, { source }, ("erlc -o %s %s"):format(M.dir, source))
  local words = { "erl", "+S", schedulers, "+P", "2000000", "-noshell", "-noinput", "-pa", M.dir, "-run", module, "main" }
  return ok and words, why
end

-- One scheduler on one thread; two on two.
function recipe.erlang(name) return erlang(name, "1:1") end
function recipe.erlang2(name) return erlang(name, "2:2") end

function recipe.node(name)
  if not sh.which "node" then return nil, "no node on this machine" end
  return { "node", "--expose-gc", ("bench/peers/node/%s.mjs"):format(name) }
end

-- Every peer program finds bclock and chan, and our own the tree that was built.
function M.environment()
  local root = sh.output "pwd":match "^[^\n]+"
  local path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/bench/peers/lua/?.lua;"):format(root, root, root)
  local cpath = ("%s/build/?.so;%s/%s/?.so;"):format(root, root, M.dir)
  return {
    "LUA_PATH=" .. path .. (os.getenv "LUA_PATH" or ";"),
    "LUA_CPATH=" .. cpath .. (os.getenv "LUA_CPATH" or ";"),
  }
end

-- Can this Lua require a module, as the programs will? True, or the first line of why not.
local function requires(module)
  local test = { M.lua, "-e", ("require %q"):format(module) }
  local line = { "env", table.unpack(M.environment()) }
  table.move(test, 1, #test, #line + 1, line)
  local text, ok = sh.output(sh.join(line) .. " 2>&1")
  return ok or (text:match "[^\n]+" or "require failed"):gsub("^[^:]*: ", "")
end

local modules = { copas = "copas.semaphore", cjson = "cjson", cqueues = "cqueues", luv = "luv", lanes = "lanes" }
local found = {}

-- A Lua program of a peer library, whose name is the file's first word: absent without the module that it needs.
function recipe.lua(name)
  local module = modules[name:match "^%l+"]
  if module and found[module] == nil then
    found[module] = requires(module) == true
  end
  if module and not found[module] then return nil, "no Lua module " .. module end
  return { M.lua, ("bench/peers/lua/%s.lua"):format(name) }
end

-- One of our own programs. What weft answers to require is asked once.
function recipe.weft(name)
  if found.weft == nil then found.weft = requires "weft" end
  if found.weft ~= true then return nil, found.weft end
  return { M.lua, ("bench/weft/%s.lua"):format(name) }
end

-- One of ours that needs a browser, whose name is its last argument.
function recipe.browser(name)
  local words, why = recipe.weft(name)
  if not words then return nil, why end
  for _, browser in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    if sh.which(browser) then return words, nil, browser end
  end
  return nil, "no chromium on this machine"
end

-- The command of a subject of cases.lua, or nil and why not. A subject with a `load` is a server: the client of all
-- servers, bench/c/load_net, starts it. One with `through` is an argument of that Lua program.
function M.command(subject)
  local words, why, last = recipe[subject.kind](subject.program)
  if not words then return nil, why end
  local command = {}
  if subject.load then
    local client
    client, why = recipe.c "load_net"
    if not client then return nil, why end
    command[1] = client[1]
    for _, a in ipairs(subject.load) do command[#command + 1] = tostring(a) end
    command[#command + 1] = "--"
  elseif subject.through then
    for _, a in ipairs { M.lua, table.unpack(subject.through) } do command[#command + 1] = tostring(a) end
  end
  table.move(words, 1, #words, #command + 1, command)
  for _, a in ipairs(subject.args or {}) do command[#command + 1] = tostring(a) end
  command[#command + 1] = last
  return command
end

-- A program that is installed.
function recipe.installed(name)
  if not (sh.which(name) and sh.which "redis-benchmark") then return nil, "no " .. name .. " on this machine" end
  return { name }
end

return M
