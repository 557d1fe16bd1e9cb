-- The examples, each run in a child in its small size: it ends well, says its claim, the number can be read, and the
-- picture is there. What is asserted of the numbers does not depend on how fast or how busy the machine is.

local helper = require "spec.helper"
local example = require "spec.example"
local weft = require "weft"

local run, read, has, count = example.run, example.read, example.has, example.count
local it = example.deaf and pending or it

-- A file for three_ways, for the length of f.
local function with_file(source, f)
  local dir = helper.tmpdir()
  helper.write_file(dir .. "/two.lua", source)
  local ok, err = pcall(f, dir .. "/two.lua")
  helper.remove_dir(dir)
  if not ok then error(err, 0) end
end

local LAST_LINE = "\nthree_ways general=(%d+%.%d+) concurrent=(%d+%.%d+) parallel=(%d+%.%d+) speedup=(%d+%.%d+) cpus=(%d+)\n$"

describe("three_ways", function()
  it("draws two functions on the source text three ways", function()
    local out = run "three_ways"
    read(out, "^(concurrent is not parallel[^\n]*)\n")
    local general, _, parallel, speedup = read(out, LAST_LINE)
    assert.is_true(general > 0 and parallel > 0)
    assert.is_true(math.abs(general / parallel - speedup) < 0.1 * speedup + 0.02)
    for _, title in ipairs { "general", "concurrent", "parallel" } do
      read(out, "\n" .. title .. " +p1 [█░]+ .-cpu/wall (%d+%.%d+)\n +p2 [█░]+")
    end
    has(out, "one after the other")
    has(out, "taking turns, one core")
    assert.is_true(read(out, "the two tasks changed places: (%d+)\n") > 100)
    has(out, "the same answers each time")
    read(out, "\np1: (%d+) names in")
    read(out, "\np2: the longest passage that stands twice has (%d+) lines")
  end)

  it("draws one after the other where one came after the other, and turns as turns", function()
    local out = run "three_ways"
    local p1, p2 = read(out, "\ngeneral +p1 ([█░]+).-\n +p2 ([█░]+)")
    assert.is_nil(p1:find "█.*░.*█")
    assert.is_nil(p2:find "█.*░.*█")
    local _, p1_last = p1:find ".*█"
    assert.is_true(p1_last <= p2:find("█", 1, true) + #"█" - 1, out)
    p1, p2 = read(out, "\nconcurrent +p1 ([█░]+).-\n +p2 ([█░]+)")
    assert.truthy(p1:find "█.*░.*█")
    assert.truthy(p2:find "█.*░.*█")
  end)

  it("speaks plain ASCII", function()
    local out = run("three_ways", { env = { NO_UNICODE = "1" } })
    assert.is_nil(out:find "[\128-\255]")
    read(out, "\nconcurrent +p1 [#%-]+ .-\n +p2 ([#%-]+)")
  end)

  it("says what one CPU cannot show", function()
    if not example.has_taskset() then return pending "no taskset here" end
    local out = run("three_ways", { shell = "taskset -c 0" })
    has(out, "one CPU only")
    has(out, "two threads, one core")
    assert.equal(1, select(5, read(out, LAST_LINE)))
  end)

  it("runs the two functions that a file returns", function()
    with_file([[
      local weft = require "weft"
      local step = 3
      local function f()
        local sum = 0
        for i = 1, 30 do
          for k = 1, 20000 do sum = sum + k % step end
          weft.yield()
        end
        return sum, { "a", b = true }
      end
      return f, function() return f(), nil end
    ]], function(path)
      local out = run("three_ways", { args = { path } })
      has(out, 'p1: 600030, {["b"]=true, [1]="a"}\n')
      has(out, "p2: 600030, nil\n")
      has(out, "the same answers each time")
      has(out, "one run of each")
      assert.is_true(read(out, "changed places: (%d+)\n") >= 58)
      read(out, LAST_LINE)
    end)
  end)

  it("takes a table of two, and runs as often as asked", function()
    with_file("return { function() return 1 end, function() return 2 end }", function(path)
      local out = run("three_ways", { args = { path, "3" } })
      has(out, "median of 3 runs; general ")
      has(out, "\np1: 1\np2: 2\n")
    end)
  end)

  it("says what it saw when a function never yields", function()
    with_file([[
      local function f() local sum = 0 for i = 1, 300000 do sum = sum + i end return sum end
      return f, f
    ]], function(path)
      local out = run("three_ways", { args = { path } })
      has(out, "no yield, no turns")
      has(out, "changed places: 1; a task that never calls weft.yield() or waits keeps the core to its end")
    end)
  end)

  it("says so when the answers differ", function()
    with_file("return function() return os.clock() + math.random() end, function() end", function(path)
      local out = run("three_ways", { args = { path } })
      has(out, "the answers DIFFER")
      has(out, "p2: (nothing)")
    end)
  end)

  it("refuses what it cannot run, and says why", function()
    local function refused(source, message, ...)
      local args = { ... }
      with_file(source, function(path)
        local out, err, code = helper.run_script(helper.root .. "/examples/three_ways.lua",
          { args = { path, table.unpack(args) }, env = { WEFT_QUICK = "1" } })
        assert.same({ "", 1 }, { out, code })
        has(err, message)
      end)
    end
    refused("return 1 +", "three_ways: ")
    local out, err, code = helper.run_script(helper.root .. "/examples/three_ways.lua", { args = { "/no/such.lua" } })
    assert.same({ "", 1 }, { out, code })
    has(err, "three_ways: cannot open /no/such.lua")
    refused("return 1", "must return two functions")
    refused("return print", "must return two functions")
    refused("return print, print", "runs must be a positive integer", "0")
    refused("return print, print", "runs must be a positive integer", "x")
    refused("return function() error('boom', 0) end, function() end", "general: boom")
    refused("local f = io.tmpfile() return function() return f end, function() end", "parallel: arg 1 upvalue 'f'")
  end)
end)

describe("floppy", function()
  it("freezes the others, then not", function()
    local out = run "floppy"
    read(out, "^(a task that never yields freezes all others[^\n]*)\n")
    local never, yields, preempted, thread = read(out,
      "longest stall: never yields (%d+%.%d+) ms .*, yields (%d+%.%d+) ms .*, is preempted (%d+%.%d+) ms .*, "
      .. "thread (%d+%.%d+) ms")
    assert.is_true(never > 0 and yields > 0 and preempted > 0 and thread > 0)
    assert.equal(3, read(out, "floppy never yields: the others had (%d+) turns")) -- one each before it began
    assert.is_true(read(out, "floppy yields: the others had (%d+) turns") >= 24)
    assert.is_true(read(out, "floppy is preempted: the others had (%d+) turns") > 3) -- in the midst of it, and it never gave way
    assert.is_true(read(out, "floppy is preempted.-preemptions (%d+)") > 0)
    assert.is_true(read(out, "floppy thread: the others had (%d+) turns") >= 3)
    assert.equal(4, count(out, "\nfloppy [^\n]*█"))
    assert.equal(4, count(out, "\nmouse "))
    read(out, "longest stall [^\n]-%((%a+), while floppy ran%)")
  end)
end)

describe("lost_update", function()
  it("loses updates without a mutex and none with one", function()
    local out = run "lost_update"
    read(out, "^(x = x %+ 1 is three steps[^\n]*)\n")
    local without, with = read(out, "lost of 1000 additions by 4 tasks: without (%d+%.%d+) %%.*, with a mutex (%d+%.%d+) %%")
    assert.is_true(without > 0)
    assert.equal(0, with)
    assert.equal(2, count(out, "\n  step  task 1"))
    local first, second = read(out, "without a mutex:(.-)with a mutex:(.*)")
    has(first, "<- an update is lost")
    assert.is_true(read(first, "one was added six times, x is (%d)") < 6)
    assert.equal(6, read(second, "one was added six times, x is (%d)"))
    assert.is_nil(second:find("<-", 1, true))
    assert.equal(12, count(second, "reads %d") + count(second, "writes %d"))
  end)
end)

describe("philosophers", function()
  it("starve without a host and eat with one", function()
    local out = run "philosophers"
    read(out, "^(five philosophers can starve together[^\n]*)\n")
    local without, with, wait = read(out,
      "deadlocks in 50 dinners: without a host (%d+), with a host (%d+); longest wait with a host: (%d+) turns")
    assert.is_true(without > 0)
    assert.equal(0, with)
    assert.is_true(wait > 0)
    has(out, "deadlock: all 6 tasks are asleep\n")
    for i = 1, 5 do read(out, "\n  philosopher " .. i .. ": waits in lock for weft%.mutex %d+ %(held by philosopher (%d)%) at ") end
    local rows = {}
    for name, cells in out:gmatch "\n  (philosopher %d) |([^\n]*)|" do rows[#rows + 1] = name .. cells end
    assert.equal(6, #rows)
    assert.equal(rows[1], rows[6])
    for i = 1, 5 do assert.is_true(count(rows[i], "█") >= 3) end
  end)
end)

describe("sieve", function()
  it("finds the same primes each way", function()
    local out = run "sieve"
    read(out, "^(too fine a pipeline loses[^\n]*)\n")
    read(out, "the pipeline is (%d+%.%d+) times slower than the loop, (%d+%.%d+) with room for 64")
    assert.equal(3, count(out, "█ [%d.]+ ?[kMG]? primes/s"))
  end)
end)

describe("deadlock", function()
  it("is reported with names, and drawn", function()
    local out = run "deadlock"
    read(out, "^(two tasks that lock in opposite orders[^\n]*)\n")
    local crossed, ordered = read(out, "deadlocks in 100 random schedules: opposite orders (%d+), one order (%d+)")
    assert.is_true(crossed > 0)
    assert.equal(0, ordered)
    has(out, "deadlock: all 3 tasks are asleep\n")
    local a, b = read(out,
      "\n  ada waits for ──▶ (mutex %d+) held by ──▶ bob waits for ──▶ (mutex %d+) held by ──▶ ada, and so on\n")
    assert.not_equal(a, b)
  end)
end)

describe("producer_consumer", function()
  it("changes places less often with more room", function()
    local out = run "producer_consumer"
    read(out, "^(buffering trades memory for waiting[^\n]*)\n")
    read(out, "items/s: ([%d.]+) ?[kMG]? at capacity 0, ([%d.]+) ?[kMG]? at capacity 256: ([%d.]+) times")
    local before = math.huge
    for switches in out:gmatch "\ncapacity +%d+: (%d+%.%d+) switches an item" do
      assert.is_true(tonumber(switches) < before)
      before = tonumber(switches)
    end
    assert.is_true(before < 0.1)
    local stars = 0
    for line in out:gmatch "|([ *]*)\n" do stars = stars + count(line, "%*") end
    assert.equal(10, stars)
  end)
end)

describe("sort4", function()
  it("sorts with four and merges", function()
    local out = run "sort4"
    read(out, "^(four sorters share the work[^\n]*)\n")
    local n, one, ratio = read(out, "\nsorting (%d+) numbers takes one sorter (%d+%.%d+) s; four are (%d+%.%d+) times as fast")
    assert.equal(20000, n)
    assert.is_true(one >= 0 and ratio > 0)
    local share = read(out, "\nthe merge is (%d+) %% of their time")
    assert.is_true(share > 0 and share < 100)
    assert.equal(4, count(out, "\nworker %d [^\n]*█"))
  end)
end)

describe("amdahl", function()
  it("fits the law", function()
    local out = run "amdahl"
    read(out, "^(the serial share caps the speed%-up[^\n]*)\n")
    local workers = count(out, "\n%d+ workers?: %d+%.%d+ s %(")
    assert.is_true(workers >= 4)
    local measured, law = 0, 0
    for line in out:gmatch "|([ *o]*)\n" do measured, law = measured + count(line, "%*"), law + count(line, "o") end
    assert.equal(workers, measured)
    assert.equal(workers, law)
    read(out, "\nthe peak is at (%d+) workers, (%d+%.%d+) times as fast as one")
  end)
end)

describe("counter_ladder", function()
  it("climbs from a variable to a new thread", function()
    local out = run "counter_ladder"
    read(out, "^(each level of contention costs about ten times more[^\n]*)\n")
    for _, level in ipairs { "a variable", "an atomic", "an atomic of two threads", "under a lock of two threads",
      "by its owner, another thread", "by a new thread" } do
      read(out, "\n" .. level .. " +[█]+ ([%d.]+) ?[kMG]? ns %(")
    end
    assert.is_true(read(out, "five steps from [%d.]+ ?[kMG]? to [%d.]+ ?[kMG]?, ([%d.]+) times each\n$") > 1)
  end)
end)

describe("false_sharing", function()
  it("shows what a distance costs", function()
    if weft.cpus() == 1 then return pending "one CPU" end
    local out = run "false_sharing"
    read(out, "^(neighbours in a cache line hurt[^\n]*)\n")
    assert.equal(3, count(out, "bytes apart: +[%d.]+ ns an addition %b(), +[%+%-][%d.]+ against one thread alone; same line\n"))
    assert.equal(3, count(out, "against one thread alone\n"))
    local stars = 0
    for line in out:gmatch "|([ *]*)\n" do stars = stars + count(line, "%*") end
    assert.equal(6, stars)
    read(out, "\nslow%-down against one thread alone %([%d.]+ ns%): ([%d.]+) times 8 bytes apart, ([%d.]+) times 64 bytes apart\n$")
  end)

  it("says what one CPU cannot show", function()
    if not example.has_taskset() then return pending "no taskset here" end
    has(run("false_sharing", { shell = "taskset -c 0" }), "one CPU only")
  end)
end)

describe("store_buffer", function()
  it("counts what two threads saw, and that a fence is none to pass", function()
    if weft.cpus() == 1 then return pending "one CPU" end
    local out = run "store_buffer"
    read(out, "^(CPUs reorder[^\n]*)\n")
    assert.equal(3, count(out, "\n  thread 1 reads old y +%d+ "))
    for rounds, a, b, c, d in out:gmatch ", (%d+) rounds:\n[^\n]*\n[^\n]-y +(%d+) [ █]+(%d+)[^\n]*\n[^\n]-y +(%d+) [ █]+(%d+)" do
      assert.equal(tonumber(rounds), a + b + c + d)
    end
    assert.equal(0, select(3, read(out, "in a million rounds: (%d+) in C, (%d+) in Lua, (%d+) with a fence\n$")))
  end)

  it("says what one CPU cannot show", function()
    if not example.has_taskset() then return pending "no taskset here" end
    has(run("store_buffer", { shell = "taskset -c 0" }), "one CPU only")
  end)
end)

describe("anatomy", function()
  it("draws what a process owns beside what a thread owns", function()
    local out = run "anatomy"
    read(out, "^(what a process owns and what a thread owns[^\n]*)\n")
    for _, item in ipairs { "unique number: pid %d+", "executable code: /", "virtual address space: [%d.]+ MiB in %d+ mappings",
      "working set: [%d.]+ MiB", "handles to system objects: %d+", "security context: uid %d+", "environment variables: %d+",
      "priority class: other, nice 0", "at least one thread: 4", "unique number: tid %d+ cruncher",
      "stack of its own: " .. (helper.sanitizer and "[%d.]+" or "2.0") .. " MiB, %d+ KiB used",
      "priority of its own: other, nice 4",
      "shares the address space: stack at 0x%x+", "signal mask of its own: %d+ signals blocked" } do
      read(out, "(" .. item .. ")")
    end
    for i, name in ipairs { "reader", "cruncher", "writer" } do
      assert.is_true(read(out, "\n  tid %d+ " .. name .. " +nice  " .. 2 * i .. ", isolate %d+ with ([%d.]+) MiB") >= i)
    end
    read(out, "\none process: (%d+) handles, [%d.]+ MiB in memory, 4 threads; after they ended: 1\n$")
  end)
end)

describe("all_interleavings", function()
  it("finds both outcomes of six orders, and replays each", function()
    local out = run "all_interleavings"
    read(out, "^(two tasks that add 1 to x[^\n]*)\n")
    assert.equal(2, count(out, "  x = 2\n"))
    assert.equal(4, count(out, "  x = 1  <%- an update is lost\n"))
    local two, token = read(out, "\nx = 2 in (%d+) schedules; the token (%S+) replays one: %l reads 0, (%l) writes 1, ")
    assert.truthy(tostring(token):find "^o:")
    local one = read(out, "\nx = 1 in (%d+) schedules; the token %S+ replays one: %l reads 0, %l reads 0, %l writes 1, %l w")
    assert.equal(two + one, read(out, "2 outcomes in (%d+) schedules, all there are"))
    has(out, "preempted")
    has(out, "an update is lost, in schedule ")
    has(out, "; replayed: an update is lost\n")
  end)
end)

describe("four_bugs", function()
  it("finds each, and none in the repaired programs", function()
    local out = run "four_bugs"
    read(out, "^(a bug that needs one unlucky moment[^\n]*)\n")
    has(out, "lost update: money is lost\n")
    has(out, "deadlock: philosopher 1, philosopher 2 and philosopher 3 wait for each other's mutexes\n")
    has(out, "lost wake-up: waiter began to wait for weft.condition 2 (")
    has(out, "atomicity of a bounded buffer: nothing was there\n")
    for _, bug in ipairs { "lost update", "deadlock of philosophers", "lost wake%-up", "atomicity of a bounded buffer" } do
      local failed, schedules, preemptions = read(out, "\n" .. bug .. " +(%d+) of 100 +(%d+) +(%d+)   %d+ schedules")
      assert.equal(0, failed)
      assert.is_true(schedules > 1)
      assert.equal(1, preemptions)
    end
    for _, bug in ipairs { "lost wake%-up", "atomicity of a bounded buffer" } do
      read(out, "\n" .. bug .. " [^\n]*(%d+) schedules, all")
    end
  end)
end)

describe("pipeline", function()
  it("joins programs, and the writer waits for its reader", function()
    local out = run "pipeline"
    local n, lines = read(out, "\nseq 1 (%d+) | grep 7 | wc %-l says (%d+), in ")
    local sevens = 0
    for i = 1, n do sevens = sevens + (tostring(i):find "7" and 1 or 0) end
    assert.equal(sevens, lines)
    assert.equal(3, count(out, "\n  %a+ +exit 0, "))
    assert.is_true(read(out, "\nyes waited in (%d) of 5 pauses; when nobody read any more it was ended by SIGPIPE\n$") > 0)
  end)
end)

describe("supervise", function()
  it("starts a worker again as often as it dies", function()
    local out = run "supervise"
    local finished, jobs, lives, killed = read(out, "\n(%d+) of (%d+) jobs done in (%d+) lives, (%d+) killed their worker")
    assert.same({ 4, 6, 2, 2 }, { finished, jobs, lives, killed })
    read(out, "life 1: 2 results, then the process exited with code 3; next")
    read(out, "life 2: 2 results, then the process was killed by SIGKILL; next")
    read(out, "\nresults     1   4   ✗  16  25   ✗\n")
  end)
end)

describe("impersonation", function()
  it("shows who may open a file, or says what it needs", function()
    local out = run "impersonation"
    if weft.info().euid ~= 0 then return has(out, "this needs root") end
    read(out, "\nowner +1001 +1001 .-uid 1001 +opens it +EPERM")
    read(out, "\na stranger +1003 +1003 .-uid 1003 +Permission denied +EPERM")
    read(out, "\n3 of 4 threads may open it; the process as a whole is still uid 0\n$")
  end)
end)

describe("inversion", function()
  it("draws who waits, or says what it needs", function()
    local out = run "inversion"
    if out:find "this needs the right" then return end
    assert.equal(2, count(out, "\n  high +|"))
    assert.equal(1, count(out, "\n  middle +|"))
    read(out, "\nhigh priority waited ([%d.]+) .- without the one in between, ([%d.]+) .- with it\n$")
  end)
end)

describe("three_ways with isolates", function()
  it("runs them on workers", function()
    local out = run("three_ways", { args = { "isolates" } })
    read(out, LAST_LINE)
    has(out, "the same answers each time")
  end)

  it("or as worker processes", function()
    local out = run("three_ways", { args = { "processes" } })
    read(out, LAST_LINE)
    has(out, "two processes run at once on two")
    has(out, "the same answers each time")
    read(out, "\nparallel +p1 [█░]+ .-\n +p2 [█░]+")
  end)

  it("or as tasks, which are not parallel", function()
    local out = run("three_ways", { args = { "tasks" } })
    read(out, LAST_LINE)
  end)
end)

describe("goroutines", function()
  it("shares isolates among one worker, then two", function()
    local out = run "goroutines"
    read(out, "^(many isolates share few workers[^\n]*)\n")
    local one = read(out, "\n1 worker: [%d.]+ s, each isolate says (%d+)\n")
    local two = read(out, "\n2 workers: [%d.]+ s, each isolate says (%d+)\n")
    assert.equal(one, two)
    read(out, "\nworker 2 [^\n]*of CPU, (%d+) slices, %d+ isolates stolen")
    read(out, "\ntwo workers are ([%d.]+) times as fast as one")
    read(out, "\nweft worker 2 +[█·]+ +busy %d+ %%")
    read(out, "\n(%d+) isolates/s on two workers")
  end)
end)

describe("skynet", function()
  it("adds up its leaves", function()
    local out = run "skynet"
    has(out, "sum 49995000, as it must be: true\n")
    read(out, "; (%d+) ns for a task")
    read(out, "\n +(time)\n")
    read(out, "\n(%d+) ms, and [%d.]+ MiB more at the most: (%d+) bytes for each of 11111 tasks")
  end)
end)

describe("every example", function()
  it("speaks plain ASCII when asked", function()
    for _, name in ipairs { "floppy", "lost_update", "philosophers", "sieve", "ring", "deadlock", "producer_consumer",
      "sort4", "amdahl", "counter_ladder", "false_sharing", "store_buffer", "anatomy", "all_interleavings", "four_bugs",
      "herd", "jitter", "port_scan", "switch_cost", "birth_cost", "weight", "readers_writers" } do
      assert.is_nil(run(name, { env = { NO_UNICODE = "1" } }):find "[\128-\255]", name)
    end
  end)

  it("is in the index with the output of a run", function()
    local index = helper.read_file(helper.root .. "/examples/README.md")
    local files = assert(io.popen("ls " .. helper.quote(helper.root .. "/examples") .. "/*.lua"))
    local n = 0
    for path in files:lines() do
      local name = path:match "([^/]*%.lua)$"
      n = n + 1
      has(index, "## " .. name)
      has(helper.read_file(path), "-- Claim: ")
    end
    files:close()
    assert.is_true(n >= 11)
  end)
end)
