/* The security context of one thread: the kernel keeps user, group and supplementary groups a thread, while libc changes all
 * threads of a process together. So these are bare system calls. Linux only.
 *
 * What it protects from: a mistake of the code on this thread, a path that leads where it should not. What not: the
 * thread has the same memory as the others, so code that does as it likes there gets their rights; libuv's pool, and
 * every thread that is not started from this one, keeps those of the process.
 */
#ifndef WF_SYS_IDENTITY_H
#define WF_SYS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct wf_identity {
  bool has_uid, has_gid, has_groups;
  uint32_t uid, gid;
  const gid_t *groups;
  size_t ngroups;
} wf_identity;

static inline bool wf_identity_any(const wf_identity *id) { return id->has_uid || id->has_gid || id->has_groups; }

/* The calling thread becomes this: groups first, then group, then user; real, effective, saved and file-system ids. When
 * uid or gid is given and groups are not, it has none. Then it tries to become root again, which must fail. 0, or an
 * errno with *what "groups", "gid" or "uid": then the thread may be in between, and must not go on. */
int wf_identity_take(const wf_identity *id, const char **what);

/* Has the calling thread, or one that it descends from, taken another identity? Then what is done for it by threads that
 * are not started from it is done with other rights. */
bool wf_identity_own(void);

/* A new thread begins: it has the identity of its starter, who has asked wf_identity_own. */
void wf_identity_inherit(bool own);

#endif
