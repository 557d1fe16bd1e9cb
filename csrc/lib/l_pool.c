/* What lua/weft/pool*.lua needs of C: sealed values, and what makes a task stand for work that is done elsewhere.
 * On the isolate's carrier, but for the transfer of sealed values, which any thread may drop.
 *
 * A sealed value is a message (lx/msg.h) that Lua can hold: what it was made of is copied when it is sealed, once,
 * however many isolates open it. The message is shared by reference count among the userdata of all isolates and
 * the messages on their way; it is read only, so several threads may open it at once. The last holder frees it. */
#include <string.h>

#include "base/alloc.h"
#include "lib/l_channel.h"
#include "lib/lib.h"
#include "lx/error.h"
#include "lx/late.h"
#include "lx/pack.h"
#include "lx/release.h"
#include "rt/child.h"
#include "rt/job.h"
#include "rt/task.h"

typedef struct sealed {
  /* Relaxed increments by holders, acquire-release decrements: the last one's free comes after all reading. */
  _Atomic uint32_t refs;
  wf_msg *msg;
} sealed;

static const char META = 0; /* its address is the registry key of the metatable */

static void sealed_drop(void *handle) {
  sealed *s = handle;
  if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  wf_msg_free(s->msg);
  wf_free(s);
}

static sealed **check_sealed(lua_State *L, int idx) {
  sealed **box = lua_touserdata(L, idx);
  if (box != NULL && lua_getmetatable(L, idx)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &META);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (same) return box;
  }
  luaL_typeerror(L, idx, "weft.sealed");
  return NULL;
}

/* Push an empty box. [-0, +1, m] */
static sealed **box_push(lua_State *L) {
  sealed **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &META);
  lua_setmetatable(L, -2);
  lx_late_note(L);
  return box;
}

static void *sealed_take(lua_State *L, int idx) {
  sealed *s = *(sealed **)lua_touserdata(L, idx);
  if (s == NULL)
    lua_pushliteral(L, "a sealed value that was discarded cannot cross isolates");
  else
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

static void sealed_give(lua_State *L, void *handle) {
  sealed *s = handle;
  wf_iso *iso = wf_iso_of(L);
  if (iso == NULL) luaL_error(L, "a sealed value cannot come to a Lua state without weft");
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &META) == LUA_TNIL) {
    wf_lib_push_core(iso, L);
    lua_getfield(L, -1, "seal"); /* opens this part */
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
  sealed **box = box_push(L);
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  *box = s;
}

/* To another process only what was sealed for it. */
static void *sealed_take_for_peer(lua_State *L, int idx) {
  sealed *s = sealed_take(L, idx);
  if (s == NULL || s->msg->peer) return s;
  sealed_drop(s);
  lua_pushliteral(L, "a value that was sealed for isolates cannot leave the process");
  return NULL;
}

static const wf_msg *sealed_msg(void *handle) { return ((sealed *)handle)->msg; }

static void *sealed_of_msg(wf_msg *m) {
  sealed *s = wf_calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  atomic_init(&s->refs, 1);
  s->msg = m;
  return s;
}

const wf_transfer wf_sealed_transfer = {"weft.sealed", sealed_take, sealed_give, sealed_drop, 3, sealed_take_for_peer, sealed_msg, sealed_of_msg};

static int seal(lua_State *L, enum wf_pack_reach reach) {
  const char *what = luaL_checkstring(L, 1);
  int n = lua_gettop(L) - 1;
  sealed **box = box_push(L);
  sealed *s = wf_calloc(1, sizeof *s);
  if (s == NULL) return lx_raise_memory(L);
  atomic_init(&s->refs, 1);
  *box = s;
  s->msg = wf_pack_for(L, 2, n, what, reach);
  if (s->msg == NULL) return lua_error(L);
  return 1;
}

/* core.seal(what, ...): the values copied; `what` is their name in errors ("arg"). core.seal_for_peers: so that worker
 * processes can open them too. */
static int lib_seal(lua_State *L) { return seal(L, WF_REACH_PROCESS); }
static int lib_seal_for_peers(lua_State *L) { return seal(L, WF_REACH_PEERS); }

/* core.unseal(sealed[, last]): the values, copied once more. `last`: it is discarded then. */
static int lib_unseal(lua_State *L) {
  sealed **box = check_sealed(L, 1);
  sealed *s = *box;
  luaL_argcheck(L, s != NULL, 1, "it was discarded");
  bool last = lua_toboolean(L, 2);
  int n = wf_unpack(L, s->msg);
  if (last) { /* a finaliser that ran meanwhile may have discarded it: then it is not ours to drop */
    s = *box;
    *box = NULL;
    if (s != NULL) sealed_drop(s);
  }
  return n;
}

/* core.discard(sealed), and the finaliser: this holder needs it no more. */
static int lib_discard(lua_State *L) {
  sealed **box = check_sealed(L, 1);
  sealed *s = *box;
  *box = NULL;
  if (s != NULL) sealed_drop(s);
  return 0;
}

/* Standing in ---------------------------------------------------------------------------------- */

/* core.stand_in(job, kind): the task stands for work of that kind: so says its `kind`. It begins in any case, also
 * when it is cancelled before, so that it can cancel the work. */
static int lib_stand_in(lua_State *L) {
  static const char *const kinds[] = {"task", "thread", "isolate", "process", NULL};
  static const uint32_t flags[] = {0, WF_F_AS_THREAD, WF_F_AS_ISOLATE, WF_F_AS_THREAD | WF_F_AS_ISOLATE};
  wf_task *t = wf_iso_check(wf_iso_up(L), L, 1, WF_CLASS_TASK);
  t->flags |= WF_F_STAND_IN | flags[luaL_checkoption(L, 2, NULL, kinds)];
  return 0;
}

/* core.place(job, level): it was started where the function at that level stands (1: who calls this). */
static int lib_place(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = wf_iso_check(iso, L, 1, WF_CLASS_TASK);
  wf_where_level(iso, L, (int)luaL_checkinteger(L, 2), t);
  return 0;
}

/* core.background(job): weft.wait does not wait for it, nobody reports it: it is there for others' work. */
static int lib_background(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_job j = wf_job_check(iso, L, 1);
  if (j.task != NULL)
    wf_task_background(iso, j.task);
  else if (j.child != NULL)
    wf_child_background(iso, j.child);
  return 0;
}

/* core.failure(): the traceback of the last error that core.scope_run caught in this task, or nil. */
static int lib_failure(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->tracebacks);
  lua_rawgetp(L, -1, iso->cur);
  lx_rawdelp(L, -2, iso->cur);
  return 1;
}

/* core.fail(error, traceback): raise an error that arose elsewhere, where it has that traceback. */
static int lib_fail(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  lua_settop(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->tracebacks);
  lua_insert(L, 2);
  lua_rawsetp(L, 2, iso->cur);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, 2, &iso->cur->flags);
  iso->cur->flags |= WF_F_TOLD;
  lua_settop(L, 1);
  return lua_error(L);
}

/* core.atomically(f, ...): f's results; no time slice ends in it. It must not block. */
static int lib_atomically(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  iso->atomic++;
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  iso->atomic--;
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* core.bare(f, ...): f's results; what it starts inherits no task-locals. It must not block. */
static int lib_bare(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_task *t = iso->cur;
  uint32_t locals = t->flags & WF_F_LOCALS;
  t->flags &= ~(uint32_t)WF_F_LOCALS;
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  t->flags |= locals;
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* core.drain(channel): a list of all that could be received now. When others receive too they got what is older. */
static int lib_drain(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  wf_channel *c = wf_object_test(L, 1, WF_CLASS_CHANNEL, sizeof *c);
  if (c == NULL) return luaL_typeerror(L, 1, "weft.channel");
  if (c->shared != NULL) {
    wf_channel_shared_drain(L, c);
    return 1;
  }
  lua_newtable(L);
  for (lua_Integer i = 1; wf_channel_recv_now(iso, L, c, 1) == WF_CHANNEL_OK; i++) lua_rawseti(L, 2, i);
  return 1;
}

void wf_lib_pool(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"seal", lib_seal}, {"seal_for_peers", lib_seal_for_peers},         {"unseal", lib_unseal},   {"discard", lib_discard},
                                   {"stand_in", lib_stand_in}, {"place", lib_place},     {"background", lib_background},
                                   {"failure", lib_failure},   {"fail", lib_fail},       {"atomically", lib_atomically},
                                   {"bare", lib_bare},         {"drain", lib_drain},
                                   {NULL, NULL}};
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "weft.sealed");
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, lib_discard);
  lua_setfield(L, -2, "__gc");
  lua_pushlightuserdata(L, (void *)(uintptr_t)&wf_sealed_transfer);
  lua_setfield(L, -2, "__weft_transfer");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &META);
  wf_lib_add(iso, L, funcs);
}
