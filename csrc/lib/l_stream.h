/* What the files of the stream binding share. On the isolate's carrier. */
#ifndef WF_LIB_L_STREAM_H
#define WF_LIB_L_STREAM_H

#include "lib/lib.h"
#include "rt/stream.h"

enum { WF_STREAM_SELF = 1 };

static inline wf_stream *wf_check_stream(lua_State *L) {
  wf_stream *s = wf_object_test(L, WF_STREAM_SELF, WF_CLASS_STREAM, sizeof *s);
  if (wf_unlikely(s == NULL)) luaL_typeerror(L, WF_STREAM_SELF, "weft.stream");
  return s;
}

/* nil, "CODE: text: tcp 127.0.0.1:80", "CODE". [-0, +3, m] */
int wf_stream_fail(lua_State *L, const wf_stream *s, int err);

/* The deadline of an operation that begins now. */
static inline uint64_t wf_stream_deadline(const wf_stream *s) {
  return wf_likely(s->timeout == WF_NEVER) ? WF_NEVER : wf_clock_ns() + s->timeout;
}

/* Before a wait of the running task in `queue`: everything that may fail. 0, or an errno. [-0, +0, e] */
int wf_stream_prepare(lua_State *L, wf_stream *s, unsigned what, uint64_t deadline);

/* Wait in the queue, continue in k. Who waits in `drain` is the one that writes, until k clears `writing`.
 * [-0, +0, e] */
int wf_stream_wait(lua_State *L, wf_stream *s, wf_link *queue, uint64_t deadline, lua_KFunction k);

/* An argument in seconds as nanoseconds; nil and infinity are WF_NEVER. [-0, +0, e] */
uint64_t wf_check_span(lua_State *L, int arg);

/* The bytes of the argument at idx, a string or a buffer; false when it has none to give. [-0, +0, -] */
bool wf_bytes_of(lua_State *L, int idx, const char **p, size_t *n);

/* Raise when it has none; a number becomes a string. [-0, +0, e] */
void wf_check_bytes_arg(lua_State *L, int arg);

/* Methods for classes that are streams too: flush, __gc, __tostring; and why they do not cross. */
int wf_stream_method_flush(lua_State *L);
int wf_stream_method_gc(lua_State *L);
int wf_stream_method_tostring(lua_State *L);
extern const struct wf_transfer wf_stream_transfer;

extern const luaL_Reg wf_stream_read_methods[];
extern const luaL_Reg wf_stream_write_methods[], wf_stream_socket_methods[];

#endif
