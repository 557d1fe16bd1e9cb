--- What runs in a worker of a pool: in a thread of its own, or in a task of the pool's isolate.
--
-- A worker takes messages from its inbox, in order, until that is closed:
--
--   { id, n, items, code }  a chunk: the function of that id on each of n items; the function comes sealed with the first
--                           chunk of its id that this worker gets
--   { 0, 1, call }          one call: function and arguments, sealed
--   id                      the function of that id is not needed any more. Until then, when it has failed once, further
--                           chunks of it fail at once: nobody wants their results
--
-- and answers each chunk and call once, in the same order, in two parts: first into its own `out` what came of it,
--
--   results                 the list of n first results; of a call all results, sealed
--   { at, error, traceback} item `at` failed; 0: none in particular, or the call; ALL: the chunk could not be made here
--
-- then into `replies`, which all workers share, the news (M.news) that RESULTS or a FAILURE is there. So the pool knows
-- whose answer it is even when it cannot be made there; and a message that cannot be made here is the next in turn.
-- With a function `init` there is one more answer before all: RESULTS true, or a FAILURE, after which the worker ends.

-- What runs in the worker is one function without upvalues, in no field of the module: it travels as bytecode, which is
-- there in a fraction of the time that it takes to find and compile this file.

local core = require "weft.core"

local M = {}

-- News are integers: the worker's number and what happened; ENDED when its job has.
local RESULTS <const>, FAILURE <const>, ENDED <const> = 0, 1, 2
local ALL <const> = -1
M.RESULTS, M.FAILURE, M.ENDED, M.ALL = RESULTS, FAILURE, ENDED, ALL

function M.news(number, what) return number << 2 | what end

--- What a piece of news is: number, what.
function M.read(news) return news >> 2, news & 3 end

local function pack(_, ...) return table.pack(...) end

local function unpack(packed) return table.unpack(packed, 1, packed.n) end

--- How values are sealed and opened: copied, between isolates, or as they are. seal(what, ...), open(sealed[, last]).
-- For worker processes they are sealed so that they can leave the process.
function M.sealing(copies, peers)
  if copies then return peers and core.seal_for_peers or core.seal, core.unseal end
  return pack, unpack
end

-- A worker's life. `seal` and `open` as of M.sealing, nil: core's; `mark` is a task-local that says whose worker this is.
local function run(inbox, out, replies, no, slot, init, mark, seal, open, peers)
  local core = require "weft.core" -- luacheck: ignore 431
  local known, at, scope = {}, {}, core.scope()
  seal, open = seal or peers and core.seal_for_peers or core.seal, open or core.unseal

  local function skipped() error("an item before has failed", 0) end

  -- The function on each item; at[1] is the index of the one that runs.
  local function run_chunk(id, n, items, code)
    if code then known[id] = open(code, true) end
    local f, results = known[id], {}
    known[id] = skipped
    for i = 1, n do
      at[1] = i
      results[i] = f(items[i])
    end
    known[id] = f
    return results
  end

  local function apply(f, ...) return f(...) end

  local function run_call(call)
    local results = table.pack(apply(open(call, true)))
    return seal("result", table.unpack(results, 1, results.n))
  end

  local function run_init()
    open(init, true)(slot)
    return true
  end

  local function answer_failure(index, err, traceback)
    local ok, why = pcall(out.try_send, out, { index, err, traceback })
    if not ok then -- the error itself cannot cross
      local errors = require "weft.pool_error"
      why = errors.text_of(why):gsub("^value%[2%]", "value")
      out:try_send { index, ("%s (the error value itself: %s)"):format(errors.text_of(err), why), traceback }
    end
    return FAILURE
  end

  -- Puts into `out` what core.scope_run gave. (It is never full, but there may be no memory: then the worker ends.)
  local function answer(ok, results)
    if not ok then return answer_failure(at[1], results, core.failure()) end
    local sent, why = pcall(out.try_send, out, results)
    if sent then return assert(why, "not enough memory") and RESULTS end
    return answer_failure(require("weft.pool_error").of_sealing(why, "result"))
  end

  local function answer_to(id, n, items, code)
    at[1] = 0
    if id == 0 then return answer(core.scope_run(scope, run_call, items)) end
    return answer(core.scope_run(scope, run_chunk, id, n, items, code))
  end

  core.set(mark, true)
  if init then
    at[1] = 0
    local what = answer(core.scope_run(scope, run_init))
    replies:try_send(no << 2 | what)
    if what == FAILURE then return end
  end
  while true do
    local ok, message, more = pcall(inbox.recv, inbox)
    if not ok then
      if core.is(message, "cancelled") then error(message, 0) end
      replies:try_send(no << 2 | answer_failure(ALL, message))
    elseif not more then
      return
    elseif math.type(message) then
      known[message] = nil
    else
      replies:try_send(no << 2 | answer_to(message[1], message[2], message[3], message[4]))
    end
  end
end

--- The function of a worker.
function M.life() return run end

return M
