/* The public C interface of weft. */
#ifndef WEFT_H
#define WEFT_H

#include <lua.h>

#if defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

/* The C half of weft; scripts say require "weft", whose Lua half needs this one. A host that links
 * weft in puts it into package.preload["weft.core"]. */
WEFT_API int luaopen_weft_core(lua_State *L);

#endif
