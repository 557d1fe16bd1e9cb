-- busted output handler used by scripts/test.sh: writes one tab-separated record for each test to the
-- file named by WEFT_REPORT as soon as it is known, so that a crash or a hang leaves behind which test
-- was running, and prints every failure with its trace on standard output.
--
-- Records: `run NAME`, then one of `pass NAME`, `fail NAME`, `skip NAME`; `fail` alone for an error
-- outside any test; `end` when the suite was gone through. An error in an after_each block (the leak
-- check is one) turns the test it followed into a failed one.

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local report = assert(io.open(assert(os.getenv "WEFT_REPORT", "WEFT_REPORT is not set"), "a"))
  report:setvbuf "no"

  local last -- the test that ended but whose after_each blocks may still run

  local function record(what, name)
    report:write(what, "\t", (name:gsub("[%c]+", " ")), "\n")
  end

  local function settle()
    if last then
      record(last.status, last.name)
      last = nil
    end
  end

  local function show(element, message, trace)
    local where = trace and trace.short_src and (trace.short_src .. ":" .. tostring(trace.currentline)) or "?"
    local name = element.descriptor == "after_each" and last and last.name or handler.getFullName(element)
    io.write("FAILED  ", name, "  (", element.descriptor, ", ", where, ")\n")
    io.write("  ", (tostring(message):gsub("\n", "\n  ")), "\n")
    if trace and trace.traceback then
      io.write("  ", (trace.traceback:gsub("^%s+", ""):gsub("\n", "\n  ")), "\n")
    end
    io.flush()
  end

  local function on_test_start(element)
    settle()
    record("run", handler.getFullName(element))
    return nil, true
  end

  local function on_test_end(element, _, status)
    local what = status == "success" and "pass" or status == "pending" and "skip" or "fail"
    last = { status = what, name = handler.getFullName(element) }
    return nil, true
  end

  local function on_trouble(element, _, message, trace)
    show(element, message, trace)
    if element.descriptor == "after_each" and last then
      last.status = "fail"
    elseif element.descriptor == "it" then
      if last then last.status = "fail" end
    else
      settle()
      record("fail", element.descriptor .. " " .. handler.getFullName(element))
    end
    return nil, true
  end

  local function on_suite_end()
    settle()
    record("end", "")
    return nil, true
  end

  function handler:subscribe()
    require "busted.languages.en"
    busted.subscribe({ "test", "start" }, on_test_start)
    busted.subscribe({ "test", "end" }, on_test_end)
    busted.subscribe({ "failure" }, on_trouble)
    busted.subscribe({ "error" }, on_trouble)
    busted.subscribe({ "suite", "end" }, on_suite_end)
    return self
  end

  return handler
end
