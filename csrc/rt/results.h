/* How a job ended that ran in another isolate, for the handle here: made from its message at the first question, then kept in
 * the handle's user value 1, {results, n = } or {error}. The carrier of the isolate that has the handle. */
#ifndef WF_RT_RESULTS_H
#define WF_RT_RESULTS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* In `unpack`: the n values on top, above handle and table, are what is kept. [-n, +0, m] */
void wf_results_keep(lua_State *L, int n);

/* Push the results of the handle at idx: returns their number. For a job that has failed push the error value and return -1.
 * `unpack` is called with the handle, once, protected: it pushes a table, what is to be kept, and ends with wf_results_keep.
 * If the values cannot be made here, that is how the job ended: *state becomes WF_FAILED. [-0, +n, m] */
int wf_results_push(lua_State *L, int idx, bool *unpacked, uint8_t *state, lua_CFunction unpack);

#endif
