-- Claim: too fine a pipeline loses. Each prime is a task that passes on what it does not divide: between two channels
-- lies one division, so nearly all time goes into handing over. The same divisions in a plain loop are the yardstick.

local weft = require "weft"
local draw = dofile((arg[0]:match "^(.*/)" or "") .. "lib/draw.lua")
local LIMIT = draw.quick and 500 or 5000

local function filter(prime, from, to)
  for n in from do
    if n % prime ~= 0 then to:send(n) end
  end
  to:close()
end

local function pipeline(capacity)
  local first = weft.channel(capacity)
  weft.go(function()
    for n = 2, LIMIT do first:send(n) end
    first:close()
  end)
  local primes, from, prime = {}, first, first:recv()
  while prime do
    local to = weft.channel(capacity)
    weft.go(filter, prime, from, to)
    primes[#primes + 1] = prime
    from, prime = to, to:recv()
  end
  return primes
end

local divisions
local function loop()
  local primes = {}
  divisions = 0
  for n = 2, LIMIT do
    local i = 1
    while primes[i] and n % primes[i] ~= 0 do i = i + 1 end
    divisions = divisions + math.min(i, #primes)
    if not primes[i] then primes[i] = n end
  end
  return primes
end

print "too fine a pipeline loses: a task a prime, one division between two channels\n"
local expected, rows = table.concat(loop(), " "), {}
for i, way in ipairs { { "plain loop", loop }, { "pipeline", pipeline, 0 }, { "pipeline, room for 64", pipeline, 64 } } do
  local rate, text = draw.rate("primes", function()
    local primes = way[2](way[3])
    assert(table.concat(primes, " ") == expected, "not the same primes")
    return #primes
  end)
  rows[i] = { way[1], rate, text }
end
draw.bars(rows)
print(("\nprimes up to %d, %d divisions: the pipeline is %.1f times slower than the loop, %.1f with room for 64 in each channel")
  :format(LIMIT, divisions, rows[1][2] / rows[2][2], rows[1][2] / rows[3][2]))
