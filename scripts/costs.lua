-- Writes the table of measured costs in README.md from build/bench.tsv, so that no number there is typed by hand.
--
--   make bench && lua5.4 scripts/costs.lua [TSV]     best on a machine that does nothing else
--
-- The table stands between the comments `<!-- costs -->` and `<!-- /costs -->`. A case that the file lacks keeps its row.

local README, TSV = "README.md", arg[1] or "build/bench.tsv"
local BEGIN, END = "<!-- costs -->\n", "<!-- /costs -->"

-- Case of the bench, what the row says, the limit in C that stands beside it, and Go's subject if it has another name.
local ROWS = {
  { "switch", "a `weft.yield` to another task", "C resume+yield" },
  { "roundtrip", "a round trip over unbuffered channels", "C 2 x resume+yield" },
  { "buffered", "an integer through a channel of 128" },
  { "start", "start and finish a task", "C reused coroutine" },
  { "burst", "the same, a million started before the first runs" },
  { "parked", "memory of a waiting task", "C coroutine" },
  { "sleepers", "a million sleepers, CPU time in all", "C wheel" },
  { "thread", "start and join a thread", "C thread + lean state" },
  { "encode", "1000 records of 10 fields to another state and back", "C state to state copy" },
  { "echo", "TCP echoes of 64 bytes over 50 connections, one thread", "C libuv", "go, one thread" },
  { "idle", "memory of an idle connection", "C libuv" },
  { "explore", "schedules explored, two tasks" },
  { "trace-event", "an event of a running trace" },
}

local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

-- measured[case][subject] = { value, unit }
local measured = {}
for line in read(TSV):gmatch "[^\n]+" do
  local case, subject, value, unit = line:match "^([^\t]+)\t([^\t]+)\t([^\t]+)\t([^\t]+)"
  if tonumber(value) then
    measured[case] = measured[case] or {}
    measured[case][subject] = measured[case][subject] or { tonumber(value), unit }
  end
end

-- Three digits and a unit; rates as the time for one.
local function text(m)
  if not m then return "" end
  local v, unit = m[1], m[2]
  if unit == "msg/s" then v, unit = 1e9 / v, "ns" end
  if unit == "s cpu" then unit = "s" end
  if unit == "/s" then v, unit = v / 1000, "k/s" end
  local digits = v < 9.995 and 2 or v < 99.95 and 1 or 0
  return ("%." .. digits .. "f %s"):format(v, unit)
end

local readme = read(README)
local _, from = readme:find(BEGIN, 1, true)
local to = readme:find(END, 1, true)
assert(from and to, README .. ": the comments around the costs are gone")

local old = {}
for row in readme:sub(from + 1, to - 1):gmatch "[^\n]+" do
  local case = row:match "bench/run%.lua ([%w-]+)` |$"
  if case then old[case] = row end
end

local out = { "| | weft | Go | Erlang | limit of C | command |", "|---|---|---|---|---|---|" }
for _, row in ipairs(ROWS) do
  local case, what, floor = row[1], row[2], row[3]
  local m = measured[case]
  if m then
    out[#out + 1] = ("| %s | %s | %s | %s | %s | `lua5.4 bench/run.lua %s` |"):format(what, text(m.weft), text(m[row[4] or "go"]),
      text(m.erlang), text(m[floor or ""]), case)
  else
    out[#out + 1] = old[case]
  end
end

local new = readme:sub(1, from) .. table.concat(out, "\n") .. "\n" .. readme:sub(to)
if new ~= readme then
  local f = assert(io.open(README, "wb"))
  f:write(new)
  f:close()
  print(README .. ": costs written")
end
