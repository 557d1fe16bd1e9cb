/* Bytecode of Lua functions: dumped with its debug information, kept for functions that are sent again.
 *
 * Full mode only (packer.h). A function that was sent lately is put into a table with weak keys, function ->
 * userdata that owns a reference to its blob; a closure that is sent once costs no entry. Prototypes are not told
 * apart by Lua's public interface, so two closures of one prototype are dumped each.
 */
#include <lauxlib.h>

#include "base/alloc.h"
#include "lx/late.h"
#include "lx/packer.h"

/* The userdata. Owns one reference. */
typedef struct code_box {
  wf_blob *blob;
} code_box;

static int code_gc(lua_State *L) {
  code_box *box = lua_touserdata(L, 1);
  if (box->blob != NULL) wf_blob_unref(box->blob);
  box->blob = NULL;
  return 0;
}

typedef struct dump {
  wf_blob *blob;
  size_t room;
} dump;

static int dump_write(lua_State *L, const void *bytes, size_t n, void *ud) {
  dump *d = ud;
  (void)L;
  if (d->blob->len + n > d->room) {
    size_t room = d->room * 2 + n;
    wf_blob *grown = wf_realloc(d->blob, sizeof *grown + room);
    if (grown == NULL) return 1;
    d->blob = grown;
    d->room = room;
  }
  memcpy(d->blob->bytes + d->blob->len, bytes, n);
  d->blob->len += n;
  return 0;
}

/* [-0, +0, -] A new blob; NULL: out of memory. */
static wf_blob *dump_function(lua_State *L, int idx) {
  enum { ROOM = 480 };
  dump d = {wf_blob_new(ROOM), ROOM};
  if (d.blob == NULL) return NULL;
  d.blob->len = 0;
  lua_pushvalue(L, idx);
  int failed = lua_dump(L, dump_write, &d, 0);
  lua_pop(L, 1);
  if (failed) {
    wf_blob_unref(d.blob);
    return NULL;
  }
  wf_blob *exact = wf_realloc(d.blob, sizeof *exact + d.blob->len);
  return exact != NULL ? exact : d.blob;
}

/* Was a function at this address sent lately? Only a hint: the address may be another function's by now. */
static bool sent_lately(wf_pack_state *st, const void *address) {
  enum { N = sizeof st->sent / sizeof st->sent[0] };
  for (unsigned i = 0; i < N; i++)
    if (st->sent[i] == address) return true;
  st->sent[st->next_sent++ % N] = address;
  return false;
}

wf_blob *wf_pack_code(wf_packer *p, int idx, int top) {
  lua_State *L = p->L;
  luaL_checkstack(L, 8, "packing");
  code_box *box = NULL;
  if (lua_getiuservalue(L, p->box, STATE_CODE) == LUA_TTABLE) {
    lua_pushvalue(L, idx);
    lua_rawget(L, top + 1);
    box = lua_touserdata(L, top + 2);
  }
  lua_settop(L, top);
  if (box != NULL && box->blob != NULL) return wf_blob_ref(box->blob);
  /* A state that is being closed finalises no new userdata. */
  if (p->state->closed || !sent_lately(p->state, lua_topointer(L, idx))) return dump_function(L, idx);
  wf_pack_state_value(L, p->box, STATE_CODE);
  lua_pushvalue(L, idx);
  box = lua_newuserdatauv(L, sizeof *box, 0);
  box->blob = NULL;
  lx_finaliser_set(L, "weft.code", code_gc);
  wf_blob *blob = box->blob = dump_function(L, idx);
  if (blob != NULL) {
    lua_rawset(L, top + 1); /* when it raises the userdata still owns the blob */
    wf_blob_ref(blob);
  }
  lua_settop(L, top);
  return blob;
}
