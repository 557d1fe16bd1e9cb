--- Jobs in groups: scope, all, race, completed, on_done; and the running task's own handle.

local blame = require "weft.blame"
local core = require "weft.core"

local M = {}

local function check_function(f, arg, name, level)
  local mt = getmetatable(f)
  if type(f) ~= "function" and not (mt and mt.__call) then
    error(("bad argument #%d to '%s' (function expected, got %s)"):format(arg, name, blame.kind(f)), level or 3)
  end
end

local function check_jobs(jobs, name)
  if type(jobs) ~= "table" then
    error(("bad argument #1 to '%s' (list of jobs expected, got %s)"):format(name, blame.kind(jobs)), 3)
  end
  for i = 1, #jobs do
    if not core.is_job(jobs[i]) then
      error(("bad argument #1 to '%s' (item %d is not a job but a %s)"):format(name, i, blame.kind(jobs[i])), 3)
    end
  end
end

--- A channel that gets the index of each job of the list as it ends. `use`: for whom (deadlock reports).
local function ends_of(jobs, use)
  local ends = core.channel_for(use)
  for i, job in ipairs(jobs) do
    if not core.watch(job, ends, i) then ends:send(i) end
  end
  return ends
end

local function cancel_others(jobs, keep)
  for i, job in ipairs(jobs) do
    if i ~= keep then job:cancel() end
  end
  for i, job in ipairs(jobs) do
    if i ~= keep then job:wait() end
  end
end

--- The first results of all jobs, in order; the first failure cancels the rest and is raised.
function M.all(jobs)
  check_jobs(jobs, "all")
  local ends, values = ends_of(jobs, "all"), { n = #jobs }
  for _ = 1, #jobs do
    local i = ends:recv()
    local ok, value = jobs[i]:result()
    if not ok then
      cancel_others(jobs, i)
      error(value, 0)
    end
    values[i] = value
  end
  return values
end

--- The index and the results of the first job to end; the others are cancelled.
function M.race(jobs)
  check_jobs(jobs, "race")
  if #jobs == 0 then error("bad argument #1 to 'race' (at least one job expected)", 2) end
  local i = ends_of(jobs, "race"):recv()
  cancel_others(jobs, i)
  return i, jobs[i]:join()
end

--- `for job in weft.completed(jobs) do`: the jobs in the order in which they end.
function M.completed(jobs)
  check_jobs(jobs, "completed")
  local ends, left = ends_of(jobs, "completed"), #jobs
  return function()
    if left == 0 then return nil end
    left = left - 1
    return jobs[ends:recv()]
  end
end

-- Scopes -----------------------------------------------------------------------------------

local Scope = {}
Scope.__index = Scope
Scope.__name = "weft.scope"

--- Cancel what runs in the scope because of `err`; the first reason stays.
local function scope_fail(self, err)
  if self._failed then return end
  self._failed, self._error = true, err
  core.scope_cancel(self._part, err)
  for job in pairs(self._jobs) do job:cancel() end
end

--- The task of the scope that sees children end.
local function watch_children(self)
  for job in self._ends do
    self._jobs[job] = nil
    self._live = self._live - 1
    if job:status() == "failed" then
      local _, err = job:result()
      scope_fail(self, err)
    end
    if self._live == 0 and self._over then return end
  end
end

local function scope_add(self, job)
  if not self._watcher then
    self._ends = core.channel_for "scope"
    self._watcher = core.go(watch_children, self)
  end
  self._live = self._live + 1
  self._jobs[job] = true
  if not core.watch(job, self._ends, job) then self._ends:send(job) end
  if self._failed then job:cancel() end
  return job
end

local function scope_check(self, verb)
  if getmetatable(self) ~= Scope then
    error(("bad argument #1 to '%s' (weft.scope expected: call it with a colon)"):format(verb), 3)
  end
  if self._closed then error(("cannot %s: the scope has ended"):format(verb), 3) end
end

-- The C half checks as well; but it would tell of a line of this file.
local function check_start(verb, first, second)
  if type(first) == "function" then return end
  local meta = getmetatable(first)
  if meta and meta.__call then return end
  if type(first) == "table" then
    check_function(second, 2, verb, 4)
  else
    check_function(first, 1, verb, 4)
  end
end

local function scope_started(self, job, message, code)
  if not job then return nil, message, code end
  return scope_add(self, job)
end

-- Each is written out, so that an error of the arguments names the verb.
function Scope:go(...)
  scope_check(self, "go")
  check_start("go", ...)
  return scope_started(self, core.go(...))
end

function Scope:spawn(...)
  scope_check(self, "spawn")
  check_start("spawn", ...)
  return scope_started(self, core.spawn(...))
end

function Scope:thread(...)
  scope_check(self, "thread")
  check_start("thread", ...)
  return scope_started(self, core.thread(...))
end

for _, verb in ipairs { "spawn", "process" } do
  Scope[verb] = function(self, ...)
    scope_check(self, verb)
    check_start(verb, ...)
    if not core[verb] then error(("weft.%s is not there"):format(verb), 2) end
    return scope_started(self, core[verb](...))
  end
end

--- Cancel everything in the scope; weft.scope then raises a cancelled error.
function Scope:cancel(reason)
  scope_check(self, "cancel")
  scope_fail(self, core.cancelled(reason))
end

--- `local part <close> = s`: what runs in the scope is cancelled and has ended when the block is left. The scope itself
-- goes on, and may be given more.
function Scope:__close()
  local jobs = {}
  local here = core.handle()
  for job in pairs(self._jobs) do
    if job ~= here then jobs[#jobs + 1] = job end
  end
  for _, job in ipairs(jobs) do job:cancel() end
  for _, job in ipairs(jobs) do job:wait() end
end

function Scope:__tostring()
  return ("weft.scope (%d jobs%s)"):format(self._live, self._closed and ", ended" or "")
end

--- Wait until the children have ended, whatever happens to the waiting task meanwhile.
local function scope_drain(self)
  self._over = true
  local watcher = self._watcher
  if not watcher then return end
  if self._live == 0 then self._ends:close() end
  local ok, err = pcall(watcher.join, watcher)
  if ok then return end
  scope_fail(self, err)
  core.shield(watcher.wait, watcher)
end

-- A coroutine that is closed within a scope leaves it without an end: what runs there must not go on alone.
local Leaving = {}

function Leaving:__close()
  local scope = self.scope
  if scope._closed then return end
  local here = core.handle()
  local inside = here and scope._jobs[here] -- one of them closes it, and cannot wait for itself
  scope_fail(scope, core.cancelled "the coroutine of its scope was closed")
  if inside then scope._over = true else scope_drain(scope) end
  scope._closed = true
end

--- weft.scope(f, ...): f(s, ...) starts jobs by s:go, s:thread ...; returns its results when all have
-- ended. The first failure, of a job or of f, cancels the rest and is raised.
function M.scope(f, ...)
  check_function(f, 1, "scope")
  local self = setmetatable({ _part = core.scope(), _jobs = {}, _live = 0 }, Scope)
  local _ <close> = setmetatable({ scope = self }, Leaving)
  local results = table.pack(core.scope_run(self._part, f, self, ...))
  if not results[1] then
    -- The scope's own error means that a child failed, or s:cancel; that error is kept already.
    scope_fail(self, results[2])
  end
  scope_drain(self)
  self._closed = true
  if self._failed then error(self._error, 0) end
  return table.unpack(results, 2, results.n)
end

-- The running task ---------------------------------------------------------------------------

-- The main chunk has no job: this stands for it.
local main = {}
local main_meta = { __name = "weft.main" }

function main_meta.__index(_, key)
  local id, name, kind = core.identity()
  return ({ id = id, name = name, kind = kind })[key]
end

function main_meta.__tostring()
  local _, name, kind = core.identity()
  return ("weft.current %s (%s)"):format(name, kind)
end

--- weft.current(): the job of the running task. In the main chunk an object that has id, name, kind,
-- get and set only.
function M.current() return core.handle() or main end

local function check_current(self, verb)
  if self ~= M.current() then error(("cannot %s: the locals of a task are its own"):format(verb), 3) end
end

--- A task-local: its value here, or where this task was started.
local function local_get(self, key)
  check_current(self, "get")
  return (core.get(key))
end

local function local_set(self, key, value)
  check_current(self, "set")
  blame.call("set", 0, core.set, key, value)
end

main.get, main.set = local_get, local_set
setmetatable(main, main_meta)

-- Callbacks -------------------------------------------------------------------------------------

--- job:on_done(fn): fn(ok, ...) runs as a task of this isolate once the job has ended.
local function on_done(job, fn)
  if not core.is_job(job) then error("bad argument #1 to 'on_done' (weft.job expected: call it with a colon)", 2) end
  check_function(fn, 1, "on_done")
  core.go(function() fn(job:result()) end)
  return job
end

for _, methods in ipairs(core.job_methods()) do
  methods.on_done, methods.get, methods.set = on_done, local_get, local_set
end

return M
