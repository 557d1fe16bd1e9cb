/* Resource limits by name: "nofile" is RLIMIT_NOFILE and so on. Pure functions, but for those that read and set. */
#ifndef WF_SYS_LIMITS_H
#define WF_SYS_LIMITS_H

#include <stdint.h>
#include <sys/types.h>

#define WF_NO_LIMIT UINT64_MAX

typedef struct wf_limit {
  uint64_t soft, hard; /* WF_NO_LIMIT: none */
} wf_limit;

enum { WF_LIMITS_MAX = 16 };

int wf_limit_count(void);
const char *wf_limit_name(int i);     /* i from 0 */
int wf_limit_resource(int i);         /* what setrlimit calls it */
int wf_limit_parse(const char *name); /* i, or -1 */

/* The limits of a process, 0 is this one: 0 or an errno. `limits` has WF_LIMITS_MAX entries. */
int wf_limits_read(pid_t pid, wf_limit *limits);

/* Set one of this process: 0 or an errno. */
int wf_limit_set(int i, wf_limit limit);

#endif
