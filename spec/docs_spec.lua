-- The documentation is true: the stubs in types/ describe exactly what is there, docs/api.md is what they say, and
-- every Lua block in stubs, README and docs/ runs and prints what it says.

local blocks = require "spec.doc_blocks"
local helper = require "spec.helper"
local stubs = require "scripts.stubs"
local weft = require "weft"
local core = require "weft.core"

local ROOT = helper.root
local files = stubs.read(ROOT .. "/types")

---------------------------------------------------------------------- the stubs and what is there

-- By class: its methods, fields and operators as the stubs have them.
local classes, module_names, parts = {}, {}, {}
for _, file in ipairs(files) do
  for _, item in ipairs(file.items) do
    if item.kind == "class" then
      local c = classes[item.name] or { methods = {}, fields = {}, operators = {} }
      for _, field in ipairs(item.fields) do c.fields[field.name] = true end
      for name in pairs(item.operators) do c.operators[name] = true end
      c.closing = c.closing or item.closing
      classes[item.name] = c
    end
  end
end
for _, file in ipairs(files) do
  for _, item in ipairs(file.items) do
    if item.kind == "function" then
      local part = item.of.name:match "^weft%.(%w+)%.module$"
      if item.method or item.of.name ~= "weft" and not part then
        classes[item.of.name].methods[item.short] = item
      elseif item.of.name == "weft" then
        module_names[item.short] = item
      else
        parts[part] = parts[part] or {}
        parts[part][item.short] = item
      end
    end
  end
end

local function keys(t, skip)
  local list = {}
  for k in pairs(t) do
    if not (skip and tostring(k):match(skip)) then list[#list + 1] = k end
  end
  table.sort(list)
  return list
end

-- A Lua function must have the parameters that its stub has; of a C function nobody knows.
local function same_parameters(item, f)
  local info = debug.getinfo(f, "uS")
  if info.what ~= "Lua" then return end
  local n, vararg = item.method and 1 or 0, false
  for _, arg in ipairs(item.args) do
    if arg == "..." then vararg = true else n = n + 1 end
  end
  -- function(self, ...) passes on what it is given
  if info.isvararg and vararg and info.nparams <= n then return end
  assert.same({ item.name, n, vararg }, { item.name, info.nparams, info.isvararg })
end

local ended_child = weft.exec { "true" }
ended_child:wait()

local temporary_dir = weft.fs.tempdir()
temporary_dir:remove()

-- An object of each class that has a metatable.
local function objects()
  local scope
  weft.scope(function(s) scope = s end)
  local trace = weft.trace(function() end)
  local recorder = weft.trace.recorder { path = "/dev/null" }
  recorder:stop()
  local quick = { isolate = false, loops = 1, samples = 1, rounds = 1, warmup = 0 }
  local measured = weft.bench.compare({ a = function() end, b = function() end }, quick)
  local mutex = weft.mutex()
  local guard <close> = mutex:guard()
  local explored
  local exploration = weft.explore(function(x) explored = x end)
  return {
    ["weft.job"] = weft.go(function() end), ["weft.main"] = weft.current(), ["weft.scope"] = scope,
    ["weft.channel"] = weft.channel(), ["weft.mutex"] = mutex, ["weft.guard"] = guard, ["weft.rwlock"] = weft.rwlock(),
    ["weft.semaphore"] = weft.semaphore(1), ["weft.condition"] = weft.condition(), ["weft.barrier"] = weft.barrier(1),
    ["weft.waitgroup"] = weft.waitgroup(), ["weft.once"] = weft.once(function() end), ["weft.event"] = weft.event(),
    ["weft.buffer"] = weft.buffer("i8", 1), ["weft.facts"] = weft.info(), ["weft.child"] = ended_child,
    ["weft.stream"] = weft.stdin, ["weft.udp"] = weft.net.udp("127.0.0.1", 0),
    ["weft.file"] = weft.fs.tempfile(), ["weft.tempdir"] = temporary_dir, ["weft.watch"] = weft.fs.watch "/",
    ["weft.server"] = weft.net.listen("127.0.0.1", 0), ["weft.signal"] = weft.signal "SIGUSR2", ["weft.ticker"] = weft.ticker(1),
    ["weft.pool"] = weft.pool { kind = "inline" },
    ["weft.recorder"] = recorder, ["weft.plot"] = weft.plot.bars { { "a", 1 } },
    ["weft.bench.result"] = measured[1], ["weft.bench.table"] = measured, ["weft.bench.ratio"] = measured[2]:compare(measured[1]),
    ["weft.bench.load"] = weft.bench.load("x", function() end, { rate = 1e4, seconds = 1e-3 }),
    ["weft.error"] = core.error("closed", "x"), ["weft.trace"] = trace, ["weft.trace.summary"] = trace:summary(),
    ["weft.explored"] = explored, ["weft.exploration"] = exploration,
  }
end

-- Tables of functions that have no class.
local function tables() return { ["weft.fs"] = weft.fs, ["weft.net"] = weft.net, ["weft.net.unix"] = weft.net.unix } end

-- The methods of an object, wherever its class keeps them.
local function methods_of(name, object)
  if name == "weft.job" then return core.job_methods()[1] end
  if name == "weft.main" then return { get = object.get, set = object.set } end
  if name == "weft.trace" then
    local found = {}
    for k, v in pairs(getmetatable(object)) do
      if not k:match "^__" then found[k] = v end
    end
    return found
  end
  local index = getmetatable(object).__index
  if name == "weft.child" then return core.program_methods() end
  if name == "weft.file" then return (core.file_methods()) end
  if name == "weft.buffer" then index = select(2, debug.getupvalue(index, 2)) end -- a function, for b[i]
  local found = {}
  for k, v in pairs(type(index) == "table" and index or {}) do
    if not k:match "^__" then found[k] = v end
  end
  return found
end

describe("the stubs", function()
  it("have what the module has", function()
    pairs(weft) -- fetches all
    local there = keys(weft)
    local said = keys(module_names)
    for name in pairs(classes.weft.fields) do said[#said + 1] = name end
    table.sort(said)
    assert.same(there, said)
    for name, item in pairs(module_names) do same_parameters(item, weft[name]) end
  end)

  for part, names in pairs(parts) do
    it("have what weft." .. part .. " has", function()
      assert.same(keys(weft[part]), keys(names))
      for name, item in pairs(names) do same_parameters(item, weft[part][name]) end
    end)
  end

  it("have a class for each type, under its name", function()
    local there = objects()
    for name, object in pairs(there) do assert.equal(name, getmetatable(object).__name) end
    for name, class in pairs(classes) do
      if next(class.methods) and name ~= "weft" and not name:find "%.module$" then
        assert(there[name] or tables()[name], name .. ": no object of this class is known here")
      end
    end
  end)

  for name in pairs(objects()) do
    it("have the methods and operators of " .. name, function()
      local object = objects()[name]
      local class = assert(classes[name], "no class " .. name)
      local methods = methods_of(name, object)
      assert.same(keys(methods), keys(class.methods))
      for short, item in pairs(class.methods) do same_parameters(item, methods[short]) end
      local meta = getmetatable(object)
      for event, said in pairs { __len = class.operators.len, __call = class.operators.call, __close = class.closing } do
        assert.equal(said ~= nil, meta[event] ~= nil, name .. ": " .. event)
      end
      assert.is_function(meta.__tostring)
    end)
  end

  for name, t in pairs(tables()) do
    it("have the functions of " .. name, function()
      local found = {}
      for short, f in pairs(t) do
        if type(f) == "function" then found[short] = f end
      end
      assert.same(keys(found), keys(classes[name].methods))
      for short, item in pairs(classes[name].methods) do same_parameters(item, found[short]) end
    end)
  end

  it("have the methods of threads, which are those of tasks", function()
    local of = core.job_methods()
    assert.same(keys(of[1]), keys(of[2]))
  end)

  it("have the fields that are there", function()
    local there = objects()
    for _, name in ipairs { "weft.main", "weft.trace", "weft.trace.summary" } do
      for field in pairs(classes[name].fields) do
        local optional = name == "weft.trace" and (field == "results" or field == "reason")
          or name == "weft.trace.summary" and field == "stalled"
        assert(there[name][field] ~= nil or optional, name .. "." .. field)
      end
    end
    local job = weft.go({ name = "n" }, function() end)
    for field in pairs(classes["weft.job"].fields) do assert(job[field] ~= nil, field) end
    for _, name in ipairs { "weft.bench.result", "weft.bench.load", "weft.recorder", "weft.bench.ratio" } do
      for field in pairs(classes[name].fields) do assert(field == "warning" or there[name][field] ~= nil, field) end
    end
    for field in pairs(classes["weft.pool"].fields) do assert(there["weft.pool"][field] ~= nil, field) end
    local failed = weft.explore(function() error "x" end)
    for field in pairs(classes["weft.exploration"].fields) do assert(failed[field] ~= nil, field) end
    for field in pairs(classes["weft.exploration.failure"].fields) do assert(failed.failure[field] ~= nil, field) end
  end)

  it("have the options that weft.explore knows", function()
    local values = { points = "lines", strategy = "pct", preemptions = 1, depth = 2, seed = 2, schedules = 2, seconds = 1,
      steps = 10, clock = "free", same = true, keep_going = true, watch = { t = {} }, replay = "o::00000000" }
    for name in pairs(classes["weft.explore.options"].fields) do
      weft.explore(function() end, { [name] = assert(values[name], name), schedules = 2 })
    end
  end)

  it("have the options that weft.go and weft.thread know", function()
    local values = { name = "x", memory = 1 << 24, stack = 1 << 20, nice = 0, policy = "other", priority = 0, affinity = { 0 },
      uid = weft.info().uid, gid = weft.info().gid, groups = weft.info().groups, sigmask = { "SIGINT" } }
    for name in pairs(classes["weft.go.options"].fields) do weft.go({ [name] = values[name] }, function() end) end
    for name in pairs(classes["weft.thread.options"].fields) do
      local job, message = weft.thread({ [name] = assert(values[name], name) }, function() end)
      assert(job, message):join()
    end
    weft.wait()
  end)

  it("have the options that pools know", function()
    local values = { kind = "task", size = 1, init = function() end, chunk = 2, progress = true, ordered = false }
    for name in pairs(classes["weft.pool.options"].fields) do weft.pool({ [name] = values[name] }):close() end
    for name in pairs(classes["weft.map.options"].fields) do weft.map(function() end, { 1 }, { [name] = values[name] }) end
    local pool <close> = weft.pool { kind = "task" }
    for name in pairs(classes["weft.pool.map.options"].fields) do pool:map(function() end, { 1 }, { [name] = values[name] }) end
    for name in pairs(classes["weft.pool.imap.options"].fields) do
      for _ in pool:imap(function() end, { 1 }, { [name] = values[name] }) do end
    end
  end)

  it("have the options that weft.bench and weft.plot know", function()
    local function nothing() end
    local values = { seconds = 0.01, rounds = 1, samples = 1, loops = 1, warmup = 0, setup = nothing, teardown = nothing,
      batch = true, collect = false, isolate = false, cpu = 0, params = { 1 }, param = "n" }
    for name in pairs(classes["weft.bench.options"].fields) do
      local opts = { isolate = false, loops = 1, samples = 1, rounds = 1, warmup = 0 }
      opts[name] = assert(values[name] ~= nil and { values[name] }, name)[1]
      weft.bench("x", function() end, opts)
    end
    values = { rate = 1e4, seconds = 0.001, random = true, patience = 1 }
    for name in pairs(classes["weft.bench.load.options"].fields) do
      weft.bench.load("x", function() end, { rate = 1e4, seconds = 0.001, [name] = assert(values[name], name) })
    end
    values = { title = "t", unit = "s", note = "n", x = "x", y = "y", xunit = "B", logx = true, logy = true, log = true, bins = 2,
      marks = { a = 1 }, rows = { "r" }, columns = { "c" } }
    for kind, first in pairs { curve = { 1, 1 }, bars = { "a", 1 }, histogram = 1, heat = { 1 } } do
      for name in pairs(classes["weft.plot." .. kind .. ".options"].fields) do
        weft.plot[kind] { [name] = assert(values[name], name), first }:text()
      end
    end
    values = { width = 40, height = 5, color = true, ascii = true }
    for name in pairs(classes["weft.plot.text.options"].fields) do
      weft.plot.bars({ { "a", 1 } }):text { [name] = assert(values[name], name) }
    end
  end)

  it("have the options that a recorder knows", function()
    local values = { seconds = 1, path = "x", stall = false, signal = false, capacity = 100 }
    for name in pairs(classes["weft.recorder.options"].fields) do
      assert(values[name] ~= nil, name)
      weft.trace.recorder({ [name] = values[name] }):stop()
    end
  end)

  it("have the options that a timeline knows", function()
    local t = weft.trace(function() end)
    local values = { by = "carrier", width = 60, rows = 1, from = 0, to = 1, print = false, color = false, ascii = true }
    for name in pairs(classes["weft.timeline.options"].fields) do
      assert(values[name] ~= nil, name)
      assert.is_string(t:timeline { [name] = values[name], print = false })
    end
  end)
end)

describe("docs/api.md", function()
  it("is what the stubs say", function()
    local p = assert(io.popen("cd " .. helper.quote(ROOT) .. " && lua5.4 scripts/docs.lua --check 2>&1"))
    local out = p:read "a"
    assert(p:close(), out)
  end)
end)

---------------------------------------------------------------------- what is written runs

-- TSan holds asynchronous signals back until the program calls something that it intercepts: what stops a loop by a
-- signal cannot be shown there.
local function test_of(block)
  local loops = block.code:find("preempt(", 1, true) or block.code:find("while true do end", 1, true)
  return helper.sanitizer == "tsan" and loops and pending or it
end

describe("the example of", function()
  for _, file in ipairs(files) do
    for _, item in ipairs(file.items) do
      for _, example in ipairs(item.examples) do
        test_of(example)(("%s (%s:%d)"):format(item.name or item.title, item.file:match "[^/]+$", example.line), function()
          blocks.run(example)
        end)
      end
    end
  end
end)

for _, name in ipairs { "README.md", "docs/guide.md", "docs/internals.md", "docs/from-other-libraries.md", "examples/README.md" } do
  describe(name, function()
    for _, block in ipairs(blocks.of_markdown(ROOT .. "/" .. name)) do
      -- Some blocks make a hundred thousand tasks: too many for a collector under stress.
      test_of(block)(("runs line %d"):format(block.line), function() blocks.run(block, { cwd = ROOT, gc = false }) end)
    end
  end)
end

for _, name in ipairs {
  "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/guide.md", "docs/internals.md", "docs/api.md", "docs/gallery.md",
  "docs/from-other-libraries.md", "docs/reliability.md", "examples/README.md", "bench/README.md",
} do
  describe(name, function()
    local text = helper.read_file(ROOT .. "/" .. name)
    local folder = ROOT .. "/" .. (name:match "^(.*/)" or "")
    local function there(...)
      for _, path in ipairs { ... } do
        local f = io.open(path, "r")
        if f then return f:close() end
      end
      error(name .. " points to " .. ..., 0)
    end

    it("points to files that are there", function()
      for target in text:gmatch "%]%(([^)#:]+)[^):]*%)" do there(folder .. target) end
    end)

    it("names files that are there", function()
      for path in text:gmatch "`([%w_]+/[%w_/]+%.[%a]+)`" do
        if not path:match "^build/" then there(folder .. path, ROOT .. "/" .. path) end
      end
    end)
  end)
end

describe("docs/reliability.md", function()
  it("has the rows of scripts/faults.lua", function()
    local p = io.popen(("cd %s && %s scripts/faults.lua --list"):format(helper.quote(ROOT), helper.lua))
    local rows = p:read "a"
    p:close()
    assert.truthy(#rows > 1000)
    assert.truthy(helper.read_file(ROOT .. "/docs/reliability.md"):find(rows, 1, true), "run lua5.4 scripts/faults.lua --list")
  end)
end)
