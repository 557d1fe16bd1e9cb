/* See identity.h. */
#define _GNU_SOURCE
#include "sys/identity.h"

#include <errno.h>
#include <unistd.h>

/* The thread's own. */
static _Thread_local bool own_identity;

bool wf_identity_own(void) { return own_identity; }

void wf_identity_inherit(bool own) { own_identity = own; }

#if defined(__linux__)
#include <sys/syscall.h>

#ifdef SYS_setresuid32 /* 32-bit systems: the old calls take 16 bits */
#define SETRESUID SYS_setresuid32
#define SETRESGID SYS_setresgid32
#define SETGROUPS SYS_setgroups32
#else
#define SETRESUID SYS_setresuid
#define SETRESGID SYS_setresgid
#define SETGROUPS SYS_setgroups
#endif

int wf_identity_take(const wf_identity *id, const char **what) {
  static const gid_t none[1];
  own_identity = true;
  *what = "groups";
  if (syscall(SETGROUPS, id->ngroups, id->ngroups > 0 ? id->groups : none) != 0) return errno;
  *what = "gid";
  if (id->has_gid && syscall(SETRESGID, id->gid, id->gid, id->gid) != 0) return errno;
  *what = "uid";
  if (id->has_uid && syscall(SETRESUID, id->uid, id->uid, id->uid) != 0) return errno;
  if (id->has_uid && id->uid != 0) {
    if (syscall(SETRESUID, -1, 0, -1) == 0) return EPERM; /* it could come back */
    *what = "gid";
    if (id->has_gid && id->gid != 0 && syscall(SETRESGID, -1, 0, -1) == 0) return EPERM;
  }
  return 0;
}

#else

int wf_identity_take(const wf_identity *id, const char **what) {
  *what = id->has_uid ? "uid" : id->has_gid ? "gid" : "groups";
  return ENOTSUP;
}

#endif
