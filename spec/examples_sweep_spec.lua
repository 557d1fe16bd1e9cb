-- examples/sweep.lua in its small size: on workers of several kinds, stopped and gone on with, with a file, on "hosts".

local helper = require "spec.helper"
local example = require "spec.example"

local it = example.deaf and pending or it

local PATH = helper.root .. "/examples/sweep.lua"

local function run(...)
  local env = { WEFT_QUICK = "1", LC_ALL = "C.UTF-8" }
  local out, err = helper.run_ok(PATH, { args = { ... }, env = env, timeout = helper.sanitizer and 90 or 60 })
  assert.equal("", err)
  return out
end

-- What the three runs in it found and computed: there, computed, there, ...
local function runs(out)
  local list = {}
  for there, computed in out:gmatch "\n(%d+) of 27 points were there, (%d+) computed in" do
    list[#list + 1] = tonumber(there)
    list[#list + 1] = tonumber(computed)
  end
  return list
end

local function table_of(out) return out:match "\n\n(   p .-)\n\n" or error("no table in:\n" .. out) end

describe("sweep", function()
  it("computes a grid on workers of any kind, is stopped, goes on, and draws a curve", function()
    local tables = {}
    for _, kind in ipairs { "thread", "process", "task" } do
      local out = run(kind)
      assert.truthy(out:find("a sweep over 9 x 3 points on " .. kind, 1, true), out)
      assert.same({ 0, 9, 9, 18, 27, 0 }, runs(out))
      assert.equal(9, select(2, table_of(out):gsub("\n", "")))
      assert.truthy(out:find("a way through\n", 1, true))
      assert.is_true(tonumber(out:match "\n(%S+) points/s; half of the largest squares have a way at p = 0%.%d+ ") > 0)
      tables[#tables + 1] = table_of(out)
    end
    assert.equal(tables[1], tables[2])
    assert.equal(tables[1], tables[3])
  end)

  -- A host runs plain lua5.4, into which a sanitizer's module cannot be loaded, nor one made for another Lua.
  local on_hosts = (helper.sanitizer or helper.foreign) and pending or it

  on_hosts("keeps its results in a file, and runs on hosts by a command", function()
    local dir = helper.tmpdir()
    local file = dir .. "/results"
    local found = runs(run("hosts", file, "env", "env HOST=2"))
    assert.is_true(found[2] >= 9 and found[2] == found[3] and found[3] + found[4] == 27)
    assert.same({ 27, 0, 27, 0, 27, 0 }, runs(run("thread", file)))
    local _, err, code = helper.run_script(PATH, { args = { "hosts", file .. "2", "false" }, env = { WEFT_QUICK = "1" } })
    assert.equal(1, code)
    assert.truthy(err:find("point 0.5 8 20: exit code 1", 1, true), err)
    helper.remove_dir(dir)
  end)
end)
