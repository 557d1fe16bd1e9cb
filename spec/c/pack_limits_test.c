/* pack_limits_test.c: packing and unpacking at the limits of what they take: messages of 4 GiB, full tables of marks, a Lua
 * stack that is almost full, states that are being closed, and counts larger than any message. Nothing here needs the memory
 * that it speaks of: lengths lie, and are looked at before what they are the lengths of. */
#include "lx/pack_format.h"
#include "lx/pack_put.h"
#include "lx/raw.h"
#include "lx/release.h"
#include "pack_util.h"

static bool said(lua_State *L, const char *text) {
  const char *message = luaL_tolstring(L, -1, NULL);
  bool ok = strstr(message, text) != NULL;
  if (!ok) printf("said: %s\nnot:  %s\n", message, text);
  lua_pop(L, 1);
  return ok;
}

/* ---- 4 GiB ---- */

#if SIZE_MAX > UINT32_MAX

static size_t asked; /* the last size that was refused */

/* The counted heap, without what no machine is to give. */
static void *frugal(void *ud, void *block, size_t size) {
  if (size > (size_t)1 << 30) {
    asked = size;
    return NULL;
  }
  return heap_c(ud, block, size);
}

/* A message grows to 4 GiB and no further. */
static void room_ends(void) {
  wf_msg *m = wf_msg_new(NULL, 100);
  wf_packer p = {.msg = m, .at = m->data + 10, .end = m->data + 100};
  wf_alloc_set(frugal, &c_heap);
  CHECK(wf_packer_room(&p, UINT32_MAX) == PACK_LONG, "10 bytes and 4 GiB");
  CHECK(wf_packer_room(&p, UINT32_MAX - 10) == PACK_NOMEM && asked == sizeof *m + UINT32_MAX, "4 GiB: %zu", asked);
  m->room = (size_t)3 << 30; /* so it seems */
  CHECK(wf_packer_room(&p, 100) == PACK_NOMEM && asked == sizeof *m + UINT32_MAX, "the last growth: %zu", asked);
  CHECK(p.msg == m && m->len == 10, "the message is what it was");
  wf_alloc_set(heap_c, &c_heap);
  wf_msg_free(m);
}

/* A string that says that it has 5 GiB. */
static void too_long(void) {
  lua_State *L = state_new(&here_heap);
  char text[100];
  memset(text, 'x', sizeof text);
  lua_pushlstring(L, text, sizeof text);
  wf_raw_string *s = (wf_raw_string *)(uintptr_t)(lua_tostring(L, -1) - offsetof(wf_raw_string, bytes));
  CHECK(s->long_len == sizeof text, "a long string");
  s->long_len = (size_t)5 << 30;
  for (int r = WF_REACH_PEERS; r <= WF_REACH_ANYONE; r++) {
    CHECK(wf_pack_for(L, 1, 1, "value", (enum wf_pack_reach)r) == NULL, "it was packed");
    CHECK(lua_gettop(L) == 2 && said(L, "a message cannot be larger than 4 GiB"), "%d values", lua_gettop(L));
    lua_settop(L, 1);
  }
  s->long_len = sizeof text;
  lua_close(L);
}

/* Messages whose counts are those of one that goes on for 5 GiB: refused by what they say. */
static void counts_lie(void) {
  static const struct {
    wf_pack_head head;
    uint32_t narr, nhash;
  } lies[] = {
      {{PACK_MAGIC, 1u << 30, 0, 0}, 0, 0},          {{PACK_MAGIC, 1u << 31, 0, 0}, 0, 0},
      {{PACK_MAGIC, 1, PACK_DICT_MAX + 1, 0}, 0, 0}, {{PACK_MAGIC, 1, 0, 1u << 31}, 0, 0},
      {{PACK_MAGIC, 1, 0, 0}, 1u << 31, 0},          {{PACK_MAGIC, 1, 0, 0}, 0, 1u << 31},
  };
  lua_State *L = state_new(&here_heap);
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
    for (int peer = 0; peer < 2; peer++) {
      uint8_t bytes[sizeof(wf_pack_head) + PACK_TABLE_BYTES] = {0};
      memcpy(bytes, &lies[i].head, sizeof lies[i].head);
      bytes[sizeof(wf_pack_head)] = TAG_TABLE;
      memcpy(bytes + sizeof(wf_pack_head) + 1, &lies[i].narr, 4);
      memcpy(bytes + sizeof(wf_pack_head) + 5, &lies[i].nhash, 4);
      size_t len = (size_t)5 << 30;
      int n = peer ? wf_unpack_peer(L, bytes, len) : wf_unpack_untrusted(L, bytes, len);
      CHECK(n == -1 && lua_gettop(L) == 1 && said(L, "malformed message"), "lie %zu gave %d values", i, n);
      lua_settop(L, 0);
    }
  lua_close(L);
}

#endif

/* ---- full tables ---- */

/* Marks that cannot be doubled any more, and a dictionary without a place: no more is noted there. */
static void marks_are_full(void) {
  wf_slots slots = {NULL, 30, 0};
  CHECK(wf_slots_grow(&slots, 1, &slots) == NULL && slots.slot == NULL && slots.bits == 30, "slots");
  wf_scratch s = {.object_room = UINT32_C(1) << 31};
  CHECK(!wf_scratch_objects_grow(&s) && s.object == NULL, "objects");
  wf_msg *m = wf_msg_new(NULL, 100);
  wf_packer p = {.msg = m, .at = m->data, .end = m->data + 100, .dict = PACK_DICT_MAX};
  wf_slot slot = {"abc", 1, STRING_SEEN};
  CHECK(wf_pack_define(&p, &slot, "abc", 3, false) == PACK_OK && p.dict == PACK_DICT_MAX, "dictionary");
  CHECK(slot.val == STRING_SEEN && p.at - m->data == 6 && m->data[0] == TAG_STR, "the string goes in full");
  wf_msg_free(m);
}

/* The marks of a scratch that never met a string or an object begin anew, too. */
static void marks_without_tables(void) {
  lua_State *L = state_new(&here_heap);
  wf_pack_state *st = wf_pack_state_get(L);
  lua_settop(L, 0);
  luaL_dostring(L, "return 7, 'text'");
  for (int n = 1; n <= 2; n++) {
    st->scratch.gen = UINT32_MAX;
    wf_msg *m = wf_pack(L, -2, n, "value"); /* from the top */
    CHECK(st->scratch.gen == 1 && wf_unpack(L, m) == n && lua_tointeger(L, 3) == 7, "%d values", n);
    wf_msg_free(m);
    lua_settop(L, 2);
  }
  lua_close(L);
}

/* ---- the stack ---- */

static int stack_left, copies; /* slots; of the value */

static int on_full_stack(lua_State *L) {
  luaL_checkstack(L, 100, NULL);
  int top = lua_gettop(L), most = 1000000;
  while (most > 0 && !lua_checkstack(L, most)) most /= 2; /* to the limit, in ever smaller steps */
  for (; most > 0; most = most > 1 ? most / 2 : lua_checkstack(L, 1)) {
    if (!lua_checkstack(L, most)) continue;
    lua_settop(L, lua_gettop(L) + most);
  }
  lua_settop(L, lua_gettop(L) - stack_left - copies); /* whose own places are left, too */
  for (int i = 0; i < copies; i++) lua_pushvalue(L, top);
  wf_msg *m = wf_pack(L, -copies, copies, "value");
  if (m == NULL) return lua_error(L);
  lua_pop(L, copies);
  wf_msg **out = lua_touserdata(L, 1);
  *out = m; /* whose owner the caller is, should this raise */
  CHECK(wf_unpack(L, m) == copies, "as many values");
  return 1;
}

/* With little left of Lua's stack a value goes through or there is an error, and the state is as good as before. */
static void stack_is_full(void) {
  static const char *const values[] = {
      "local t = {} for i = 1, 150 do t = {t} end return t",
      "local t = {} for i = 1, 150 do t = {nil, t} end return t, {}",
      "local t = {} for i = 1, 100 do t = {t, f = print} end return t",
      "local t = 1 for i = 1, 50 do local u = t t = function() return u end end return t",
      "return print",
  };
  for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
    lua_State *L = state_new(&here_heap);
    long through = 0, raised = 0;
    copies = v < 4 ? 1 : 30;
    for (stack_left = 0; stack_left < 1000; stack_left += stack_left < 60 ? 1 : 47) {
      wf_msg *m = NULL;
      lua_pushcfunction(L, on_full_stack);
      lua_pushlightuserdata(L, &m);
      if (luaL_dostring(L, values[v]) != LUA_OK) abort();
      lua_settop(L, 3);
      if (lua_pcall(L, 2, 1, 0) == LUA_OK) {
        through++;
      } else {
        raised++;
        const char *message = luaL_tolstring(L, -1, NULL);
        CHECK(strstr(message, "stack") != NULL || strstr(message, "memory") != NULL, "%d left: %s", stack_left,
              message);
      }
      wf_msg_free(m);
      lua_settop(L, 0);
    }
    CHECK(through > 0 && raised > 0, "%s: %ld went through, %ld did not", values[v], through, raised);
    lua_close(L);
  }
}

/* ---- finalisers ---- */

static wf_msg *letter;
static lua_Integer letters_read;

static int read_letter(lua_State *L) {
  lua_settop(L, 0);
  if (wf_unpack(L, letter) == 1 && lua_rawlen(L, 1) == 300) letters_read++;
  return 0;
}

/* The 65th message makes a state keep what it reads again and again. When memory is out then, the next one does; when a
 * finaliser that runs in the midst of it has read one, it is done already. */
static void what_is_known(void) {
  for (int way = 0; way < 2; way++) {
    lua_State *L = state_new(&here_heap);
    luaL_dostring(L, "local t = {} for i = 1, 300 do t[i] = {id = i, name = 'name'} end return t");
    letter = wf_pack(L, 1, 1, "value");
    wf_pack_state *st = wf_pack_state_get(L);
    lua_settop(L, 0);
    st->received = 64;
    letters_read = 0;
    if (way == 0) {
      heap_order(&c_heap, 1, 0);
      read_letter(L);
      CHECK(heap_heal(&c_heap) && letters_read == 1 && st->known == NULL, "read without memory: %lld",
            (long long)letters_read);
      read_letter(L);
      CHECK(letters_read == 2 && st->known != NULL, "with memory again");
    } else {
      lua_gc(L, LUA_GCSTOP);
      lua_gc(L, LUA_GCINC, 100, 1000, 40); /* whose every step is a cycle */
      lua_newtable(L);
      lua_newtable(L);
      lua_pushcfunction(L, read_letter);
      lua_setfield(L, -2, "__gc");
      lua_setmetatable(L, -2);
      lua_settop(L, 0);
      lua_gc(L, LUA_GCRESTART);
      read_letter(L);
      CHECK(letters_read == 2 && st->known != NULL, "read by both: %lld", (long long)letters_read);
    }
    lua_close(L);
    wf_msg_free(letter);
  }
}

static int heard;

static int l_heard(lua_State *L) {
  heard += lua_toboolean(L, 1);
  return 0;
}

/* Finalisers that run when what the state kept for packing is gone already, its bytecode, too. */
static void state_ends(void) {
  heard = 0;
  lua_State *L = state_new(&here_heap);
  lua_pushcfunction(L, l_heard);
  lua_setglobal(L, "heard");
  int bad = luaL_dostring(
      L, "local function f() return 5 end\n"
         "local t = {} for i = 1, 40 do t[i] = {id = i, name = 'name'} end\n"
         "first = setmetatable({}, {__gc = function() heard(copy(f)() == 5 and copy(t)[40].id == 40) end})\n"
         "for i = 1, 3 do copy(f) end for i = 1, 100 do copy(t) end");
  CHECK(!bad, "%s", lua_tostring(L, -1));
  lua_close(L);
  CHECK(heard == 1, "what the finaliser packed is not what it was");
}

/* ---- peers ---- */

static void add(luaL_Buffer *b, uint8_t tag, const void *bytes, size_t n) {
  luaL_addlstring(b, (const char *)&tag, 1);
  luaL_addlstring(b, bytes, n);
}

/* Of a peer: functions in 200 tables, cut short, or in company that was not announced; a name of 2000 bytes. */
static void peers_exaggerate(void) {
  lua_State *L = state_new(&here_heap);
  wf_pack_head head = {PACK_MAGIC, 1, 0, 0};
  uint32_t one_value[2] = {1, 0};
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addlstring(&b, (const char *)&head, sizeof head);
  for (int i = 0; i < PACK_DEPTH; i++) add(&b, TAG_TABLE, one_value, sizeof one_value);
  add(&b, TAG_FUNC, "padding", 7);
  luaL_pushresult(&b);
  size_t len;
  const char *bytes = lua_tolstring(L, 1, &len);
  CHECK(wf_unpack_peer(L, bytes, len) == -1 && said(L, "nested too deep"), "a function in 200 tables");
  for (size_t name = 1000; name < 1040; name++) { /* to and beyond a KiB of it in the error */
    lua_settop(L, 0);
    luaL_buffinit(L, &b);
    luaL_addlstring(&b, (const char *)&head, sizeof head);
    uint16_t n = (uint16_t)(name + 9);
    luaL_addlstring(&b, (const char[]){TAG_NAMED, TAG_STR}, 2);
    luaL_addlstring(&b, (const char *)&n, 2);
    luaL_addlstring(&b, "string\0", 7);
    for (size_t i = 0; i < name; i++) luaL_addlstring(&b, "n", 1);
    luaL_addlstring(&b, "\0z", 2);
    luaL_pushresult(&b);
    bytes = lua_tolstring(L, 1, &len);
    CHECK(wf_unpack_peer(L, bytes, len) == -1 && said(L, "n.z' is not there"), "a name of %zu bytes", name);
  }
  lua_settop(L, 0);
  luaL_dostring(L, "local n = 0 return function() n = n + 1 end, function() return n end");
  wf_msg *m = wf_pack_for(L, 1, 2, "value", WF_REACH_PEERS);
  for (size_t cut = 0; cut < m->len; cut++) {
    lua_settop(L, 0);
    CHECK(wf_unpack_peer(L, m->data, cut) == -1, "cut at %zu it was accepted", cut);
  }
  lua_settop(L, 0);
  CHECK(wf_unpack_peer(L, m->data, m->len) == 2, "as it is");
  memcpy(&head, m->data, sizeof head);
  CHECK(head.shared == 1 && m->data[sizeof head] == TAG_FUNC_SHARED,
        "the first function has what the second refers to");
  head.shared = 0;
  memcpy(m->data, &head, sizeof head);
  m->data[sizeof head] = TAG_FUNC;
  lua_settop(L, 0);
  CHECK(wf_unpack_peer(L, m->data, m->len) == -1 && said(L, "unknown upvalue"), "no function was announced");
  wf_msg_free(m);
  lua_close(L);
}

/* A stranger's metatable is paid for, when all that the message may cost is gone but for a few bytes as well. */
static void strangers_pay(void) {
  long accepted = 0, refused = 0;
  for (uint32_t extra = 0; extra < 300; extra++) {
    lua_State *L = state_new(&here_heap);
    luaL_dostring(L, "register('p', {})");
    wf_pack_head head = {PACK_MAGIC, 3, 0, 0};
    uint32_t pairs[2] = {0, 129}, none[2] = {0, 0}; /* 129 pairs take 256 places */
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addlstring(&b, (const char *)&head, sizeof head);
    add(&b, TAG_LSTR, &extra, sizeof extra);
    for (uint32_t i = 0; i < extra; i++) luaL_addlstring(&b, "x", 1);
    add(&b, TAG_TABLE, pairs, sizeof pairs);
    for (int i = 0; i < 64; i++) luaL_addlstring(&b, (char[]){(char)(TAG_INT + i), TAG_TRUE}, 2);
    for (int i = 64; i < 127; i++) luaL_addlstring(&b, (char[]){TAG_INT8, (char)i, TAG_TRUE}, 3);
    luaL_addlstring(&b, (char[]){TAG_TRUE, TAG_TRUE, TAG_FALSE, TAG_TRUE}, 4);
    luaL_addlstring(&b, (const char[]){TAG_META, TAG_STR, 1, 0, 'p'}, 5);
    add(&b, TAG_TABLE, none, sizeof none);
    luaL_pushresult(&b);
    size_t len;
    const char *bytes = lua_tolstring(L, 1, &len);
    int n = wf_unpack_untrusted(L, bytes, len);
    accepted += n == 3;
    refused += n < 0 && said(L, "more memory than its size allows");
    lua_close(L);
  }
  CHECK(accepted > 0 && refused > 0 && accepted + refused == 300, "%ld accepted, %ld refused", accepted, refused);
}

int main(void) {
  wf_alloc_set(heap_c, &c_heap);
#if SIZE_MAX > UINT32_MAX
  room_ends();
  if (!LX_EARLY) too_long();
  counts_lie();
#endif
  marks_are_full();
  marks_without_tables();
  stack_is_full();
  what_is_known();
  state_ends();
  peers_exaggerate();
  strangers_pay();
  CHECK(c_heap.blocks == 0 && here_heap.blocks == 0, "%ld blocks of ours, %ld of Lua's are left", c_heap.blocks,
        here_heap.blocks);
  printf("%d failures\n", failures);
  return failures != 0;
}
