-- Ends of the process while isolates of the worker pool run, and by them.

require "spec.helper"
require "spec.exit_cases" (function(what, how) return (what .. how):find "isolate" ~= nil end)
