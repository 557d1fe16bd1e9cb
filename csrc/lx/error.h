/* Errors that weft raises: tables {kind=, message=, reason=, where=} whose metatable is the
 * registry's "weft.error" (API.md). Made in any state; they travel between isolates as the
 * registered name says. Failures of the world are `nil, "CODE: text: what", "CODE"`.
 */
#ifndef WF_LX_ERROR_H
#define WF_LX_ERROR_H

#include <lua.h>
#include <stdbool.h>

/* [-0, +1, m] Push an error of this kind with a formatted message (as lua_pushfstring). */
void lx_error_new(lua_State *L, const char *kind, const char *fmt, ...);

/* [-0, +0, m] Give the error on top the place of the script that is to blame, as Lua does with messages: the field
 * `where`, which tostring() puts in front. Nothing, when no line of a script is being run here. */
void lx_error_place(lua_State *L);

/* Push "file.lua:12" on L for the innermost line of the script that co runs from this level on, or nil. [-0, +1, m] */
void lx_place_push(lua_State *co, lua_State *L, int level);

/* The functions of the Lua half of weft, through which a script waits, sends and starts, have places that say nothing to
 * the script. Where that half lies is seen when its init.lua opens the C half (on the stack then); else none is ours. */
void lx_source_home(lua_State *L);
bool lx_source_is_ours(const char *source);

/* Where it is not known where that half lies, what is in any folder `weft` may be. */
bool lx_source_may_be_ours(const char *source);

/* [-0, +0, e] Raise the error of kind "memory", or Lua's own when there is not even memory for that. Does not return. */
int lx_raise_memory(lua_State *L) __attribute__((noreturn));

/* [-0, +1, m] Push the metatable of weft's errors, made on first use. */
void lx_error_meta(lua_State *L);

/* [-0, +0, -] True when the value at idx is one of weft's errors of this kind (any kind: NULL). */
int lx_error_is(lua_State *L, int idx, const char *kind);

/* [-0, +3, m] Push nil, "CODE: text[: what]", "CODE" for an errno. Returns 3. */
int lx_fail_errno(lua_State *L, int err, const char *what);

/* The same for an error number of libuv's: a negative errno, or one of its own. Returns 3. [-0, +3, m] */
int lx_fail_uv(lua_State *L, int err, const char *what);

/* The same for EBADF of what the script has closed, which the message says. Returns 3. [-0, +3, m] */
int lx_fail_closed(lua_State *L, const char *what);

#endif
