-- Where pictures go: to a file, or back to the caller as text.

local M = {}

local CODES = { [1] = "EPERM", [2] = "ENOENT", [5] = "EIO", [13] = "EACCES", [17] = "EEXIST", [20] = "ENOTDIR", [21] = "EISDIR",
  [23] = "ENFILE", [24] = "EMFILE", [27] = "EFBIG", [28] = "ENOSPC", [30] = "EROFS", [36] = "ENAMETOOLONG", [40] = "ELOOP" }

-- nil, "ENOENT: no such file or directory: a/b", "ENOENT" from what io's functions give.
function M.failure(path, message, number)
  local code = CODES[number] or "EIO"
  local text = tostring(message):gsub("^" .. path:gsub("%p", "%%%0") .. ": ", "")
  return nil, ("%s: %s: %s"):format(code, text:sub(1, 1):lower() .. text:sub(2), path), code
end

-- Writes the pieces, a list of strings, and returns true; without a path returns them as one string.
function M.put(path, pieces)
  if path == nil then return table.concat(pieces) end
  local file, message, number = io.open(path, "wb")
  if not file then return M.failure(path, message, number) end
  local room = 256 -- write takes as many arguments as fit the stack
  for i = 1, #pieces, room do
    local ok, wrong, errno = file:write(table.unpack(pieces, i, math.min(i + room - 1, #pieces)))
    if not ok then
      file:close()
      return M.failure(path, wrong, errno)
    end
  end
  local ok, wrong, errno = file:close()
  if not ok then return M.failure(path, wrong, errno) end
  return true
end

function M.check_path(path, what)
  if path ~= nil and type(path) ~= "string" then
    error(("bad argument #1 to '%s' (string expected, got %s)"):format(what, type(path)), 3)
  end
end

---------------------------------------------------------------------- JSON

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Bytes that are not UTF-8 become U+FFFD, so that the result is JSON whatever the text was.
local function valid(text)
  if utf8.len(text) then return text end
  local out, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    if not bad then
      out[#out + 1] = text:sub(at)
      break
    end
    out[#out + 1] = text:sub(at, bad - 1) .. "\u{FFFD}"
    at = bad + 1
  end
  return table.concat(out)
end

-- A text as a JSON string. "<" is escaped too, so that it can stand in a page's script.
function M.json_string(text)
  return '"' .. valid(text):gsub('[%c"\\<\127]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

return M
