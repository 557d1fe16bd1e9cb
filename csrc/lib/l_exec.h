/* What the files of weft.exec share: the record of a start, which owns descriptors until they have found their place. */
#ifndef WF_LIB_L_EXEC_H
#define WF_LIB_L_EXEC_H

#include "lib/l_attr.h"
#include "lib/lib.h"
#include "rt/stream.h"
#include "sys/spawn.h"

/* Places on the stack of the function. */
enum { WF_EXEC_OPTS = 1, WF_EXEC_BOX, WF_EXEC_FIELDS /* table: stdin, stdout ... of the handle */ };

enum { WF_EXEC_FDS = 64 };

typedef struct wf_exec {
  wf_spawn_opts o;
  wf_attrs attrs;
  wf_limit_opt limit_opts[WF_LIMITS_MAX];
  wf_spawn_limit limits[WF_LIMITS_MAX];
  wf_spawn_fd fds[WF_EXEC_FDS];
  size_t nfds;
  int owned[WF_EXEC_FDS]; /* to be closed here, whatever happens */
  int nowned;
  wf_stream *made[4];     /* our ends, to be closed if it fails */
  int nmade;
  wf_stream *given[WF_EXEC_FDS]; /* streams of the script that the child gets, to be closed when it has them */
  int ngiven;
  int null_fd;            /* /dev/null, opened once; -1: not yet */
  int slave;              /* of the pseudo-terminal; -1: none */
} wf_exec;

/* Fill e->fds from the options; streams of ours go into the fields. 0, or an errno with *what, a string that lives as
 * long as the options, naming the culprit. [-0, +0, e] */
int wf_exec_streams(wf_iso *iso, lua_State *L, wf_exec *e, const char **what);

/* Push an empty record. [-0, +1, m] */
wf_exec *wf_exec_box_push(lua_State *L);

/* A lua_CFunction: the options of a worker process (a table) -> its record, without program and descriptors. */
int wf_exec_parse_process(lua_State *L);

/* Close what is owned, and, when the program has not started, what was made. */
void wf_exec_close(wf_exec *e, bool started);

#endif
