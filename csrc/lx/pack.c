/* Packing: the entry. First plain, then, where a value asks for it, in full mode (packer.h).
 *
 * Runs on the carrier of the state it reads. The message belongs to wf_pack_for until it is returned; the Lua stack
 * is tidied here, whatever the steps left on it. */
#include "lx/pack.h"

#include <lauxlib.h>

#include "lx/error.h"
#include "lx/packer.h"

enum { FIRST_ROOM = 128 };

/* Full mode, under lua_pcall: the packer, then the values. Returns the error value, if there is one. */
static int pack_full(lua_State *L) {
  wf_packer *p = lua_touserdata(L, 1);
  enum wf_packed *r = lua_touserdata(L, 2);
  p->first = 3;
  luaL_checkstack(L, STACK_AHEAD, "packing");
  wf_pack_state_push(L);
  p->box = lua_gettop(L);
  wf_msg_clear(p->msg); /* what the plain attempt left */
  p->frame = NULL;
  p->value = PACK_VALUES_ANYONE + 1;
  if (p->wide && p->count > PACK_VALUES_ANYONE)
    *r = wf_pack_refuse(p, "more than %d values for strangers", PACK_VALUES_ANYONE);
  else *r = wf_pack_all(p, p->box);
  return *r == PACK_REFUSED ? 1 : 0;
}

/* Leaves the error value, or what was raised, on top; nothing after success. */
static enum wf_packed pack_again(wf_packer *p, int first, bool *raised) {
  lua_State *L = p->L;
  enum wf_packed r = PACK_OK;
  if (!lua_checkstack(L, p->count + 4)) return PACK_NOMEM;
  p->full = true;
  lua_pushcfunction(L, pack_full);
  lua_pushlightuserdata(L, p);
  lua_pushlightuserdata(L, &r);
  for (int i = 0; i < p->count; i++) lua_pushvalue(L, first + i);
  int held = gc_hold(L, GC_HOLD_KB);
  *raised = lua_pcall(L, p->count + 2, 1, 0) != LUA_OK;
  gc_release(L, held);
  if (r == PACK_OK && !*raised) lua_pop(L, 1);
  return r;
}

/* Shrink what is much larger than it need be. */
static wf_msg *packer_finish(wf_packer *p) {
  wf_msg *m = p->msg;
  if (m->home == NULL && m->room > 4096 && m->len < m->room / 4 * 3) {
    wf_msg *smaller = wf_msg_grow(m, m->len);
    if (smaller != NULL) m = smaller;
  }
  return m;
}

/* Everything but success. */
static wf_msg *packer_fail(wf_packer *p, enum wf_packed r, int top, bool raised) {
  lua_State *L = p->L;
  wf_msg_free(p->msg);
  if (raised) lua_error(L);
  if (r == PACK_REFUSED) return NULL; /* the error value is at top + 1 */
  lua_settop(L, top);
  lx_error_new(L, "memory",
               r == PACK_LONG ? "a message cannot be larger than 4 GiB" : "not enough memory for a message");
  return NULL;
}

wf_msg *wf_pack_for(lua_State *L, int first, int n, const char *what, enum wf_pack_reach reach) {
  if (wf_unlikely(!lua_checkstack(L, STACK_AHEAD))) luaL_error(L, "stack overflow (packing)");
  int top = lua_gettop(L);
  wf_pack_state *st = wf_pack_state_get(L);
  lua_pushnil(L); /* until the box is needed */
  wf_scratch own = {0};
  bool nested = st->busy, raised = false;
  wf_packer p = {
      .L = L,
      .state = st,
      .scratch = wf_unlikely(nested) ? &own : &st->scratch,
      .box = top + 1,
      .what = what,
      .first = first < 0 ? top + 1 + first : first,
      .count = n,
      .reach = reach,
      .wide = reach == WF_REACH_ANYONE,
  };
  p.msg = wf_msg_new(st->pool, FIRST_ROOM);
  if (wf_unlikely(p.msg == NULL)) return packer_fail(&p, PACK_NOMEM, top, false);
  st->busy = true;
  enum wf_packed r = wf_unlikely(p.wide && n > PACK_VALUES_ANYONE) ? PACK_FULL : wf_pack_all(&p, top + 1);
  if (wf_unlikely(r == PACK_SLOW)) {
    p.slow = true;
    wf_msg_clear(p.msg);
    r = wf_pack_all(&p, top + 1);
  }
  lua_settop(L, top);
  if (wf_unlikely(r == PACK_FULL)) r = pack_again(&p, p.first, &raised);
  st->busy = nested;
  if (wf_unlikely(nested || st->closed)) wf_scratch_free(p.scratch);
  else wf_scratch_end(p.scratch);
  if (wf_unlikely(r != PACK_OK || raised)) return packer_fail(&p, r, top, raised);
  wf_msg *m = packer_finish(&p);
  m->peer = reach == WF_REACH_PEERS;
  return m;
}

wf_msg *wf_pack(lua_State *L, int first, int n, const char *what) {
  return wf_pack_for(L, first, n, what, WF_REACH_PROCESS);
}
