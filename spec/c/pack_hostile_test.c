/* pack_hostile_test.c: valid messages and mutants of them through the reader for strangers (fuzz_unpack.c says what must
 * hold), valid messages of every kind cut at every byte, and messages written to exhaust memory or time.
 *
 *   pack_hostile_test [MUTANTS [SEED]]     also: pack_hostile_test --corpus DIR writes the valid messages there */
#define WF_FUZZ_INCLUDED
#include <dirent.h>

#include "fuzz_unpack.c"

#include "lx/pack_format.h"

static const char *const values[] = {
    "return",
    "return 1, nil, true, false, 2.5, -7, 300, 70000, 1 << 40, 'text', ''",
    "return {1, 2, 3}, {x = 1, y = 2, [2.5] = 3, [true] = 4, [-1] = 5}",
    "local t = {} for i = 1, 40 do t[i] = {id = i, name = 'name ' .. i, kind = 'same'} end return t",
    "local t = {} t.t = t local s = {} t[1], t[2], t[s] = s, s, {t} return t, s",
    "local t = {} for i = 1, 199 do t = {t} end return t",
    "local t = {} for i = 1, 150 do t = {k = t, i = i} end return t",
    "return setmetatable({1}, P), {setmetatable({2, setmetatable({}, P)}, P)}",
    "local t = {} for i = 1, 300 do t['key ' .. i] = 'key ' .. i % 150 end return t, t",
    "local t = {} for i = 1, 65 do t[i * 3] = true end return t",
    "local t = {} for i = 1, 5000 do t[i * 17] = i end return t",
    "local t = {} for i = 1, 33 do t[i] = {} for j = 1, 33 do t[i][string.char(64 + j)] = true end end return t",
    "local t = {} for i = 1, 257 do t[string.char(i % 256) .. string.char(i // 256 + 65)] = i end return t",
    "local t = {} for i = 1, 400 do t[i] = string.char(i % 250) end return t",
    "local t = {} for i = 1, 200 do local r = {} for j = 1, 17 do r[j * 1000] = true end t[i] = r end return t",
    "local t = {} for i = 1, 129 do t[i + .5] = i end return t",
    "return ('x'):rep(70000), {('x'):rep(70000)}",
    "local t = {} for i = 1, 64 do t[i] = {} end return t",
    "local t = {} for i = 0, 16 do t[i * 2] = false end return t",
};

enum { NVALUES = sizeof values / sizeof *values };

static struct {
  uint8_t *bytes;
  size_t len;
} corpus[NVALUES];

static void corpus_make(void) {
  lua_State *L = state_new(&here_heap);
  luaL_dostring(L, "P = {} register('point', P)");
  for (int i = 0; i < NVALUES; i++) {
    lua_settop(L, 0);
    if (luaL_dostring(L, values[i])) {
      printf("%s\n", lua_tostring(L, -1));
      exit(1);
    }
    wf_msg *m = wf_pack_for(L, 1, lua_gettop(L), "value", WF_REACH_ANYONE);
    if (m == NULL) abort();
    corpus[i].bytes = malloc(m->len);
    memcpy(corpus[i].bytes, m->data, m->len);
    corpus[i].len = m->len;
    wf_msg_free(m);
  }
  lua_close(L);
}

static int corpus_write(const char *dir) {
  for (int i = 0; i < NVALUES; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/valid%02d", dir, i);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(corpus[i].bytes, 1, corpus[i].len, f) != corpus[i].len) return 2;
    fclose(f);
  }
  return 0;
}

static uint64_t rng = 1;

static size_t rnd(uint64_t below) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (size_t)(rng % below);
}

static void expect(const char *what, const uint8_t *bytes, size_t len, int registered) {
  const char *said = fuzz_one(bytes, len, registered);
  CHECK(said == NULL, "%s: %s", what, said);
  for (size_t i = 0; said != NULL && i < len && i < 4096; i++) printf(i % 40 == 39 ? "%02x\n" : "%02x", bytes[i]);
}

/* The reader for our own processes checks all bytes too; only bytecode it must believe, and mutants hold none. */
static void as_peer(const uint8_t *bytes, size_t len) {
  heap h = {0};
  lua_State *L = lua_newstate(heap_lua, &h);
  if (L == NULL) abort();
  int n = wf_unpack_peer(L, bytes, len);
  CHECK(lua_gettop(L) == (n < 0 ? 1 : n), "%d values, the stack has %d", n, lua_gettop(L));
  lua_close(L);
  CHECK(h.blocks == 0, "memory was lost");
}

/* One to four changes: a byte, a bit, a number at its limits, a cut, a piece of another message. */
static size_t mutate(uint8_t *b, size_t len, size_t room) {
  for (uint64_t k = rnd(4) + 1; k > 0 && len > 0; k--) {
    size_t at = rnd(5) == 0 ? rnd(len < 24 ? len : 24) : rnd(len);
    switch (rnd(7)) {
      case 0: b[at] = (uint8_t)rnd(256); break;
      case 1: b[at] ^= (uint8_t)(1 << rnd(8)); break;
      case 2: b[at] = (uint8_t)rnd(TAG_HANDLE_SHARED + 2); break;
      case 3: {
        static const uint32_t limits[] = {0, 1, 127, 128, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff};
        uint32_t v = limits[rnd(sizeof limits / sizeof *limits)];
        if (at + 4 <= len) memcpy(b + at, &v, 4);
        break;
      }
      case 4: len = at; break;
      case 5: {
        size_t n = rnd(16) + 1;
        if (len + n > room) break;
        memmove(b + at + n, b + at, len - at);
        len += n;
        break;
      }
      default: {
        size_t i = rnd(NVALUES), from = rnd(corpus[i].len), n = rnd(40) + 1;
        if (n > corpus[i].len - from) n = corpus[i].len - from;
        if (n > len - at) n = len - at;
        memcpy(b + at, corpus[i].bytes + from, n);
        break;
      }
    }
  }
  return len;
}

static void mutants(long n) {
  enum { ROOM = 1 << 18 };
  uint8_t *b = malloc(ROOM);
  for (long i = 0; i < n && failures < 10; i++) {
    size_t v = rnd(NVALUES);
    if (corpus[v].len > 4096 && rnd(50) != 0) continue;
    memcpy(b, corpus[v].bytes, corpus[v].len);
    size_t len = mutate(b, corpus[v].len, ROOM);
    /* exactly as many bytes as there are, so that a read past the end is seen */
    uint8_t *exact = malloc(len + 1);
    memcpy(exact + 1, b, len);
    char what[80];
    snprintf(what, sizeof what, "mutant %ld of value %zu", i, v);
    expect(what, exact + 1, len, (int)(i & 1));
    as_peer(exact + 1, len);
    free(exact);
  }
  free(b);
}

/* ---- messages written by hand ---- */

typedef struct text {
  uint8_t *b;
  size_t len, room;
} text;

static void add(text *t, const void *bytes, size_t n) {
  if (t->len + n > t->room) t->b = realloc(t->b, t->room = (t->len + n) * 2);
  if (t->b == NULL) abort();
  memcpy(t->b + t->len, bytes, n);
  t->len += n;
}

static void add_u8(text *t, unsigned v) { add(t, &(uint8_t){(uint8_t)v}, 1); }
static void add_u32(text *t, uint32_t v) { add(t, &v, 4); }

static text begin(uint32_t values_n, uint32_t dict, uint32_t shared) {
  text t = {0};
  wf_pack_head head = {PACK_MAGIC, values_n, dict, shared};
  add(&t, &head, sizeof head);
  return t;
}

static void add_table(text *t, uint32_t narr, uint32_t nhash) {
  add_u8(t, TAG_TABLE);
  add_u32(t, narr);
  add_u32(t, nhash);
}

static void end(text *t, const char *what, int accepted) {
  long before = fuzz_accepted;
  for (int registered = 0; registered < 2; registered++) expect(what, t->b, t->len, registered);
  CHECK(fuzz_accepted - before == (accepted ? 2 : 0), "%s was %s", what, accepted ? "refused" : "accepted");
  free(t->b);
}

static void by_hand(void) {
  text t = begin(1, 0, 0);
  add_u8(&t, TAG_NIL);
  end(&t, "nil", 1);
  t = begin(0, 0, 0);
  t.b[0] ^= 1;
  end(&t, "another magic number", 0);
  for (uint32_t n = 1; n != 0; n <<= 1) {
    t = begin(1, 0, 0);
    add_table(&t, n, 0);
    end(&t, "an array announced", 0);
    t = begin(1, 0, 0);
    add_table(&t, 0, n);
    end(&t, "a hash announced", 0);
    t = begin(n + 1, 0, 0);
    add_u8(&t, TAG_NIL);
    end(&t, "values announced", 0);
  }
  /* each of these asks for more than its share */
  for (uint32_t i = 0; i < 3; i++) {
    t = begin(1, i == 1 ? 60000 : 0, i == 2 ? 60000 : 0);
    add_table(&t, 0, i == 0 ? 32769 : 0);
    for (int j = 0; j < 65540; j++) add_u8(&t, TAG_TRUE);
    end(&t, "more memory than bytes", 0);
  }
  t = begin(1, 0, 0);
  for (int i = 0; i < 201; i++) add_table(&t, 1, 0);
  add_u8(&t, TAG_NIL);
  end(&t, "201 levels", 0);
  t = begin(1, 0, 0);
  for (int i = 0; i < 200; i++) add_table(&t, 1, 0);
  add_u8(&t, TAG_NIL);
  end(&t, "200 levels", 1);
  t = begin(1, 0, 0);
  for (int i = 0; i < 100000; i++) add_table(&t, 1, 0);
  end(&t, "100,000 levels", 0);
  static const double odd[] = {0.0 / 0.0, 1.0};
  for (int i = 0; i < 3; i++) {
    t = begin(1, 0, 0);
    add_table(&t, 0, 2);
    if (i < 2) {
      add_u8(&t, TAG_FLOAT);
      add(&t, &odd[i], 8);
    } else {
      add_u8(&t, TAG_NIL);
    }
    add_u8(&t, TAG_TRUE);
    add_u8(&t, TAG_INT8);
    add_u8(&t, 1);
    add_u8(&t, TAG_TRUE);
    end(&t, i == 0 ? "NaN as a key" : i == 1 ? "a key twice" : "nil as a key", 0);
  }
  static const uint8_t powers[] = {TAG_BLOB,
                                   TAG_POINTER,
                                   TAG_GLOBALS,
                                   TAG_NAMED,
                                   TAG_CFUNC,
                                   TAG_FUNC,
                                   TAG_FUNC_SHARED,
                                   TAG_HANDLE,
                                   TAG_HANDLE_SHARED,
                                   TAG_CELL,
                                   TAG_JOIN,
                                   0x3f,
                                   TAG_HANDLE_SHARED + 1};
  for (size_t i = 0; i < sizeof powers; i++) {
    t = begin(1, 0, 0);
    add_u8(&t, powers[i]);
    for (int j = 0; j < 40; j++) add_u8(&t, TAG_STR * (j == 0));
    end(&t, "a value with power", 0);
  }
  t = begin(1, 0, 1);
  add_u8(&t, TAG_OBJREF);
  add_u32(&t, 0);
  end(&t, "a reference forward", 0);
  t = begin(1, 1, 0);
  add_u8(&t, TAG_REF);
  end(&t, "a string that was not defined", 0);
}

/* A function whose upvalue is said to be that of something else. */
static void false_joins(void) {
  lua_State *L = state_new(&here_heap);
  luaL_dostring(L, "local n = 0 return function() n = 1 end, function() return n end, {}");
  wf_msg *m = wf_pack_for(L, 1, 3, "value", WF_REACH_PEERS);
  size_t at = m->len - 1;
  while (at > 0 && m->data[at] != TAG_JOIN) at--;
  CHECK(at > 0, "the functions share no upvalue");
  for (int i = 0; i < 256; i++) {
    lua_settop(L, 0);
    m->data[at + 5] = (char)i;
    int n = wf_unpack_peer(L, m->data, m->len);
    CHECK(n == (i == 1 ? 3 : -1), "upvalue %d gave %d values", i, n);
  }
  m->data[at + 5] = 1;
  for (int i = 1; i < 256; i++) {
    lua_settop(L, 0);
    m->data[at + 1] = (char)i;
    CHECK(wf_unpack_peer(L, m->data, m->len) == -1, "the upvalue of object %d was taken", i);
  }
  wf_msg_free(m);
  lua_close(L);
}

/* Keys that all fall on one place of the table, in the two ways that Lua has placed integers. */
static void crowds(void) {
  for (uint32_t size = 256; size <= 1 << 18; size *= 4)
    for (int way = 0; way < 3; way++) {
      text t = begin(1, 0, 0);
      add_table(&t, 0, size);
      for (uint64_t i = 1; i <= size; i++) {
        uint64_t v = way == 0 ? i * (size - 1) : i * size;
        double d = ldexp(1.0 + (double)i / 1048576.0, 1); /* low bits of the fraction are zero */
        add_u8(&t, way == 2 ? TAG_FLOAT : TAG_INT64);
        add(&t, way == 2 ? (void *)&d : (void *)&v, 8);
        add_u8(&t, TAG_TRUE);
      }
      long before = fuzz_accepted;
      expect("a crowd of keys", t.b, t.len, 0);
#if LUA_VERSION_RELEASE_NUM < 50404
      int crowded = way == 1;
#else
      int crowded = way == 0;
#endif
      if (crowded && size > 256) CHECK(fuzz_accepted == before, "a crowd of %u keys was accepted", size);
      free(t.b);
    }
}

/* What the fuzzer found worth keeping: spec/corpus/unpack. */
static int replay(void) {
  const char *root = getenv("WEFT_ROOT");
  char path[1024];
  int n = 0;
  snprintf(path, sizeof path, "%s/spec/corpus/unpack", root != NULL ? root : ".");
  DIR *dir = opendir(path);
  if (dir == NULL) return 0;
  for (struct dirent *e; (e = readdir(dir)) != NULL;) {
    snprintf(path, sizeof path, "%s/spec/corpus/unpack/%s", root != NULL ? root : ".", e->d_name);
    FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
    if (f == NULL) continue;
    uint8_t bytes[4096];
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    uint8_t *exact = malloc(len + 1);
    memcpy(exact + 1, bytes, len);
    for (int registered = 0; registered < 2; registered++) expect(path, exact + 1, len, registered);
    free(exact);
    n++;
  }
  closedir(dir);
  return n;
}

/* Messages of this process are believed, but read with the same care: one that ends early, lacks what lies beside it, or
 * has one byte changed gives values or an error, and loses nothing. (Their bytecode lies beside them: it stays whole.) */
static const char *const own[] = {
    "local n, m = 0, 0 return function() n = n + 1 return n + m end, function() m = n end, {function() return m end}",
    "return print, string.format, string, _G, {math, {math.floor}}",
    "return box(1), {box(2), box(3)}, ('x'):rep(70000), {('x'):rep(70000)}",
    "local n = 0 return box(1), function() return n end, {box(2), ('x'):rep(70000)}, function() n = n + 1 end",
    "local P = register('point', {}) return setmetatable({x = 1}, P), {setmetatable({2}, P)}",
    "local t = {1, 2.5, 'three', [true] = {false}, k = {}} t.t = t for i = 1, 40 do t[-i] = 'key ' .. i end return t, t, nil",
};

static int read_own(lua_State *L) {
  const wf_msg *m = lua_touserdata(L, 1);
  lua_settop(L, 0);
  int n = wf_unpack(L, m);
  CHECK(lua_gettop(L) == n, "%d values, the stack has %d", n, lua_gettop(L));
  return n;
}

/* Whether it could be read. */
static int own_is_read(lua_State *L, wf_msg *m) {
  lua_pushcfunction(L, read_own);
  lua_pushlightuserdata(L, m);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  CHECK(status == LUA_OK || lua_gettop(L) == 1, "%d values with an error", lua_gettop(L));
  lua_settop(L, 0);
  return status == LUA_OK;
}

static void own_damaged(void) {
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    lua_State *L = state_new(&here_heap), *to = state_new(&there_heap);
    if (luaL_dostring(to, "register('point', {})") != LUA_OK || luaL_dostring(L, own[i]) != LUA_OK) {
      printf("%s: %s\n", own[i], lua_tostring(L, -1));
      exit(1);
    }
    wf_msg *m = wf_pack(L, 1, lua_gettop(L), "value");
    CHECK(m != NULL && own_is_read(to, m), "%s: it is refused as it is", own[i]);
    if (m == NULL) exit(1);
    size_t len = m->len;
    for (m->len = 0; m->len < len; m->len++) CHECK(!own_is_read(to, m), "%s: cut at %zu it is accepted", own[i], m->len);
    uint32_t beside = m->nside;
    for (m->nside = 0; m->nside < beside; m->nside++)
      CHECK(!own_is_read(to, m), "%s: with %u of %u beside it is accepted", own[i], m->nside, beside);
    for (size_t at = 0; at < len; at++) {
      char byte = m->data[at];
      for (int other = 0; other < 256; other++) {
        m->data[at] = (char)other;
        own_is_read(to, m);
      }
      m->data[at] = byte;
    }
    CHECK(own_is_read(to, m), "%s: it is refused afterwards", own[i]);
    wf_msg_free(m);
    lua_close(L);
    lua_close(to);
    CHECK(here_heap.blocks == 0 && there_heap.blocks == 0, "%s: blocks of Lua are left", own[i]);
  }
  CHECK(box_live == 0, "%ld boxes are left", (long)box_live);
}

int main(int argc, char **argv) {
  wf_alloc_set(heap_c, &c_heap);
  corpus_make();
  if (argc > 2 && strcmp(argv[1], "--corpus") == 0) return corpus_write(argv[2]);
  long n = argc > 1 ? atol(argv[1]) : 20000;
  if (argc > 2) rng = strtoull(argv[2], NULL, 10);
  for (int i = 0; i < NVALUES; i++) {
    long before = fuzz_accepted;
    expect(values[i], corpus[i].bytes, corpus[i].len, 1);
    CHECK(fuzz_accepted == before + 1, "%s: its message was refused", values[i]);
    size_t step = corpus[i].len > 4096 ? corpus[i].len / 500 : 1;
    for (size_t cut = 0; cut < corpus[i].len; cut += step) {
      uint8_t *exact = malloc(cut + 1);
      memcpy(exact + 1, corpus[i].bytes, cut);
      before = fuzz_accepted;
      expect("a message cut short", exact + 1, cut, 1);
      CHECK(fuzz_accepted == before, "%s: cut at %zu it was accepted", values[i], cut);
      free(exact);
    }
  }
  own_damaged();
  by_hand();
  false_joins();
  crowds();
  int kept = replay();
  mutants(n);
  for (int i = 0; i < NVALUES; i++) free(corpus[i].bytes);
  CHECK(c_heap.blocks == 0, "%ld blocks of ours left", c_heap.blocks);
  printf("%ld mutants and %d kept inputs, %ld inputs accepted, %d failures\n", n, kept, fuzz_accepted, failures);
  return failures != 0;
}
