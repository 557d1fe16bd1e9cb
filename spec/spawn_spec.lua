-- weft.spawn: what it has in common with other children (child_cases.lua).

require "spec.helper"
require "spec.child_cases" ("spawn", "isolate")
