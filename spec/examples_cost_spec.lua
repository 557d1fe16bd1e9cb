-- The examples that measure what each kind of job costs, and what locks do; each run in a child in its small size.

local example = require "spec.example"

local run, read, has = example.run, example.read, example.has
local it = example.deaf and pending or it

describe("ring", function()
  it("counts hops of every kind", function()
    local out = run "ring"
    read(out, "^(token passing is pure scheduling[^\n]*)\n")
    for _, row in ipairs { "2 tasks", "100 tasks", "10000 tasks", "100 isolates", "10 threads", "5 processes" } do
      read(out, "\n" .. row .. " +█[^\n]* ([%d.]+) ?[kMG]?/s ")
    end
    read(out, "\nhops/s: ([%d.]+) ?[kMG]? in a ring of 100 tasks, [%d.]+ ?[kMG]? between isolates, [%d.]+ ?[kMG]? between "
      .. "threads, ([%d.]+) ?[kMG]? between processes\n$")
  end)
end)

-- An example that measures one thing of each kind of job.
local function four_kinds(name, claim, last)
  local out = run(name)
  read(out, "^(" .. claim .. "[^\n]*)\n")
  for _, kind in ipairs { "task", "isolate", "thread", "process" } do
    read(out, "\n" .. kind .. "[^\n]* █[^\n]* ([%d.]+) ?%S+")
  end
  read(out, "\n" .. last .. " task ([%d.]+) ?k?, isolate ([%d.]+) ?k?, thread ([%d.]+) ?k?, process ([%d.]+) ?k?")
  read(out, "\n(others have published: [^\n]*)\n$")
  return out
end

describe("switch_cost", function()
  it("hands a token over between two of each kind", function()
    four_kinds("switch_cost", "process > thread > task", "ns a switch:")
  end)
end)

describe("birth_cost", function()
  it("starts and joins each kind", function()
    local out = four_kinds("birth_cost", "creation spans three decades", "us each:")
    assert.is_true(read(out, "; a process costs (%d+) tasks\n") > 1)
  end)
end)

describe("weight", function()
  it("weighs each kind as it waits", function()
    local out = four_kinds("weight", "what one of a kind takes", "KiB each:")
    local one = "([%d.]+) ?(k?)"
    local line = "\nKiB each: task " .. one .. ", isolate " .. one .. ", thread " .. one .. ", process " .. one .. "\n"
    local task, _, isolate, _, _, _, process, kilo = read(out, line)
    assert.is_true(task < isolate and (kilo == "k" or isolate < process))
    read(out, "(%* task   o isolate   %+ thread   x process)")
  end)
end)

describe("readers_writers", function()
  it("draws what a lock leaves of the reads", function()
    local out = run "readers_writers"
    read(out, "^(read%-write locks are not free[^\n]*)\n")
    local rate <const> = " ([%d.]+) ?[kMG]?/s, [%d.]+ ?k? us"
    for _, size in ipairs { 1, 10, 100, 1000, 10000 } do
      read(out, "\n +" .. size .. " numbers: no lock" .. rate .. "; rwlock" .. rate .. "; mutex" .. rate .. "\n")
    end
    read(out, "(%* no lock   o rwlock   %+ mutex)")
    read(out, "\nof the reads without a lock the rwlock leaves (%d+) %% at 1 number, (%d+) %% at 10000\n")
  end)

  it("says what one CPU cannot show", function()
    if not example.has_taskset() then return pending "no taskset here" end
    has(run("readers_writers", { shell = "taskset -c 0" }), "one CPU only")
  end)
end)
