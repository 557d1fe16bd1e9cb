/* Arguments that many functions share: callables and tables of options. */
#ifndef WF_LX_OPTS_H
#define WF_LX_OPTS_H

#include <lua.h>
#include <stdbool.h>

/* A function, or a value with a __call metamethod. [-0, +0, -] */
bool lx_callable(lua_State *L, int idx);

/* Raise unless it is one. [-0, +0, e] */
void lx_check_callable(lua_State *L, int arg);

/* Raise when the table at `arg` has a key that is not in the NULL-ended list. [-0, +0, e] */
void lx_opts_check(lua_State *L, int arg, const char *const *known);

/* Raise that this key is in no such list, which the message tells. [-0, +0, e] */
void lx_opts_unknown(lua_State *L, int arg, const char *key, const char *const *known);

/* Options of the table at `arg`, or the default when nil; a wrong type or a value out of range raises an
 * error that names the option. The string lives as long as the table holds it. [-0, +0, e] */
const char *lx_opt_string(lua_State *L, int arg, const char *key, const char *def);
lua_Integer lx_opt_integer(lua_State *L, int arg, const char *key, lua_Integer def, lua_Integer min, lua_Integer max);
bool lx_opt_boolean(lua_State *L, int arg, const char *key, bool def);

/* True when the option is there. [-0, +0, -] */
bool lx_opt_given(lua_State *L, int arg, const char *key);

#endif
