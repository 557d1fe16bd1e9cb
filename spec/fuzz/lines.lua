-- A target of spec/c/fuzz_lua_test.c: what reads of a stream give, in whatever pieces its input comes and whatever is asked
-- for, against a reader that has the whole input in a string.
--
-- The bytes: 1 flags, 1 how many reads, 1 how many steps of the source (fuzz_source.h), 2 for each read, 1 for each step,
-- the content.

local weft = require "weft"

local source = source -- luacheck: globals source

local CONTENT_MAX = 200 << 10
local REPEATS = { 1, 1, 1, 1, 1, 8, 64, 500 }
local ERRNO = { [5] = "EIO", [104] = "ECONNRESET", [110] = "ETIMEDOUT", [32] = "EPIPE", [9] = "EBADF", [12] = "ENOMEM",
  [13] = "EACCES", [22] = "EINVAL", [107] = "ENOTCONN", [21] = "EISDIR", [11] = "EAGAIN" }

-- The bytes as what they mean.
local function decode(bytes)
  local flags, nreads, nsteps = bytes:byte(1), bytes:byte(2) % 32, bytes:byte(3) % 32
  local at, reads = 4, {}
  for i = 1, nreads do
    local a, b = bytes:byte(at, at + 1)
    if not b then break end
    local how, more = a % 8, a // 8
    local what = how == 1 and b or how == 2 and b * 64 or how == 7 and b << 10 or how == 3 and "l" or how == 4 and "L"
      or how == 5 and "a" or how == 6 and "l" or nil
    local limit = type(what) == "string" and more >= 24 and b or nil
    reads[i] = { what = what, limit = limit, lines = more % 2 == 1, bad = more == 18 }
    at = at + 2
  end
  local plan = bytes:sub(at, at + nsteps - 1)
  local content = bytes:sub(at + nsteps)
  local times = math.min(REPEATS[flags // 16 % 8 + 1], CONTENT_MAX // math.max(1, #content))
  return { file = flags & 1 ~= 0, unread = flags & 2 ~= 0 and content:sub(1, flags // 16) or "", many = flags & 4 ~= 0,
    parks = flags & 8 ~= 0, reads = reads, plan = plan, content = times > 1 and content:rep(times) or content }
end

---------------------------------------------------------------------- the reference

-- kept: what has come and was not read. It takes the events of the source as it needs them.
local Model = {}
Model.__index = Model

-- The answer from what is kept: a string, or nil and an errno's name; nothing when more must come.
function Model:kept_answer(what, limit)
  local kept = self.kept
  local function give(n, cut)
    self.kept = kept:sub(n + 1)
    return kept:sub(1, n - (cut or 0))
  end
  if what == nil then
    if kept ~= "" then return give(#kept) end
  elseif math.type(what) then
    local looks = what == 0 and kept == "" and (self.is_file or self.ended) -- whether it has ended
    if what <= #kept and not looks then return give(what) end
  else
    local stop = what ~= "a" and kept:find("\n", 1, true)
    if stop and stop - 1 <= (limit or math.huge) then return give(stop, what == "l" and 1) end
    if stop or #kept > (limit or math.huge) then return false, "EMSGSIZE" end
  end
end

function Model:read(what, limit)
  while true do
    local answer, code = self:kept_answer(what, limit)
    if answer == false then return nil, code end
    if answer then return answer end
    local event = 0
    if not self.ended then
      event = source.event() or error "it answered before what it needs had come"
    end
    if event == 0 then
      self.ended = true
      answer, self.kept = self.kept, ""
      if answer == "" and what ~= "a" then return nil end
      return answer
    elseif event > 0 then
      self.kept = self.kept .. self.content:sub(self.at + 1, self.at + event)
      self.at = self.at + event
    elseif ERRNO[-event] ~= "EAGAIN" then
      return nil, ERRNO[-event]
    end
  end
end

---------------------------------------------------------------------- reading

local function differ(...) error(("%s\n  got      %q, %s\n  expected %q, %s"):format(...), 0) end

local function brief(s) return s and #s > 80 and s:sub(1, 40) .. "... " .. #s .. " bytes" or s or "nil" end

local function read(s, r)
  if not r.lines then return s:read(r.what, r.limit) end
  return s:lines(r.what == nil and 1 or r.what, r.limit)()
end

local function one_reader(s, input)
  local model = setmetatable({ kept = input.unread, content = input.content, at = 0, is_file = input.file }, Model)
  local function check(name, r)
    if r.lines and r.what == nil then r.what = 1 end
    local got, _, code = read(s, r)
    local wanted, wanted_code = model:read(r.what, r.limit)
    if got ~= wanted or code ~= wanted_code then differ(name, brief(got), code, brief(wanted), wanted_code) end
    if source.event() then error "it asked for more than it needed" end
    if s:buffered() ~= #model.kept then
      error(("%s: %d bytes are kept, expected %d"):format(name, s:buffered(), #model.kept))
    end
    return got, code
  end
  for i, r in ipairs(input.reads) do
    if r.bad then
      for _, bad in ipairs { { -1 }, { "x" }, { "ll" }, { "" }, { "l", -1 }, { 1.5 }, { {} } } do
        if pcall(s.read, s, table.unpack(bad)) or pcall(s.lines, s, table.unpack(bad)) then error "no error" end
      end
    else
      check("read " .. i, r)
    end
  end
  for _ = 1, 40 do -- an errno may come a few times more
    if select(2, check("the rest", { what = "a" })) == nil then break end
  end
  if model.at ~= #input.content and not model.ended then error "not all was read" end
end

-- Each byte goes to one of them, in order.
local function many_readers(s, input)
  local out, jobs = {}, {}
  local function take(what)
    local got, _, code = s:read(what)
    if got then out[#out + 1] = got end
    return got, code
  end
  for k = 1, 3 do
    jobs[k] = weft.go(function()
      for i = k, #input.reads, 3 do
        local what = input.reads[i].what
        take(what == "l" and "L" or what)
      end
    end)
  end
  for _, job in ipairs(jobs) do job:join() end
  for _ = 1, 40 do
    if select(2, take "a") == nil then break end
  end
  local given = 0
  for event in source.event do given = given + math.max(0, event) end
  local got, wanted = table.concat(out), input.unread .. input.content:sub(1, given)
  if got ~= wanted then differ("three readers", brief(got), #got, brief(wanted), #wanted) end
end

return function(bytes)
  if #bytes < 3 then return end
  local input = decode(bytes)
  local s = source.open(input.content, input.plan, input.file, input.unread, input.parks)
  local open = true
  local waker = (input.parks or input.plan:find "[\220-\235]") and weft.go(function()
    while open do
      source.ready()
      weft.yield()
    end
  end)
  local ok, err = pcall(input.many and many_readers or one_reader, s, input)
  open = false
  if waker then waker:join() end
  s:close()
  if not ok then error(err, 0) end
  local got, _, code = s:read "l"
  if got ~= nil or code ~= "EBADF" then differ("closed", got, code, "nil", "EBADF") end
end
