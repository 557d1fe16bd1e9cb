-- weft.plot: curves, bars, histograms, heat maps.

local helper = require "spec.helper"
local scales = require "weft.plot_scale"
local term = require "weft.term"
local weft = require "weft"

local plot = weft.plot
local ASCII = { width = 60, ascii = true, color = false }
local UNICODE = { width = 60, ascii = false, color = false }

local function lines(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do list[#list + 1] = line end
  return list
end

-- One of each kind.
local function all()
  return {
    plot.curve { title = "t", x = "n", unit = "s", { label = "a", { 1, 1e-3 }, { 2, 2e-3 } }, { label = "b", { 1, 3e-3 } } },
    plot.curve { logx = true, logy = true, { 1, 1, 0.5, 2 }, { 1000, 5, 3, 9 }, note = "below" },
    plot.bars { unit = "s", log = true, { "task", 1e-7 }, { "thread", 4e-5, 2e-5, 8e-5 } },
    plot.bars { unit = "B", { "nothing", 0 }, { "much", 1 << 30 } },
    plot.histogram { 1, 2, 2, 3, 10, marks = { p50 = 2, max = 10 } },
    plot.histogram { 0.001, 0.01, 0.1, log = true, unit = "s", bins = 3 },
    plot.heat { rows = { "a" }, columns = { "x", "y" }, x = "col", y = "row", { 1, 2 }, { 3 } },
    plot.heat { { 5, 5 }, { 5, 5 } },
  }
end

describe("numbers", function()
  it("are short and have units", function()
    local n = scales.number
    assert.same({ "0", "1", "1.5", "12.3", "123", "1 k", "1.23 M", "-4 G" },
      { n(0), n(1), n(1.5), n(12.34), n(123.4), n(999.9), n(1234567), n(-4e9) })
    assert.same({ "0 s", "1 s", "1.5 ms", "120 us", "120 ns", "-2 s" },
      { n(0, "s"), n(1, "s"), n(0.0015, "s"), n(1.2e-4, "s", true), n(1.2e-7, "s"), n(-2, "s") })
    assert.same({ "0 B", "1023 B", "1 KiB", "1.5 MiB" }, { n(0, "B"), n(1023, "B"), n(1024, "B"), n(1.5 * 2 ^ 20, "B") })
    assert.same({ "5 %", "2 kops/s", "0.001" }, { n(5, "%"), n(2000, "ops/s"), n(0.001) })
    assert.same({ "inf", "-inf", "nan" }, { n(math.huge), n(-math.huge), n(0 / 0) })
  end)
end)

describe("scales", function()
  it("have round marks that lie on them", function()
    for _, span in ipairs { { 0, 7 }, { -3, 12 }, { 1e-9, 2e-9 }, { 0, 1e12 }, { 5, 5 }, { 0, 0 } } do
      for _, wanted in ipairs { 1, 3, 10 } do
        local s = scales.new(span[1], span[2], false, wanted)
        for _, v in ipairs(s.ticks) do assert(s.at(v) >= -1e-6 and s.at(v) <= 1 + 1e-6) end
        assert(#s.ticks <= 2 * wanted + 2)
        assert.near(0.3, s.at(s.back(0.3)), 1e-9)
      end
    end
  end)

  it("logarithmic have powers of ten, and what is between when there are few", function()
    local s = scales.new(1, 1000, true)
    for i, v in ipairs { 1, 10, 100, 1000 } do assert.near(v, s.ticks[i], 1e-9 * v) end
    s = scales.new(2, 30, true)
    for i, v in ipairs { 2, 5, 10, 20 } do assert.near(v, s.ticks[i], 1e-9 * v) end
    assert.near(0.5, scales.new(1, 100, true).at(10), 1e-9)
    assert(#scales.new(1e-9, 1e9, true, 4).ticks <= 6)
    assert.near(0.5, scales.new(3, 3, true).at(3), 1e-9)
  end)
end)

describe("every plot", function()
  it("keeps to the width, in ASCII and in Unicode, and shows its words", function()
    for i, p in ipairs(all()) do
      for _, opts in ipairs { ASCII, UNICODE, { width = 30, ascii = true }, { width = 100, height = 5, ascii = false } } do
        local text = p:text(opts)
        for _, line in ipairs(lines(text)) do
          assert(term.columns((line:gsub("\27%[[%d;]*m", ""))) <= opts.width, ("plot %d: %s"):format(i, line))
          assert.is_nil(line:find " $")
          if opts.ascii then assert.is_nil(line:find "[\128-\255]", line) end
        end
      end
    end
  end)

  it("is text by itself, without colour where there is no terminal", function()
    for _, p in ipairs(all()) do
      assert.is_nil(tostring(p):find "\27")
      assert.equal(p:text { color = false }, p:text())
    end
  end)

  it("has colour when asked", function()
    for _, p in ipairs(all()) do
      local text = p:text { color = true, width = 60 }
      assert.truthy(text:find "\27%[")
      assert.equal(select(2, text:gsub("\27%[0m", "")), select(2, text:gsub("\27%[[1-9]", "")))
    end
  end)

  it("becomes SVG", function()
    local dir = helper.tmpdir()
    for i, p in ipairs(all()) do
      local text = p:svg()
      assert.truthy(text:find "^<svg xmlns.*</svg>\n$")
      local stack = {}
      for closing, name, empty in text:gmatch "<(/?)([%w]+)[^<>]-(/?)>" do
        if closing == "/" then assert.equal(name, table.remove(stack), "plot " .. i)
        elseif empty == "" then stack[#stack + 1] = name end
      end
      assert.same({}, stack)
      assert.is_nil(text:find "nan")
      assert.is_true(p:svg(dir .. "/p.svg"))
      assert.equal(text, helper.read_file(dir .. "/p.svg"))
    end
    helper.fails("ENOENT", all()[1].svg, all()[1], dir .. "/none/x")
    helper.remove_dir(dir)
  end)

  it("shows names as they are, harmless", function()
    local p = plot.bars { title = "a < b & \27[31m", { 'x "1" \n', 1 } }
    assert.is_nil(p:text(ASCII):find "\27")
    assert.truthy(p:svg():find("a &lt; b &amp; ?[31m", 1, true))
  end)
end)

describe("bars", function()
  it("are as long as their values", function()
    local p = plot.bars { { "a", 10 }, { "b", 20 }, { "c", 5 } }
    local text = lines(p:text(ASCII))
    local function length(line) return #line:match "#+" end
    assert.near(2, length(text[2]) / length(text[1]), 0.1)
    assert.near(4, length(text[2]) / length(text[3]), 0.2)
  end)

  it("on a logarithmic scale grow by equal steps", function()
    local p = plot.bars { log = true, { "a", 1 }, { "b", 10 }, { "c", 100 } }
    local text = lines(p:text(ASCII))
    local function length(line) return #line:match "#+" end
    assert.near(length(text[2]) - length(text[1]), length(text[3]) - length(text[2]), 1)
  end)
end)

describe("a curve", function()
  it("has its points where they belong", function()
    local p = plot.curve { { 0, 0 }, { 10, 10 } }
    local text = lines(p:text { width = 40, height = 10, ascii = true })
    assert.truthy(text[1]:find "%*$") -- the greatest, at the top right
    local _, last = text[10]:find "^%s*0? ?[+|]%*"
    assert.truthy(last, text[10]) -- the least, at the bottom left
  end)

  it("tells series apart without colour, by letters", function()
    local text = plot.curve({ { label = "one", { 1, 1 } }, { label = "two", { 2, 2 } } }):text(ASCII)
    assert.truthy(text:find("* one   o two", 1, true))
  end)

  it("draws one series with dots", function()
    assert.truthy(plot.curve({ { 1, 1 }, { 2, 2 } }):text(UNICODE):find "\u{2801}" or plot.curve({ { 1, 1 }, { 2, 2 } })
      :text(UNICODE):find "[\u{2800}-\u{28FF}]")
  end)
end)

describe("a histogram", function()
  it("counts every value once", function()
    local values = { bins = 7 }
    for i = 1, 1000 do values[i] = (i * 7919) % 101 end
    local p = plot.histogram(values)
    local sum = 0
    for _, n in ipairs(p.bins) do sum = sum + n end
    assert.same({ 1000, 7, 1000 }, { sum, #p.bins, p.count })
  end)

  it("of one value, or of equal ones, has a place for them", function()
    for _, log in ipairs { false, true } do
      local p = plot.histogram { 5, 5, 5, log = log }
      local sum = 0
      for _, n in ipairs(p.bins) do sum = sum + n end
      assert.equal(3, sum)
      assert.is_string(p:text(ASCII))
    end
  end)

  it("points out marks, outside its values too", function()
    local p = plot.histogram { 1, 2, marks = { goal = 9 } }
    assert.truthy(p:text(ASCII):find("goal 9", 1, true))
    assert.equal(9, p.most)
  end)
end)

describe("a heat map", function()
  it("is darker where there is more", function()
    local text = lines(plot.heat({ { 0, 10 } }):text(ASCII))
    assert.truthy(text[1]:find "^ +#+$", text[1])
  end)
end)

describe("misuse", function()
  it("is named", function()
    for _, kind in ipairs { "curve", "bars", "histogram", "heat" } do
      helper.raises("bad argument #1 to 'plot." .. kind .. "' (table expected, got nil)", plot[kind])
      helper.raises("bad argument #1 to 'plot." .. kind .. "' (nothing to draw)", plot[kind], {})
      helper.raises("unknown option 'colour' of plot." .. kind, plot[kind], { colour = 1, 1 })
      helper.raises("bad option 'title' of plot." .. kind .. " (string expected, got number)", plot[kind], { title = 1, 1 })
    end
    helper.raises("series 1: table expected, got string", plot.curve, { "x" })
    helper.raises("series 1, point 2: finite number expected, got x", plot.curve, { { 1, 1 }, { 2, "x" } })
    helper.raises("series 1, point 1: a logarithmic scale has no place for 0", plot.curve, { logx = true, { 0, 1 } })
    helper.raises("row 1: 0 or more expected, got -1", plot.bars, { { "a", -1 } })
    helper.raises("row 2: table expected, got number", plot.bars, { { "a", 1 }, 5 })
    helper.raises("row 1: a logarithmic scale has no place for 0", plot.bars, { log = true, { "a", 0 } })
    helper.raises("value 2: finite number expected, got inf", plot.histogram, { 1, math.huge })
    helper.raises("bad option 'bins'", plot.histogram, { 1, bins = 0 })
    helper.raises("bad option 'bins'", plot.histogram, { 1, bins = 1.5 })
    helper.raises("row 1, column 1: finite number expected", plot.heat, { { 0 / 0 } })
    helper.raises("nothing to draw", plot.heat, { {} })
    local p = plot.bars { { "a", 1 } }
    helper.raises("unknown option 'size' of plot:text", p.text, p, { size = 1 })
    helper.raises("bad option 'width' of plot:text (number expected, got string)", p.text, p, { width = "1" })
    helper.raises("bad argument #1 to 'svg' (string expected, got number)", p.svg, p, 5)
  end)
end)

describe("an axis", function()
  local function last(p, opts)
    local all_lines = lines(p:text(opts))
    return all_lines[#all_lines]
  end

  it("has marks that can be told apart", function()
    local wide = { width = 60, height = 6, ascii = true, color = false }
    assert.truthy(last(plot.curve { { 2020, 1 }, { 2021, 2 }, { 2022, 3 } }, wide):find "^ +2020 +2020.5 +2021 +2021.5 +2022$")
    assert.truthy(last(plot.curve { { 0.1, 1 }, { 0.1001, 2 }, xunit = "s" }, wide):find "^ +100 ms +100.05 ms +100.1 ms$")
    for _, p in ipairs {
      plot.histogram { 1.1021e-3, 1.1041e-3, 1.1093e-3, unit = "s" }, plot.histogram { -100, 0, 100 },
      plot.curve { { 1e9, 1 }, { 1e9 + 1, 2 }, xunit = "B" }, plot.curve { { 12345, 1 }, { 12346, 2 } },
      plot.curve { { 3, 1 }, { 3.0001, 2 } }, plot.curve { { 30, 1 }, { 31, 2 }, logx = true },
    } do
      local seen, n = {}, 0
      for word in last(p, wide):gsub(" (%a)", "%1"):gmatch "%S+" do
        assert.is_nil(seen[word], last(p, wide))
        seen[word], n = true, n + 1
      end
      assert.truthy(n >= 2, last(p, wide))
    end
  end)

  it("has two marks or more upwards too", function()
    local marks = 0
    local p = plot.curve { { 1, -5 }, { 2, 0 }, { 3, 5 } }
    for _, line in ipairs(lines(p:text { width = 40, height = 5, ascii = true, color = false })) do
      if line:find "^ *%-?%d" then marks = marks + 1 end
    end
    assert.truthy(marks >= 2 + 1) -- the last line is that of the other axis
  end)
end)

describe("a heat map wider than the picture", function()
  it("shows means of neighbours", function()
    local matrix = { {}, {}, columns = { "first" }, rows = { "a", "b" } }
    for k = 1, 200 do matrix[1][k], matrix[2][k] = k % 2, 1 - k % 2 end
    matrix[1][1] = 3
    local text = plot.heat(matrix):text(ASCII)
    for _, line in ipairs(lines(text)) do assert.truthy(#line <= 60, line) end
    assert.equal("a .", lines(text)[1]) -- 1 of 3, then halves
    assert.truthy(text:find "a cell is the mean of 4")
  end)
end)

describe("a number in words", function()
  it("is of a number", function()
    helper.raises("bad argument #1 to 'plot.number' (number expected, got nil)", plot.number)
    helper.raises("bad argument #2 to 'plot.number' (string expected, got number)", plot.number, 1, 2)
    helper.raises("from 6 down to 4", plot.bars, { { "a", 5, 6, 4 } })
  end)
end)
