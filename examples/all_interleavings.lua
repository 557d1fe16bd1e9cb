-- Claim: two tasks that add 1 to x have six schedules and two outcomes; every outcome is reachable, and each has a
-- schedule that replays. A test that runs them once sees one. (weft.explore runs all; x is an element of a buffer, so
-- reading it and writing it are two operations, between which the other task may come.)

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")

local steps -- what this run did, in order

local function add(x, name)
  local mine = x[1]
  steps[#steps + 1] = ("%s reads %d"):format(name, mine)
  x[1] = mine + 1
  steps[#steps + 1] = ("%s writes %d"):format(name, mine + 1)
end

-- Two tasks add one each; the outcome is x.
local function both()
  local x = weft.buffer("i64", 1)
  steps = {}
  weft.go({ name = "a" }, add, x, "a")
  weft.go({ name = "b" }, add, x, "b")
  weft.wait()
  return x[1]
end

-- Every schedule, as a tree: the same steps are drawn once.
local tree = {}
local function note()
  local x = both()
  local node = tree
  for _, step in ipairs(steps) do
    local next_node
    for _, child in ipairs(node) do
      if child.step == step then next_node = child end
    end
    if not next_node then
      next_node = { step = step }
      node[#node + 1] = next_node
    end
    node = next_node
  end
  node.outcome = x
  return x
end

local line, fork, down, last, bar = "──", "┬─", "├─", "└─", "│ "
if draw.ascii then line, fork, down, last, bar = "--", "+-", "+-", "+-", "| " end

-- `first` stands before the first child, `rest` before the others.
local function show(node, first, rest)
  if node.outcome then
    print(("%s  x = %d%s"):format(first, node.outcome, node.outcome == 2 and "" or "  <- an update is lost"))
    return
  end
  for i, child in ipairs(node) do
    local sign = #node == 1 and line or i == 1 and fork or i == #node and last or down
    local more = i < #node and bar or "  "
    show(child, ("%s%s %-10s"):format(i == 1 and first or rest, sign, child.step), rest .. more .. (" "):rep(11))
  end
end

print "two tasks that add 1 to x: every schedule, every outcome, and a token that replays it\n"
local r = weft.explore(note)
assert(r.ok and r.complete)
show(tree, "  ", "  ")
print ""
for _, outcome in ipairs(r.outcomes) do
  local again = weft.explore(note, { replay = outcome.token })
  assert(again.outcomes[1].text == outcome.text)
  print(("x = %s in %d schedules; the token %s replays one: %s"):format(outcome.text, outcome.count, outcome.token,
    table.concat(steps, ", ")))
end
print(("\n%d outcomes in %d schedules, all there are"):format(#r.outcomes, r.schedules))

print "\nas a test, with an assertion; the smallest schedule that fails:\n"
local test = weft.explore(function() assert(both() == 2, "an update is lost") end)
print(test.failure.interleaving)
print(("\n%s, in schedule %d; replayed: %s"):format(test.failure.message:gsub("^.-: ", ""), test.failure.schedule,
  weft.explore(function() assert(both() == 2, "an update is lost") end, { replay = test.failure.token }).failure.message
    :gsub("^.-: ", "")))
