/* Packing functions and objects that live outside Lua. Full mode only (packer.h). */
#include <lauxlib.h>

#include "lx/error.h"
#include "lx/packer.h"
#include "sys/pin.h"

/* ---- C functions ---- */

static enum wf_packed pack_c_function(wf_packer *p, int idx, int top) {
  lua_State *L = p->L;
  bool named;
  enum wf_packed r = wf_pack_named_value(p, idx, top, NULL, &named);
  if (r != PACK_OK || named) return r;
  if (lua_getupvalue(L, idx, 1) != NULL)
    return wf_pack_refuse(p, "a C function with upvalues that is in no loaded module cannot cross isolates");
  if (p->reach != WF_REACH_PROCESS)
    return wf_pack_refuse(p, "a C function that is in no loaded module cannot leave the process");
  lua_CFunction f = lua_tocfunction(L, idx);
  if (!wf_pin_code((void (*)(void))f))
    return wf_pack_refuse(p, "a C function whose library cannot be kept loaded cannot cross isolates");
  uint64_t v = (uintptr_t)f;
  wf_assert(packer_has(p, 16));
  put_tag(p, TAG_CFUNC);
  put_bytes(p, &v, sizeof v);
  return PACK_OK;
}

/* ---- Lua functions ---- */

/* Weft's own functions go by name where they have one: their state is their isolate's. */
static bool is_ours(wf_packer *p, int idx) {
  lua_Debug ar;
  lua_pushvalue(p->L, idx);
  lua_getinfo(p->L, ">S", &ar);
  return lx_source_may_be_ours(ar.source);
}

/* Leaves room for the number of upvalues. */
static enum wf_packed put_code(wf_packer *p, wf_blob *code) {
  if (p->reach == WF_REACH_PROCESS) {
    wf_side *side = wf_msg_side(p->msg);
    if (side == NULL) {
      wf_blob_unref(code);
      return PACK_NOMEM;
    }
    *side = (wf_side){NULL, code};
    wf_assert(packer_has(p, 6));
    put_tag(p, TAG_BLOB);
    put_u32(p, p->msg->nside - 1);
    return PACK_OK;
  }
  enum wf_packed r = pack_need(p, code->len + 16);
  if (r == PACK_OK) {
    put_tag(p, TAG_LSTR);
    put_u32(p, (uint32_t)code->len);
    put_bytes(p, code->bytes, code->len);
  }
  wf_blob_unref(code);
  return r;
}

/* Upvalue n of the function at idx, whose ordinal is `self`; its value is at top + 1. */
static enum wf_packed pack_upvalue(wf_packer *p, int idx, int top, uint32_t self, int n) {
  wf_scratch *sc = p->scratch;
  enum wf_packed r = pack_need(p, 16);
  if (r != PACK_OK) return r;
  const void *cell = lua_upvalueid(p->L, idx, n);
  wf_slot *slot = wf_slots_find(&sc->objects, sc->gen, cell);
  if (slot == NULL) return PACK_NOMEM;
  if (slot->gen == sc->gen) {
    wf_object owner = sc->object[slot->val];
    wf_pack_share(p, sc->object[owner.at].at);
    put_tag(p, TAG_JOIN);
    put_u32(p, owner.at);
    put_tag(p, (uint8_t)owner.index);
    return PACK_OK;
  }
  if (p->objects == sc->object_room && !wf_scratch_objects_grow(sc)) return PACK_NOMEM;
  *slot = (wf_slot){cell, sc->gen, p->objects};
  sc->objects.used++;
  sc->object[p->objects++] = (wf_object){self, (uint32_t)n};
  put_tag(p, TAG_CELL);
  return wf_pack_value(p, top + 1, top + 1);
}

static enum wf_packed pack_lua_function(wf_packer *p, int idx, int top) {
  lua_State *L = p->L;
  bool done = false;
  enum wf_packed r = PACK_OK;
  if (is_ours(p, idx)) r = wf_pack_named_value(p, idx, top, "weft", &done);
  if (r != PACK_OK || done) return r;
  if (p->depth == PACK_DEPTH) return wf_pack_refuse(p, "nested deeper than %d", PACK_DEPTH);
  luaL_checkstack(L, STACK_AHEAD, "packing"); /* also for the tables below, up to where they reserve again */
  r = wf_pack_object(p, lua_topointer(L, idx), &done);
  if (r != PACK_OK || done) return r;
  uint32_t self = p->objects - 1;
  wf_blob *code = wf_pack_code(p, idx, top);
  if (code == NULL) return PACK_NOMEM;
  put_tag(p, TAG_FUNC);
  if ((r = put_code(p, code)) != PACK_OK) return r;
  uint32_t at = packer_offset(p);
  put_tag(p, 0);
  wf_frame frame = {p->frame, idx, 0, false};
  p->frame = &frame;
  p->depth++;
  int n = 0;
  while (lua_getupvalue(L, idx, n + 1) != NULL) {
    frame.upvalue = ++n;
    if ((r = pack_upvalue(p, idx, top, self, n)) != PACK_OK) return r;
    lua_settop(L, top);
  }
  p->depth--;
  p->frame = frame.up;
  p->msg->data[at] = (char)n; /* at most 255 */
  return PACK_OK;
}

enum wf_packed wf_pack_function(wf_packer *p, int idx, int top) {
  if (p->reach == WF_REACH_ANYONE) return wf_pack_refuse(p, "a function cannot be sent to strangers");
  return lua_iscfunction(p->L, idx) ? pack_c_function(p, idx, top) : pack_lua_function(p, idx, top);
}

/* ---- userdata ---- */

/* "a weft.tcp cannot cross isolates", by the __name of its metatable, if there is one. */
static enum wf_packed refuse_userdata(wf_packer *p, int idx, const char *where) {
  if (luaL_getmetafield(p->L, idx, "__name") != LUA_TSTRING) return wf_pack_refuse(p, "a userdata cannot %s", where);
  const char *name = lua_tostring(p->L, -1);
  return wf_pack_refuse(p, "%s %s cannot %s", strchr("aeiouAEIOU", name[0]) ? "an" : "a", name, where);
}

/* `take` left an error value on top: give it the path. */
static enum wf_packed refuse_as_told(wf_packer *p, int idx) {
  lua_State *L = p->L;
  if (lua_istable(L, -1)) lua_getfield(L, -1, "message");
  if (lua_type(L, -1) == LUA_TSTRING) return wf_pack_refuse(p, "%s", lua_tostring(L, -1));
  return refuse_userdata(p, idx, "cross isolates");
}

enum wf_packed wf_pack_userdata(wf_packer *p, int idx, int top) {
  lua_State *L = p->L;
  bool done = false;
  luaL_checkstack(L, 8, "packing");
  const wf_transfer *ops = NULL;
  if (lua_getmetatable(L, idx)) {
    wf_pack_state_value(L, p->box, STATE_HOOK);
    lua_rawget(L, top + 1);
    if (lua_islightuserdata(L, -1)) ops = lua_touserdata(L, -1);
    lua_settop(L, top);
  }
  enum wf_packed r = PACK_OK;
  if (ops == NULL) { /* io.stdout and its like are found in their module */
    if (p->reach != WF_REACH_ANYONE) r = wf_pack_named_value(p, idx, top, NULL, &done);
    return r != PACK_OK || done ? r : refuse_userdata(p, idx, "cross isolates");
  }
  if (p->reach == WF_REACH_PEERS && ops->peer_kind == 0 && ops->take_for_peer != NULL) {
    void *none = ops->take_for_peer(L, idx);
    wf_assert(none == NULL);
    (void)none;
    return refuse_as_told(p, idx);
  }
  if (p->reach != WF_REACH_PROCESS && (p->reach != WF_REACH_PEERS || ops->peer_kind == 0))
    return refuse_userdata(p, idx, "leave the process");
  r = wf_pack_object(p, lua_topointer(L, idx), &done);
  if (r != PACK_OK || done) return r;
  bool for_peer = p->reach == WF_REACH_PEERS && ops->take_for_peer != NULL;
  void *held = for_peer ? ops->take_for_peer(L, idx) : ops->take(L, idx);
  if (held == NULL) return refuse_as_told(p, idx);
  wf_side *side = wf_msg_side(p->msg);
  if (side == NULL) {
    ops->drop(held);
    return PACK_NOMEM;
  }
  *side = (wf_side){ops, held};
  put_tag(p, TAG_HANDLE);
  put_u32(p, p->msg->nside - 1);
  return PACK_OK;
}
