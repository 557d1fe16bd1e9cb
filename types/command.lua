---@meta _
-- luacheck: ignore 211 212 241 431

---# The prompt and the command
---
---The command `weft` is installed with the rock. Alone it is a prompt; `weft script.lua ARGS` runs a script as `lua` would;
---`weft --help` tells the rest.
---
---At the prompt the loop runs while you type. A line runs as a task: what blocks there blocks nothing else, Ctrl-C cancels
---that task alone, Ctrl-Z leaves it in the background. An expression's values are shown, the first is kept in `_`. What
---background tasks print comes above the line being typed. Tab completes names, fields and methods; arrows, Ctrl-R and the
---usual keys of readline edit. `help(x)` shows what this reference says, `ps()` what lives; `.trace CODE` draws what the
---code did, `.top` shows what lives until a key is pressed, `.load FILE` runs a file, `.quit` or Ctrl-D leaves.

---@class weft
local weft = {}

---The prompt, in any Lua. Without a terminal lines are read one after the other. Returns at the end of standard input.
---
---Blocks: until then; other tasks run meanwhile.
---Errors: not a table.
---
---```lua
---weft.repl()                          -- of an empty standard input nothing comes
---```
---@param env? table  where globals are; default `_G`
function weft.repl(env) end
