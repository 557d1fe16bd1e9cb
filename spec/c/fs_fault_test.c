/* fs_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while scripts use files.
 *
 * For each script, both heaps (the state's, ours; libuv itself aborts without memory) and n = 1, 2, ...: a new state, the
 * n-th allocation from then on fails, and then: the script ended, or raised; what it left works with memory again; when the
 * state is closed no memory, no descriptor and no file is left. It ends with the n that no allocation reaches any more. The
 * pool's threads allocate too, so counts are atomic. */
#include <dirent.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fault_ways.h"
#include "weft.h"

typedef struct heap {
  atomic_long blocks;
  atomic_long calls;   /* allocations so far */
  atomic_long fail_at; /* the number of the one that fails; 0 none */
  int way;        /* fault_ways.h */
} heap;

static heap lua_heap, c_heap;
static int failures;
static long steps;
static char folder[] = "/tmp/weft-fs-fault-XXXXXX";

static int heap_fails(heap *h) {
  long call = atomic_fetch_add(&h->calls, 1) + 1, at = atomic_load(&h->fail_at);
  return fault_hits(call, at, h->way);
}

static void *heap_lua(void *ud, void *block, size_t old, size_t size) {
  heap *h = ud;
  if (size == 0) {
    atomic_fetch_sub(&h->blocks, block != NULL);
    free(block);
    return NULL;
  }
  if ((block == NULL || size > old) && heap_fails(h)) return NULL;
  atomic_fetch_add(&h->blocks, block == NULL);
  return realloc(block, size);
}

static void *heap_c(void *ud, void *block, size_t size) {
  return heap_lua(ud, block, block == NULL ? 0 : size == 0 ? 1 : size - 1, size);
}

/* Globals of a script: weft, the core; dir; `after`, if set, is called with memory again. */
static const char *const scripts[] = {
    "local f = dir..'/f'\n"
    "function after() weft.fs_write(f, 'new') assert(weft.fs_read(f) == 'new') weft.fs_remove(f) weft.fs_remove(dir..'/g') end\n"
    "weft.fs_write(f, big) weft.fs_read(f) weft.fs_write(f, big:sub(1, 50000)) weft.fs_read(f) weft.fs_read(f) weft.fs_read(f)\n"
    "weft.fs_write(f, 'x') weft.fs_read(f) weft.fs_read(f)\n"
    "weft.fs_append(f, 'y') weft.fs_copy(f, dir..'/g') weft.fs_copy('/proc/self/status', dir..'/g')",

    "local w, r\n"
    "function after() if w then w:close() end if r then r:close() end weft.fs_remove(dir..'/f') end\n"
    "w = weft.fs_open(dir..'/f', 'w+') if not w then return end\n"
    "w:write('line\\n', big, 'end\\n') r = weft.fs_open(dir..'/f') if not r then return end\n"
    "r:read('l') r:read(100000) w:flush() r:read('a') tostring(r) local _ = r.path\n"
    "local _, steps = weft.file_methods() steps.pread(w, 100, 5) steps.pread(w, 100000, 5) steps.pwrite(w, 'x', 3)\n"
    "steps.stat(w) steps.sync(w) steps.truncate(w, 3) steps.move(w, 0)\n"
    "local j = weft.go(function() w:write(big) end) j:detach() weft.yield() j:cancel() weft.yield()",

    "function after() weft.fs_remove(dir..'/a', {recursive = true}) end\n"
    "weft.fs_mkdir(dir..'/a/b', {parents = true}) weft.fs_mkdir(dir..'/a/b/c') weft.fs_append(dir..'/a/b/f', 'x')\n"
    "weft.fs_scandir(dir..'/a/b') weft.fs_stat(dir..'/a') weft.fs_stat(dir..'/a') weft.fs_lstat(dir..'/none')\n"
    "weft.fs_symlink('b', dir..'/a/l') weft.fs_readlink(dir..'/a/l') weft.fs_realpath(dir..'/a/l') weft.fs_exists(dir)\n"
    "weft.fs_rename(dir..'/a/b', dir..'/a/x') weft.fs_chmod(dir..'/a', 511) weft.fs_utime(dir..'/a', 1, 2)\n"
    "weft.fs_remove(dir..'/a', {recursive = true})",

    "local t, w\n"
    "function after() if t then t:close() end if w then w:close() end for _, e in ipairs(weft.fs_scandir(dir)) do weft.fs_remove(dir..'/'..e.name) end end\n"
    "t = weft.fs_tempfile(dir, 'x', true) w = weft.fs_watch(dir, {'created', 'written'}) weft.fs_tempdir(dir, 'y')\n"
    "if not w then return end\n"
    "weft.fs_append(dir..'/f', 'x') weft.select{{w}, timeout = 0.01} weft.select{{w}, timeout = 0.01} w:try_recv() tostring(w)\n"
    "weft.go(function() w:recv() end):detach() weft.yield() weft.fs_append(dir..'/f', 'y') if t then t:write('z') end",
};

/* Tasks that could not even be told may be left: they are waited for with a limit of turns. */
static const char check[] =
    "if after then after() end\n"
    "for _ = 1, 3000 do if weft.live() == 0 then break end weft.sleep(1e-4) end\n"
    "assert(weft.live() == 0, 'tasks are left')\n";

static void report(lua_State *L, const char *script, long at, int way, const char *what) {
  printf("%s\n  failure %ld%s: %s: %s\n", script, at, way ? " and later" : "", what, luaL_tolstring(L, -1, NULL));
  failures++;
}

static void heap_reset(heap *h) {
  atomic_store(&h->blocks, 0);
  atomic_store(&h->calls, 0);
  atomic_store(&h->fail_at, 0);
}

/* Open descriptors. */
static int descriptors(void) {
  int n = 0;
  for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* The name of something in the folder, or NULL. */
static const char *left_over(void) {
  static char name[256];
  DIR *d = opendir(folder);
  const struct dirent *e;
  name[0] = '\0';
  while (d != NULL && (e = readdir(d)) != NULL)
    if (e->d_name[0] != '.' || e->d_name[1] == 'w') snprintf(name, sizeof name, "%s", e->d_name);
  if (d != NULL) closedir(d);
  return name[0] != '\0' ? name : NULL;
}

static void wrong(const char *script, long at, int way, const char *what, long n) {
  printf("%s\n  failure %ld%s leaves %s: %ld\n", script, at, way ? " and later" : "", what, n);
  failures++;
}

static int try_one(const char *script, heap *victim, long at, int way) {
  heap_reset(&lua_heap);
  heap_reset(&c_heap);
  int open = descriptors();
  lua_State *L = lua_newstate(heap_lua, &lua_heap);
  luaL_openlibs(L);
  luaL_requiref(L, "weft.core", luaopen_weft_core, 0);
  lua_setglobal(L, "weft");
  lua_pushstring(L, folder);
  lua_setglobal(L, "dir");
  if (luaL_dostring(L, "weft.on_unhandled(function() end) big = ('x'):rep(1500000)") != LUA_OK) exit(1);
  if (luaL_loadstring(L, script) != LUA_OK) {
    printf("%s: %s\n", script, lua_tostring(L, -1));
    exit(1);
  }
  victim->way = way;
  atomic_store(&victim->calls, 0);
  atomic_store(&victim->fail_at, at);
  int failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
  int hit = atomic_load(&victim->calls) >= at;
  atomic_store(&victim->fail_at, 0);
  if (failed && !hit) report(L, script, at, way, "failed without a failure");
  lua_settop(L, 0);
  if (luaL_dostring(L, check) != LUA_OK) report(L, script, at, way, "afterwards");
  lua_close(L);
  if (atomic_load(&lua_heap.blocks) != 0) wrong(script, at, way, "blocks of Lua's", atomic_load(&lua_heap.blocks));
  if (atomic_load(&c_heap.blocks) != 0) wrong(script, at, way, "blocks", atomic_load(&c_heap.blocks));
  if (descriptors() != open) wrong(script, at, way, "descriptors", descriptors() - open);
  const char *name = left_over();
  if (name != NULL) {
    wrong(script, at, way, name, 1);
    exit(1);
  }
  steps++;
  return hit;
}

int main(void) {
  heap *const victims[] = {&lua_heap, &c_heap};
  if (mkdtemp(folder) == NULL) return 1;
  wf_alloc_set(heap_c, &c_heap);
  for (size_t s = 0; s < sizeof scripts / sizeof *scripts; s++) try_one(scripts[s], &lua_heap, 0, 0);
  failures = 0; /* what libuv opens once for the process is open now */
  long step = getenv("WEFT_QUICK") != NULL ? 5 : 1;
  for (size_t s = 0; s < sizeof scripts / sizeof *scripts; s++)
    for (int h = 0; h < 2; h++)
      for (int way = 0; way < fault_ways(); way++)
        for (long at = 1; try_one(scripts[s], victims[h], at, way) && failures < 20; at += way ? 3 * step : step) continue;
  rmdir(folder);
  printf("%ld failures injected, %d wrong\n", steps, failures);
  return failures != 0;
}
