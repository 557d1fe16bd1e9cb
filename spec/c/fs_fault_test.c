/* fs_fault_test.c: every allocation fails in turn, in several ways (fault_ways.h), while scripts use files.
 *
 * For each script, both heaps (the state's, ours; libuv itself aborts without memory) and n = 1, 2, ...: a new state, the
 * n-th allocation from then on fails, and then: the script ended, or raised; what it left works with memory again; when the
 * state is closed no memory, no descriptor and no file is left. It ends with the n that no allocation reaches any more. The
 * pool's threads allocate too, so counts are atomic. */
#include <dirent.h>

#include "faults.h"
#include "folder.h"

static char folder[200];

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

    "local f\n"
    "function after() if f then f:close() end weft.fs_remove(dir..'/f') end\n"
    "f = weft.fs_open(dir..'/f', 'w+') if not f then return end local _, steps = weft.file_methods()\n"
    "f:write('a') steps.move(f, 10) f:write('b') f:flush() steps.move(f, 0) f:read(3) f:write('c') f:read('a') f:write(big) f:close()",

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

static const char check[] = "if after then after() end\n" FAULTS_NO_TASK_LEFT;

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

static int try_one(const fault *f) {
  int open = descriptors();
  lua_State *L = faults_core("weft.on_unhandled(function() end) big = ('x'):rep(1500000)");
  lua_pushstring(L, folder);
  lua_setglobal(L, "dir");
  int hit = faults_run(L, f, NULL);
  faults_check(L, f, check);
  lua_close(L);
  faults_none_left(f);
  if (descriptors() != open) wrong(f, "%d descriptors are left", descriptors() - open);
  const char *name = left_over();
  if (name != NULL) {
    wrong(f, "%s is left", name);
    exit(1);
  }
  return hit;
}

/* Quick: the first 30, then every fifth. */
static long step(const fault *f) { return getenv("WEFT_QUICK") != NULL && f->at <= 30 ? 1 : (getenv("WEFT_QUICK") != NULL ? 5 : 1) * (f->way ? 3 : 1); }

int main(void) {
  enum { N = sizeof scripts / sizeof *scripts };
  if (!temporary_folder(folder, sizeof folder)) return 1;
  wf_alloc_set(heap_c, &c_heap);
  for (size_t i = 0; i < N; i++) try_one(&(fault){.script = scripts[i], .victim = &lua_heap});
  failures = 0; /* what libuv opens once for the process is open now */
  faults_all(scripts, N, try_one, step);
  rmdir(folder);
  return faults_end();
}
