/* weft.stdin, stdout, stderr as streams: terminals, pipes, sockets and files alike.
 *
 * The descriptor is shared with other processes (a shell has the same terminal), and so would be its O_NONBLOCK. So a
 * pipe or a terminal is opened once more, by /proc/self/fd, which gives a description of our own. Where that cannot be
 * done, the descriptor is asked before each read and write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/l_stream.h"
#include "lx/error.h"
#include "sys/fd.h"

static int open_again(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return wf_fd_above_stdio(open(path, (fd == 0 ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

/* core.stdio(0 | 1 | 2). A stream that is closed when the descriptor is. */
static int lib_stdio(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  int fd = (int)luaL_checkinteger(L, 1);
  struct stat st;
  luaL_argcheck(L, fd >= 0 && fd <= 2, 1, "0, 1 or 2 expected");
  int err = wf_io_open(iso);
  if (err != 0) luaL_error(L, "cannot open an event loop (errno %d)", err);
  if (fstat(fd, &st) != 0) {
    wf_stream_push(iso, L, WF_STREAM_PIPE, &wf_pipe_ops);
    return 1;
  }
  bool file = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode), sock = S_ISSOCK(st.st_mode);
  enum wf_stream_kind kind = file ? WF_STREAM_FILE : sock ? WF_STREAM_UNIX : isatty(fd) ? WF_STREAM_TTY : WF_STREAM_PIPE;
  wf_stream *s = wf_stream_push(iso, L, kind, file ? &wf_pipe_ops : sock ? &wf_socket_ops : &wf_blocking_ops);
  s->standard = (uint8_t)(fd + 1);
  s->keep = true;
  if (!sock && fd != 0) wf_sigpipe_ignore();
  int own = file || sock ? -1 : open_again(fd);
  if (own >= 0) {
    s->keep = false;
    s->ops = &wf_pipe_ops;
  }
  wf_stream_own(s, own >= 0 ? own : fd);
  return 1;
}

void wf_lib_stdio(wf_iso *iso, lua_State *L) {
  static const luaL_Reg funcs[] = {{"stdio", lib_stdio}, {NULL, NULL}};
  wf_lib_add(iso, L, funcs);
}
