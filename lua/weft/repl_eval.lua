-- What a line at the prompt means: code that is complete or not, an expression or statements, a command.

local M = {}

-- Compiles a line, or several: function; nil, "more" when it is not complete; nil, message. An expression gives its
-- values.
function M.compile(code, name, env)
  local expression = code:gsub("^%s*=", "")
  local f = load("return " .. expression, name, "t", env)
  if f then return f end
  local message
  f, message = load(code, name, "t", env)
  if f then return f end
  if message:find "near '?<eof>'?$" then return nil, "more" end
  return nil, message
end

-- Globals that must be declared raise when they are not.
local function has(env, name)
  local ok, value = pcall(function() return env[name] end)
  return ok and value ~= nil
end

-- ".trace f(1)" -> "trace", "f(1)"; nil for a line that is no command. ".5" and the like are not. `exit` and `quit()` are,
-- as elsewhere, unless there is such a global.
function M.command(line, env)
  local word = line:match "^%s*(%a+)%s*$" or line:match "^%s*(%a+)%s*%(%s*%)%s*$"
  if (word == "exit" or word == "quit") and not has(env, word) then return "quit", "" end
  return line:match "^%s*%.(%a+)%s*(.-)%s*$"
end

-- The text of an error with where it happened, without the frames that are not the user's.
function M.error_text(err, traceback)
  local ok, text = pcall(tostring, err)
  if not ok then text = "(an error whose __tostring fails)" end
  local lines = {}
  for line in (traceback or ""):gmatch "[^\n]+" do
    if line:match "^\t" and not line:find "%[C%]: in %?" then lines[#lines + 1] = line end
  end
  if #lines == 0 or #lines == 1 and text:find "^stdin:" then return text end
  return text .. "\n" .. table.concat(lines, "\n")
end

return M
