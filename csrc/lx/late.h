/* Latecomers: userdata with a finaliser that are made while their state closes.
 *
 * lua_close finalises what there is when it begins; what finalisers and the last tasks make after that is freed without
 * (lgc.c, luaC_freeallobjects). What then holds more than Lua's memory comes into a list, and is finalised when no task is left.
 * Some may have been finalised by Lua before: finalisers must do nothing the second time, as ever, since a script can call
 * them. */
#ifndef WF_LX_LATE_H
#define WF_LX_LATE_H

#include <lua.h>

/* Once, before all else. [-0, +0, m] */
void lx_late_prepare(lua_State *L);

/* The isolate ends: from now on. [-0, +0, -] */
void lx_late_begin(lua_State *L);

/* The userdata on top has a finaliser, or is to get one. Nothing, before lx_late_begin. [-0, +0, m] */
void lx_late_note(lua_State *L);

/* Give the userdata on top a finaliser, by the metatable of that name, and note it. [-0, +0, m] */
void lx_finaliser_set(lua_State *L, const char *name, lua_CFunction gc);

/* Finalise what is in the list, the last one first. [-0, +0, -] */
void lx_late_end(lua_State *L);

#endif
