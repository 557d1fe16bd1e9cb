-- weft.h: a host with an event loop of its own; examples/embed is built against the module that is tested.

local helper = require "spec.helper"

local module = (os.getenv "WEFT_VARIANT_DIR" or helper.root .. "/build") .. "/weft/core.so"

-- A host must carry the sanitizer that the module was made with: another test's business. It is built with the system's Lua.
local test = (helper.sanitizer == nil or helper.sanitizer == "valgrind") and not helper.foreign and it or pending

describe("a host's own loop", function()
  test("drives two states in one thread", function()
    local dir = helper.tmpdir()
    local command = ("cd %s && %s -Wall -Wextra -Werror -o %s/host examples/embed/two_states.c -Icsrc "
      .. "$(pkg-config --cflags --libs lua5.4) %s -Wl,-rpath,%s 2>&1")
      :format(helper.quote(helper.root), os.getenv "CC" or "cc", dir, module, module:match "^(.*)/")
    local p = io.popen(command)
    local said = p:read "a"
    assert(p:close(), said)
    p = io.popen(("timeout 20 %s/host 2>&1"):format(dir))
    local lines, steps = {}, nil
    for line in p:lines() do
      steps = steps or line:match "^(%d+) steps$"
      if line:find "^echo" then lines[#lines + 1] = line end
      if line == "all done" then lines[#lines + 1] = line end
    end
    local ok = p:close()
    helper.remove_dir(dir)
    assert.is_true(ok)
    table.sort(lines)
    assert.same({
      "all done", "echo client 1, line 1", "echo client 1, line 2", "echo client 2, line 1", "echo client 2, line 2",
      "echo client 3, line 1", "echo client 3, line 2",
    }, lines)
    assert.truthy(tonumber(steps) < 1000) -- it slept in between
  end)

  test("is as short as the guide has it", function()
    local dir = helper.tmpdir()
    local code = helper.read_file(helper.root .. "/docs/guide.md"):match "\n```c\n(.-)```\n"
    helper.write_file(dir .. "/host.c", code)
    local command = ("cd %s && %s -Wall -Wextra -Werror -o %s/host %s/host.c -Icsrc "
      .. "$(pkg-config --cflags --libs lua5.4) %s -Wl,-rpath,%s 2>&1 && timeout 20 %s/host 2>&1")
      :format(helper.quote(helper.root), os.getenv "CC" or "cc", dir, dir, module, module:match "^(.*)/", dir)
    local p = io.popen(command)
    local said = p:read "a"
    p:close()
    helper.remove_dir(dir)
    assert.equal("tick\t1\ntick\t2\ntick\t3\n", said)
  end)
end)
