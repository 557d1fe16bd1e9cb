--- Pools of kind inline, and what a worker asks of its own pool: the caller does it all itself.

local core = require "weft.core"
local errors = require "weft.pool_error"

local M = {}

-- What came of core.scope_run: raises the error of an item as such; a cancellation of the caller as it is.
local function outcome(index, ok, result)
  if ok then return result end
  local traceback = core.failure()
  core.scope_run(core.scope(), function() end) -- raises what the caller was cancelled with
  error(errors.item(index, result, traceback), 0)
end

local function each(f, items, n, at, bar)
  local results = { n = n }
  for i = 1, n do
    at[1] = i
    results[i] = f(items[i])
    if bar then bar:step(1) end
  end
  return results
end

function M.map(f, items, n, bar)
  local at = {}
  local ok, results = core.scope_run(core.scope(), each, f, items, n, at, bar)
  return outcome(at[1], ok, results)
end

--- `items` is a list of n, or an iterator if n is nil.
function M.imap(f, items, n)
  local index, scope = 0, core.scope()
  return function()
    local item
    if n then
      if index >= n then return nil end
      item = items[index + 1]
    else
      item = items and items()
      if item == nil then
        items = nil
        return nil
      end
    end
    index = index + 1
    return index, outcome(index, core.scope_run(scope, f, item))
  end
end

--- Calls f now; the job that tells of it comes later (replay).
function M.call(f, ...)
  local came = table.pack(core.scope_run(core.scope(), f, ...))
  return came, not came[1] and core.failure() or nil
end

function M.replay(came, traceback)
  if came[1] then return table.unpack(came, 2, came.n) end
  core.fail(came[2], traceback)
end

return M
