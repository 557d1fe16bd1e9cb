/* Errors that weft raises: tables {kind=, message=, reason=} whose metatable is the
 * registry's "weft.error" (API.md). Made in any state; they travel between isolates as the
 * registered name says. Failures of the world are `nil, "CODE: text: what", "CODE"`.
 */
#ifndef WF_LX_ERROR_H
#define WF_LX_ERROR_H

#include <lua.h>

/* [-0, +1, m] Push an error of this kind with a formatted message (as lua_pushfstring). */
void lx_error_new(lua_State *L, const char *kind, const char *fmt, ...);

/* [-0, +0, e] Raise the error of kind "memory", or Lua's own when there is not even memory for that. Does not return. */
int lx_raise_memory(lua_State *L) __attribute__((noreturn));

/* [-0, +1, m] Push the metatable of weft's errors, made on first use. */
void lx_error_meta(lua_State *L);

/* [-0, +0, -] True when the value at idx is one of weft's errors of this kind (any kind: NULL). */
int lx_error_is(lua_State *L, int idx, const char *kind);

/* [-0, +3, m] Push nil, "CODE: text[: what]", "CODE" for an errno. Returns 3. */
int lx_fail_errno(lua_State *L, int err, const char *what);

#endif
