--- weft.blocking: functions that block, on threads of their own. Called, it waits and gives the function's results;
-- weft.blocking.submit gives a job.

local core = require "weft.core"

local M = {}

-- Seconds that a cancelled call waits for the end of its function, which may be stuck in C code.
local PATIENCE = 1.5

-- The caller is to stop, not the function.
local function give_up(job, reason)
  job:cancel(reason)
  if job:wait(PATIENCE) then return end
  job:detach()
  io.stderr:write(("weft: the function of a cancelled weft.blocking does not end (in a C call?) and is left behind: %s\n"):format(
    tostring(job)))
end

local function finish(job, waited, ok, ...)
  if not waited then
    core.shield(give_up, job, type(ok) == "table" and ok.reason or nil)
    error(ok, 0)
  end
  if ok then return ... end
  core.fail((...), job:traceback())
end

-- What came of the job, or its error.
local function wait(job) return finish(job, pcall(job.result, job)) end

--- weft.blocking.submit([opts,] f, ...): a job.
M.submit = core.blocking

--- weft.blocking.pool([settings]): how its threads stand.
M.pool = core.blocking_pool

return setmetatable(M, { __call = core.blocking_call(wait), __name = "weft.blocking" })
