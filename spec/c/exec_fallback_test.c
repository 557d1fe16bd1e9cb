/*
** weft.exec on a kernel without pidfds, which a filter plays: the end of programs is seen by SIGCHLD.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <lauxlib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <lualib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "host_state.h"

static const char script[] =
  "local core = require 'weft.core'\n"
  "for _ = 1, 20 do assert(core.exec { 'sh', '-c', 'exit 3' }:wait().code == 3) end\n"
  "local children = {}\n"
  "for i = 1, 10 do children[i] = core.exec { 'sh', '-c', 'sleep 0.0' .. i % 3 .. '; exit ' .. i } end\n"
  "for i = 10, 1, -1 do assert(children[i]:wait().code == i) end\n"
  "local c = core.exec { 'sleep', '60', timeout = 0.01 }\n"
  "assert(c:wait().signal == 'SIGTERM')\n"
  "local forgotten = core.exec { 'sleep', '60' }\n"
  "local i, status = core.select { { forgotten }, { core.exec { 'true' } } }\n"
  "assert(i == 2 and status.code == 0)\n";

static bool forbid(int call, unsigned bits) {
  struct sock_filter f[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog prog = {sizeof f / sizeof *f, f};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

static void run(void) {
  if (!forbid(SYS_clone, 0x1000)) return;
#ifdef SYS_pidfd_open
  if (!forbid(SYS_pidfd_open, ~0u)) return;
#endif
  lua_State *L = host_whole();
  bool ok = luaL_dostring(L, script) == LUA_OK;
  if (!ok) printf("%s\n", lua_tostring(L, -1));
  CHECK(ok);
  lua_close(L); /* ends the one that was forgotten */
  CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* What is forbidden stays so: in a process of its own, and a fresh one, for weft refuses to work in a forked one. */
int main(int argc, char **argv) {
  if (argc > 1) {
    run();
    return failures != 0;
  }
  pid_t pid = fork();
  if (pid == 0) {
    execl("/proc/self/exe", argv[0], "run", (char *)NULL);
    _exit(127);
  }
  int status;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return failures != 0;
}
