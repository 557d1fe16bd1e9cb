-- Ends of the process while tasks and threads run.

require "spec.helper"
require "spec.exit_cases" (function(what, how) return not (what .. how):find "isolate" end)
