-- What the specs of the examples share: running one as a child in its small size, and reading what it says.

local helper = require "spec.helper"

local M = {}

-- Not under the thread sanitizer: it has a thread of its own, which examples count, holds back the signals that end time slices,
-- and is not in programs that they start. What they use is tested under it by other specs.
M.deaf = helper.sanitizer == "tsan"

-- The output of an example, which must end well and write nothing to stderr.
function M.run(name, opts)
  opts = opts or {}
  opts.env = opts.env or {}
  opts.env.WEFT_QUICK = "1"
  opts.env.NO_UNICODE = opts.env.NO_UNICODE or false
  opts.env.LC_ALL = "C.UTF-8"
  opts.timeout = helper.sanitizer and 90 or 60
  -- A collector that never rests would make one of the two functions much slower than the other.
  if name == "three_ways" then opts.gc = false end
  local out, err = helper.run_ok(helper.root .. "/examples/" .. name .. ".lua", opts)
  if err ~= "" then error(("it wrote to stderr: %s"):format(err), 2) end
  return out
end

-- The captures of a pattern that must match, as numbers where they are such.
function M.read(out, pattern)
  local found = table.pack(out:match(pattern))
  if not found[1] then error(("no match of %q in:\n%s"):format(pattern, out), 2) end
  for i = 1, found.n do found[i] = tonumber(found[i]) or found[i] end
  return table.unpack(found)
end

function M.has(out, text)
  if not out:find(text, 1, true) then error(("%q is not in:\n%s"):format(text, out), 2) end
end

function M.count(out, pattern) return select(2, out:gsub(pattern, "")) end

function M.has_taskset() return os.execute "taskset -c 0 true 2>/dev/null" end

return M
