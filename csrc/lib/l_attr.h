/* Options that threads, programs and weft.set share: affinity, nice, policy, priority, limits. Each reads the table
 * at `arg` and raises an error that names the option. */
#ifndef WF_LIB_ATTR_H
#define WF_LIB_ATTR_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sys/identity.h"
#include "sys/limits.h"

enum { WF_ATTR_CPUS = 1024 };

typedef struct wf_attrs {
  bool has_nice, has_policy, has_priority, has_sigmask;
  int nice, policy, priority;
  uint64_t sigmask; /* as sys/attr.h has signals */
  int ncpus; /* 0: not given */
  int cpus[WF_ATTR_CPUS];
} wf_attrs;

/* nice, policy, priority, affinity, sigmask. [-0, +0, e] */
void wf_attrs_check(lua_State *L, int arg, wf_attrs *a);

/* One resource limit that was given; hard is meant only when has_hard. */
typedef struct wf_limit_opt {
  int index;
  bool has_hard;
  wf_limit limit;
} wf_limit_opt;

/* limits = { nofile = 64, as = { soft = , hard = } }: how many there are in `list`, which has room for all. [-0, +0, e] */
int wf_limits_check(lua_State *L, int arg, wf_limit_opt *list);

/* uid, gid, groups. Pushes one value, the memory of the list of groups or nil. [-0, +1, e] */
void wf_identity_check(lua_State *L, int arg, wf_identity *id);

#endif
