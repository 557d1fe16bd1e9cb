/* Included before every file that `make lint` has analysed, never compiled into anything: tells the
 * analyser which functions of Lua's do not return, which Lua's own headers leave unsaid. */
#include <lauxlib.h>
#include <lua.h>

int(luaL_error)(lua_State *L, const char *fmt, ...) __attribute__((noreturn));
int(luaL_argerror)(lua_State *L, int arg, const char *extramsg) __attribute__((noreturn));
int(luaL_typeerror)(lua_State *L, int arg, const char *tname) __attribute__((noreturn));
int(lua_error)(lua_State *L) __attribute__((noreturn));
int(lua_yieldk)(lua_State *L, int nresults, lua_KContext ctx, lua_KFunction k)
    __attribute__((noreturn)); /* outside hooks */
