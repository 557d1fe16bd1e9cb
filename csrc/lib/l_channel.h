/* What the two halves of the channel binding share: l_channel.c has the methods and the private half,
 * l_shchan.c what they do once the channel has crossed. Stack indices are those of the methods. */
#ifndef WF_L_CHANNEL_H
#define WF_L_CHANNEL_H

#include "rt/channel.h"

enum { WF_CHANNEL_SELF = 1, WF_CHANNEL_VALUE = 2 };

/* Continuations of waits, for both halves: a value is delivered on the stack with a true above it. */
int wf_channel_send_k(lua_State *L, int status, lua_KContext ctx);
int wf_channel_recv_k(lua_State *L, int status, lua_KContext ctx);
int wf_channel_raise_closed(lua_State *L, const wf_channel *c);

int wf_channel_shared_send(lua_State *L, wf_channel *c);
int wf_channel_shared_recv(lua_State *L, wf_channel *c, lua_KFunction k);

/* Push the value and return true, or say why not. [-0, +(0|1), e] */
enum wf_channel_now wf_channel_shared_try_send(lua_State *L, wf_channel *c);
enum wf_channel_now wf_channel_shared_try_recv(lua_State *L, wf_channel *c);

/* Push a list of all that can be received now, in order; what is kept is taken in one step. [-0, +1, e] */
void wf_channel_shared_drain(lua_State *L, wf_channel *c);

/* How channels cross isolates; its address is in the metatables. */
extern const struct wf_transfer wf_channel_transfer;

#endif
