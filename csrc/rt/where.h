/* Where a task was started: file and line of the call, noted for reports at every start.
 *
 * lua_getinfo costs more than the rest of a start, so the place is looked up once for each place of a
 * call in the bytecode and then found again by the caller's saved program counter. That is a private
 * word of Lua's CallInfo: it is only compared, never followed, and only after a self-test at load has
 * shown that the word behaves as a program counter in this build of Lua. Otherwise every start asks.
 */
#ifndef WF_RT_WHERE_H
#define WF_RT_WHERE_H

#include "rt/iso.h"

/* Note the line of the script that calls the running C function, perhaps by way of weft's own Lua half, as the place where
 * t starts. [-0, +0, m] */
void wf_where_note(wf_iso *iso, lua_State *L, wf_task *t);

/* The same for the function at a level of the stack (1: who calls the running C function), uncached. Notes nothing
 * when there is no such line. [-0, +0, m] */
void wf_where_level(wf_iso *iso, lua_State *L, int level, wf_task *t);

/* "file.lua:12" in buf, "" when not known. */
const char *wf_where_text(const wf_iso *iso, uint32_t source, uint32_t line, char *buf, size_t size);

/* Before tasks are noted often: may their places be cached? Runs the self-test if this process has not yet. [-0, +0, m] */
void wf_where_open(wf_iso *iso, lua_State *L);

#endif
