-- busted, where the command `busted` is a shell script that cannot be run by another Lua (luarocks makes such; scripts/test.sh).
require "busted.runner" { standalone = false }
