-- sh: what the harness asks of the system: files, commands, the programs that are there.
-- Paths are relative to the project's root, where the harness runs.
local M = {}

function M.quote(s)
  s = tostring(s)
  if s:find "^[%w%._/:=,+%-]+$" then return s end
  return "'" .. s:gsub("'", [['\'']]) .. "'"
end

function M.join(words)
  local out = {}
  for i, w in ipairs(words) do out[i] = M.quote(w) end
  return table.concat(out, " ")
end

-- The output of a shell command and whether it succeeded.
function M.output(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read "a"
  local ok, how, code = pipe:close()
  return text, ok == true, how, code
end

function M.run(command)
  return os.execute(command) == true
end

function M.read(path)
  local f, err = io.open(path, "rb")
  if not f then return nil, err end
  local text = f:read "a"
  f:close()
  return text
end

function M.exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

-- The files that a shell pattern names.
function M.glob(pattern)
  local files = {}
  for line in M.output("ls -1d " .. pattern .. " 2>/dev/null"):gmatch "[^\n]+" do files[#files + 1] = line end
  return files
end

function M.which(program)
  local path = M.output("command -v " .. M.quote(program) .. " 2>/dev/null"):match "^[^\n]+"
  return path
end

-- Is `out` missing, or older than one of `sources`?
function M.stale(out, sources)
  if not M.exists(out) then return true end
  local tests = {}
  for i, s in ipairs(sources) do tests[i] = ("[ %s -nt %s ]"):format(M.quote(s), M.quote(out)) end
  return M.run(table.concat(tests, " || "))
end

return M
