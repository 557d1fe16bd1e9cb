-- Claim: a sweep over a grid of parameters is a map over its points. Where the points are computed is one word, and what has
-- been computed is kept line by line, so a sweep that was stopped goes on where it was.
--
--   lua5.4 examples/sweep.lua [task | isolate | thread | process] [FILE]     FILE keeps the results
--   lua5.4 examples/sweep.lua hosts FILE "ssh node1" "ssh node2" ...          a cluster: the words before the command
--
-- The question: in a square of cells each of which is open with probability p, is there a way from top to bottom?

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local kind, file = arg[1] or "thread", arg[2]
local PS, SIDES = { 0.50, 0.54, 0.56, 0.58, 0.59, 0.60, 0.62, 0.66, 0.70 }, { 8, 16, draw.quick and 24 or 48 }
local TRIES = draw.quick and 20 or 200

-- The share of squares with a way through. Its chance is its own, so a point is the same wherever it is computed.
local function share(p, side, tries)
  local seed, found = side * 7919 + math.floor(p * 1000), 0
  local function random()
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) / 0x800000
  end
  for _ = 1, tries do
    local open, todo, through = {}, {}, false
    for i = 1, side * side do open[i] = random() < p end
    for i = 1, side do todo[i] = i end
    while #todo > 0 do
      local i = table.remove(todo)
      if open[i] then
        open[i], through = false, through or i > side * (side - 1)
        if i % side ~= 0 then todo[#todo + 1] = i + 1 end
        if i % side ~= 1 then todo[#todo + 1] = i - 1 end
        todo[#todo + 1], todo[#todo + 2] = i + side, i > side and i - side or nil
      end
    end
    if through then found = found + 1 end
  end
  return found / tries
end

if kind == "point" then return print(share(tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4]))) end

-- Computes points and calls done(point, result) for each as it comes; `enough` says when to stop.
local function sweep(points, done, enough)
  if kind == "hosts" then
    return weft.scope(function(s)
      for h = 3, #arg do
        s:go(function() -- one point at a time for each host
          while points[1] and not enough() do
            local point, command = table.remove(points, 1), { stdout = "pipe" }
            local line = ("%s lua5.4 %s point %s %d %d"):format(arg[h], arg[0], point[1], point[2], TRIES)
            for word in line:gmatch "%S+" do command[#command + 1] = word end
            local text, _, status = assert(weft.exec(command)):output()
            done(point, tonumber(text) or error(("%s: exit code %s"):format(line, status.code), 0))
          end
        end)
      end
    end)
  end
  local pool <close> = weft.pool { kind = kind }
  local function one(point) return share(point[1], point[2], TRIES) end
  for i, result in pool:imap(one, points, { ordered = false, chunk = 1 }) do
    done(points[i], result)
    if enough() then return end
  end
end

local path, results = file or os.tmpname(), {}

-- What is there, what is missing; computes that, at most so many points.
local function run(most)
  for line in io.lines(path) do
    local p, side, value = line:match "^(%S+) (%S+) (%S+)\n?$"
    results[p .. " " .. side] = tonumber(value)
  end
  local missing, n, out = {}, 0, assert(io.open(path, "a"))
  for _, side in ipairs(SIDES) do
    for _, p in ipairs(PS) do
      if not results[p .. " " .. side] then missing[#missing + 1] = { p, side } end
    end
  end
  local left, start = #missing, weft.now()
  sweep(missing, function(point, value)
    n = n + 1
    out:write(("%s %d %s\n"):format(point[1], point[2], value)):flush()
  end, function() return n >= most end)
  out:close()
  local took = weft.now() - start
  print(("%d of %d points were there, %d computed in %.2f s"):format(#PS * #SIDES - left, #PS * #SIDES, n, took))
  return n, took
end

print(("a sweep over %d x %d points on %s, %d squares each; it is stopped, and goes on\n"):format(#PS, #SIDES, kind, TRIES))
assert(io.open(path, "a")):close()
run(#PS)
local computed, took = run(math.huge)
run(0) -- reads them all
if not file then os.remove(path) end

local labels, curve, threshold = {}, {}, nil
print("\n   p " .. ("%8d"):rep(#SIDES):format(table.unpack(SIDES)))
for i, p in ipairs(PS) do
  local row = {}
  for j, side in ipairs(SIDES) do row[j] = ("%8.2f"):format(results[p .. " " .. side]) end
  print(("%.2f %s"):format(p, table.concat(row)))
  labels[i], curve[i] = ("%.2f"):format(p), results[p .. " " .. SIDES[#SIDES]]
  if i > 1 and curve[i - 1] < 0.5 and curve[i] >= 0.5 then
    threshold = PS[i - 1] + (p - PS[i - 1]) * (0.5 - curve[i - 1]) / (curve[i] - curve[i - 1])
  end
end
print ""
draw.curve(labels, curve, "a way through", "p")
print(("\n%.3g points/s; half of the largest squares have a way at p = %s (0.593 for squares without end)"):format(
  computed / took, threshold and ("%.3f"):format(threshold) or "?"))
