-- weft.trace: what ran where and when.
--
--   local t = weft.trace(function() ... end)      -- or weft.trace.start() ... weft.trace.stop()
--   t:timeline{ by = "carrier" }   print(t:summary())   for e in t:events() do ... end
--
-- The trace is of the whole process: one at a time, whichever isolate started it. What is here knows weft.core
-- only through the table given to `new`, so that it can be tried on another one; `from_records` makes a trace
-- by hand.

local child = require "weft.trace_child"
local file = require "weft.trace_file"
local model = require "weft.trace_model"
local store = require "weft.trace_store"
local summary = require "weft.summary"
local timeline = require "weft.timeline"

local NS = 1e-9

---------------------------------------------------------------------- a finished trace

local Trace = {}

-- What costs a walk over all events is made when it is first asked for.
local lazy = {
  cpu = function(t) -- of a part of a trace nobody measured it: the time in which its threads ran tasks
    local sum = 0
    for _, carrier in ipairs(t.model.carriers) do
      for i, at in ipairs(carrier.at) do sum = sum + carrier.till[i] - at end
    end
    return sum * NS
  end,
  model = function(t) return model.build(t._raw) end,
  tasks = function(t) return t.model.tasks end,
  switches = function(t) return t.model.switches end,
  flows = function(t) return require("weft.trace_flows").build(t._raw) end, -- who acted on whom
  path = function(t) return require("weft.trace_path").find(t.model, t._raw.wall, t.flows) end, -- the critical path
}

function Trace:__index(key)
  local make = lazy[key]
  if not make then return Trace[key] end
  local value = make(self)
  rawset(self, key, value)
  return value
end

Trace.__name = "weft.trace"

-- It holds nothing but memory: for those who declare whatever they get as to be closed.
function Trace.__close() end

function Trace:__tostring()
  return ("weft.trace: %d events in %.6f s, %d lost"):format(self.count, self.wall, self.lost)
end

local function check_self(self, name)
  if getmetatable(self) == Trace then return end
  error(("bad argument #1 to '%s' (weft.trace expected: call it with a colon)"):format(name), 3)
end

-- The events in order of time: { time = seconds from the start, ev = "run", why = "recv" | nil, task = id | nil,
-- arg = id, iso = number, thread = index into t.threads, text = of a mark }. docs: csrc/rt/trace.h.
function Trace:events()
  check_self(self, "events")
  local raw, pos = self._raw, 1
  local records = raw.records
  return function()
    if pos > #records then return nil end
    local time, ev, why, thread, iso, task, arg, after = string.unpack(model.RECORD, records, pos)
    pos = after
    local name, reason = raw.events[ev], raw.whys[why]
    local e = { time = time * NS, ev = name, why = reason ~= "" and reason or nil, thread = thread + 1 }
    if name == "mark" or name == "enter" then
      e.text = raw.marks[arg]
    elseif name ~= "leave" then
      e.task, e.arg, e.iso = task ~= 0 and task or nil, arg, iso
    end
    return e
  end
end

function Trace:summary()
  check_self(self, "summary")
  return summary.new(self)
end

-- Draws the trace: see weft.timeline. Prints, or with print=false returns the text.
function Trace:timeline(opts)
  check_self(self, "timeline")
  if opts ~= nil and type(opts) ~= "table" then
    error(("bad argument #1 to 'timeline' (table expected, got %s)"):format(type(opts)), 2)
  end
  local text, misuse = timeline.draw(self, opts or {})
  if not text then error(misuse, 2) end
  if opts and opts.print == false then return text end
  io.stdout:write(text, "\n")
end

-- The trace as a file: true, or nil, message, code. Without a path: its text.
local function exporter(name)
  return function(self, path)
    check_self(self, name)
    file.check_path(path, name)
    return file.put(path, require("weft.trace_" .. name).pieces(self))
  end
end

local PICTURES = { html = "html", svg = "svg", json = "chrome" }

-- The trace as a file that weft.trace.load reads, or as the picture that the path's ending names.
function Trace:save(path)
  check_self(self, "save")
  if type(path) ~= "string" then error(("bad argument #1 to 'save' (string expected, got %s)"):format(type(path)), 2) end
  local picture = PICTURES[path:match "%.(%a+)$"]
  if picture then return Trace[picture](self, path) end
  return store.save(self._raw, path)
end

Trace.chrome, Trace.svg, Trace.html = exporter "chrome", exporter "svg", exporter "html"

-- raw: see csrc/lib/l_trace.c, with `events` and `whys`; terminal: a function -> is it one, columns.
local function new_trace(raw, terminal)
  return setmetatable({
    wall = raw.wall * NS, cpu = raw.cpu >= 0 and raw.cpu * NS or nil, lost = raw.lost, count = raw.count, threads = raw.threads,
    _raw = raw, _terminal = terminal,
  }, Trace)
end

---------------------------------------------------------------------- records made by hand

local EVENTS = { [0] = "", "new", "live", "name", "label", "run", "stop", "ready", "mark", "put", "take", "post", "enter",
  "leave", "ship", "land", "same" }
local WHYS = { [0] = "", "main", "task", "isolate", "thread", "process", "yield", "preempt", "sleep", "recv", "send",
  "select", "join", "lock", "io", "wait", "done", "failed", "cancelled" }

local function number_of(words, word, what)
  for code = 0, #words do
    if words[code] == word then return code end
  end
  error(("no such %s: %s"):format(what, tostring(word)), 3)
end

-- A trace from a table: wall, cpu in seconds (cpu defaults to wall), lost, names and labels by id, threads (a
-- list of names, default one), and as array the records { seconds, event, task, why, arg, thread = 1, iso = 1,
-- text = for a mark } in order of time.
local function from_records(t)
  local out, marks, threads = {}, {}, {}
  local function ns(seconds) return math.floor(seconds * 1e9 + 0.5) end
  for i, r in ipairs(t) do
    local arg = r[5] or 0
    if r.text then
      arg = #marks + 1
      marks[arg] = r.text
    end
    out[i] = string.pack(model.RECORD, ns(r[1]), number_of(EVENTS, r[2], "event"), number_of(WHYS, r[4] or "", "reason"),
      (r.thread or 1) - 1, r.iso or 1, r[3] or 0, arg)
  end
  for i, name in ipairs(t.threads or { "main" }) do
    threads[i] = { tid = i, name = name, lost = 0, count = 0, ended = false }
  end
  return new_trace {
    start = 0, wall = ns(t.wall), cpu = ns(t.cpu or t.wall), lost = t.lost or 0, count = #t,
    records = table.concat(out), names = t.names or {}, labels = t.labels or {}, marks = marks, threads = threads,
    events = EVENTS, whys = WHYS,
  }
end

---------------------------------------------------------------------- recording

local function check_options(opts, level)
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    error(("bad argument #1 to 'trace.start' (table expected, got %s)"):format(type(opts)), level + 1)
  end
  for key in pairs(opts) do
    if key ~= "capacity" then error(("unknown option '%s' of trace"):format(tostring(key)), level + 1) end
  end
  local capacity = opts.capacity
  if capacity ~= nil and (math.type(capacity) ~= "integer" or capacity < 1 or capacity > 1 << 26) then
    error(("bad option 'capacity' of trace (integer from 1 to %d expected, got %s)"):format(1 << 26, tostring(capacity)),
      level + 1)
  end
  return opts
end

-- weft.trace over a core: trace_start, _stop, _snapshot, _mark, _words, _terminal (see
-- csrc/lib/l_trace.c).
local function new(core)
  local trace = {}
  local events, whys
  local children -- what looks after the traces of worker processes
  local function user() return require "weft.trace_user" end

  local function finish(raw, seconds)
    if not events then events, whys = core.trace_words() end
    raw.events, raw.whys = events, whys
    local given = package.loaded["weft.trace_user"]
    for id, name in pairs(given and given.labels or {}) do raw.labels[id] = name end
    if seconds then raw = store.cut(raw, math.floor(seconds * 1e9)) end
    return new_trace(raw, core.trace_terminal)
  end

  local function start(opts, level)
    opts = check_options(opts, level + 1)
    local ok, message = core.trace_start(opts.capacity or 0)
    if not ok then error("weft.trace: " .. message, level + 1) end
    children = core.trace_children and child.new(core, opts.capacity or 0) or nil
  end

  -- Stops: the records with those of worker processes.
  local function stop()
    local raw, message = core.trace_stop()
    if raw then
      if not events then events, whys = core.trace_words() end
      raw.events, raw.whys = events, whys
    end
    if children then raw = children.take(raw) or raw end
    children = nil
    return raw, message
  end

  -- Starts recording. opts.capacity: events kept of each thread (default 65536; the oldest are overwritten).
  function trace.start(opts) start(opts, 2) end

  -- Stops recording and gives the trace.
  function trace.stop()
    local raw, message = stop()
    if not raw then error("weft.trace: " .. message, 2) end
    return finish(raw)
  end

  -- The trace up to now; recording goes on.
  function trace.snapshot()
    local raw, message = core.trace_snapshot()
    if not raw then error("weft.trace: " .. message, 2) end
    return finish(raw)
  end

  -- Puts a text at this moment of the running trace; without one does nothing.
  function trace.mark(text)
    if type(text) ~= "string" then
      error(("bad argument #1 to 'trace.mark' (string expected, got %s)"):format(type(text)), 2)
    end
    core.trace_mark(text)
  end

  -- A trace that is always on; what its last seconds held is written to a file when something is wrong.
  function trace.recorder(opts) return require "weft.recorder".new(opts, finish, 2) end

  -- Loads what t:save or a recorder has written; seconds: only so much of its end. nil, message, code when it cannot.
  function trace.load(path, seconds)
    if type(path) ~= "string" then
      error(("bad argument #1 to 'trace.load' (string expected, got %s)"):format(type(path)), 2)
    end
    if seconds ~= nil and not (type(seconds) == "number" and seconds > 0) then
      error(("bad argument #2 to 'trace.load' (seconds above 0 expected, got %s)"):format(tostring(seconds)), 2)
    end
    local raw, reason, code = store.load(path)
    if not raw then return nil, reason, code end
    local t = finish(raw, seconds)
    t.reason = reason ~= "" and reason or nil
    return t
  end

  -- Traces of several processes of this machine as one.
  function trace.merge(...)
    local raws = {}
    for i, t in ipairs { ... } do
      if getmetatable(t) ~= Trace then
        error(("bad argument #%d to 'trace.merge' (trace expected, got %s)"):format(i, type(t)), 2)
      end
      raws[i] = t._raw
    end
    if #raws == 0 then error("bad argument #1 to 'trace.merge' (trace expected, got no value)", 2) end
    return new_trace(store.merge(raws), core.trace_terminal)
  end

  -- Names a channel, lock or buffer in the traces that this isolate takes; returns it.
  function trace.label(object, name) return user().label(object, name) end

  -- Runs f(...) while recording; its results are in t.results. An error in f stops the trace and goes on.
  local function call(_, first, ...)
    local opts, f, from = nil, first, 2
    local args = table.pack(...)
    if type(first) == "table" and type(args[1]) == "function" then opts, f = first, args[1] else from = 1 end
    if type(f) ~= "function" then
      error(("bad argument #1 to 'trace' (function expected, got %s)"):format(type(first)), 2)
    end
    start(opts, 2)
    local t
    do
      local _ <close> = setmetatable({}, { __close = function()
        local raw = stop()
        t = raw and finish(raw)
      end })
      args = table.pack(f(table.unpack(args, from, args.n)))
    end
    if not t then error("weft.trace: the trace was stopped inside it", 2) end
    t.results = args
    return t
  end

  return setmetatable(trace, { __call = call, __name = "weft.trace" })
end

-- weft.core is loaded when the first trace is made: pictures of records need none.
local M = new(setmetatable({}, { __index = function(_, name) return require "weft.core"[name] end }))
M.new, M.from_records = new, from_records
return M
