--- The errors of pools: that of an item, which says which, and that of `init`.

local core = require "weft.core"

local M = {}

--- A value as text, whatever its __tostring does.
function M.text_of(value)
  local ok, text = pcall(tostring, value)
  return ok and text or ("a %s whose __tostring fails"):format(type(value))
end

local function new(kind, what, cause, traceback)
  local err = core.error(kind, ("%s: %s"):format(what, M.text_of(cause)))
  err.cause, err.traceback = cause, traceback
  return err
end

--- Item `index` failed with the error `cause`.
function M.item(index, cause, traceback)
  local err = new("item", ("item %d"):format(index), cause, traceback)
  err.index = index
  return err
end

function M.init(slot, cause, traceback)
  return new("init", ("init failed in worker %d"):format(slot), cause, traceback)
end

--- Of an error in sending a list, which lies under the path `above` (a pattern) in what was sent: the index of what
-- cannot cross, or 0, and the error as one of that alone, called `name`.
function M.of_sealing(err, name, above)
  local text = core.is(err, "transfer") and err.message or ""
  local at, rest = text:match("^value" .. (above or "") .. "%[(%d+)%](.*)$")
  if not at then return 0, err end
  local own = core.error("transfer", name .. rest)
  own.where = err.where
  return tonumber(at), own
end

return M
