/* Weft's own modules in children: `require "weft"` costs an isolate next to nothing.
 *
 * The Lua files of weft are compiled once in a family and then loaded from bytecode; weft.core is the starter's. A child's
 * package.preload says so by its metatable, so nothing is looked for on the disk and package need not even be open.
 */
#ifndef WF_RT_OWN_H
#define WF_RT_OWN_H

#include "rt/iso.h"

/* Prepare a child's state: the isolate (wf_iso_prepare), and that metatable. A lua_CFunction; leaves the same in all. */
int wf_own_prepare(lua_State *L);

#endif
