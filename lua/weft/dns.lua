--- weft.dns: names and addresses, by the system's resolver.

local core = require "weft.core"

return { resolve = core.resolve, reverse = core.reverse }
