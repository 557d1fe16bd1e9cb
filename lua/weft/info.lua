--- weft.info: what a process and a thread own, as tables that print themselves as trees.
--
-- The facts come from C (csrc/lib/l_info.c), one process or thread at a time. Here they are put together: the threads of
-- a process, what weft itself knows of those that carry isolates of ours, jobs.

local core = require "weft.core"
local term = require "weft.term"

local M = {}

local Info = { __name = "weft.facts" }
Info.__index = Info

---------------------------------------------------------------------- making

local function thread_info(pid, tid, cards)
  local t, message, code = core.thread_facts(pid, tid)
  if not t then return nil, message, code end
  local card = cards and cards[tid]
  if card then t.isolate, t.memory, t.tasks, t.stack = card.isolate, card.memory, card.tasks, card.stack end
  t.kind = "thread"
  return setmetatable(t, Info)
end

local function process_info(pid, own)
  local p, message, code = core.process_facts(pid)
  if not p then return nil, message, code end
  local cards = pid == own and core.cards() or nil
  p.kind, p.threads = "process", {}
  for _, tid in ipairs(p.tids or {}) do
    local t = thread_info(pid, tid, cards) -- nil: it has ended since
    if t then table.insert(p.threads, t) end
  end
  p.tids = nil
  return setmetatable(p, Info)
end

local function job_info(job, pid, own_tid)
  if job.kind == "task" then
    return setmetatable({
      kind = "task", id = job.id, name = job.name, status = job:status(), started = job:traceback():match "started at (.*)$",
      thread = thread_info(pid, own_tid, core.cards()),
    }, Info)
  end
  if job.kind == "isolate" then
    local status = job:status()
    if status == "done" or status == "failed" or status == "cancelled" then
      return nil, "ESRCH: no such process: the job has ended", "ESRCH"
    end
    return setmetatable({ kind = "isolate", id = job.id, name = job.name, status = status, isolate = job.id >> 32 }, Info)
  end
  if job.kind == "process" then
    local of = core.job_pid(job)
    if not of then return nil, "ESRCH: no such process: the job has ended", "ESRCH" end
    return process_info(of, pid)
  end
  local tid = core.job_tid(job)
  if not tid then return nil, "ESRCH: no such process: the job has ended", "ESRCH" end
  return thread_info(pid, tid, core.cards())
end

--- weft.info([pid | job]): a process, this one by default, or what a job is; or nil, message, code.
function M.info(what)
  local pid, tid = core.own_ids()
  if what == nil then return process_info(pid, pid) end
  if math.type(what) == "integer" then
    if what <= 0 then error("bad argument #1 to 'info' (a process number is above 0)", 2) end
    return process_info(what, pid)
  end
  if core.is_job(what) then return job_info(what, pid, tid) end
  error(("bad argument #1 to 'info' (process number or job expected, got %s)"):format(type(what)), 2)
end

---------------------------------------------------------------------- words

local function bytes(n)
  if n == math.huge then return "no limit" end
  for _, unit in ipairs { { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" } } do
    if n >= unit[1] then return ("%.1f %s"):format(n / unit[1], unit[2]) end
  end
  return ("%d B"):format(n)
end

local function list(t, none) return #t == 0 and (none or "none") or table.concat(t, " ") end

-- 0 1 2 3 8 as "0-3 8"
local function ranges(t)
  local parts, i = {}, 1
  while i <= #t do
    local j = i
    while t[j + 1] == t[j] + 1 do j = j + 1 end
    parts[#parts + 1] = j > i and t[i] .. "-" .. t[j] or tostring(t[i])
    i = j + 1
  end
  return #parts == 0 and "none" or table.concat(parts, " ")
end

local function ids(real, effective) return real == effective and tostring(real) or ("%d, effective %d"):format(real, effective) end

local function limit(v) return v == math.huge and "none" or ("%d"):format(v) end

local function security(t)
  local caps = t.caps.effective
  return {
    "security context",
    { "user " .. ids(t.uid, t.euid) },
    { "group " .. ids(t.gid, t.egid) },
    { "groups " .. list(t.groups) },
    { "capabilities " .. (#caps > 8 and #caps .. " in effect" or list(caps)) },
    { "no new privileges: " .. (t.no_new_privs == nil and "not known" or t.no_new_privs and "yes" or "no") },
  }
end

local function priority(t)
  local word = ("priority class: policy %s, nice %d"):format(t.policy, t.nice)
  if t.priority > 0 then word = word .. ", priority " .. t.priority end
  return { word, { "CPUs " .. ranges(t.affinity) .. (t.last_cpu and ", last on " .. t.last_cpu or "") } }
end

local function work(t)
  local s = t.switches
  return { ("CPU time: %.3f s user, %.3f s system"):format(t.cpu.user, t.cpu.system),
    { ("switches: %s voluntary, %s involuntary"):format(s.voluntary or "?", s.involuntary or "?") } }
end

---------------------------------------------------------------------- trees: { text, child, child ... }

local function thread_tree(t)
  local tree = { ("thread %d %s"):format(t.tid, t.name), priority(t) }
  if t.stack then
    table.insert(tree, { ("stack at 0x%x: %s, used %s"):format(t.stack.address, bytes(t.stack.size), bytes(t.stack.used)) })
  end
  table.insert(tree, work(t))
  table.insert(tree, { "blocked signals " .. (#t.sigmask > 12 and #t.sigmask .. "" or list(t.sigmask)) })
  table.insert(tree, security(t))
  if t.isolate then
    table.insert(tree, { ("isolate %d: %s of Lua values, %d task%s"):format(t.isolate, bytes(t.memory), t.tasks,
      t.tasks == 1 and "" or "s") })
  end
  return tree
end

local function memory_tree(m)
  return {
    ("address space: %s in %s mappings"):format(bytes(m.size), m.mappings or "?"),
    { ("code %s, libraries %s, data %s, stack %s"):format(bytes(m.code), bytes(m.libraries), bytes(m.data), bytes(m.stack)) },
    { ("working set: %s, at most %s so far, %s%s"):format(bytes(m.rss), bytes(m.peak), m.limit == math.huge and "" or "limit ",
      bytes(m.limit)) },
  }
end

local function fds_tree(fds)
  if not fds then return { "open handles: not to be read" } end
  local tree = { ("open handles: %d"):format(#fds) }
  for _, f in ipairs(fds) do table.insert(tree, { ("%d %s %s"):format(f.fd, f.kind, f.target) }) end
  return tree
end

local function limits_tree(limits)
  local names, tree = {}, { "limits" }
  for name in pairs(limits) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local l = limits[name]
    if l.soft ~= math.huge then table.insert(tree, { ("%s %s (hard %s)"):format(name, limit(l.soft), limit(l.hard)) }) end
  end
  return tree
end

local function count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

local function process_tree(p)
  local tree = {
    ("process %d %s"):format(p.pid, p.name),
    { ("parent %d, group %d, session %d"):format(p.ppid, p.pgid, p.sid) },
    { "executable " .. (p.exe or "not to be read") },
    { "arguments " .. (p.argv and list(p.argv) or "not to be read") },
    { "environment " .. (p.env and count(p.env) .. " variables" or "not to be read") },
    { "folder " .. (p.cwd or "not to be read") },
    { "started " .. os.date("%Y-%m-%d %H:%M:%S", p.started // 1 | 0) },
    memory_tree(p.memory), fds_tree(p.fds), security(p), priority(p), work(p),
  }
  if p.limits then table.insert(tree, limits_tree(p.limits)) end
  local threads = { ("threads: %d"):format(#p.threads) }
  for _, t in ipairs(p.threads) do table.insert(threads, thread_tree(t)) end
  table.insert(tree, threads)
  return tree
end

local function task_tree(t)
  if t.kind == "isolate" then
    return { ("isolate %d %s (%s)"):format(t.isolate, t.name or "", t.status), { "carried by the workers of the pool in turn" } }
  end
  return { ("task %d %s (%s)"):format(t.id & 0xFFFFFFFF, t.name or "", t.status), { "started at " .. (t.started or "?") },
    t.thread and thread_tree(t.thread) or nil }
end

local function draw(tree, out, lead, marks)
  for i = 2, #tree do
    local last = i == #tree
    out[#out + 1] = lead .. (last and marks.last or marks.mid) .. tree[i][1]
    draw(tree[i], out, lead .. (last and "   " or marks.down), marks)
  end
end

local UNICODE = { mid = "├─ ", last = "└─ ", down = "│  " }
local ASCII = { mid = "|- ", last = "`- ", down = "|  " }

--- The tree of a value of weft.info as text, one line for each node.
function M.tree(t)
  local tree = t.kind == "process" and process_tree(t) or t.kind == "thread" and thread_tree(t) or task_tree(t)
  local out, unicode = { tree[1] }, term.unicode()
  draw(tree, out, "", unicode and UNICODE or ASCII)
  for i, line in ipairs(out) do out[i] = term.clean(line, not unicode) end
  return table.concat(out, "\n")
end

Info.__tostring = M.tree

return M
