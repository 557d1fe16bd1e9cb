/* Facts about processes and threads, as the system tells them: /proc and a few calls. Any thread; nothing is kept.
 *
 * Another process can end at any moment: then a call says ESRCH, or what it has read so far stands. What this
 * process may not read says EACCES or EPERM. Where the system has no /proc the calls say ENOTSUP.
 */
#ifndef WF_SYS_FACTS_H
#define WF_SYS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WF_CAPS_INHERITABLE, WF_CAPS_PERMITTED, WF_CAPS_EFFECTIVE, WF_CAPS_BOUNDING, WF_CAPS_AMBIENT, WF_CAPS_SETS };
enum { WF_ID_REAL, WF_ID_EFFECTIVE, WF_ID_SAVED, WF_ID_FS };

/* Numbers that the system does not tell are -1, memory sizes 0. */
typedef struct wf_facts {
  int64_t pid, tid, ppid, pgid, sid, tty;
  char name[64];
  char state; /* R S D Z T t X I */
  int64_t uid[4], gid[4];
  int64_t *groups; /* malloc'ed, as cpus */
  size_t ngroups;
  uint64_t caps[WF_CAPS_SETS];
  int64_t no_new_privs, seccomp, umask;
  uint64_t vm_size, vm_peak, rss, rss_peak, data, stack, code, libraries, swap; /* bytes */
  int64_t threads, nice, policy, priority, last_cpu;
  double user, system; /* seconds */
  int64_t voluntary, involuntary;
  double started; /* seconds since 1970 */
  uint64_t blocked, ignored, caught, pending, process_pending; /* signals: bit sig - 1; sent to the thread, to the process */
  int64_t *cpus;
  size_t ncpus;
} wf_facts;

/* A process (tid 0) or one of its threads: 0 or an errno. On success wf_facts_free must follow. */
int wf_facts_read(pid_t pid, pid_t tid, wf_facts *f);
void wf_facts_free(wf_facts *f);

/* A whole file of /proc/PID or /proc/PID/task/TID, malloc'ed, with a zero after its end. 0 or an errno. */
int wf_proc_read(pid_t pid, pid_t tid, const char *name, char **text, size_t *len);

/* What the link /proc/PID/name says; at most size - 1 bytes. 0 or an errno. */
int wf_proc_link(pid_t pid, const char *name, char *buf, size_t size);

/* The numbers that name the entries of /proc/PID/dir ("fd", "task"), sorted, malloc'ed. 0 or an errno. */
int wf_proc_numbers(pid_t pid, const char *dir, int64_t **list, size_t *n);

typedef struct wf_fd_facts {
  const char *kind; /* "file" "directory" "pipe" "socket" "tty" "device" "memory" "epoll" "eventfd" ... */
  char target[512];
  bool cloexec;
} wf_fd_facts;

/* One open descriptor of a process: 0 or an errno (ENOENT: closed since). */
int wf_fd_facts_read(pid_t pid, int64_t fd, wf_fd_facts *f);

/* The number of mappings of a process; -1 when it is not to be read. */
int64_t wf_mappings_count(pid_t pid);

/* The limit that the control groups of a process put on its memory, UINT64_MAX: none that can be seen. */
uint64_t wf_memory_limit_of_groups(pid_t pid);

/* Bytes of this process's memory in [low, low + size) that have pages, from the first one there to the end. */
size_t wf_memory_used(const void *low, size_t size);

/* The name of a capability without "CAP_", in small letters; NULL past the last one known. */
const char *wf_capability_name(int i);

#endif
