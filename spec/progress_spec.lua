-- weft.progress: the line of a progress bar, and when it is drawn.

local helper = require "spec.helper"
local progress = require "weft.progress"
local term = require "weft.term"

-- A bar that draws into a table, with a clock that the test sets.
local function make(total, opts)
  local drawn, now = {}, { 0 }
  local out = { write = function(_, ...) drawn[#drawn + 1] = table.concat { ... } end, flush = function() end }
  opts = opts or {}
  local bar = progress.new {
    total = total, out = out, width = opts.width or 60, ascii = opts.ascii ~= false, clock = function() return now[1] end,
  }
  return bar, drawn, now
end

describe("a progress line", function()
  it("says how much, how fast and how long", function()
    assert.equal(" 25% [#######-----------------------]  25/100  5/s  ETA 0:15", progress.line(25, 100, 5, 60, true))
    assert.equal("100% [###############################]  100/100  20/s  in 5.00 s", progress.line(100, 100, 5, 64, true))
    assert.equal("  0% [-------------------------]  0/100  0/s  ETA -:--", progress.line(0, 100, 0, 54, true))
    assert.equal(" 50% █████▌░░░░░  1/2  1/s  ETA 0:01", progress.line(1, 2, 1, 36, false))
  end)

  it("fits the width", function()
    for width = 1, 150 do
      for _, ascii in ipairs { true, false } do
        for _, done in ipairs { 0, 1, 333, 1000 } do
          local line = progress.line(done, 1000, 12.3, width, ascii)
          assert.is_true(term.columns(line) <= width, line)
        end
      end
    end
  end)

  it("is there for nothing at all", function() assert.truthy(progress.line(0, 0, 0, 60, true):find "^100%%") end)
end)

describe("a bar", function()
  it("has n columns, whatever its share", function()
    for k = -1, 33 do
      assert.equal(10, term.columns(progress.bar(k / 32, 10, false)))
      assert.equal(12, #progress.bar(k / 32, 10, true))
    end
    assert.equal("█████▌░░░░", progress.bar(0.55, 10, false))
    assert.equal("██████████", progress.bar(1, 10, false))
    assert.equal("░░░░░░░░░░", progress.bar(0, 10, false))
  end)
end)

describe("numbers for people", function()
  it("have three digits", function()
    local cases = { [0] = "0", [7] = "7", [999] = "999", [0.25] = "0.25", [1234] = "1.23 k", [45600000] = "45.6 M", [2e9] = "2 G" }
    for v, text in pairs(cases) do assert.equal(text, progress.number(v)) end
  end)

  it("of time have minutes", function()
    local cases = { [0] = "0:00", [7.4] = "0:07", [59.6] = "1:00", [725] = "12:05", [10800] = "3:00:00", [1e9] = "-:--" }
    for v, text in pairs(cases) do assert.equal(text, progress.clock(v)) end
    assert.equal("-:--", progress.clock(0 / 0))
    assert.equal("-:--", progress.clock(math.huge))
  end)
end)

describe("a progress bar", function()
  it("draws at once, then only after some time", function()
    local bar, drawn, now = make(10)
    assert.equal(1, #drawn)
    bar:step()
    bar:step(2)
    assert.equal(1, #drawn)
    now[1] = 1
    bar:step()
    assert.equal(2, #drawn)
    assert.truthy(drawn[2]:find("4/10  4/s  ETA 0:02", 1, true), drawn[2])
    bar:step()
    assert.equal(2, #drawn)
    assert.equal("weft.progress (5 of 10)", tostring(bar))
  end)

  it("draws over what it drew, and ends the line when it is closed", function()
    local drawn
    do
      local bar <close>, d, now = make(10)
      drawn = d
      now[1] = 100
      bar:step(10)
      bar:close()
      bar:draw()
    end
    for i, text in ipairs(drawn) do
      if i < #drawn then assert.equal("\r", text:sub(1, 1)) end
    end
    assert.equal("\n", drawn[#drawn])
    assert.truthy(drawn[#drawn - 1]:find("10/10", 1, true))
    local before, after = drawn[1]:sub(2), drawn[2]:sub(2)
    assert.is_true(#after >= #before) -- blanks cover what is longer
  end)
end)

describe("weft.map with progress", function()
  local script = [[
    local weft = require "weft"
    print(#weft.map(function(x) return x end, { 1, 2, 3 }, { progress = true, size = 1 }))
    print(pcall(weft.map, function(x) error("no luck", 0) end, { 1 }, { progress = true }))
  ]]

  it("draws on a terminal", function()
    local dir = helper.tmpdir()
    helper.write_file(dir .. "/script.lua", script)
    local command = ("cd %s && NO_UNICODE=1 COLUMNS=50 script -qec %s /dev/null </dev/null"):format(helper.quote(dir),
      helper.quote(helper.lua .. " script.lua"))
    local p = assert(io.popen(command .. " 2>&1"))
    local out = p:read "a"
    p:close()
    helper.remove_dir(dir)
    if out:find "not found" then return pending "no script(1) here" end
    assert.truthy(out:find("\r  0% [", 1, true), out)
    assert.truthy(out:find "\r100%% %[#+%]  3/3 +[^\r]-in [^\r]-\r?\n3\r?\n", out)
    assert.truthy(out:find "0/1 [^\r\n]*\r?\nfalse\titem 1: no luck", out)
  end)

  it("draws nothing elsewhere", function()
    local out, err = helper.run_ok(script)
    assert.same({ "3\nfalse\titem 1: no luck\n", "" }, { out, err })
  end)
end)
