/* Streams: sockets, pipes, terminals and files to read and write. Runs on the isolate's carrier.
 *
 * A stream is a userdata with a finaliser; user value 1 is what must live as long (its server). It is open while
 * watch.fd >= 0, and in iso->handles then.
 *
 * Input. Reading is tried first; who is told EAGAIN, or gets less than there was room for, knows that nothing is
 * left, clears `readable` and waits for the poller's edge. So a busy connection costs one read a message and no
 * change of interest. Bytes come into a block of the loop, 64 KiB, that goes back as soon as it is used up: an
 * idle stream has no memory for input; one that waits with half a line keeps that half in a block of its size.
 *
 * Output. What the kernel does not take at once stays the caller's strings: the writer parks, and the others queue
 * up behind it, so that one write is never torn by another. Nothing is copied, but for one case: while input is
 * there already (a client that pipelines), small answers are collected in `out` and go with the next write or read
 * that needs the kernel, or with the next look of the scheduler (iso->corked), in one system call.
 *
 * Readers and writers are served first come, first served. `readers`: wait for input. `drain`: the one that
 * writes and waits for room. `turn`: wait until that one has finished.
 */
#ifndef WF_RT_STREAM_H
#define WF_RT_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "rt/io.h"
#include "sys/addr.h"

enum wf_stream_kind { WF_STREAM_TCP, WF_STREAM_UNIX, WF_STREAM_PIPE, WF_STREAM_TTY, WF_STREAM_FILE };

typedef struct wf_stream wf_stream;

/* What is behind a stream. Both give a count, 0 (input: the end), or a negative errno; -EAGAIN: a waiting reader
 * or writer will be woken by wf_stream_ready once it is worth another attempt. */
typedef struct wf_stream_ops {
  ssize_t (*read)(wf_stream *s, char *to, size_t n);
  ssize_t (*write)(wf_stream *s, const struct iovec *iov, int n);
  int (*wait)(wf_stream *s, unsigned what); /* before somebody waits: 0 or an errno */
  void (*close)(wf_stream *s);
  /* What was taken by `write` is on its way to where it goes: 0: it is there, -EAGAIN: who waits in `drain` will be woken;
   * failures are in out_error. NULL: it went there at once. */
  int (*flush)(wf_stream *s);
} wf_stream_ops;

enum { WF_CORK_MOST = 16 * 1024 }; /* less than a block, into which it goes */

struct wf_stream {
  wf_object object;
  wf_handle handle;
  wf_watch watch;
  const wf_stream_ops *ops;
  wf_link readers, drain, turn;
  wf_link corked;     /* in iso->corked while `out` has something */
  char *in;           /* NULL: none */
  size_t in_room, in_head, in_tail;
  size_t scanned;     /* of in_head..: has no end of line */
  uint32_t takes;     /* how often input was used, or dropped: who has called what may collect garbage compares */
  char *out;          /* a block of the loop, or NULL */
  size_t out_len, out_sent;
  uint64_t timeout;   /* of each read and write; WF_NEVER: none */
  wf_addr_ip peer;    /* family 0: none */
  struct wf_file *file;     /* of an open file (file.h), else NULL */
  struct wf_server *server; /* whose handler it is for; kept by user value 1 */
  int out_error;      /* of what was collected: for the next write */
  uint32_t seq;
  uint32_t labelled;
  uint8_t kind;
  bool block;         /* `in` is a block of the loop */
  bool readable;      /* a read may give something */
  bool hup;           /* the end of the input is in sight: a short read is no sign of EAGAIN to come */
  bool eof;
  bool shut;          /* the output was ended */
  bool writing;       /* somebody is in the middle of a write */
  uint8_t standard;   /* 1 + the number of the standard stream that it is */
  bool is_file;       /* it was opened as a file (WF_CLASS_FILE) */
  bool keep;          /* the descriptor is not to be closed: a standard one */
};

/* Push a stream that is not open yet. The isolate has its loop. [-0, +1, m] */
wf_stream *wf_stream_push(wf_iso *iso, lua_State *L, enum wf_stream_kind kind, const wf_stream_ops *ops);

/* The same with the metatable of another class, whose objects are streams all the same. [-0, +1, m] */
wf_stream *wf_stream_push_as(wf_iso *iso, lua_State *L, enum wf_class c, enum wf_stream_kind kind, const wf_stream_ops *ops);

/* Forget the input that is kept. */
void wf_stream_drop_input(wf_stream *s);

/* The descriptor is the stream's from now on; once. */
void wf_stream_own(wf_stream *s, int fd);

/* Non-blocking sockets; pipes, terminals and files. */
extern const wf_stream_ops wf_socket_ops, wf_pipe_ops, wf_blocking_ops;

static inline bool wf_stream_open(const wf_stream *s) { return s->watch.fd >= 0; }

static inline size_t wf_stream_kept(const wf_stream *s) { return s->in_tail - s->in_head; }

/* More input: > 0: there is more, 0: the end, -EAGAIN: wait, or a negative errno. `most`: no more than that many
 * bytes need be kept. */
ssize_t wf_stream_fill(wf_stream *s, size_t want);

/* `n` bytes of what is kept were used. */
void wf_stream_skip(wf_stream *s, size_t n);

/* Before a reader waits: give up memory that is not needed. */
void wf_stream_rest(wf_stream *s);

/* Put bytes in front of the input, for a stream that has none yet. False: no memory. */
bool wf_stream_unread(wf_stream *s, const char *bytes, size_t n);

/* Collect bytes for later; false: write them now. */
bool wf_stream_cork(wf_stream *s, const char *bytes, size_t n);

/* Write what was collected: 0, -EAGAIN, or a negative errno (what was collected is lost). */
int wf_stream_flush(wf_stream *s);
void wf_streams_flush(wf_iso *iso);

/* Write what was collected and then this: how much of this was taken, or a negative errno. */
ssize_t wf_stream_write(wf_stream *s, const struct iovec *iov, int n);

/* From the ops: it is worth another attempt. */
void wf_stream_ready(wf_stream *s, unsigned events);

/* Close; wakes all who wait (WF_CLOSED). The descriptor is returned instead when `detach`. */
int wf_stream_shut(wf_stream *s, bool detach);

/* Its name in messages: "tcp 127.0.0.1:80". */
const char *wf_stream_name(const wf_stream *s, char *text, size_t size);

static inline uint64_t wf_stream_id(const wf_stream *s) { return WF_OBJECT_ID(s->object.iso, s->seq); }

#endif
