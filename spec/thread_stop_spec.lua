-- Stopping a thread: one that waits, one that spins, wherever its code is.

require "spec.helper"
require "spec.child_stop_cases" ("thread", "thread")
