-- docs/gallery.md: everything that it shows comes out when it is made anew, and what is there was made by the same scripts.

local helper = require "spec.helper"

-- A page without what differs from run to run: its headings, scripts, commands and pictures.
local function skeleton(text)
  local out, block = {}, nil
  for line in text:gmatch "[^\n]*" do
    if block then
      if line == "```" then
        block = nil
      elseif block == "lua" or line:find "^%$ " then
        out[#out + 1] = line
      end
    elseif line:find "^```" then
      block = line:sub(4)
    else
      out[#out + 1] = line
    end
  end
  return table.concat(out, "\n")
end

describe("the gallery", function()
  -- Without its assertions a run under a sanitizer would take minutes: the pictures have specs of their own.
  -- Its commands are lua5.4's.
  local test = (helper.sanitizer or helper.foreign) and pending or it

  test("is made by its script, every picture of it", function()
    local dir = helper.tmpdir()
    os.execute(("ln -s %s/examples %s/examples && mkdir %s/docs"):format(helper.quote(helper.root), dir, dir))
    local p = io.popen(("WEFT_QUICK=1 lua5.4 %s/scripts/gallery.lua --into %s 2>&1"):format(helper.quote(helper.root), dir))
    local out = p:read "a"
    assert(p:close(), out)
    local made, kept = helper.read_file(dir .. "/docs/gallery.md"), helper.read_file(helper.root .. "/docs/gallery.md")
    assert.equal(skeleton(kept), skeleton(made))
    local pictures = 0
    for name in made:gmatch "%(gallery/([%w_]+%.svg)%)" do
      local svg = helper.read_file(dir .. "/docs/gallery/" .. name)
      assert(svg:find "^<svg" and svg:find "</svg>%s*$", name)
      pictures = pictures + 1
      assert(helper.read_file(helper.root .. "/docs/gallery/" .. name):find "^<svg", name)
    end
    assert.is_true(pictures >= 6)
    -- What each kind of picture is made of.
    for _, part in ipairs { "general +p1 [█░]+", "recv ready", "~~~", "preemptions", "weft worker 2", "lock stove", "median",
      "gatekeeper", "held by bob", "an update was lost", "replayed: an update is lost" } do
      assert(made:find(part), part)
    end
    assert.is_nil(made:find("/tmp/", 1, true))
    helper.remove_dir(dir)
  end)
end)
