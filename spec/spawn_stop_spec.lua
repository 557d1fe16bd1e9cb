-- Stopping an isolate of the worker pool: one that waits, one that spins, wherever its code is.

require "spec.helper"
require "spec.child_stop_cases" ("spawn", "isolate")
