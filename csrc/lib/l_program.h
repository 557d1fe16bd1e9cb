/* What select needs of programs. */
#ifndef WF_LIB_L_PROGRAM_H
#define WF_LIB_L_PROGRAM_H

#include <lua.h>

/* How the program at idx, which has ended, ended: the same table each time. [-0, +1, m] */
void wf_program_push_status(lua_State *L, int idx);

#endif
