--- weft.pool: a number of workers for functions over many values; weft.map: one call of it.
--
--   local pool <close> = weft.pool { kind = "thread", size = 2, init = function() ... end }
--   pool:map(f, list)   for i, r in pool:imap(f, list) do ... end   pool:submit(f, ...)
--
-- What is here is what scripts see: arguments, results, the end of a pool. weft.pool_crew gives workers their work,
-- weft.pool_worker runs in them, weft.pool_imap and weft.pool_inline are what their names say.

local core = require "weft.core"
local check = require "weft.pool_check"
local crew = require "weft.pool_clerk"
local imap = require "weft.pool_imap"
local inline = require "weft.pool_inline"
local queue = require "weft.pool_queue"
local worker = require "weft.pool_worker"

local M = {}

-- What starts the workers of a kind, by its name in weft.core. There are those kinds whose verb is there.
local VERBS = { task = "go", isolate = "spawn", thread = "thread", process = "process" }
local BITES = 16 -- a map hands out this fraction of what is left, a worker's share
local CHUNK_MAX = 4096

local Pool = {}
Pool.__index = Pool
Pool.__name = "weft.pool"

local last_id = 0

local function check_pool(self, verb, open)
  if getmetatable(self) ~= Pool then
    error(("bad argument #1 to '%s' (weft.pool expected: call it with a colon)"):format(verb), 3)
  end
  if not open then return end
  if self._closed then error(("cannot %s: the pool is closed"):format(verb), 3) end
  if self._broken then error(self._broken, 0) end
end

-- Does a worker of this very pool run this? It then does by itself what it wants of the pool: waiting for
-- the others could be waiting for itself.
local function is_inside(self) return self.kind == "inline" or core.get(self._mark) ~= nil end

---------------------------------------------------------------------- map

-- The next chunk of a map: much at first, little towards the end, so that all workers end at about the same time.
local function map_next(r)
  local first, left = r.at + 1, r.n - r.at
  local n = r.chunk or math.max(1, math.min(CHUNK_MAX, left // r.bites))
  n = math.min(n, left)
  r.at = r.at + n
  r.more = r.at < r.n
  return { request = r, first = first, n = n, items = table.move(r.items, first, first + n - 1, 1, {}) }
end

local function map_done(r, chunk, results)
  table.move(results, 1, chunk.n, chunk.first, r.results)
  r.missing = r.missing - chunk.n
  if r.bar then r.bar:step(chunk.n) end
  if r.missing > 0 then return end
  crew.over(r.pool, r)
  r.box:try_send(true)
end

local function map_lost(r, err)
  r.failed, r.error = true, err
  r.box:try_send(true)
end

-- Waits for the end of a map; the bar shows that time goes by.
local function map_wait(r)
  if not r.bar then return r.box:recv() end
  local cases = { { r.box }, timeout = r.bar.interval }
  while not core.select(cases) do r.bar:draw() end
end

local function give_up(self, r, reason)
  core.atomically(crew.stop, self, r, reason)
  crew.await(r.killed)
end

local function map(self, f, items, n, opts)
  local bar <close> = opts.progress and require("weft.progress").new { total = n } or nil
  if is_inside(self) then return inline.map(f, items, n, bar) end
  local r = {
    pool = self, code = self._seal("arg", f), items = items, n = n, at = 0, missing = n, results = { n = n }, chunk = opts.chunk,
    bites = self.size * BITES, box = core.channel_for("pool", 1), bar = bar, next = map_next, done = map_done, lost = map_lost,
    failed = false, error = false,
  }
  core.atomically(crew.add, self, r)
  local ok, err = pcall(map_wait, r)
  if not ok then
    core.shield(give_up, self, r)
    error(err, 0)
  end
  if r.failed then
    core.shield(crew.await, r.killed)
    error(r.error, 0)
  end
  return r.results
end

--- pool:map(f, list[, opts]): the first result of f for each item, in order, with `n`.
function Pool:map(f, list, opts)
  check_pool(self, "map", true)
  check.callable(f, 1, "map")
  local items, n = check.list(list, 2, "map")
  opts = check.options(opts, 3, "map", { chunk = check.chunk, progress = check.boolean })
  if n == 0 then return { n = 0 } end
  return map(self, f, items, n, opts)
end

--- pool:imap(f, list or iterator[, opts]): for a loop over index and result.
function Pool:imap(f, source, opts)
  check_pool(self, "imap", true)
  check.callable(f, 1, "imap")
  local items, n = check.source(source, 2, "imap")
  opts = check.options(opts, 3, "imap", { chunk = check.chunk, ordered = check.boolean })
  if is_inside(self) then return inline.imap(f, items, n) end
  return imap.start(self, f, items, n, opts)
end

---------------------------------------------------------------------- submit

local function call_next(r)
  r.more = false
  return { request = r, first = 1, n = 1, items = r.call }
end

local function call_done(r, _, results)
  crew.over(r.pool, r)
  r.results = results
  r.box:try_send(true)
end

local function call_lost(r, err, traceback)
  r.failed, r.error, r.traceback = true, err, traceback
  r.box:try_send(true)
end

-- The task whose job the submitter has.
local function stand_in(self, r)
  local ok, err = pcall(r.box.recv, r.box)
  if not ok then
    core.shield(give_up, self, r)
    error(err, 0)
  end
  if not r.failed then return self._open(r.results, true) end
  core.shield(crew.await, r.killed)
  core.fail(r.error, r.traceback or nil)
end

local function submit(self, opts, f, ...)
  if not check.is_callable(f) then
    error(("bad argument #%d to 'submit' (function expected, got %s)"):format(next(opts) and 2 or 1, type(f)), 3)
  end
  if is_inside(self) then
    local job = core.go(opts, inline.replay, inline.call(f, ...))
    core.place(job, 3)
    return job
  end
  local r = {
    pool = self, call = self._seal("arg", f, ...), box = core.channel_for("pool", 1),
    next = call_next, done = call_done, lost = call_lost, failed = false, error = false, traceback = false,
  }
  local job = core.go(opts, stand_in, self, r)
  r.job = job
  core.stand_in(job, self.kind)
  core.place(job, 3)
  core.atomically(crew.add, self, r)
  return job
end

--- pool:submit([opts,] f, ...): a job; options: name.
function Pool:submit(f, ...)
  check_pool(self, "submit", true)
  if type(f) ~= "table" or check.is_callable(f) then return (submit(self, {}, f, ...)) end
  return (submit(self, check.options(f, 1, "submit", { name = check.string }), ...))
end

---------------------------------------------------------------------- the end

-- Waits until nothing is asked of the pool any more.
local function drain(self)
  while next(self._requests) ~= nil do
    self._idle = self._idle or core.channel_for("pool", 0)
    self._idle:recv()
    self._idle = nil
  end
end

local function let_go(self, cancel, reason)
  for _, w in ipairs(crew.dismiss(self, cancel, reason)) do table.insert(self._gone, w) end
end

-- Cancels everything.
local function abort(self, reason)
  self._closed = true
  local ending = {}
  core.atomically(function()
    for r in pairs(self._requests) do
      crew.stop(self, r, reason)
      table.move(r.killed, 1, #r.killed, #ending + 1, ending)
      if r.job then
        r.job:cancel(reason)
        table.insert(ending, r)
      else
        r:lost(core.cancelled(reason))
      end
    end
    let_go(self, true, reason)
  end)
  crew.await(ending)
  crew.await(self._gone)
end

--- Takes nothing on any more, waits until all is done, ends the workers.
function Pool:close()
  check_pool(self, "close")
  if self.kind == "inline" then
    self._closed = true
    return
  end
  if is_inside(self) then error("cannot close: a worker would wait for itself", 2) end
  self._closed = true
  imap.stop_own(self)
  local ok, err = pcall(drain, self)
  if not ok then
    core.shield(abort, self)
    error(err, 0)
  end
  core.atomically(let_go, self)
  crew.await(self._gone)
end

--- Cancels all that the pool does and was asked for, and ends the workers.
function Pool:cancel(reason)
  check_pool(self, "cancel")
  if reason ~= nil and self._copies then self._seal("reason", reason) end -- it must be able to travel
  self._closed = true
  if self.kind == "inline" then return end
  if is_inside(self) then error("cannot cancel: a worker would wait for itself", 2) end
  core.shield(abort, self, reason)
end

function Pool:__close(err)
  if err == nil then self:close() else self:cancel() end
end

function Pool:__gc() crew.abandon(self._number) end

function Pool:__tostring()
  return ("weft.pool %d (%s, %d worker%s%s)"):format(self._number, self.kind, self.size, self.size == 1 and "" or "s",
    self._closed and ", closed" or "")
end

---------------------------------------------------------------------- the beginning

-- The kinds that there are, for a message.
local function kinds()
  local list = { "'inline'" }
  for _, kind in ipairs { "task", "isolate", "thread", "process" } do
    if core[VERBS[kind]] then list[#list + 1] = "'" .. kind .. "'" end
  end
  return table.concat(list, ", ", 1, #list - 1) .. " or " .. list[#list]
end

local function check_kind(kind)
  if kind == "inline" or VERBS[kind] and core[VERBS[kind]] then return end
  return kinds() .. " expected"
end

local OPTIONS = { kind = check_kind, size = check.size, init = check.function_option }

local function new(opts, level)
  local kind = opts.kind or core.spawn and "isolate" or "thread"
  last_id = last_id + 1
  local self = setmetatable({ kind = kind, size = kind == "inline" and 1 or opts.size or core.cpus(), _number = last_id }, Pool)
  if kind == "inline" then
    if opts.init then opts.init(1) end
    return self
  end
  self._start, self._copies = core[VERBS[kind]], kind ~= "task"
  -- This pool's alone: other isolates and processes count their pools too.
  self._mark = ("weft.pool %d %d %d"):format(last_id, core.identity(), core.nanotime())
  self._peers = kind == "process"
  self._seal, self._open = worker.sealing(self._copies, self._peers)
  self._init = opts.init and self._seal("init", opts.init)
  self._replies, self._queue, self._requests = core.channel_for "pool", queue.new(), {}
  self._workers, self._by_no, self._gone, self._no, self._id, self._out = {}, {}, {}, 0, 0, 0
  local hired, message, code = crew.hire(self)
  if not hired then
    self:cancel()
    if code then return nil, message, code end
    error(message, level + 1)
  end
  if not opts.init then return self end
  local ok, err = pcall(crew.await_init, self)
  if not ok or err then
    self:cancel()
    error(err, 0)
  end
  return self
end

--- weft.pool{kind=, size=, init=}: a pool, or nil, message, code when the system refuses a thread.
function M.new(opts)
  return new(check.options(opts, 1, "pool", OPTIONS), 2)
end

local MAP_OPTIONS = {
  kind = check_kind, size = check.size, init = check.function_option, chunk = check.chunk, progress = check.boolean,
}

--- weft.map(f, list[, opts]): pool:map on a pool made for it, which has no more workers than there are items.
function M.map(f, list, opts)
  check.callable(f, 1, "map")
  local items, n = check.list(list, 2, "map")
  opts = check.options(opts, 3, "map", MAP_OPTIONS)
  if n == 0 then return { n = 0 } end
  local pool <close>, message, code = new({
    kind = opts.kind, size = math.min(opts.size or core.cpus(), n), init = opts.init,
  }, 2)
  if not pool then return nil, message, code end
  return map(pool, f, items, n, opts)
end

return M
