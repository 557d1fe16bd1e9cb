/* The functions of weft.h with which a host drives weft from an event loop of its own. On the thread that uses the
 * state, with no Lua code of it running. */
#include "weft.h"

#include "rt/io.h"
#include "rt/sched.h"
#include "rt/task.h"

/* The isolate, when it is open and a host's. */
static wf_iso *open_iso(lua_State *L) {
  if (!lua_checkstack(L, 1)) return NULL;
  wf_iso *iso = wf_iso_of(L);
  return iso == NULL || iso->closed || iso->port == NULL || iso->is_child ? NULL : iso;
}

int weft_backend_fd(lua_State *L) {
  wf_iso *iso = open_iso(L);
  return iso == NULL || wf_io_doze(iso) != 0 ? -1 : wf_poller_fd(&iso->loop->poller);
}

int weft_timeout(lua_State *L) {
  wf_iso *iso = open_iso(L);
  if (iso == NULL) return -1;
  uint64_t due = wf_iso_due(iso);
  if (due == WF_NEVER) return -1;
  uint64_t now = wf_clock_ns();
  if (due <= now) return 0;
  uint64_t ms = (due - now + 999999) / 1000000;
  return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

int weft_step(lua_State *L) {
  wf_iso *iso = open_iso(L);
  if (iso == NULL || iso->depth > 0 || iso->cur != &iso->main) return 0;
  wf_iso_step(iso);
  return !wf_iso_all_done(iso, &iso->main);
}
