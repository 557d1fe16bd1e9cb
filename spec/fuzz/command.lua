-- A target of spec/c/fuzz_lua_test.c: the words of a command line, one a line (or ended by NUL), through the parsers of
-- weft.cli_options and the help. They raise by `usage` alone, and then with a message of one kind; what they accept is what
-- the words say, can be written down again, and is then understood as the same.

local cli = require "weft.cli"
local help = require "weft.help"
local options = require "weft.cli_options"

local USAGE = {} -- what `usage` raises

local function usage(message)
  if type(message) ~= "string" or message == "" then error "usage without a message" end
  error(USAGE, 0)
end

-- What f gives, or nil when it has called usage.
local function parsed(f, ...)
  local r = table.pack(pcall(f, ...))
  if r[1] then return table.unpack(r, 2, r.n) end
  if r[2] ~= USAGE then error(r[2], 0) end
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function check(holds, what) if not holds then error(what, 2) end end

---------------------------------------------------------------------- options of a script

local KINDS = { code = "table", interactive = "boolean", timeline = "boolean", summary = "boolean", trace = "string",
  capacity = "number", preempt = "number" }

-- The options as words again, the values after the names or behind "=".
local function written(o, equals)
  local out = {}
  local function put(name, value)
    if equals then
      out[#out + 1] = name .. "=" .. value
    else
      out[#out + 1] = name
      out[#out + 1] = value
    end
  end
  for _, code in ipairs(o.code) do
    out[#out + 1] = "-e"
    out[#out + 1] = code
  end
  if o.interactive then out[#out + 1] = "-i" end
  if o.timeline then out[#out + 1] = "--timeline" end
  if o.summary then out[#out + 1] = "--summary" end
  if o.recorder then out[#out + 1] = o.recorder == true and "--recorder" or "--recorder=" .. o.recorder end
  if o.trace then put("--trace", o.trace) end
  if o.capacity then put("--capacity", ("%d"):format(o.capacity)) end
  if o.preempt then put("--preempt", (math.type(o.preempt) == "integer" and "%d" or "%.17g"):format(o.preempt)) end
  return out
end

local function script(argv)
  local before = table.concat(argv, "\n")
  local o, i = parsed(options.script, argv, usage)
  check(table.concat(argv, "\n") == before, "the words were changed")
  if not o then return end
  check(math.type(i) == "integer" and i >= 1 and i <= #argv + 1, "the script stands nowhere")
  local path = argv[i]
  check(not path or path == "-" or path:sub(1, 1) ~= "-" or argv[i - 1] == "--", "an option is taken for a script")
  for key, value in pairs(o) do
    check(key == "recorder" and (value == true or type(value) == "string" and value ~= "") or type(value) == KINDS[key], key)
  end
  check(not o.capacity or math.type(o.capacity) == "integer" and o.capacity >= 1 and o.capacity <= 1 << 26, "capacity")
  check(not o.preempt or o.preempt >= 0.001 and o.preempt <= 60, "preempt")
  if o.trace then -- what writes it must know its kind
    local kind
    local function write(_, name) return function()
      kind = name
      return true
    end end
    local trace = setmetatable({}, { __index = write })
    check(cli.write_trace(trace, o.trace) and kind, "a file that nothing writes")
  end
  for equals = 0, 1 do
    local words = written(o, equals == 1)
    local n = #words
    words[n + 1], words[n + 2], words[n + 3] = "--", "-script", "--timeline"
    local again, at = parsed(options.script, words, usage)
    check(again and at == n + 2 and same(o, again), "it is not the same when written again")
  end
end

---------------------------------------------------------------------- options of a word

local KNOWN = {
  bench = { seconds = true, save = true, against = true, svg = true },
  show = { html = true, svg = true, chrome = true, by = true, seconds = true },
  info = {},
}

local function word(args)
  for _, known in pairs(KNOWN) do
    local o = parsed(options.word, args, known, usage)
    if o then
      local words, rest, ended = {}, 0, false
      for _, arg in ipairs(args) do
        if not ended and arg == "--" then ended = true end
      end
      for key, value in pairs(o) do
        check(type(value) == "string", "no text")
        if math.type(key) then rest = rest + 1 else check(known[key], "not an option") end
      end
      check(rest == #o, "holes")
      for i, value in ipairs(o) do check(ended or value:sub(1, 1) ~= "-", "an option among the rest: " .. i) end
      for key, value in pairs(o) do
        if not math.type(key) then words[#words + 1] = ("--%s=%s"):format(key, value) end
      end
      words[#words + 1] = "--"
      table.move(o, 1, #o, #words + 1, words)
      check(same(o, (parsed(options.word, words, known, usage))), "it is not the same when written again")
      local n = parsed(options.number, o, "seconds", usage)
      check(n == nil or n > 0 and n < math.huge and n == n, "seconds")
    end
  end
end

return function(bytes)
  local argv = {}
  for arg in bytes:gmatch "[^\n\0]*" do argv[#argv + 1] = arg end
  script(argv)
  word(argv)
  help.wrap(bytes, #bytes % 100)
  if argv[1] == "help" and #bytes % 32 == 0 then -- it looks through all the texts
    local text = help.text(table.concat(argv, " ", 2))
    check(type(text) == "string" and text ~= "", "help says nothing")
  end
end
