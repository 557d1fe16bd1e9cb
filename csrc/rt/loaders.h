/* What a script has added to package.preload and done to package.searchers goes along to the isolates and the worker processes that
 * it starts. Most scripts do neither: then this costs a look. On the carrier of the isolate in question. */
#ifndef WF_RT_LOADERS_H
#define WF_RT_LOADERS_H

#include "lx/msg.h"
#include "lx/pack.h"
#include "rt/iso.h"

/* What differs from a fresh state, as a message; NULL: nothing. What cannot travel becomes an error that `require` raises
 * over there. [-0, +0, m] */
wf_msg *wf_loaders_pack(lua_State *L, enum wf_pack_reach reach);

/* Do the same to this state. [-0, +0, e] */
void wf_loaders_unpack(lua_State *L, const wf_msg *m);

#endif
