/* weft.exec: where the standard streams and other descriptors of the program come from and go to. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/l_exec.h"
#include "sys/fd.h"

enum { MODE_NEW = 0666, FD_MOST = 1 << 20 };

static const char *const standard_names[] = {"stdin", "stdout", "stderr"};

static int option_error(lua_State *L, const char *name, const char *text) {
  return luaL_argerror(L, WF_EXEC_OPTS, lua_pushfstring(L, "option '%s': %s", name, text));
}

/* The descriptor is ours to close; -1 stays -1. */
static int own(wf_exec *e, int fd) {
  if (fd < 0) return fd;
  fd = wf_fd_above_stdio(fd);
  if (fd >= 0) e->owned[e->nowned++] = fd;
  return fd;
}

static void disown(wf_exec *e, int fd) {
  for (int i = 0; i < e->nowned; i++)
    if (e->owned[i] == fd) e->owned[i] = e->owned[--e->nowned];
}

void wf_exec_close(wf_exec *e, bool started) {
  while (e->nowned > 0) close(e->owned[--e->nowned]);
  for (int i = 0; i < e->nmade && !started; i++) wf_stream_shut(e->made[i], false);
  for (int i = 0; i < e->ngiven && started; i++) wf_stream_shut(e->given[i], false);
  e->nmade = e->ngiven = 0;
}

/* Where something comes from -------------------------------------------------------------------------- */

/* All return the descriptor here, or -1 with errno. */

static int from_null(wf_exec *e) {
  if (e->null_fd < 0) e->null_fd = own(e, open("/dev/null", O_RDWR | O_CLOEXEC));
  return e->null_fd;
}

/* How a path is opened. */
static const char *const mode_names[] = {"r", "w", "a", "r+", NULL};
static const int modes[] = {O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND, O_RDWR};

static int from_path(wf_exec *e, const char *path, int flags) {
  int fd;
  do fd = open(path, flags | O_CLOEXEC | O_NOCTTY, MODE_NEW);
  while (fd < 0 && errno == EINTR);
  return own(e, fd);
}

static int anonymous_file(void) {
#ifdef MFD_CLOEXEC
  int fd = memfd_create("weft stdin", MFD_CLOEXEC);
  if (fd >= 0 || errno != ENOSYS) return fd;
#endif
  FILE *f = tmpfile();
  if (f == NULL) return -1;
  int copy = fcntl(fileno(f), F_DUPFD_CLOEXEC, 3);
  int err = errno;
  fclose(f);
  errno = err;
  return copy;
}

/* Bytes: a file in memory, so nobody has to feed them and nothing can block. */
static int from_data(wf_exec *e, const char *bytes, size_t n) {
  int fd = own(e, anonymous_file());
  if (fd < 0) return fd;
  while (n > 0) {
    ssize_t put = write(fd, bytes, n);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return -1;
    bytes += put;
    n -= (size_t)put;
  }
  return lseek(fd, 0, SEEK_SET) < 0 ? -1 : fd;
}

/* A stream of the script: the descriptor may be used by the program in its own way. */
static int from_stream(lua_State *L, wf_exec *e, wf_stream *s, const char *name) {
  if (!wf_stream_open(s)) {
    errno = EBADF;
    return -1;
  }
  if (wf_stream_kept(s) > 0) option_error(L, name, "the stream has input that was read ahead: the program would miss it");
  if (wf_stream_flush(s) == -EAGAIN) option_error(L, name, "the stream has output that is not written yet");
  bool moves = s->kind != WF_STREAM_FILE && !s->keep;
  int err = moves ? wf_fd_nonblock(s->watch.fd, false) : 0;
  if (err != 0) {
    errno = err;
    return -1;
  }
  bool known = !moves;
  for (int i = 0; i < e->ngiven; i++) known |= e->given[i] == s;
  if (!known) e->given[e->ngiven++] = s;
  return s->watch.fd;
}

/* Our end becomes a stream, a field of the handle. */
static void make_stream(wf_iso *iso, lua_State *L, wf_exec *e, int fd, enum wf_stream_kind kind, const wf_stream_ops *ops, const char *field) {
  wf_stream *s = wf_stream_push(iso, L, kind, ops);
  disown(e, fd);
  wf_stream_own(s, fd);
  e->made[e->nmade++] = s;
  lua_setfield(L, WF_EXEC_FIELDS, field);
}

static int from_pipe(wf_iso *iso, lua_State *L, wf_exec *e, bool input, const char *name) {
  int fds[2];
  lua_checkstack(L, 8);
  if (pipe2(fds, O_CLOEXEC) != 0) return -1;
  fds[0] = own(e, fds[0]);
  fds[1] = own(e, fds[1]);
  if (fds[0] < 0 || fds[1] < 0) return -1;
  int ours = input ? fds[1] : fds[0], err = wf_fd_nonblock(ours, true);
  if (err != 0) {
    errno = err;
    return -1;
  }
#ifdef F_SETPIPE_SZ
  (void)fcntl(ours, F_SETPIPE_SZ, 256 * 1024); /* fewer switches; an unprivileged user's share may be used up */
#endif
  wf_sigpipe_ignore();
  make_stream(iso, L, e, ours, WF_STREAM_PIPE, &wf_pipe_ops, name);
  return input ? fds[0] : fds[1];
}

/* A plain string for stdin: a path when it looks like one. */
static bool looks_like_path(const char *s, size_t n) {
  return n < 4096 && memchr(s, '\n', n) == NULL && (s[0] == '/' || strncmp(s, "./", 2) == 0 || strncmp(s, "../", 3) == 0);
}

static void check_path(lua_State *L, const char *name, const char *path, size_t n) {
  if (n == 0 || strlen(path) != n) option_error(L, name, "a path without zeros expected");
}

static void refuse_unknown(lua_State *L, const char *name) {
  static const char *const known[] = {"path", "mode", "append", "data"};
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    bool found = false;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) found |= strcmp(key, known[i]) == 0;
    if (!found) option_error(L, name, lua_pushfstring(L, "unknown field '%s' in the table (it has path, mode, append, data)", key));
  }
}

/* How the table at the top says that its path is opened. What is read by a program, or written, its number tells up to 2. */
static int table_mode(lua_State *L, const char *name, int target) {
  int type = lua_getfield(L, -1, "mode"), at = -1;
  for (int i = 0; type == LUA_TSTRING && mode_names[i] != NULL; i++)
    if (strcmp(lua_tostring(L, -1), mode_names[i]) == 0) at = i;
  if (type != LUA_TNIL && at < 0) option_error(L, name, "the table's mode is \"r\", \"w\", \"a\" or \"r+\"");
  lua_getfield(L, -2, "append");
  if (at < 0 && lua_toboolean(L, -1) && target != 0) at = 2;
  if (at < 0 && target > 2) option_error(L, name, "say how the path is opened: { path = ..., mode = \"r\", \"w\", \"a\" or \"r+\" }");
  lua_pop(L, 2);
  return at >= 0 ? modes[at] : modes[target != 0];
}

/* A table { path =, mode =, append = } or { data = } at the top. */
static int from_table(lua_State *L, wf_exec *e, const char *name, int target, const char **what) {
  bool output = target == 1 || target == 2;
  size_t n;
  refuse_unknown(L, name);
  if (lua_getfield(L, -1, "data") == LUA_TSTRING && !output) {
    const char *data = lua_tolstring(L, -1, &n);
    return from_data(e, data, n);
  }
  lua_pop(L, 1);
  if (lua_getfield(L, -1, "path") != LUA_TSTRING)
    option_error(L, name, output ? "the table has no path" : "the table has neither a path nor data");
  const char *path = lua_tolstring(L, -1, &n);
  check_path(L, name, path, n);
  lua_pushvalue(L, -2);
  *what = path;
  return from_path(e, path, table_mode(L, name, target));
}

static int from_string(wf_iso *iso, lua_State *L, wf_exec *e, const char *name, int target, const char **what) {
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  bool input = target == 0;
  if (strcmp(s, "inherit") == 0) return target;
  if (strcmp(s, "null") == 0) return from_null(e);
  if (strcmp(s, "pipe") == 0) {
    if (target > 2) option_error(L, name, "only the standard streams can be pipes: make one with weft.net or another program");
    return from_pipe(iso, L, e, input, name);
  }
  if (target == 2 && strcmp(s, "stdout") == 0) return e->fds[1].parent;
  if (input && !looks_like_path(s, n)) return from_data(e, s, n);
  if (target > 2) option_error(L, name, "\"null\", \"inherit\", { path =, mode = }, { data = }, a descriptor or a stream expected, got a string");
  check_path(L, name, s, n);
  *what = s;
  return from_path(e, s, modes[!input]);
}

/* The descriptor for the value at the top, which is the program's `target`. */
static int resolve(wf_iso *iso, lua_State *L, wf_exec *e, const char *name, int target, const char **what) {
  *what = name;
  wf_stream *s;
  switch (lua_type(L, -1)) {
    case LUA_TNIL: return e->slave >= 0 ? e->slave : target; /* a standard stream: fds has no nil */
    case LUA_TSTRING: return from_string(iso, L, e, name, target, what);
    case LUA_TTABLE: return from_table(L, e, name, target, what);
    case LUA_TNUMBER: {
      int ok;
      lua_Integer fd = lua_tointegerx(L, -1, &ok);
      if (!ok || fd < 0 || fd > FD_MOST) option_error(L, name, "a descriptor's number expected");
      return fcntl((int)fd, F_GETFD) < 0 ? -1 : (int)fd;
    }
    default:
      s = wf_object_test(L, -1, WF_CLASS_STREAM, sizeof *s);
      if (s != NULL) return from_stream(L, e, s, name);
      return option_error(L, name, lua_pushfstring(L, "\"pipe\", \"null\", \"inherit\", a path, a descriptor, a stream or a table expected, got %s",
                                                   luaL_typename(L, -1)));
  }
}

/* Pseudo-terminals ------------------------------------------------------------------------------------- */

/* When nobody has the other side open any more, reading says EIO: that is the end. */
static ssize_t pty_read(wf_stream *s, char *to, size_t n) {
  ssize_t got = wf_pipe_ops.read(s, to, n);
  return got == -EIO ? 0 : got;
}

static ssize_t pty_write(wf_stream *s, const struct iovec *iov, int n) { return wf_pipe_ops.write(s, iov, n); }
static int pty_wait(wf_stream *s, unsigned what) { return wf_pipe_ops.wait(s, what); }
static void pty_close(wf_stream *s) { wf_pipe_ops.close(s); }

static const wf_stream_ops pty_ops = {pty_read, pty_write, pty_wait, pty_close, NULL};

/* A field of the table at the top. */
static unsigned short pty_size(lua_State *L, const char *field, unsigned short def) {
  int ok = 1;
  lua_Integer v = lua_getfield(L, -1, field) == LUA_TNIL ? def : lua_tointegerx(L, -1, &ok);
  if (!lua_isnil(L, -1) && (!ok || v < 1 || v > 65535)) option_error(L, "pty", "its rows and cols are integers from 1 to 65535");
  lua_pop(L, 1);
  return (unsigned short)v;
}

/* pty = true or { rows =, cols = }: 0 or an errno. */
static int open_pty(wf_iso *iso, lua_State *L, wf_exec *e) {
  int type = lua_getfield(L, WF_EXEC_OPTS, "pty");
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  e->slave = -1;
  if (type == LUA_TNIL || (type == LUA_TBOOLEAN && !lua_toboolean(L, -1))) {
    lua_pop(L, 1);
    return 0;
  }
  if (type == LUA_TTABLE) {
    size.ws_row = pty_size(L, "rows", 24);
    size.ws_col = pty_size(L, "cols", 80);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
      if (strcmp(key, "rows") != 0 && strcmp(key, "cols") != 0) option_error(L, "pty", "it has rows and cols, and no other fields");
    }
  } else if (type != LUA_TBOOLEAN) {
    option_error(L, "pty", "true or a table with rows and cols expected");
  }
  lua_pop(L, 1);
  char name[128];
  lua_checkstack(L, 8);
  int master = own(e, posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return errno;
  int err = wf_fd_cloexec(master);
#if defined(__linux__)
  if (err == 0) err = ptsname_r(master, name, sizeof name);
#else
  snprintf(name, sizeof name, "%s", ptsname(master));
#endif
  if (err != 0) return err;
  e->slave = own(e, open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (e->slave < 0 || ioctl(e->slave, TIOCSWINSZ, &size) != 0) return errno;
  err = wf_fd_nonblock(master, true);
  if (err != 0) return err;
  make_stream(iso, L, e, master, WF_STREAM_TTY, &pty_ops, "pty");
  e->o.session = true;
  e->o.tty = e->slave;
  return 0;
}

/* All of it ----------------------------------------------------------------------------------------------- */

static void add(wf_exec *e, int child, int parent) { e->fds[e->nfds++] = (wf_spawn_fd){child, parent}; }

/* fds = { [3] = what, ... } */
static int extra_fds(wf_iso *iso, lua_State *L, wf_exec *e, const char **what) {
  int type = lua_getfield(L, WF_EXEC_OPTS, "fds"), err = 0;
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  if (type != LUA_TTABLE) option_error(L, "fds", "table expected");
  int list = lua_gettop(L);
  for (lua_pushnil(L); err == 0 && lua_next(L, list); lua_settop(L, list + 1)) {
    int ok;
    lua_Integer child = lua_tointegerx(L, -2, &ok);
    if (!ok || lua_type(L, -2) != LUA_TNUMBER || child < 3 || child > FD_MOST) option_error(L, "fds", "its keys are numbers above 2");
    if (e->nfds == WF_EXEC_FDS / 2) option_error(L, "fds", "too many");
    int fd = resolve(iso, L, e, "fds", (int)child, what);
    if (fd < 0) err = errno;
    if (fd >= 0) add(e, (int)child, fd);
  }
  lua_settop(L, list - 1);
  return err;
}

int wf_exec_streams(wf_iso *iso, lua_State *L, wf_exec *e, const char **what) {
  *what = "pty";
  luaL_checkstack(L, 12, NULL);
  int err = open_pty(iso, L, e);
  for (int i = 0; err == 0 && i < 3; i++) {
    int top = lua_gettop(L);
    lua_getfield(L, WF_EXEC_OPTS, standard_names[i]);
    int fd = resolve(iso, L, e, standard_names[i], i, what);
    if (fd < 0)
      err = errno;
    else
      add(e, i, fd);
    lua_settop(L, top);
  }
  return err != 0 ? err : extra_fds(iso, L, e, what);
}
