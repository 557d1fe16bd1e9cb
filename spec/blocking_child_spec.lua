-- weft.blocking.submit: what it has in common with other children; the rest is in blocking_spec.lua.

require "spec.helper"
require "spec.child_cases" ("blocking.submit", "thread")
require "spec.child_stop_cases" ("blocking.submit", "thread")
