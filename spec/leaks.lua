-- The leak check of spec/helper.lua: what the process owns before and after a test.
--
-- Descriptors come from /proc/self/fd, threads from /proc/self/task, children (zombies among them) from
-- /proc/self/task/*/children, temporary files from $TMPDIR. A thread that was joined may be listed for a
-- moment longer, so a difference counts only when it stays.

local lfs = require "lfs"
local system = require "system"

return function(helper)
  local M = {}

  -- Seconds that a difference may take to go away.
  local PATIENCE = tonumber(os.getenv "WEFT_LEAK_PATIENCE") or 3

  local function entries(path)
    local list = {}
    local ok, iter, state = pcall(lfs.dir, path)
    if not ok then return list end
    for name in iter, state do
      if name ~= "." and name ~= ".." then list[#list + 1] = name end
    end
    return list
  end

  local function first_line(path)
    local f = io.open(path, "r")
    if not f then return "" end
    local line = f:read "l" or ""
    f:close()
    return line
  end

  local function descriptors(into)
    for _, fd in ipairs(entries "/proc/self/fd") do
      local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
      -- No target: the descriptor of the listing itself, closed by now.
      if target then into["descriptor " .. fd .. " -> " .. target] = true end
    end
  end

  local function threads_and_children(into)
    for _, tid in ipairs(entries "/proc/self/task") do
      local name = first_line("/proc/self/task/" .. tid .. "/comm")
      -- Workers, and the threads for what blocks, belong to the process: they come when they are needed, take their name
      -- a little later, and stay, for a while at least.
      local belongs = name:find "^weft worker" or name == "weft blocking" or name == "weft names"
      if name ~= "" and not belongs then into["thread " .. tid .. " (" .. name .. ")"] = true end
      for pid in first_line("/proc/self/task/" .. tid .. "/children"):gmatch "%d+" do
        local state = first_line("/proc/" .. pid .. "/stat"):match "%) (%a)"
        into[(state == "Z" and "zombie " or "child ") .. pid] = true
      end
    end
  end

  local function temporary_files(into)
    local dir = os.getenv "TMPDIR"
    if not dir then return end
    for _, name in ipairs(entries(dir)) do into["temporary file " .. dir .. "/" .. name] = true end
  end

  -- The set of what the process owns now, as names.
  function M.snapshot()
    local set = {}
    descriptors(set)
    threads_and_children(set)
    temporary_files(set)
    return set
  end

  -- Names that are in the present snapshot and not in `before`; waits for them to go.
  function M.since(before)
    local deadline = system.monotime() + PATIENCE
    while true do
      local new = {}
      for name in pairs(M.snapshot()) do
        if not before[name] then new[#new + 1] = name end
      end
      if #new == 0 or system.monotime() > deadline then
        table.sort(new)
        return new
      end
      helper.collect()
      system.sleep(0.002)
    end
  end

  -- Memory: fails if the Lua heap, or outside sanitizers the process's resident set, grows with the number of
  -- runs of f. It is measured after windows of n runs. What fills caches and arenas, or moves pages about, stops
  -- sooner or later; a leak makes every window reach a new height. So the test passes when the heights of two
  -- windows in a row are no news, and fails when that has not come in 16 windows.
  -- Options: n (runs in a window, default 200), lua (bytes of Lua heap a run may leave, default 16), rss (bytes of
  -- resident set a run may leave, default 256; false: not looked at).
  function M.no_growth(f, opts)
    opts = opts or {}
    local n = opts.n or 200
    local look_at_rss = opts.rss ~= false and not helper.sanitizer
    local page, windows = 4096, 16
    local function sizes()
      helper.collect()
      local pages = look_at_rss and tonumber(first_line("/proc/self/statm"):match "^%d+ (%d+)") or 0
      return collectgarbage "count" * 1024, pages * page
    end
    local lua_limit, rss_limit = opts.lua or 16, math.max(opts.rss or 256, page / n)
    for _ = 1, math.max(n // 4, 3) do f() end -- caches fill, arenas grow
    local lua_top, rss_top = sizes()
    local flat, news = 0, nil
    for _ = 1, windows do
      for _ = 1, n do f() end
      local lua_now, rss_now = sizes()
      local lua_more, rss_more = (lua_now - lua_top) / n, (rss_now - rss_top) / n
      lua_top, rss_top = math.max(lua_top, lua_now), math.max(rss_top, rss_now)
      if lua_more <= lua_limit and rss_more <= rss_limit then
        flat = flat + 1
        if flat == 2 then return end
      else
        flat = 0
        news = lua_more > lua_limit and string.format("%.0f bytes of Lua heap", lua_more)
          or string.format("%.0f bytes of resident memory", rss_more)
      end
    end
    error("each run leaves " .. news .. " behind", 2)
  end

  -- Worker threads come as isolates wait where they cannot leave their worker, and stay. So that a test finds as many as
  -- it needs: let a few wait so at once. A worker has made its wake-up descriptor when it sleeps.
  local function warm_up_workers(weft)
    local core = require "weft.core"
    local go_on, jobs = weft.channel(), {}
    for i = 1, 12 do
      jobs[i] = weft.spawn(function(ch) table.sort({ 1, 2 }, function() ch:recv() end) end, go_on)
    end
    helper.eventually(function()
      local blocked = 0
      for _, worker in ipairs(core.worker_facts()) do
        if worker.state == "blocked" then blocked = blocked + 1 end
      end
      return blocked == #jobs
    end, "workers that wait")
    go_on:close()
    weft.all(jobs)
    helper.eventually(function()
      for _, worker in ipairs(core.worker_facts()) do
        if worker.state ~= "asleep" then return false end
      end
      return true
    end, "workers asleep")
    system.sleep(0.01) -- they are about to
  end

  -- What weft makes once for a process and keeps (a carrier's wake-up descriptor, pool workers) must
  -- exist before the first test, or the first test that needs it would seem to leak it.
  local function warm_up()
    local ok, weft = pcall(require, "weft")
    if not ok or type(weft) ~= "table" then return end
    pcall(function() weft.go(function() weft.sleep(0.001) end):join() end)
    pcall(function() weft.thread(function() end):join() end)
    warm_up_workers(weft)
    helper.collect()
  end

  -- Registers the check for the spec file that is being loaded.
  function M.install()
    local busted = package.loaded.busted
    if not busted or not busted.after_each then return end
    warm_up()
    local core = package.loaded["weft.core"] or {}
    local before, injected
    busted.before_each(function()
      before = M.snapshot()
      injected = core.injected and core.injected()
    end)
    local function check()
      if injected and core.injected() > injected then helper.injected(core.injected() - injected) end
      injected = nil
      if not before then return end
      helper.collect()
      local new = M.since(before)
      before = nil
      if #new > 0 then error("the test leaks:\n  " .. table.concat(new, "\n  "), 0) end
    end
    busted.after_each(check)
    -- busted runs a file's after_each blocks in the order they were written; the check has to see what
    -- the others left, so it is moved to the end of the file's list before each test.
    busted.subscribe({ "test", "start" }, function(element)
      local file = element
      while file and file.descriptor ~= "file" do file = busted.parent(file) end
      local list = file and file.after_each or {}
      for i, block in ipairs(list) do
        if block.run == check and i < #list then
          table.insert(list, table.remove(list, i))
          break
        end
      end
      return nil, true
    end)
  end

  return M
end
