/* fuzz_unpack.c: bytes that anyone may have written, through wf_unpack_untrusted.
 *
 * For libFuzzer:
 *   clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -DWF_FUZZER -Icsrc -Ispec/c $(pkg-config --cflags lua5.4)
 *     spec/c/fuzz_unpack.c (and every C file of csrc/base, csrc/sys, csrc/lx) -llua5.4 -luv -lm -ldl
 * Without WF_FUZZER its main replays the files named as arguments; pack_hostile_test.c includes it and
 * feeds it mutants.
 *
 * Whatever the bytes: no crash; what was decoded is on the stack and nothing else; the state's memory grew by
 * at most 16 times the input and 4 KiB; no function, userdata or pointer came out; what came out can be packed
 * for anyone and read again; garbage collection finds nothing wrong. */
#include <math.h>

#include "pack_util.h"

static const char *fuzz_said; /* what was wrong with the last input, or NULL */
static long fuzz_accepted;

static int fuzz_call(lua_State *L) {
  const void *bytes = lua_touserdata(L, 1);
  size_t len = (size_t)lua_tointeger(L, 2);
  lua_settop(L, 0);
  int n = wf_unpack_untrusted(L, bytes, len);
  if (lua_gettop(L) != (n < 0 ? 1 : n)) fuzz_said = "the stack is not as it should be";
  if (n < 0 && !lx_error_is(L, 1, "transfer")) fuzz_said = "no transfer error";
  if (n < 0) return lua_error(L);
  return n;
}

/* Nothing but data in the value at idx; `seen` is the index of a table of tables that were looked at. */
static void fuzz_look(lua_State *L, int idx, int seen) {
  int type = lua_type(L, idx);
  if (type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA || type == LUA_TTHREAD)
    fuzz_said = "something other than data came out";
  if (type != LUA_TTABLE) return;
  luaL_checkstack(L, 6, NULL);
  lua_pushvalue(L, idx);
  if (lua_rawget(L, seen) != LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, idx);
  lua_pushboolean(L, 1);
  lua_rawset(L, seen);
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    int top = lua_gettop(L);
    fuzz_look(L, top - 1, seen);
    fuzz_look(L, top, seen);
    lua_pop(L, 1);
  }
}

static void fuzz_again(lua_State *L, int n) {
  lua_newtable(L);
  int seen = lua_gettop(L);
  for (int i = 1; i <= n; i++) fuzz_look(L, i, seen);
  lua_settop(L, n);
  wf_msg *m = wf_pack_for(L, 1, n, "value", WF_REACH_ANYONE);
  if (m == NULL) {
    /* A stranger's tables may use names that are not registered here; nothing else is refused. */
    fuzz_said = "what came out cannot be packed";
    return;
  }
  lua_settop(L, 0);
  int k = wf_unpack_untrusted(L, m->data, m->len);
  if (k != n) fuzz_said = "what was packed again cannot be read";
  wf_msg_free(m);
}

/* NULL when all is well. registered: the class "point" exists in the reader. */
static const char *fuzz_one(const uint8_t *bytes, size_t len, int registered) {
  heap h = {0};
  fuzz_said = NULL;
  lua_State *L = lua_newstate(heap_lua, &h);
  if (L == NULL) abort();
  if (registered) {
    lua_newtable(L);
    wf_register_meta(L, "point", -1);
    lua_settop(L, 0);
  }
  luaL_checkstack(L, 4, NULL);
  lua_gc(L, LUA_GCCOLLECT);
  long before = h.bytes;
  h.peak = before;
  lua_pushcfunction(L, fuzz_call);
  lua_pushlightuserdata(L, (void *)(uintptr_t)bytes);
  lua_pushinteger(L, (lua_Integer)len);
  int ok = lua_pcall(L, 2, LUA_MULTRET, 0) == LUA_OK;
  if (h.peak - before > 16 * (long)len + 4096) fuzz_said = "it took more than 16 times its size and 4 KiB";
  if (ok && fuzz_said == NULL) {
    fuzz_accepted++;
    fuzz_again(L, lua_gettop(L));
  }
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  lua_close(L);
  if (h.blocks != 0) fuzz_said = "memory was lost";
  return fuzz_said;
}

#ifdef WF_FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  const char *said = fuzz_one(bytes, len, len & 1);
  if (said != NULL) {
    fprintf(stderr, "%s\n", said);
    abort();
  }
  return 0;
}
#elif !defined(WF_FUZZ_INCLUDED)
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    FILE *f = fopen(argv[i], "rb");
    if (f == NULL) {
      perror(argv[i]);
      return 2;
    }
    size_t len = 0, room = 1 << 16;
    uint8_t *bytes = malloc(room);
    while (bytes != NULL && (len += fread(bytes + len, 1, room - len, f)) == room) bytes = realloc(bytes, room *= 2);
    fclose(f);
    if (bytes == NULL) return 2;
    for (int registered = 0; registered < 2; registered++) {
      const char *said = fuzz_one(bytes, len, registered);
      if (said != NULL) {
        printf("%s: %s\n", argv[i], said);
        failures++;
      }
    }
    free(bytes);
  }
  printf("%d files, %d failures\n", argc - 1, failures);
  return failures != 0;
}
#endif
