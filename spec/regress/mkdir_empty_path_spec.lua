-- A folder with its parents, of the empty path: nothing was made, and it was said to be there.

local helper = require "spec.helper"
local weft = require "weft"

assert(weft.fs.exists "/") -- the pool is there

describe("a folder without a name", function()
  it("cannot be made, with parents or without", function()
    for _, parents in ipairs { false, true } do
      helper.fails("ENOENT", weft.fs.mkdir, "", { parents = parents })
    end
  end)
end)
