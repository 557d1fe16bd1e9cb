-- The trace of a worker process: begun by what the starter has put before the worker's script, saved for it to merge.
--
--   local _ <close> = require "weft.trace_child".record(path, capacity)      in the worker
--   local children = require "weft.trace_child".new(core)                    in the starter

local store = require "weft.trace_store"

local M = {}

-- Records until the variable is closed; a worker that is killed leaves no file.
function M.record(path, capacity)
  local core = require "weft.core"
  if not core.trace_start(capacity) then return nil end
  return setmetatable({}, { __close = function()
    local raw = core.trace_stop()
    if not raw then return end
    raw.events, raw.whys = core.trace_words()
    store.save(raw, path)
  end })
end

-- Sees to it that the worker processes started from now on record too. take(raw): stop that, and the trace with those of
-- the workers that have ended.
function M.new(core, capacity)
  local prefix, count = nil, 0
  core.trace_children(function()
    prefix = prefix or os.tmpname()
    count = count + 1
    return ("local _ <close> = require'weft.trace_child'.record(%q, %d)"):format(prefix .. "." .. count, capacity)
  end)
  return {
    take = function(raw)
      core.trace_children(nil)
      local list = { raw }
      for i = 1, count do
        local child = store.load(prefix .. "." .. i)
        os.remove(prefix .. "." .. i)
        if child and raw then
          child.events, child.whys, child.worker = raw.events, raw.whys, true
          list[#list + 1] = child
        end
      end
      if prefix then os.remove(prefix) end
      return #list > 1 and store.merge(list) or raw
    end,
  }
end

return M
