/* fuzz_lua_test.c: inputs for the targets of spec/fuzz: `lines` (the stream reader), `prompt` (editor, completion and
 * compiling at the prompt) and `command` (the command line). A target is a function of the bytes that raises when something
 * is not as it should be. One state runs them all.
 *
 *   fuzz_lua_test [MUTANTS [SEED]]      replays spec/corpus/TARGET of each target, and so many mutants of what is there
 *   fuzz_lua_test TARGET FILE ...       replays files
 *
 * With WF_FUZZER it is for libFuzzer (scripts/fuzz.sh), which takes the target's name from WEFT_FUZZ. The blocks of the Lua
 * modules under test are then counted as libFuzzer counts those of C: spec/fuzz/cover.lua puts a call of `hit` into each. */
#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz_source.h"
#include "host_state.h"

enum { INPUT_MAX = 4096, BETWEEN_COUNTS = 4096 };

static atomic_long blocks; /* of weft's own memory, on any thread */

static void *count(void *ud, void *block, size_t size) {
  (void)ud;
  if (size == 0) {
    atomic_fetch_sub(&blocks, 1);
    free(block);
    return NULL;
  }
  if (block == NULL) atomic_fetch_add(&blocks, 1);
  return realloc(block, size);
}

static const char *root(void) {
  const char *dir = getenv("WEFT_ROOT");
  return dir != NULL ? dir : ".";
}

/* ---- what libFuzzer is told of Lua ---- */

#ifdef WF_FUZZER
enum { COUNTERS = 1 << 12 };

__attribute__((section("__libfuzzer_extra_counters"), used)) static uint8_t counters[COUNTERS];

/* Not what is looked for. */
#define BESIDE __attribute__((no_sanitize("coverage", "address", "undefined")))

/* hit(block): an edge from the block before. */
BESIDE static int hit(lua_State *L) {
  static unsigned before;
  unsigned block = (unsigned)lua_tointeger(L, 1) * 2654435761u >> 8, edge = (block ^ before) & (COUNTERS - 1);
  if (counters[edge] < 255) counters[edge]++;
  before = block >> 1;
  return 0;
}
#else
#define BESIDE
#endif

/* ---- the state ---- */

static void die(lua_State *L, const char *what) {
  fprintf(stderr, "%s: %s\n", what, lua_tostring(L, -1));
  exit(2);
}

static int on_error(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* Memory of a state whose target is all Lua: blocks of one size are kept for the next of that size, as a sanitizer's
 * malloc takes most of the time else. What ends with the process is never given back. */
BESIDE static void *pooled(void *ud, void *block, size_t old, size_t size) {
  enum { STEP = 16, SIZES = 64, SLAB = 1 << 16 };
  static void *free_blocks[SIZES + 1];
  static char *slab;
  static size_t left;
  (void)ud;
  if (block == NULL) old = 0;
  size_t had = (old + STEP - 1) / STEP, wants = (size + STEP - 1) / STEP;
  if (had == wants && had > 0 && had <= SIZES) return block;
  if (had > SIZES && (wants > SIZES || wants == 0)) {
    if (wants != 0) return realloc(block, size);
    free(block);
    return NULL;
  }
  void *to = NULL;
  if (wants > SIZES) {
    to = malloc(size);
  } else if (wants > 0 && free_blocks[wants] != NULL) {
    to = free_blocks[wants];
    memcpy(&free_blocks[wants], to, sizeof to);
  } else if (wants > 0) {
    if (left < wants * STEP) {
      slab = malloc(left = SLAB);
      if (slab == NULL) abort();
    }
    to = slab + (left -= wants * STEP);
  }
  if (to == NULL && wants > 0) return NULL;
  if (old > 0 && wants > 0) memcpy(to, block, old < size ? old : size);
  if (had > SIZES) {
    free(block);
  } else if (had > 0) {
    memcpy(block, &free_blocks[had], sizeof block);
    free_blocks[had] = block;
  }
  return to;
}

/* A state in which the targets can be loaded; at index 1 is on_error. */
static lua_State *state_new(bool in_pool) {
  lua_State *L = in_pool ? lua_newstate(pooled, NULL) : luaL_newstate();
  if (L == NULL) abort();
  luaL_openlibs(L);
  lua_pushcfunction(L, on_error);
  host_preload(L);
  luaL_newlib(L, source_functions);
  lua_setglobal(L, "source");
  lua_pushstring(L, root());
  lua_setglobal(L, "ROOT");
  if (luaL_dostring(
          L, "package.path = ROOT .. '/lua/?.lua;' .. ROOT .. '/lua/?/init.lua;' .. ROOT .. '/?.lua;' .. package.path"))
    die(L, "path");
#ifdef WF_FUZZER
  lua_pushcfunction(L, hit);
  lua_setglobal(L, "hit");
  if (luaL_dostring(L, "require 'spec.fuzz.cover' (hit)")) die(L, "cover");
#endif
  return L;
}

static void target_load(lua_State *L, const char *name) {
  lua_settop(L, 1);
  lua_getglobal(L, "require");
  lua_pushfstring(L, "spec.fuzz.%s", name);
  if (lua_pcall(L, 1, 1, 1) != LUA_OK) die(L, name);
}

/* The target is at index 2. False: it has said on stdout what is wrong. */
static bool target_run(lua_State *L, const uint8_t *bytes, size_t len) {
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)bytes, len);
  if (lua_pcall(L, 1, 0, 1) == LUA_OK) return true;
  printf("%s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return false;
}

/* After some inputs: what they have left is collected, and must not become more. The first ones fill caches. */
static bool target_settle(lua_State *L, long *most) {
  for (int i = 0; i < 3; i++) lua_gc(L, LUA_GCCOLLECT);
  long now = atomic_load(&blocks);
  if (*most == 0) *most = now + 64;
  if (now <= *most) return true;
  printf("%ld blocks of memory are left, %ld at most were\n", now, *most);
  return false;
}

#ifdef WF_FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
  static lua_State *L;
  static long n, most;
  if (L == NULL) {
    const char *name = getenv("WEFT_FUZZ");
    wf_alloc_set(count, NULL);
    if (name == NULL) name = "lines";
    L = state_new(strcmp(name, "lines") != 0);
    target_load(L, name);
    lua_gc(L, LUA_GCGEN, 0, 0);
  }
  if (!target_run(L, bytes, len) || (++n % BETWEEN_COUNTS == 0 && !target_settle(L, &most))) {
    fflush(stdout);
    abort();
  }
  return 0;
}

#else

/* ---- replay and mutants ---- */

static const char *const targets[] = {"lines", "prompt", "command"};
static int failures;

typedef struct input {
  uint8_t *bytes;
  size_t len;
} input;

static input inputs[4096];
static size_t ninputs;
static uint64_t rng;

static uint64_t rnd(uint64_t below) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return rng % below;
}

static void show(const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) printf(i % 40 == 39 ? "%02x\n" : "%02x", bytes[i]);
  printf("\n");
}

static void expect(lua_State *L, const char *what, const uint8_t *bytes, size_t len) {
  if (target_run(L, bytes, len)) return;
  printf("%s:\n", what);
  show(bytes, len);
  failures++;
}

static bool file_read(const char *path, input *in) {
  FILE *f = fopen(path, "rb");
  if (f == NULL) return false;
  in->bytes = malloc(INPUT_MAX);
  in->len = fread(in->bytes, 1, INPUT_MAX, f);
  fclose(f);
  return true;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* In order of names, so that the mutants of a seed are the same everywhere. */
static void corpus_read(const char *target) {
  char dir[1024], path[2048];
  struct dirent **names;
  ninputs = 0;
  snprintf(dir, sizeof dir, "%s/spec/corpus/%s", root(), target);
  int n = scandir(dir, &names, NULL, by_name);
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
    if (names[i]->d_name[0] != '.' && ninputs < sizeof inputs / sizeof *inputs && file_read(path, &inputs[ninputs]))
      ninputs++;
    free(names[i]);
  }
  if (n >= 0) free(names);
}

/* One to four changes: a byte, a bit, a cut, bytes put in, a piece of another input. */
static size_t mutate(uint8_t *b, size_t len) {
  for (uint64_t k = rnd(4) + 1; k > 0 && len > 0; k--) {
    size_t at = rnd(3) == 0 ? rnd(len < 16 ? len : 16) : rnd(len), n = rnd(16) + 1;
    const input *other = &inputs[rnd(ninputs)];
    switch (rnd(6)) {
      case 0: b[at] = (uint8_t)rnd(256); break;
      case 1: b[at] ^= (uint8_t)(1 << rnd(8)); break;
      case 2: len = at; break;
      case 3:
      case 4:
        if (len + n > INPUT_MAX) break;
        memmove(b + at + n, b + at, len - at);
        len += n;
        for (size_t i = 0; i < n; i++) b[at + i] = (uint8_t)rnd(256);
        break;
      default:
        if (other->len == 0) break;
        n = rnd(other->len) + 1;
        if (n > len - at) n = len - at;
        memcpy(b + at, other->bytes + rnd(other->len - n + 1), n);
        break;
    }
  }
  return len;
}

static void target_test(lua_State *L, const char *target, long mutants) {
  uint8_t b[INPUT_MAX];
  char what[1100];
  long most = 0;
  target_load(L, target);
  corpus_read(target);
  if (ninputs == 0) {
    printf("spec/corpus/%s has nothing\n", target);
    failures++;
    return;
  }
  for (size_t i = 0; i < ninputs; i++) {
    snprintf(what, sizeof what, "%s: input %zu", target, i);
    expect(L, what, inputs[i].bytes, inputs[i].len);
  }
  for (long i = 0; i < mutants && failures < 10; i++) {
    const input *in = &inputs[rnd(ninputs)];
    memcpy(b, in->bytes, in->len);
    size_t len = mutate(b, in->len);
    snprintf(what, sizeof what, "%s: mutant %ld", target, i);
    expect(L, what, b, len);
    if (i % BETWEEN_COUNTS == BETWEEN_COUNTS - 1 && !target_settle(L, &most)) failures++;
  }
  printf("%s: %zu kept inputs and %ld mutants\n", target, ninputs, mutants);
  for (size_t i = 0; i < ninputs; i++) free(inputs[i].bytes);
}

static void replay(lua_State *L, const char *target, char **paths, int n) {
  target_load(L, target);
  for (int i = 0; i < n; i++) {
    input in;
    if (!file_read(paths[i], &in)) {
      perror(paths[i]);
      exit(2);
    }
    expect(L, paths[i], in.bytes, in.len);
    free(in.bytes);
  }
}

int main(int argc, char **argv) {
  const char *sanitizer = getenv("WEFT_SANITIZER");
  bool slow = sanitizer != NULL && *sanitizer != '\0';
  long mutants = argc > 1 && strspn(argv[1], "0123456789") > 0 ? atol(argv[1])
                 : slow                                        ? 500
                 : getenv("WEFT_QUICK") != NULL                ? 10000
                                                               : 400000;
  rng = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  if (rng == 0) rng = 1;
  wf_alloc_set(count, NULL);
  lua_State *L = state_new(false);
  if (argc > 2 && strspn(argv[1], "0123456789") == 0) replay(L, argv[1], argv + 2, argc - 2);
  else
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) target_test(L, targets[i], mutants);
  lua_close(L);
  if (atomic_load(&blocks) != 0) {
    printf("%ld blocks of memory are left\n", atomic_load(&blocks));
    failures++;
  }
  printf("%d failures\n", failures);
  return failures != 0;
}
#endif
