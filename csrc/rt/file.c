/* See file.h. */
#include "rt/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sys/identity.h"

enum {
  FETCH_FIRST = 64 * 1024, FETCH = 256 * 1024,
  COLLECT_FIRST = 4 * 1024, COLLECT = 64 * 1024, COLLECT_MOST = 1024 * 1024,
  AT_ONCE_MOST = 1024 * 1024 /* read in a row without waiting */
};

typedef struct bytes {
  char *at;
  size_t n, room;
} bytes;

struct wf_file {
  wf_iso *iso;
  wf_stream *s;   /* NULL: it was closed */
  int fd;
  uint32_t users; /* operations with the descriptor */
  bool busy;      /* a job for the stream is on its way */
  bool appends, removes, wrote, closing;
  bool at_end;    /* it appends, and has done nothing else since */
  bool known;     /* the stream's userdata refers to it, for its path */
  int64_t pos;    /* in the file, of the next byte to fetch or to be collected */
  bytes out;      /* collected */
  int64_t out_at; /* where its first byte goes */
  bytes in;       /* fetched by a job; at NULL: nothing */
  int64_t in_at;  /* where its first byte is from */
  size_t in_used;
  int in_err;
  size_t streak;  /* read at once since the last job */
  char path[];
};

/* A job for the stream. No task waits for it by itself. */
typedef struct file_job {
  wf_handle handle;
  uv_work_t req;
  wf_file *f;
  wf_file_job job;
} file_job;

const char *wf_file_path(const wf_file *f) { return f->path; }

static void go_on(wf_file *f);

/* Jobs --------------------------------------------------------------------------------------------- */

static void forget_fetched(wf_file *f) {
  wf_free(f->in.at);
  f->in = (bytes){NULL, 0, 0};
}

/* Take over what the job has done; it is gone. */
static void job_end(file_job *k) {
  wf_file *f = k->f;
  wf_file_job *j = &k->job;
  f->busy = false;
  if (j->run == wf_file_pread) {
    forget_fetched(f);
    f->in = (bytes){j->data, j->size, j->most};
    f->in_at = j->offset;
    f->in_err = j->err;
    f->in_used = 0;
    f->streak = 0;
    j->data = NULL;
  } else if (j->run == wf_file_pwrite) {
    if (j->err != 0) {
      if (f->s != NULL && f->s->out_error == 0) f->s->out_error = j->err;
      f->out.n = 0; /* what follows would leave a hole */
      f->pos = j->offset + (int64_t)j->size;
    }
    if (f->at_end && f->out.n == 0 && j->offset >= 0) f->pos = j->offset;
  } else {
    f->fd = -1;
  }
  wf_file_clean(j);
  wf_free(k);
}

/* On a thread of the pool. */
static void work(uv_work_t *req) {
  file_job *k = wf_container_of(req, file_job, req);
  wf_quick_look();
  k->job.run(&k->job);
}

static void on_done(uv_work_t *req, int status) {
  file_job *k = wf_container_of(req, file_job, req);
  wf_file *f = k->f;
  if (status != 0) k->job.err = ECANCELED;
  wf_handle_close(f->iso, &k->handle);
  job_end(k);
  if (f->s != NULL) wf_stream_ready(f->s, WF_IO_READ | WF_IO_WRITE);
  go_on(f);
}

static void on_iso_end(wf_iso *iso, wf_handle *h) { (void)iso, (void)h; } /* it is waited for */

/* Start the job; f->busy is false again when it was done here, as nobody else may, or can. */
static void job_start(wf_file *f, file_job *k) {
  int err = ENOTSUP;
  k->f = f;
  k->job.given = true;
  k->job.fd = f->fd;
  f->busy = true;
  if (!wf_identity_own() && f->iso->loop != NULL) {
    uv_loop_t *uv = wf_io_uv(f->iso, &err);
    if (uv != NULL) err = wf_loop_start_pool();
    if (err == 0) err = -wf_uv.queue_work(uv, &k->req, work, on_done);
  }
  if (err == 0) {
    k->handle.lasts = true;
    wf_handle_open(f->iso, &k->handle, on_iso_end);
    return;
  }
  k->job.run(&k->job);
  job_end(k);
}

static file_job *job_new(void (*run)(wf_file_job *)) {
  file_job *k = wf_calloc(1, sizeof *k);
  if (k != NULL) k->job.run = run;
  return k;
}

/* Give what was collected to a job. 0 or an errno. */
static int start_write(wf_file *f) {
  file_job *k = job_new(wf_file_pwrite);
  if (k == NULL) return ENOMEM;
  k->job.data = f->out.at;
  k->job.size = f->out.n;
  k->job.offset = f->out_at;
  k->job.appends = f->appends;
  f->out_at += (int64_t)f->out.n;
  f->out = (bytes){NULL, 0, 0};
  f->wrote = true;
  job_start(f, k);
  return 0;
}

static int start_read(wf_file *f, size_t most) {
  file_job *k = job_new(wf_file_pread);
  if (k == NULL) return ENOMEM;
  k->job.offset = f->pos;
  k->job.most = most;
  job_start(f, k);
  return 0;
}

/* Closing what was only read does not wait for anything. */
static void start_close(wf_file *f) {
  file_job *k = f->wrote || f->removes ? job_new(wf_file_close) : NULL;
  if (f->removes) unlink(f->path);
  f->removes = false;
  if (k != NULL) {
    job_start(f, k);
    return;
  }
  close(f->fd);
  f->fd = -1;
}

/* Whatever comes next by itself. The file may be gone afterwards. */
static void go_on(wf_file *f) {
  while (!f->busy) {
    if (f->out.n > 0) {
      if (start_write(f) == 0) continue;
      f->out.n = 0;
      if (f->s != NULL) f->s->out_error = ENOMEM;
    }
    if (!f->closing || f->users > 0) return;
    if (f->fd < 0) break;
    start_close(f);
  }
  if (f->busy) return;
  forget_fetched(f);
  wf_free(f->out.at);
  f->out = (bytes){NULL, 0, 0};
  if (!f->known) wf_free(f);
}

void wf_file_forget(wf_file *f) {
  f->known = false;
  if (f->closing) go_on(f);
}

void wf_file_hold(wf_file *f) { f->users++; }

void wf_file_release(wf_file *f) {
  f->users--;
  if (f->closing) go_on(f);
}

/* The stream --------------------------------------------------------------------------------------- */

/* What a job has fetched: > 0, 0 the end, a negative errno; -EAGAIN: nothing from here. */
static ssize_t take_fetched(wf_file *f, char *to, size_t n) {
  if (f->in.at == NULL && f->in_err == 0) return -EAGAIN;
  bool here = f->in_at + (int64_t)f->in_used == f->pos;
  size_t left = f->in.n - f->in_used;
  if (f->in.at == NULL || !here || left == 0) {
    ssize_t result = !here || f->in.n > 0 ? -EAGAIN : -f->in_err;
    forget_fetched(f);
    f->in_err = 0;
    return result;
  }
  if (left < n) n = left;
  memcpy(to, f->in.at + f->in_used, n);
  f->in_used += n;
  return (ssize_t)n;
}

static ssize_t file_read(wf_stream *s, char *to, size_t n) {
  wf_file *f = s->file;
  if (f->out.n > 0 && !f->busy) { /* what was written is to be read */
    int err = start_write(f);
    if (err != 0) return -err;
  }
  if (f->busy) return -EAGAIN;
  ssize_t got = take_fetched(f, to, n);
  if (got == -EAGAIN && wf_identity_own()) {
    int err = start_read(f, n);
    got = err != 0 ? -err : take_fetched(f, to, n);
  } else if (got == -EAGAIN && f->streak < AT_ONCE_MOST) {
    got = (ssize_t)wf_quick_read(f->fd, to, n, f->pos);
    if (got > 0) f->streak += (size_t)got;
  }
  if (got > 0) f->pos += got;
  return got;
}

/* How much more can be collected, of n bytes. */
static size_t collect_room(wf_file *f, size_t n) {
  bytes *b = &f->out;
  size_t limit = n > COLLECT ? COLLECT_MOST : COLLECT, want = b->n + n < limit ? b->n + n : limit;
  if (want > b->room) {
    size_t room = b->room > 0 ? b->room : COLLECT_FIRST;
    while (room < want) room *= 2;
    char *more = wf_realloc(b->at, room);
    if (more != NULL) {
      b->at = more;
      b->room = room;
    }
  }
  size_t most = b->room < limit ? b->room : limit;
  return b->n >= most ? 0 : most - b->n < n ? most - b->n : n;
}

/* Collect bytes: how many. Starts to write when much has come together. */
static size_t collect(wf_file *f, const char *from, size_t n) {
  size_t taken = 0;
  while (taken < n) {
    size_t room = collect_room(f, n - taken);
    if (room > 0) memcpy(f->out.at + f->out.n, from + taken, room);
    f->out.n += room;
    taken += room;
    if (room > 0 && f->out.n < COLLECT) continue;
    if (f->busy || f->out.n == 0 || start_write(f) != 0) break;
    f->out_at = f->pos + (int64_t)taken;
  }
  return taken;
}

static ssize_t file_write(wf_stream *s, const struct iovec *iov, int count) {
  wf_file *f = s->file;
  size_t taken = 0, size = 0;
  if (wf_stream_kept(s) > 0) {
    f->pos -= (int64_t)wf_stream_kept(s);
    wf_stream_drop_input(s);
  }
  forget_fetched(f);
  if (f->out.n > 0 && f->out_at + (int64_t)f->out.n != f->pos && !f->appends) { /* it was sought */
    int err = f->busy ? EAGAIN : start_write(f);
    if (err != 0) return -err;
  }
  if (f->out.n == 0) f->out_at = f->pos;
  f->at_end = f->appends;
  for (int i = 0; i < count && taken == size; i++) {
    size_t n = collect(f, iov[i].iov_base, iov[i].iov_len);
    f->pos += (int64_t)n;
    taken += n;
    size += iov[i].iov_len;
  }
  if (f->out.n > 0 && !wf_link_in_list(&s->corked)) wf_list_append(&f->iso->corked, &s->corked);
  if (taken > 0 || size == 0) return (ssize_t)taken;
  return f->busy ? -EAGAIN : -ENOMEM;
}

/* Somebody is about to wait, for input or for room. EPERM: there is nothing to wait for. */
static int file_wait(wf_stream *s, unsigned what) {
  wf_file *f = s->file;
  int err = 0;
  if (f->busy) return 0;
  if (f->out.n > 0)
    err = start_write(f);
  else if (what & WF_IO_READ)
    err = start_read(f, f->pos > 0 ? FETCH : FETCH_FIRST);
  return err != 0 ? err : f->busy ? 0 : EPERM;
}

static int file_flush(wf_stream *s) {
  wf_file *f = s->file;
  wf_list_unlink(&s->corked);
  while (f->out.n > 0 && !f->busy) {
    int err = start_write(f);
    if (err == 0) continue;
    f->out.n = 0;
    s->out_error = err;
  }
  return f->busy ? -EAGAIN : 0;
}

static void file_close(wf_stream *s) {
  wf_file *f = s->file;
  f->s = NULL;
  f->closing = true;
  go_on(f);
}

static const wf_stream_ops file_ops = {file_read, file_write, file_wait, file_close, file_flush};

wf_stream *wf_file_push(wf_iso *iso, lua_State *L, int fd, const char *path, bool appends, bool removes) {
  wf_stream *s = wf_stream_push_as(iso, L, WF_CLASS_FILE, WF_STREAM_FILE, &file_ops);
  size_t n = strlen(path) + 1;
  wf_file *f = wf_calloc(1, sizeof *f + n);
  if (f == NULL) {
    lua_pop(L, 1);
    return NULL;
  }
  memcpy(f->path, path, n);
  f->iso = iso;
  f->s = s;
  f->fd = fd;
  f->appends = appends;
  f->removes = removes;
  f->known = true;
  s->file = f;
  s->is_file = true;
  s->handle.lasts = true;
  wf_stream_own(s, fd);
  return s;
}

int64_t wf_file_tell(const wf_stream *s) { return s->file->pos - (int64_t)wf_stream_kept(s); }

void wf_file_seek(wf_stream *s, int64_t offset) {
  wf_stream_drop_input(s);
  forget_fetched(s->file);
  s->file->pos = offset;
  s->file->at_end = false;
  s->readable = true;
}
