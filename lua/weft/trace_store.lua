-- Traces as data: saved to files and loaded again, cut to their last seconds, several of one machine joined into one.
--
-- A file is what csrc/rt/trace_dump.c writes too: numbers in the machine's byte order, so a file is for the kind of
-- machine that wrote it. All functions work on the raw tables of csrc/lib/l_trace.c and return such tables.

local file = require "weft.trace_file"
local model = require "weft.trace_model"

local M = {}

local MAGIC = "WEFTTRC1"
local HEAD = "=c8c64I8I8I8I8I8I8I8I8" -- magic, reason, pid, start, wall, cpu, lost, threads, texts, events
local THREAD, TEXT = "=I8I8I8I8c32", "=I8I8c24"
local EV = { new = 1, live = 2, name = 3, label = 4, mark = 8, enter = 12 } -- numbers of csrc/rt/trace.h that a file has

local function chars(text) return (text:gsub("\0.*$", "")) end

---------------------------------------------------------------------- files

function M.save(raw, path, reason)
  local texts, moments, order = {}, {}, {}
  local function add(id, ev, text) texts[#texts + 1] = TEXT:pack(id, ev, text:sub(1, 23)) end
  for index in pairs(raw.marks) do order[#order + 1] = index end
  table.sort(order)
  for _, index in ipairs(order) do -- moments come first: their events name them by place, from 0
    moments[index] = #texts
    add(0, EV.mark, raw.marks[index])
  end
  for id, name in pairs(raw.names) do add(id, EV.name, name) end
  for id, name in pairs(raw.labels) do add(id, EV.label, name) end
  local records = {}
  for pos = 1, #raw.records, model.RECORD_SIZE do
    local time, ev, why, thread, iso, id, arg = model.RECORD:unpack(raw.records, pos)
    if raw.events[ev] == "mark" or raw.events[ev] == "enter" then arg = moments[arg] or 0 end
    records[#records + 1] = model.RECORD:pack(time, ev, why, thread, iso, id, arg)
  end
  local out = { HEAD:pack(MAGIC, reason or "", raw.pid or 0, raw.start, raw.wall, raw.cpu, raw.lost, #raw.threads,
    #texts, #records) }
  for _, t in ipairs(raw.threads) do
    out[#out + 1] = THREAD:pack(t.tid, t.lost, t.count, t.ended and 1 or 0, t.name:sub(1, 31))
  end
  table.move(texts, 1, #texts, #out + 1, out)
  table.move(records, 1, #records, #out + 1, out)
  return file.put(path, out)
end

-- The raw table and the reason for which it was written; nil, message, code when the file cannot be read; nil, message
-- when it is no trace.
function M.load(path)
  local f, message, number = io.open(path, "rb")
  if not f then return file.failure(path, message, number) end
  local data, wrong, errno = f:read "a"
  f:close()
  if not data then return file.failure(path, wrong, errno) end
  if #data < HEAD:packsize() or data:sub(1, #MAGIC) ~= MAGIC then return nil, "not a trace of weft: " .. path end
  local _, reason, pid, start, wall, cpu, lost, nthreads, ntexts, nevents, at = HEAD:unpack(data)
  local size = #data - at + 1
  if nthreads < 0 or ntexts < 0 or nevents < 0 or nthreads > size or ntexts > size or nevents > size or wall < 0
    or nthreads * THREAD:packsize() + ntexts * TEXT:packsize() + nevents * model.RECORD_SIZE ~= size then
    return nil, "a damaged trace: " .. path
  end
  local raw = { pid = pid, start = start, wall = wall, cpu = cpu, lost = lost, count = nevents, threads = {}, names = {},
    labels = {}, marks = {} }
  for i = 1, nthreads do
    local tid, missed, count, ended, name
    tid, missed, count, ended, name, at = THREAD:unpack(data, at)
    raw.threads[i] = { tid = tid, lost = missed, count = count, ended = ended ~= 0, name = chars(name) }
  end
  for i = 0, ntexts - 1 do
    local id, ev, text
    id, ev, text, at = TEXT:unpack(data, at)
    local into = ev == EV.name and raw.names or ev == EV.label and raw.labels
    if into then into[id] = chars(text) else raw.marks[i] = chars(text) end
  end
  raw.records = data:sub(at)
  for pos = 1, #raw.records, model.RECORD_SIZE do
    local time, _, _, thread = model.RECORD:unpack(raw.records, pos)
    if thread >= nthreads or time > wall then return nil, "a damaged trace: " .. path end
  end
  return raw, chars(reason)
end

---------------------------------------------------------------------- the last seconds

-- The end of a trace: `ns` of it at most. Tasks that were there before live from the beginning on, in the state in which
-- they were then.
function M.cut(raw, ns)
  local since = raw.wall - ns
  if since <= 0 then return raw end
  local records, events, whys, size = raw.records, raw.events, raw.whys, model.RECORD_SIZE
  local MOVES = { run = true, stop = true, ready = true }
  local ENDS = { done = true, failed = true, cancelled = true }
  local code = {}
  for number, name in pairs(events) do code[name] = number end
  local facts, last, over, at = {}, {}, {}, #records + 1
  for pos = 1, #records, size do
    local time, ev, why, _, _, id = model.RECORD:unpack(records, pos)
    if time >= since then
      at = pos
      break
    end
    local name = events[ev]
    if name == "new" or name == "live" then
      facts[#facts + 1] = pos
    elseif MOVES[name] then
      last[id] = pos
      over[id] = name == "stop" and ENDS[whys[why]] or nil
    end
  end
  local out, known = {}, {}
  for _, pos in ipairs(facts) do
    local _, _, why, thread, iso, id, arg = model.RECORD:unpack(records, pos)
    if not over[id] and not known[id] then
      known[id] = true
      out[#out + 1] = model.RECORD:pack(0, code.live, why, thread, iso, id, arg)
    end
  end
  local states = {}
  for id, pos in pairs(last) do
    if not over[id] then states[#states + 1] = pos end
  end
  table.sort(states)
  for _, pos in ipairs(states) do
    local _, ev, why, thread, iso, id, arg = model.RECORD:unpack(records, pos)
    out[#out + 1] = model.RECORD:pack(0, ev, why, thread, iso, id, arg)
  end
  for pos = at, #records, size do
    local time, ev, why, thread, iso, id, arg = model.RECORD:unpack(records, pos)
    out[#out + 1] = model.RECORD:pack(time - since, ev, why, thread, iso, id, arg)
  end
  local new = setmetatable({
    start = raw.start + since, wall = ns, cpu = -1, count = #out, records = table.concat(out),
  }, { __index = raw })
  return new
end

---------------------------------------------------------------------- several in one

-- Isolates are numbered anew, so that those of different processes differ.
local ISOLATES = 1 << 20
local OVER = { done = true, failed = true, cancelled = true }
local BETWEEN = { ship = true, land = true, same = true } -- csrc/rt/trace.h

local function shift(id, by)
  if id == 0 then return 0 end
  return id + (by << 32)
end

local function code_of(words, word)
  for code, name in pairs(words) do
    if name == word then return code end
  end
end

-- What has one number in each of two processes: channels that stand for one of another process, and jobs, which are the main
-- chunks of theirs. By the number the other one, both as they are in the joined trace. And the processes of these jobs.
local function same_things(list)
  local by_pid, main, jobs, same, workers = {}, {}, {}, {}, {}
  for k, raw in ipairs(list) do by_pid[raw.pid or 0] = (k - 1) * ISOLATES end
  for k, raw in ipairs(list) do
    local iso_by = (k - 1) * ISOLATES
    for pos = 1, #raw.records, model.RECORD_SIZE do
      local _, ev, why, _, pid, id, arg = model.RECORD:unpack(raw.records, pos)
      local name, reason = raw.events[ev], raw.whys[why]
      if name == "same" and by_pid[pid] then
        same[shift(id, iso_by)] = shift(arg, by_pid[pid])
      elseif name == "ship" and reason == "process" then
        jobs[shift(id, iso_by)] = arg >> 1 -- its process
      elseif name == "live" and reason == "main" and raw.pid then
        main[raw.pid] = shift(id, iso_by)
      end
    end
  end
  for job, pid in pairs(jobs) do same[job], workers[pid] = main[pid], true end
  return same, workers
end

-- Traces of processes of one machine, on its monotonic clock. Those with `worker` set began with their process.
function M.merge(list)
  local start, till = math.maxinteger, 0
  for _, raw in ipairs(list) do start = math.min(start, raw.start) end
  local new = { pid = list[1].pid, start = start, cpu = 0, lost = 0, count = 0, threads = {}, names = {}, labels = {}, marks = {},
    events = list[1].events, whys = list[1].whys }
  local all, marks, same, workers = {}, 0, same_things(list)
  local born, stop = code_of(new.events, "new"), code_of(new.events, "stop")
  local done, by_process = code_of(new.whys, "done"), code_of(new.whys, "process")
  for k, raw in ipairs(list) do
    local later, iso_by, threads, base = raw.start - start, (k - 1) * ISOLATES, #new.threads, marks
    till = math.max(till, later + raw.wall)
    new.cpu = (new.cpu < 0 or raw.cpu < 0) and -1 or new.cpu + raw.cpu
    new.lost, new.count = new.lost + raw.lost, new.count + raw.count
    for _, t in ipairs(raw.threads) do
      local copy = setmetatable({ pid = t.pid or raw.pid }, { __index = t })
      new.threads[#new.threads + 1] = copy
    end
    for id, name in pairs(raw.names) do new.names[shift(id, iso_by)] = name end
    for id, name in pairs(raw.labels) do new.labels[shift(id, iso_by)] = name end
    for index, text in pairs(raw.marks) do
      new.marks[base + index] = text
      marks = math.max(marks, base + index + 1)
    end
    local main, main_thread, ended -- of a worker process: it ends with its trace, if it was killed
    for pos = 1, #raw.records, model.RECORD_SIZE do
      local time, ev, why, thread, iso, id, arg = model.RECORD:unpack(raw.records, pos)
      local name = raw.events[ev]
      local between = BETWEEN[name]
      if name == "mark" or name == "enter" then
        arg = arg + base
      elseif not between then
        arg = shift(arg, iso_by)
        if name == "stop" then
          arg = same[arg] or arg
          if OVER[raw.whys[why]] and shift(id, iso_by) == main then ended = true end
        end
      end
      if name == "new" or name == "live" then
        local full, is_main = shift(id, iso_by), raw.whys[why] == "main"
        if is_main and raw.worker then ev, why = born, by_process end
        if k > 1 and is_main then
          new.names[full] = new.names[full] or ("process %d"):format(raw.pid or k)
          main, main_thread = full, thread + threads
        end
        if later > 0 then ev = born end -- what was before its trace nobody knows
      end
      local number = (between or name == "put" or name == "take") and iso or iso + iso_by
      time, thread, id = time + later, thread + threads, shift(id, iso_by)
      all[#all + 1] = { time, #all, model.RECORD:pack(time, ev, why, thread, number, id, arg) }
    end
    if main and workers[raw.pid] then
      local own = new.threads[main_thread + 1]
      own.name, own.process = new.names[main], new.names[main]
      local time = later + raw.wall
      if not ended then all[#all + 1] = { time, #all, model.RECORD:pack(time, stop, done, main_thread, main >> 32, main, 0) } end
    end
  end
  table.sort(all, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  for i, entry in ipairs(all) do all[i] = entry[3] end
  for mirror, home in pairs(same) do new.labels[mirror] = new.labels[home] end
  new.records, new.wall, new.same = table.concat(all), till, same
  return new
end

return M
