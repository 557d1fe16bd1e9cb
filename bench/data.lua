-- 1,000 records of 10 mixed fields, two of them tables: what the encode case moves. Returns the function that makes them.
return function()
  local records = {}
  for i = 1, 1000 do
    records[i] = {
      id = i, name = "user number " .. i, score = i * 1.25 + 0.5, active = i % 2 == 0,
      email = "user" .. i .. "@example.org", tags = { "alpha", "beta", "gamma" },
      address = { street = "Main street " .. i, zip = 10000 + i }, balance = -i * 1000,
      note = ("lorem ipsum "):rep(4), ratio = 1 / i,
    }
  end
  return records
end
