/* What weft.spawn, thread, process and blocking are called with: [opts,] f, ... */
#ifndef WF_LIB_CHILD_H
#define WF_LIB_CHILD_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct wf_child_args {
  bool has_opts;    /* the table is at 1, the function behind it */
  int nargs;        /* behind the function */
  const char *name; /* the options that all have; NULL and 0: not given. The name lives as long as the table */
  size_t memory;
} wf_child_args;

/* Raise when it is something else, or the table has a key that is not in the NULL-ended list; list NULL: the caller looks at
 * the keys. [-0, +0, e] */
wf_child_args wf_child_args_check(lua_State *L, const char *const *known);

#endif
