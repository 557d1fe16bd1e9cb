-- Claim: a process owns an address space, handles and rights; a thread owns a stack, a priority and a place on a CPU, and
-- shares all else with its process.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local term = require "weft.term"

print "what a process owns and what a thread owns, item by item\n"

-- Three threads beside the main one; each has a name, a niceness and Lua values of its own.
local go, ready = weft.channel(), weft.channel()
local jobs = {}
for i, name in ipairs { "reader", "cruncher", "writer" } do
  jobs[i] = weft.thread({ name = name, nice = 2 * i, stack = i << 20 }, function(n)
    local own = ("x"):rep(n)
    ready:send(#own)
    go:recv()
  end, i << 20)
end
for _ = 1, #jobs do ready:recv() end
for i, job in ipairs(jobs) do
  while weft.info(job).memory < i << 20 do weft.sleep(0.001) end -- told when it waits
end
local p = weft.info()
local t = weft.info(jobs[2])

local function mib(n) return ("%.1f MiB"):format(n / (1 << 20)) end
local function named(n, unit) return n .. " " .. unit .. (n == 1 and "" or "s") end

local variables, kinds, order = 0, {}, {}
for _ in pairs(p.env) do variables = variables + 1 end
for _, f in ipairs(p.fds) do
  if not kinds[f.kind] then order[#order + 1] = f.kind end
  kinds[f.kind] = (kinds[f.kind] or 0) + 1
end

-- The page's items: { of the process, what; of the thread, what }.
local left = {
  { "unique number", "pid " .. p.pid .. ", parent " .. p.ppid },
  { "executable code", p.exe },
  { "virtual address space", ("%s in %d mappings"):format(mib(p.memory.size), p.memory.mappings) },
  { "working set", ("%s, peak %s"):format(mib(p.memory.rss), mib(p.memory.peak)) },
  { "handles to system objects", #p.fds .. ": " .. table.concat(order, " ") },
  { "security context", ("uid %d gid %d, %s"):format(p.euid, p.egid, named(#p.caps.effective, "capability"):gsub("ys$", "ies")) },
  { "environment variables", tostring(variables) },
  { "priority class", ("%s, nice %d"):format(p.policy, p.nice) },
  { "CPU time", ("%.3f s"):format(p.cpu.user + p.cpu.system) },
  { "at least one thread", tostring(#p.threads) },
}
local right = {
  { "unique number", "tid " .. t.tid .. " " .. t.name },
  { "Lua state of its own", ("isolate %d, %s, %s"):format(t.isolate, mib(t.memory), named(t.tasks, "task")) },
  { "shares the address space", "stack at 0x" .. ("%x"):format(t.stack.address) },
  { "stack of its own", ("%s, %.0f KiB used"):format(mib(t.stack.size), t.stack.used / 1024) },
  { "shares the handles", "" },
  { "security context, may differ", ("uid %d gid %d"):format(t.euid, t.egid) },
  { "shares the environment", "" },
  { "priority of its own", ("%s, nice %d"):format(t.policy, t.nice) },
  { "registers: where it stopped", ("last on CPU %d, %d + %d switches"):format(t.last_cpu, t.switches.voluntary, t.switches.involuntary) },
  { "signal mask of its own", named(#t.sigmask, "signal") .. " blocked" },
}

local MID, LAST = draw.ascii and "|- " or "├─ ", draw.ascii and "`- " or "└─ "
local function line(items, i)
  local item = items[i]
  return (i == #items and LAST or MID) .. item[1] .. (item[2] ~= "" and ": " .. term.clean(item[2], draw.ascii) or "")
end
local wide = 0
for i = 1, #left do wide = math.max(wide, term.columns(line(left, i))) end
wide = math.min(wide, 56)
print(term.fit("process", wide + 3) .. "thread")
for i = 1, #left do print(term.fit(line(left, i), wide, draw.ascii) .. "   " .. line(right, i)) end

print "\nthe threads of this process:"
for _, each in ipairs(p.threads) do
  print(("  tid %d %s nice %2d, %s"):format(each.tid, term.fit(each.name, 15), each.nice,
    each.isolate and ("isolate %d with %s of Lua values"):format(each.isolate, mib(each.memory)) or "no isolate"))
end
for _ = 1, #jobs do go:send(true) end
weft.all(jobs)
while #weft.info().threads > 1 do weft.sleep(0.001) end -- a job has ended just before its thread has
print(("\none process: %d handles, %s in memory, %d threads; after they ended: %d"):format(#p.fds, mib(p.memory.rss), #p.threads,
  #weft.info().threads))
