-- What the map case computes: primes from a to b - 1, by trial division. No allocation, nothing but the interpreter.
return function(a, b)
  local count = 0
  for n = a, b - 1 do
    if n == 2 then
      count = count + 1
    elseif n > 2 and n % 2 == 1 then
      local prime, d = true, 3
      while d * d <= n do
        if n % d == 0 then
          prime = false
          break
        end
        d = d + 2
      end
      if prime then count = count + 1 end
    end
  end
  return count
end
