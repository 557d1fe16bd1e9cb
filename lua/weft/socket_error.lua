-- weft.socket: the words that LuaSocket has for errors, by weft's codes.

local WORDS = {
  ETIMEDOUT = "timeout", EBADF = "closed", ECANCELED = "closed", EPIPE = "closed", ECONNRESET = "closed",
  ECONNREFUSED = "connection refused", EADDRINUSE = "address already in use", EACCES = "permission denied",
  EAI_NONAME = "host or service not provided, or not known", EAI_AGAIN = "temporary failure in name resolution",
  EHOSTUNREACH = "host is unreachable", ENETUNREACH = "network is unreachable", ENOENT = "no such file or directory",
}

-- The word for `message, code`.
return function(message, code)
  return WORDS[code] or (message or "unknown error"):gsub("^[%u_]+: ", ""):gsub(": .*$", "")
end
