/* Changes of files: Linux's inotify; elsewhere ENOTSUP. One descriptor watches one file or folder. Not thread-safe. */
#ifndef WF_SYS_FWATCH_H
#define WF_SYS_FWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wf_fchange {
  const char *what;  /* "created" ...; NULL: nothing that concerns the watcher */
  const char *name;  /* in the folder that is watched; NULL: of the watched thing itself */
  uint32_t cookie;   /* the same in "moved_from" and "moved_to" of one move, else 0 */
  bool folder;
  bool last;         /* what was watched is gone: nothing more will come */
} wf_fchange;

/* The names of changes that can be asked for, NULL-ended; a bit each for wf_fwatch_open. */
extern const char *const wf_fchange_names[];

/* A non-blocking descriptor that is readable when something has changed. `wanted` 0: all. May wait for a disk, to find the
 * path. Failure: -1 and errno. */
int wf_fwatch_open(const char *path, uint32_t wanted);

/* Read changes into buf: bytes, 0: there are none now, or a negative errno. */
int64_t wf_fwatch_read(int fd, void *buf, size_t size);

/* The change at buf + *at, which goes on; false at the end. */
bool wf_fwatch_next(const void *buf, size_t size, size_t *at, wf_fchange *c);

#endif
