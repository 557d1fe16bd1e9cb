-- luacheck: no max line length (completions for shells)
-- The words of the command `weft`: each takes its arguments and what tells of misuse, and returns nothing, or false and a
-- message.

local options = require "weft.cli_options"

local M = {}

---------------------------------------------------------------------- examples

local function exists(path)
  local f = io.open(path, "r")
  if f then f:close() end
  return f ~= nil
end

-- The folder of the examples: beside the source tree, or where the rock has put them.
local function examples_folder()
  local here = debug.getinfo(1, "S").source:match "^@(.*)cli_tools%.lua$"
  for _, path in ipairs { here .. "../../examples", here .. "../../../../lib/luarocks/rocks-5.4/weft/scm-1/examples" } do
    if exists(path .. "/three_ways.lua") then return path end
  end
end

local function run_file(path, args)
  _G.weft = require "weft"
  _G.arg = table.move(args, 1, #args, 1, { [0] = path, [-1] = "weft" })
  assert(loadfile(path))(table.unpack(args))
end

-- The first sentence of an example's first comment.
local function claim(path)
  local out = {}
  for line in io.lines(path) do
    local text = line:match "^%-%- ?(.*)$"
    if not text then break end
    out[#out + 1] = text
  end
  local text = table.concat(out, " "):gsub("^Claim: ", "")
  return text:match "^(.-%.)%s" or text
end

local function names(folder)
  local list = {}
  local p = io.popen(("ls '%s' 2>/dev/null"):format(folder))
  for name in p:lines() do
    local short = name:match "^(.*)%.lua$"
    if short then list[#list + 1] = short end
  end
  p:close()
  return list
end

function M.examples(args, usage)
  local folder = examples_folder()
  if not folder then return false, "the examples are not installed here" end
  local name = table.remove(args, 1)
  if not name then
    local term = require "weft.term"
    local _, columns = require("weft.core").trace_terminal()
    local width = math.max(40, term.width(columns))
    for _, short in ipairs(names(folder)) do
      print(("%-18s %s"):format(short, term.cut(term.clean(claim(folder .. "/" .. short .. ".lua")), width - 20)))
    end
    print "\nweft examples NAME runs one, weft --timeline FILE draws what it did"
    return
  end
  local path = folder .. "/" .. name:gsub("%.lua$", "") .. ".lua"
  if name:find "/" or not exists(path) then usage(("no example '%s'; weft examples lists them"):format(name)) end
  run_file(path, args)
end

function M.demo(args)
  local folder = examples_folder()
  if not folder then return false, "the examples are not installed here" end
  run_file(folder .. "/three_ways.lua", args)
end

---------------------------------------------------------------------- measuring

-- What weft's own operations cost; each does it n times.
local function own_costs()
  local weft = require "weft"
  local function nothing() end
  return {
    { "function call", function(n) for _ = 1, n do nothing() end end },
    { "yield to another task", function(n)
      local half = n // 2
      local other = weft.go(function() for _ = 1, half do weft.yield() end end)
      for _ = 1, n - half do weft.yield() end
      other:join()
    end },
    { "task, start to end", function(n) for _ = 1, n do weft.go(nothing):join() end end },
    { "round trip, two channels", function(n)
      local there, back = weft.channel(), weft.channel()
      local other = weft.go(function() for v in there do back:send(v) end end)
      for i = 1, n do
        there:send(i)
        back:recv()
      end
      there:close()
      other:join()
    end },
    { "mutex, lock and unlock", function(n)
      local m = weft.mutex()
      for _ = 1, n do
        m:lock()
        m:unlock()
      end
    end },
    { "isolate, start to end", function(n) for _ = 1, n do weft.spawn(nothing):join() end end },
    { "thread, start to end", function(n) for _ = 1, n do weft.thread(nothing):join() end end },
  }
end

local function own_bench(o, seconds)
  local weft = require "weft"
  local list = weft.bench.compare(own_costs(), { batch = true, seconds = seconds or 0.3, isolate = false })
  local rows = { title = "what operations of weft cost here", unit = "s", log = true }
  local function above(v) return math.max(v, 1e-10) end
  for i, r in ipairs(list) do rows[i] = { r.name, above(r.median), above(r.low), above(r.high) } end
  local p = weft.plot.bars(rows)
  print(p)
  local said = {}
  for _, r in ipairs(list) do
    for _, w in ipairs(r.warnings) do
      if not said[w] and w:find "machine" then print("! " .. w) end
      said[w] = true
    end
  end
  if o.svg then return p:svg(o.svg) end
  return true
end

local function file_of(prefix, name) return prefix .. "." .. name:gsub("[^%w_-]", "_") .. ".bench" end

function M.bench(args, usage)
  local o = options.word(args, { seconds = true, save = true, against = true, svg = true }, usage)
  local seconds = options.number(o, "seconds", usage)
  local weft = require "weft"
  _G.weft = weft
  if #o == 0 then
    local ok, message = own_bench(o, seconds)
    if not ok then return false, message end
    return
  end
  for _, path in ipairs(o) do
    local f, message = loadfile(path)
    if not f then return false, message end
    local cases = f()
    if cases ~= nil and (type(cases) ~= "table" or next(cases) == nil) then
      return false, ("%s: a table of functions to measure expected, it returned %s"):format(path,
        type(cases) == "table" and "an empty one" or type(cases))
    end
    if cases ~= nil then
      local list = weft.bench.compare(cases, { seconds = seconds })
      print(list)
      for _, r in ipairs(list) do
        if o.against then
          local before, wrong = weft.bench.saved(file_of(o.against, r.name))
          print(before and ("%s, against %s: %s"):format(r.name, o.against, r:compare(before):text()) or wrong)
        end
        if o.save then
          local ok, wrong = r:save(file_of(o.save, r.name))
          if not ok then return false, wrong end
        end
      end
      if o.svg then
        local ok, wrong = list:plot({ title = path }):svg(o.svg)
        if not ok then return false, wrong end
      end
    end
  end
end

---------------------------------------------------------------------- the rest

function M.show(args, usage)
  local o = options.word(args, { html = true, svg = true, chrome = true, by = true, seconds = true }, usage)
  if #o ~= 1 then usage "show: one file expected" end
  if o.by and o.by ~= "task" and o.by ~= "carrier" then usage("--by: task or carrier expected, got '" .. o.by .. "'") end
  local weft = require "weft"
  local t, message = weft.trace.load(o[1], options.number(o, "seconds", usage))
  if not t then return false, message end
  if t.reason then print("written because: " .. t.reason) end
  t:timeline { by = o.by }
  for _, kind in ipairs { "html", "svg", "chrome" } do
    if o[kind] then
      local ok, wrong = t[kind](t, o[kind])
      if not ok then return false, wrong end
    end
  end
end

function M.info(args, usage)
  local o = options.word(args, {}, usage)
  local weft = require "weft"
  if not weft.info then return false, "weft.info is not part of this build" end
  local pid
  if o[1] then
    pid = math.tointeger(tonumber(o[1]))
    if not pid or pid < 1 or pid > 0x7fffffff then usage("info: a process number expected, got '" .. o[1] .. "'") end
  end
  local facts, message = weft.info(pid)
  if not facts then return false, message end
  print(facts)
end

function M.help(args)
  require "weft"
  local help = require "weft.help"
  print(#args == 0 and help.text() or help.text(table.concat(args, " ")))
end

local WORDS = "demo examples bench show info help completion"
local OPTIONS = "-e -i --timeline --summary --trace --capacity --recorder --preempt --help --version"

local COMPLETIONS = {
  bash = [==[
_weft() {
  local word=${COMP_WORDS[COMP_CWORD]}
  case ${COMP_WORDS[1]} in
    examples) [ "$COMP_CWORD" = 2 ] && COMPREPLY=($(compgen -W "$(weft examples | awk 'NF > 1 && $1 != "weft" {print $1}')" -- "$word")) ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")) ;;
    *)
      if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "@WORDS@ @OPTIONS@" -- "$word") $(compgen -f -- "$word"))
      elif [ "${word#-}" != "$word" ]; then COMPREPLY=($(compgen -W "@OPTIONS@" -- "$word"))
      else COMPREPLY=($(compgen -f -- "$word")); fi ;;
  esac
}
complete -o filenames -F _weft weft]==],
  zsh = [==[
#compdef weft
_weft() {
  if (( CURRENT == 2 )); then compadd -- @WORDS@ @OPTIONS@; _files
  elif [[ $words[2] == completion ]]; then compadd bash zsh fish
  elif [[ $words[2] == examples && CURRENT == 3 ]]; then compadd $(weft examples | awk 'NF > 1 && $1 != "weft" {print $1}')
  else _files; fi
}
compdef _weft weft]==],
  fish = [==[
complete -c weft -n __fish_use_subcommand -a "@WORDS@"
complete -c weft -n "__fish_seen_subcommand_from completion" -f -a "bash zsh fish"
complete -c weft -n "__fish_seen_subcommand_from examples" -f -a "(weft examples | awk 'NF > 1 && \$1 != \"weft\" {print \$1}')"
complete -c weft -s e -x -d "run code first"
complete -c weft -s i -d "the prompt afterwards"
complete -c weft -l timeline -d "draw what ran"
complete -c weft -l summary -d "the same in numbers"
complete -c weft -l trace -r -d "write what ran to a file"
complete -c weft -l capacity -x
complete -c weft -l recorder -d "keep the last moments"
complete -c weft -l preempt -x
complete -c weft -s h -l help
complete -c weft -s v -l version]==],
}

function M.completion(args, usage)
  local text = COMPLETIONS[args[1] or ""]
  if not text then usage "completion: bash, zsh or fish expected" end
  print((text:gsub("@WORDS@", WORDS):gsub("@OPTIONS@", OPTIONS)))
end

return M
