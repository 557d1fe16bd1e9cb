/* The arguments of the running C function and its first upvalue, read in place: what a method asks of its first ones, whether they are objects of
 * weft's and integers, takes two or three calls of Lua's API each, which is a good part of what a method on a hot path
 * does. The records are those of Lua 5.4 (lstate.h, lobject.h), the parts of them that all its releases share.
 *
 * As with tables (raw.h), whether the Lua that runs here has them is tried (raw_args.c), once a process: when something has
 * turned out to run often. Before, and where the trial fails, there is nothing to read, and the API is used. Nothing is
 * written. */
#ifndef WF_LX_RAW_ARGS_H
#define WF_LX_RAW_ARGS_H

#include <lua.h>
#include <stdatomic.h>

#include "lx/raw.h"

typedef struct wf_raw_call {
  const wf_raw_value *function; /* its slot of the stack; the arguments follow */
} wf_raw_call;

typedef struct wf_raw_thread {
  void *gc_next;
  uint8_t tt, marked, status, hooks;
  unsigned short calls;
  const wf_raw_value *top; /* the first free slot */
  const void *global;
  const wf_raw_call *call; /* the one that runs */
} wf_raw_thread;

typedef struct wf_raw_userdata {
  void *gc_next;
  uint8_t tt, marked;
  unsigned short values; /* user values */
  size_t size;
  const void *metatable;
} wf_raw_userdata;

typedef struct wf_raw_closure {
  void *gc_next;
  uint8_t tt, marked, upvalues;
  void *gc_list;
  lua_CFunction f;
  wf_raw_value upvalue[1];
} wf_raw_closure;

enum {
  WF_RAW_USERDATA = LUA_TUSERDATA | WF_RAW_COLLECTED,
  WF_RAW_CLOSURE = LUA_TFUNCTION | 2 << 4 | WF_RAW_COLLECTED /* of C */
};

/* Do these records hold? Written when the trial has succeeded, to 1, by whatever thread; all others may see that when they
 * like, for nothing else goes with it: relaxed. */
extern atomic_int wf_raw_args_work;

/* Try it, once a process. Any thread. */
void wf_raw_args_try(void);

/* The n-th argument of the C function that runs, or waits, in L, n > 0: lua_to*(L, n) for whatever L; NULL: there is none. */
static inline const wf_raw_value *wf_raw_arg_read(const lua_State *L, int n) {
  const wf_raw_thread *t = (const void *)L;
  const wf_raw_value *v = t->call->function + n;
  return v < t->top ? v : NULL;
}

/* The same; NULL also: it cannot be read so. */
static inline const wf_raw_value *wf_raw_arg(const lua_State *L, int n) {
  return atomic_load_explicit(&wf_raw_args_work, memory_order_relaxed) != 0 ? wf_raw_arg_read(L, n) : NULL;
}

/* The first upvalue of the C function that runs, or waits, in L, if that is light userdata. NULL: it is not. */
static inline void *wf_raw_upvalue_read(const lua_State *L) {
  const wf_raw_thread *t = (const void *)L;
  const wf_raw_value *f = t->call->function;
  if (f->tag != WF_RAW_CLOSURE) return NULL;
  const wf_raw_closure *c = f->v.p;
  return c->upvalue[0].tag == WF_RAW_POINTER ? (void *)(uintptr_t)c->upvalue[0].v.p : NULL;
}

/* The same; NULL also: it cannot be read so. */
static inline void *wf_raw_upvalue(const lua_State *L) {
  return atomic_load_explicit(&wf_raw_args_work, memory_order_relaxed) != 0 ? wf_raw_upvalue_read(L) : NULL;
}

/* Where the bytes of a full userdata begin: after its user values, and after the collector's list if it has any. */
static inline void *wf_raw_memory(const wf_raw_userdata *u) {
  size_t head = u->values == 0 ? sizeof *u : sizeof *u + sizeof(void *) + u->values * sizeof(wf_raw_value);
  return (char *)(uintptr_t)u + head;
}

/* The n-th argument if it is a full userdata, else NULL. */
static inline const wf_raw_userdata *wf_raw_arg_userdata(const lua_State *L, int n) {
  const wf_raw_value *v = n > 0 ? wf_raw_arg(L, n) : NULL;
  return v != NULL && v->tag == WF_RAW_USERDATA ? v->v.p : NULL;
}

#endif
