/* The cases of pack_test.c: name and Lua chunk. */

{"=scalars",
 "local v = table.pack(nil, true, false, 0, 1, 63, 64, 127, 128, -1, -128, -129, 255, 256, 32767, 32768, -32769, 65536,\n"
 "  2147483647, 2147483648, -2147483649, math.maxinteger, math.mininteger, 0.0, -0.0, 0.5, 1e300, 1/0, -1/0, 3.0,\n"
 "  'x', '', 'nul\\0nul', ('long'):rep(30), nil)\n"
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  for first = 1, v.n, 16 do\n"
 "    local part = table.pack(table.unpack(v, first, math.min(first + 15, v.n)))\n"
 "    local w = table.pack(cross(table.unpack(part, 1, part.n))) assert(w.n == part.n and same(part, w))\n"
 "  end\n"
 "  local t = {} for i = 1, v.n do t[i] = v[i] if v[i] ~= nil then t[v[i]] = i end end\n"
 "  assert(same(t, (cross(t))))\n"
 "  local nan = cross(0/0) assert(nan ~= nan)\n"
 "  assert(1 / cross(-0.0) == -1/0)\n"
 "end\n"
 "reach(0)\n"
 "assert(select('#', cross()) == 0)\n"
 "local many = table.pack(cross(table.unpack({}, 1, 300))) assert(many.n == 300)\n"},

{"=arrays",
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  assert(same({}, cross({})))\n"
 "  assert(same({1, 2, 3, {4}}, cross({1, 2, 3, {4}})))\n"
 "  local t = {1, 2, nil, 4} assert(#cross(t) == #t and same(t, cross(t)))\n"
 "  t = {nil, nil, 3} assert(#cross(t) == #t and same(t, cross(t)))\n"
 "  t = {[3] = 'c', [1] = 'a', [2] = 'b', [-1] = 'm', [0] = 'z', [2.5] = 'f'} assert(same(t, cross(t)))\n"
 "  t = {[1] = 1, [1000000] = 2} assert(same(t, cross(t)))\n"
 "  t = {} for i = 100, 1, -1 do t[i] = i end assert(same(t, cross(t)) and #cross(t) == 100)\n"
 "  t = {} for i = 1, 1000 do t[i] = i * 3 end for i = 2, 999 do t[i] = nil end assert(same(t, cross(t)))\n"
 "  t = {} for i = 0, 30 do t[1 << i] = true end assert(same(t, cross(t)))\n"
 "  t = {} for i = 1, 5000 do t[i] = i % 7 == 0 and i / 2 or -i end assert(same(t, cross(t)))\n"
 "end\n"},

{"=an array ends before a gap that is too wide, and before keys that no array has",
 "local wide = {table.unpack({1, [1000] = 2}, 1, 1000)}\n"
 "for r = 0, 2 do reach(r) assert(same(wide, cross(wide))) end\n"
 "local keys = {} for i = 0, 40 do keys[i + 1] = 1 << i end\n"
 "local function first_outside(t) local n = 0 for k in pairs(t) do if k ~= n + 1 then return k end n = k end return 0 end\n"
 "local t repeat\n" /* until the order of the keys is such that the first one has a place in no array */
 "  t = {} for i = #keys, 2, -1 do local j = math.random(i) keys[i], keys[j] = keys[j], keys[i] end\n"
 "  for _, k in ipairs(keys) do t[k] = true end\n"
 "until first_outside(t) >= 1 << 31 and #t >= first_outside(t)\n"
 "for r = 0, 2 do reach(r) assert(same(t, cross(t))) end\n"
 "reach(0) assert(same(t, (cross(t, print))))\n"},

{"=hashes",
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  local t = {a = 1, b = {c = {d = 'e'}}, [true] = 1, [false] = 0, [1.5] = 'x', ['odd key'] = 2}\n"
 "  assert(same(t, cross(t)))\n"
 "  t = {} for i = 1, 3000 do t['key' .. i] = 'value' .. i end assert(same(t, cross(t)))\n"
 "  t = {} for i = 1, 300 do t[i] = {x = i, y = -i, name = 'n' .. i, kind = i % 2 == 0 and 'even' or 'odd'} end\n"
 "  assert(same(t, cross(t)))\n"
 "  t = {} for i = 1, 1000 do local r = {} for j = 1, 3 do r['k' .. (i + j) % 400] = 'v' .. i % 300 end t[i] = r end\n"
 "  assert(same(t, cross(t)))\n"
 "end\n"},

{"=dictionary larger than its near part, strings of all lengths",
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  local t = {}\n"
 "  for i = 1, 2500 do t[i] = ('s'):rep(i % 90) .. i % 700 end\n"
 "  for i = 1, 700 do t['s' .. i] = t[i] end\n"
 "  assert(same(t, cross(t)))\n"
 "  t = {} for i = 1, 600 do t[i] = 'string ' .. i end t[601], t[602] = ('q'):rep(70000), ('q'):rep(70000) assert(same(t, cross(t)))\n"
 "  t = {} for i = 0, 70000, 1111 do t[#t + 1] = ('z'):rep(i) end\n"
 "  t[#t + 1] = ('z'):rep(65535) t[#t + 1] = ('z'):rep(65536)\n"
 "  assert(same(t, cross(t)))\n"
 "  local big = ('0123456789'):rep(20000)\n"
 "  local a, b, c = cross(big, {big, big}, {[big] = big}) assert(a == big and b[2] == big and c[big] == big)\n"
 "end\n"},

{"=a repeated string is sent once",
 "local s = ('k'):rep(39) local t = {} for i = 1, 1000 do t[i] = {[s] = s} end\n"
 "assert(#bytes(t) < 1000 * 13, #bytes(t))\n"
 "local big = ('k'):rep(100000) t = {} for i = 1, 100 do t[i] = big end\n"
 "reach(1) assert(#bytes(t) < 101000)\n"
 "t = {} for i = 1, 3000 do t[i] = 'unique ' .. i end for i = 1, 1000 do t[3000 + i] = {id = 1, kind = 'x'} end\n"
 "assert(same(t, cross(t)))\n"},

{"=cycles and shared references",
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  local t = {} t.self = t t[1] = t t[t] = t local u = cross(t)\n"
 "  assert(u.self == u and u[1] == u and u[u] == u and u ~= t)\n"
 "  local s = {7} local a, b, c = cross({s, s}, s, {deep = {s}})\n"
 "  assert(a[1] == a[2] and a[1] == b and c.deep[1] == b and b[1] == 7)\n"
 "  local p, q = {}, {} p.q = q q.p = p p, q = cross(p, q) assert(p.q == q and q.p == p)\n"
 "  local ring = {} local at = ring for i = 1, 150 do at.next = {i = i} at = at.next end at.next = ring\n"
 "  ring = cross(ring) at = ring for i = 1, 151 do at = at.next end assert(at == ring)\n"
 "  local k = {} t = {[k] = 'x', k = k} u = cross(t) assert(u[u.k] == 'x')\n"
 "  local shared = {} t = {} for i = 1, 2000 do shared[i] = {i} t[i] = {shared[i], shared[(i * 7) % i + 1]} end\n"
 "  local x, y = cross(t, shared) for i = 1, 2000 do assert(x[i][1] == y[i] and x[i][2] == y[(i * 7) % i + 1]) end\n"
 "end\n"},

{"=nesting",
 "local function nest(n) local t = {} for i = 2, n do t = {t} end return t end\n"
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  assert(same(nest(200), cross(nest(200))))\n"
 "  local ok, err = pcall(cross, nest(201))\n"
 "  assert(not ok and err.kind == 'transfer' and err.message:find('nested deeper than 200', 1, true), tostring(err))\n"
 "  assert(#err.message < 500 and err.message:find('arg 1[1][1]', 1, true) == 1)\n"
 "  local function named(n) local t = {} for i = 2, n do t = {child = t, i = i} end return t end\n"
 "  assert(same(named(200), cross(named(200))))\n"
 "  assert(not pcall(cross, named(201)))\n"
 "end\n"
 "reach(0)\n"
 "local function chain(n) local f = function() return 0 end\n"
 "  for i = 2, n do local g = f f = function() return g() + 1 end end return f end\n"
 "assert(cross(chain(100))() == 99)\n"
 "assert(cross(chain(200))() == 199)\n"
 "assert(not pcall(cross, chain(201)))\n"},

{"=metatables",
 "local P, Q = {}, {} P.__index = P function P.len(p) return p.x + p.y end P.__gc = function() end\n"
 "local here = {P = P}\n"
 "register('point', P) register('point', P)\n"
 "at('P = {} P.__index = P function P.len(p) return p.x * p.y end register(\"point\", P)')\n"
 "local p = setmetatable({x = 3, y = 4}, P)\n"
 "for r = 0, 2 do\n"
 "  reach(r)\n"
 "  assert(getmetatable(cross(p)) == P and cross(p):len() == 7)\n"
 "  local list = {} for i = 1, 50 do list[i] = setmetatable({x = i, y = i, prev = list[i - 1]}, P) end\n"
 "  list = cross(list) assert(list[50]:len() == 100 and list[50].prev == list[49] and getmetatable(list[50]) == P)\n"
 "  local loop = setmetatable({}, P) loop.x, loop.y, loop.me = 1, 1, loop loop = cross(loop)\n"
 "  assert(loop.me == loop and loop:len() == 2)\n"
 "  refuse('arg 1[2]: its metatable is not registered (weft.register)', {1, setmetatable({}, Q)})\n"
 "end\n"
 "reach(0)\n"
 "assert(at('return (...):len(), getmetatable(...) == P', p) == 12)\n"
 "Q.__name = 'queue'\n"
 "refuse('arg 1.q: the metatable of this queue is not registered (weft.register)', {q = setmetatable({}, Q)})\n"
 "register('queue', Q)\n"
 "local ok, err = pcall(cross, setmetatable({}, Q))\n"
 "assert(not ok and err.message == \"no metatable is registered here as 'queue' (weft.register)\", tostring(err))\n"
 "local function why(...) local ok, err = pcall(register, ...) assert(not ok) return err end\n"
 "assert(why('point', Q):find(\"the name 'point' is registered for another metatable\", 1, true))\n"
 "assert(why('dot', P):find(\"this metatable is registered as 'point'\", 1, true))\n"
 "assert(why('', P):find('a name of 1 to 200 bytes', 1, true) and why('a\\0b', P) and why(('x'):rep(201), {}))\n"
 "assert(why('x', 1):find('table expected') and why({}, {}):find('string expected'))\n"},

{"=weft's errors travel without being registered",
 "local ok, err = pcall(cross, coroutine.create(print))\n"
 "local e = cross(err) assert(e.kind == 'transfer' and e.message == err.message and getmetatable(e) == getmetatable(err))\n"
 "reach(2) e = cross(err) assert(tostring(e) == tostring(err) and e.where == err.where)\n"},

{"=functions",
 "assert(cross(function(a, b) return a + b end)(2, 3) == 5)\n"
 "local n = 10 local function add(x) n = n + x return n end\n"
 "assert(cross(add)(5) == 15 and n == 10)\n"
 "local function fact(k) return k <= 1 and 1 or k * fact(k - 1) end assert(cross(fact)(10) == 3628800)\n"
 "local even, odd function even(k) if k == 0 then return true end return odd(k - 1) end\n"
 "function odd(k) if k == 0 then return false end return even(k - 1) end\n"
 "local e, o = cross(even, odd) assert(e(10) and not e(7) and o(7))\n"
 "x = 'here' at('x = \"there\"') assert(at('return (...)()', function() return x end) == 'there')\n"
 "local f = load('local a <const> = 3 return function(...) return a + select(\"#\", ...) end')() assert(cross(f)(1, 2) == 5)\n"
 "local t = {f = add, g = add, h = {add}} t = cross(t) assert(t.f == t.g and t.h[1] == t.f)\n"
 "local t = {} function t.me() return t end t = cross(t) assert(t.me() == t)\n"
 "local ok, err = pcall(at, 'return (...)()', load('\\n\\nerror(\"boom\")', '@some/file.lua'))\n"
 "assert(not ok and err == 'some/file.lua:3: boom', err)\n"
 "assert(debug.getinfo(cross(add), 'S').linedefined == debug.getinfo(add, 'S').linedefined)\n"
 "for i = 1, 20 do assert(cross(add)(i) == 10 + i) end\n"
 "local big = load('local t = {} ' .. ('t[#t + 1] = #t * 2 '):rep(2000) .. ' return t')\n"
 "assert(#cross(big)() == 2000)\n"
 "reach(1) assert(cross(add)(1) == 11) e, o = cross(even, odd) assert(o(7))\n"
 "assert(#cross(big)() == 2000)\n"},

{"=upvalues",
 "local count = 0 local function inc() count = count + 1 return count end local function get() return count end\n"
 "local i, g = cross(inc, get) i() i() assert(g() == 2 and count == 0)\n"
 "local a, b = cross({inc, {get}}), nil a[1]() assert(a[2][1]() == 1)\n"
 "assert(debug.upvalueid(a[1], 1) == debug.upvalueid(a[2][1], 1))\n"
 "local i1 = cross(inc) local i2 = cross(inc) i1() i1() assert(i2() == 1)\n"
 "local function outer() local n = 0 return function() n = n + 1 return n end, function() return n end, function(m) n = m end end\n"
 "local p, q, r = cross(outer()) p() r(40) p() assert(q() == 41)\n"
 "local list = {} for k = 1, 5 do local x = k list[k] = {function() x = x + 1 return x end, function() return x end} end\n"
 "list = cross(list) list[3][1]() assert(list[3][2]() == 4 and list[4][2]() == 4 and list[2][2]() == 2)\n"
 "local fs = {} do local u1, u2, u3 = 1, 2, 3 for k = 1, 30 do fs[k] = k % 3 == 0 and function() u1 = u1 + 1 return u1, u2 end\n"
 "  or k % 3 == 1 and function() return u2, u3 end or function() u3 = u3 + 1 return u3, u1 end end end\n"
 "fs = cross(fs) fs[3]() fs[6]() assert(select(2, fs[2]()) == 3) assert(select(2, fs[1]()) == 4)\n"
 "local function many() local a1,a2,a3,a4,a5,a6,a7,a8,a9,a10 = 1,2,3,4,5,6,7,8,9,10\n"
 "  return function() return a1+a2+a3+a4+a5+a6+a7+a8+a9+a10 end end assert(cross(many())() == 55)\n"
 "local self = {} local function method() return self.n end self.m, self.n = method, 5\n"
 "local s, m = cross(self, method) assert(s.m == m and m() == 5) s.n = 6 assert(m() == 6)\n"
 "local env = {y = 5} local function sandboxed() local _ENV = env return y end assert(cross(sandboxed)() == 5)\n"
 "local f = load('return y', 'chunk', 't', env) assert(cross(f)() == 5)\n"},

{"=globals and modules by name",
 "assert(cross(_G) == _G and cross({_G})[1] == _G)\n"
 "local fmt, str = string.format, string assert(cross(function() return fmt('%d', 3) .. str.rep('x', 2) end)() == '3xx')\n"
 "local p, f, s = cross(print, string.format, table) assert(p == print and f == string.format and s == table)\n"
 "assert(at('return (...) == string.format', string.format) and at('return (...) == string', string))\n"
 "assert(cross(io.stdout) == io.stdout and at('return (...) == io.stdout', io.stdout))\n"
 "assert(cross(io.write) == io.write and cross(require) == require and cross(coroutine.wrap) == coroutine.wrap)\n"
 "package.preload.mine = function() return {inner = {deep = hidden(1)}, hidden(2), pi = 3, f = function() end} end\n"
 "at('package.preload.mine = function() return {inner = {deep = print}, [1] = 1, loaded = true} end')\n"
 "local mine = require 'mine'\n"
 "assert(at('return (...)[1].loaded', {mine, print}))\n"
 "assert(at('return (...) == print', mine.inner.deep))\n"
 "assert(cross(mine.inner.deep) == print)\n"
 "at('package.loaded.mine = nil package.preload.mine = nil')\n"
 "local ok, err = pcall(at, 'return', mine)\n"
 "assert(not ok and err.kind == 'transfer' and err.message:find(\"^module 'mine' cannot be loaded here: \"), tostring(err))\n"
 "at('package.loaded.mine = {}') ok, err = pcall(at, 'return', mine.inner.deep)\n"
 "assert(not ok and err.message == \"'mine.inner.deep' is not there in this isolate\", tostring(err))\n"
 "at('package.preload.mine = function() error(\"broken\") end package.loaded.mine = nil')\n"
 "ok, err = pcall(at, 'return', mine) assert(not ok and err.message:find('broken', 1, true))\n"
 "at('package.preload.mine = nil package.loaded.mine = true') assert(at('return ...', mine) == true)\n"
 "at('package.loaded.mine = false') ok, err = pcall(at, 'return', mine) assert(not ok and err.message:find(\"^module 'mine' cannot be loaded here: \"))\n"
 "package.loaded.mine = nil assert(same(cross({1, {x = 1}}), {1, {x = 1}}))\n"
 "package.loaded.mine2 = mine package.loaded.mine2 = nil\n"
 "reach(1) assert(cross(_G) == _G and cross(string.rep) == string.rep and cross(table) == table)\n"
 "package.preload.fn = function() return hidden(5) end local fn = require 'fn'\n"
 "at('package.preload.fn = function() return print end') assert(cross(fn) == print)\n"},

{"=of several names the shortest is taken, then the first of the alphabet",
 "for round = 1, 20 do\n" /* they are visited in any order */
 "  local m, names = {f = hidden(1)}, {}\n"
 "  for i = 1, 24 do names[i] = 'module_' .. round .. string.char(96 + i) end names[25] = 'a_longer_name'\n"
 "  package.loaded[77] = m for _, name in ipairs(names) do package.loaded[name] = m end\n"
 "  for _, message in ipairs {bytes(m, print), bytes(m.f)} do\n"
 "    assert(message:find(names[1], 1, true) and not message:find('module_%d*[b-z]') and not message:find('a_longer_name', 1, true))\n"
 "  end\n"
 "  package.loaded.mod = m assert(bytes(m, print):find('mod', 1, true) and not bytes(m, print):find('module', 1, true))\n"
 "  for _, name in ipairs(names) do package.loaded[name] = nil end package.loaded.mod = nil\n" /* a number is no name */
 "  refuse('arg 1.f: a C function with upvalues that is in no loaded module cannot cross isolates', m) package.loaded[77] = nil\n"
 "end\n"},

{"=names that are too long, have a zero byte or lie behind too many others lead nowhere",
 "local refusal = 'arg 1: a C function with upvalues that is in no loaded module cannot cross isolates'\n"
 "local m = {[('n'):rep(195)] = hidden(1), [('n'):rep(196)] = hidden(2), ['a\\0b'] = hidden(3)} package.loaded.odd = m\n"
 "assert(bytes(m[('n'):rep(195)]):find(('n'):rep(195), 1, true))\n"
 "refuse(refusal, m[('n'):rep(196)]) refuse(refusal, m['a\\0b'])\n"
 "m.inner = {} for i = 1, 1100 do m.inner['f' .. i] = hidden(i) end\n"
 "local found = 0 for _, f in pairs(m.inner) do if pcall(bytes, f) then found = found + 1 end end assert(found == 1000, found)\n"
 "package.loaded.odd = nil\n"},

{"=without package.loaded nothing has a name",
 "local registry, loaded = debug.getregistry(), package.loaded\n"
 "assert(cross(string.format) == string.format)\n"
 "registry._LOADED = nil\n"
 "local message, copy = bytes(string.format), bytes({1}, string.rep) registry._LOADED = loaded\n"
 "assert(not message:find('format', 1, true) and not copy:find('rep', 1, true))\n"
 "assert(bytes(string.format):find('format', 1, true))\n"},

{"=a name is looked up anew",
 "local f = string.reverse assert(cross(f) == f) string.reverse = function() return 1 end\n"
 "local g = copy(f) assert(g ~= string.reverse and g('ab') == 'ba')\n"
 "string.reverse = f assert(cross(f) == f)\n"
 "string.backwards = f string.reverse = nil\n"
 "local ok, err = pcall(at, 'return', f) assert(not ok and err.message == \"'string.backwards' is not there in this isolate\")\n"
 "string.reverse, string.backwards = f, nil\n"},

{"=functions of weft's Lua files go by name",
 "local source = 'local state = coroutine.create(print) return {map = function() return state end, inner = {f = function() return state end}}'\n"
 "package.loaded['weft.sub'] = load(source, '@lua/weft/sub.lua')()\n"
 "at('package.loaded[\"weft.sub\"] = {map = print, inner = {f = type}}')\n"
 "local sub = package.loaded['weft.sub'] assert(cross(sub.map) == print and cross(sub.inner.f) == type)\n"
 "refuse(\"arg 1 upvalue 'state': a coroutine cannot cross isolates\", load(source, '@lua/weft/other.lua')().map)\n"
 "package.loaded.weftish = load(source, '@lua/weft/ish.lua')()\n" /* no module of ours */
 "refuse(\"arg 1 upvalue 'state': a coroutine cannot cross isolates\", package.loaded.weftish.map) package.loaded.weftish = nil\n"
 "assert(cross(load('return function() return 5 end', '@/f.lua')())() == 5)\n"
 "package.loaded['weft.sub'] = nil at('package.loaded[\"weft.sub\"] = nil')\n"},

{"=C functions by pointer",
 "local f = hidden() local g = cross(f) assert(g == f and g ~= nil)\n"
 "assert(#{cross(f, {f})} == 2)\n"
 "refuse('arg 1: a C function with upvalues that is in no loaded module cannot cross isolates', hidden(1))\n"
 "refuse('arg 2.cb: a C function with upvalues that is in no loaded module cannot cross isolates', 1, {cb = hidden(1)})\n"
 "reach(1) refuse('arg 1: a C function that is in no loaded module cannot leave the process', f)\n"},

{"=light userdata and C functions of libraries",
 "assert(cross(pointer()) == pointer() and cross({pointer(), [pointer()] = 1})[1] == pointer())\n"
 "assert(cross(foreign()) == foreign())\n"
 "refuse('arg 1: a C function whose library cannot be kept loaded cannot cross isolates', nowhere())\n"
 "for r = 1, 2 do reach(r) refuse('arg 1.p: a light userdata cannot leave the process', {p = pointer()}) end\n"},

{"=objects outside Lua",
 "local b = box(7) local c = cross(b) assert(#c == 7 and c ~= b)\n"
 "local t = cross({b, b, x = {b}}) assert(#t[1] == 7 and t[1] == t[2] and t[2] == t.x[1])\n"
 "local f = cross(function() return #b end) assert(f() == 7)\n"
 "for i = 1, 30 do assert(#cross({{}, box(i + 100), 'x'})[2] == i + 100) end\n"
 "refuse('arg 2.list[1]: a box with 13 stays at home', b, {list = {box(13)}})\n"
 "refuse('arg 1: box 14 is closed', box(14))\n"
 "refuse('arg 2: a test.box cannot cross isolates', 1, box(15))\n"
 "refuse('arg 3: a coroutine cannot cross isolates', b, {b, box(8)}, coroutine.create(print))\n"
 "local _, u = debug.getupvalue(nowhere, 1) refuse('arg 1: a userdata cannot cross isolates', u)\n"
 "debug.setmetatable(u, {__name = 'object'}) refuse('arg 1: an object cannot cross isolates', u)\n"
 "reach(1) refuse('arg 1[1]: a test.box cannot leave the process', {b})\n"},

{"=registered metatables with names of any length",
 "for _, name in ipairs {'p', ('p'):rep(40), ('p'):rep(41), ('p'):rep(200)} do\n"
 "  local M, N = {}, at('N = {} return N') at('register(..., N)', name) register(name, M)\n"
 "  local t, u = cross({setmetatable({1}, M), setmetatable({2}, M)}), at('return getmetatable((...)) == N', setmetatable({}, M), print)\n"
 "  assert(getmetatable(t[1]) == M and getmetatable(t[2]) == M and t[2][1] == 2 and u)\n"
 "end\n"
 "assert(not pcall(register, ('p'):rep(201), {}) and not pcall(register, '', {}) and not pcall(register, 'a\\0', {}))\n"},

{"=paths of what cannot travel",
 "local co = coroutine.create(print)\n"
 "refuse('arg 1: a coroutine cannot cross isolates', co)\n"
 "refuse('arg 2.users[3].sock: a coroutine cannot cross isolates', 1, {users = {1, 2, {sock = co}}})\n"
 "refuse('arg 1[\"odd key\"][true][2.5][-1]: a coroutine cannot cross isolates', {['odd key'] = {[true] = {[2.5] = {[-1] = co}}}})\n"
 "refuse('arg 1[\"say \\\\\"hi\\\\\"\\\\10\"]: a coroutine cannot cross isolates', {['say \"hi\"\\n'] = co})\n"
 "refuse('arg 1[\"' .. ('k'):rep(40) .. '...\"]: a coroutine cannot cross isolates', {[('k'):rep(60)] = co})\n"
 "refuse('arg 1[key]: a coroutine cannot cross isolates', {[co] = 1})\n"
 "refuse('arg 1.a[key].b: a coroutine cannot cross isolates', {a = {[{b = co}] = 1}})\n"
 "refuse('arg 1[table]: a coroutine cannot cross isolates', {[{}] = co})\n"
 "local up = {conn = co}\n"
 "refuse(\"arg 1 upvalue 'up'.conn: a coroutine cannot cross isolates\", function() return up end)\n"
 "refuse(\"arg 1.cb upvalue 'up'.conn: a coroutine cannot cross isolates\", {cb = function() return 1, up end})\n"
 "local file = io.tmpfile() refuse('arg 1.f: a FILE* cannot cross isolates', {f = file}) file:close()\n"
 "local stripped = load(string.dump(function() return up end, true)) debug.setupvalue(stripped, 1, co)\n"
 "refuse(\"arg 1 upvalue '(no name)': a coroutine cannot cross isolates\", stripped)\n"
 "reach(2)\n"
 "refuse('arg 17: more than 16 values for strangers', table.unpack({}, 1, 17))\n"
 "refuse('arg 1[2]: a function cannot be sent to strangers', {1, print})\n"
 "refuse('arg 1: a function cannot be sent to strangers', function() end)\n"
 "refuse('arg 1.b: a test.box cannot leave the process', {b = box(1)})\n"
 "refuse('arg 1: a FILE* cannot cross isolates', io.stdout)\n"
 "assert(not pcall(cross, table) and not pcall(cross, {_G}))\n"},

{"=a path is cut in the middle, wherever it ends",
 "local co, deep = coroutine.create(print), nil\n"
 "for first = 1, 40 do for _, value in ipairs {co, function() return co end} do\n" /* to and beyond the first KiB */
 "  local t = value for _ = 1, 26 do t = {[('k'):rep(40)] = t} end\n"
 "  local ok, err = pcall(cross, {[('f'):rep(first)] = t})\n"
 "  local begins, ends = 'arg 1.' .. ('f'):rep(first) .. '.k', value == co and 'k' or \"k upvalue 'co'\"\n"
 "  ends = ends .. ': a coroutine cannot cross isolates'\n"
 "  assert(not ok and err.message:sub(1, #begins) == begins and err.message:sub(-#ends) == ends and #err.message < 500, err)\n"
 "end end\n"},

{"=data that is a module is copied when no function is with it, named when one is",
 "package.loaded.config = {limit = 5} at('package.loaded.config = {limit = 6}')\n"
 "assert(at('return (...).limit', package.loaded.config) == 5)\n"
 "local config = package.loaded.config assert(at('return (...)()', function() return config.limit end) == 6)\n"
 "package.loaded.config = nil at('package.loaded.config = nil')\n"},

{"=finalisers run while values move",
 "local n, junk = 0, nil\n"
 "local function mess() n = n + 1 if junk then for k in pairs(junk) do junk[k] = nil end junk['new' .. n] = {} end\n"
 "  local ok = pcall(copy, {n, function() return junk end}) setmetatable({}, {__gc = mess}) end\n"
 "at('n = 0 local function mess() n = n + 1 local ok = pcall(copy, {n, function() return n end}) setmetatable({}, {__gc = mess}) end mess()')\n"
 "setmetatable({}, {__gc = mess})\n"
 "for _, mode in ipairs{'incremental', 'generational'} do\n"
 "  collectgarbage(mode) at('collectgarbage(...)', mode)\n"
 "  if mode == 'incremental' then collectgarbage('setpause', 100) collectgarbage('setstepmul', 400)\n"
 "    at('collectgarbage(\"setpause\", 100) collectgarbage(\"setstepmul\", 400)') end\n"
 "  for i = 1, 60 do\n"
 "    junk = {} for j = 1, 50 do junk[j] = {x = 'y' .. j, f = i % 2 == 0 and function() return j end or nil} end\n"
 "    local t = {} for j = 1, 100 do t[j] = {id = j, name = 'name' .. j, f = j % 10 == 0 and function() return i + j end or nil, s = ('x'):rep(j * 20)} end\n"
 "    t = cross(t) for j = 1, 100 do assert(t[j].id == j and t[j].name == 'name' .. j and #t[j].s == j * 20)\n"
 "      if j % 10 == 0 then assert(t[j].f() == i + j) end end\n"
 "    pcall(cross, junk)\n"
 "  end\n"
 "  assert(n > 0 and at('return n') > 0)\n"
 "end\n"
 "collectgarbage('incremental', 200, 100) at('collectgarbage(\"incremental\", 200, 100)')\n"},

{"=many small messages keep the collector's pace",
 "local function live() collectgarbage() collectgarbage() return collectgarbage('count') end\n"
 "local before = live() local peak = 0\n"
 "for i = 1, 3000 do cross({i, {i}, function() return i end}) local c = collectgarbage('count') if c > peak then peak = c end end\n"
 "assert(peak < before * 4 + 3000, peak .. ' KB after ' .. before)\n"
 "local t = {} for i = 1, 3000 do t[i] = {i, 'string ' .. i} end before = live() peak = 0\n"
 "for i = 1, 60 do cross(t) local c = collectgarbage('count') if c > peak then peak = c end end\n"
 "assert(peak < before * 6 + 4000, peak .. ' KB after ' .. before)\n"},

{"=a stopped collector stays stopped",
 "collectgarbage('stop') cross({print, {}}) local t = {} for i = 1, 5000 do t[i] = 'string number ' .. i end cross(t)\n"
 "assert(not collectgarbage('isrunning')) collectgarbage('restart') assert(collectgarbage('isrunning'))\n"},
