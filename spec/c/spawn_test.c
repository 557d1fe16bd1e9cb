/*
** Child processes: each thing that is asked for is seen in the child; each step that fails comes back by name and
** leaves no process and no descriptor; with kernels that lack what is new (a filter plays them).
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "check.h"
#include "folder.h"
#include "spawn_util.h"

/* What `sh -c script` writes, with the options. */
static const char *output_of(wf_spawn_opts *o, const char *script) {
  static char text[65536];
  char *argv[] = {"sh", "-c", (char *)script, NULL};
  int fds[2];
  const char *what = NULL;
  wf_process p;
  wf_process_end end;
  CHECK(pipe2(fds, O_CLOEXEC) == 0);
  for (int i = 0; i < 2; i++) { /* out of the numbers that tests look at */
    int up = fcntl(fds[i], F_DUPFD_CLOEXEC, 50);
    close(fds[i]);
    fds[i] = up;
  }
  wf_spawn_fd standard[16] = {{0, 0}, {1, fds[1]}, {2, 2}};
  size_t n = 3;
  for (size_t i = 0; i < o->nfds; i++) standard[n++] = o->fds[i];
  wf_spawn_opts own = *o;
  own.fds = standard;
  own.nfds = n;
  own.file = "/bin/sh";
  own.argv = argv;
  int e = wf_spawn(&p, &own, &what);
  close(fds[1]);
  size_t len = 0;
  if (e != 0) {
    snprintf(text, sizeof text, "error %d %s", e, what);
  } else {
    for (ssize_t got; len < sizeof text - 1 && (got = read(fds[0], text + len, sizeof text - 1 - len)) > 0;) len += (size_t)got;
    text[len] = '\0';
    await(&p, &end);
  }
  close(fds[0]);
  return text;
}

#define SAYS(opts, script, wanted)                                              \
  do {                                                                          \
    const char *said_ = output_of(opts, script);                                \
    if (strcmp(said_, wanted) != 0) {                                           \
      printf("%s:%d: %s: \"%s\" not \"%s\"\n", __FILE__, __LINE__, script, said_, wanted); \
      failures++;                                                               \
    }                                                                           \
  } while (0)

/* Lists the descriptors without opening any. */
#define FDS "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; done; true"

/* ---------------------------------------------------------------- what the child gets */

static void the_end_is_told(void) {
  wf_process p;
  wf_process_end end;
  const char *what;
  wf_spawn_fd none[] = {{0, 0}, {1, 1}, {2, 2}};
  wf_spawn_opts o = fresh();
  o.file = "/bin/sh";
  o.fds = none;
  o.nfds = 3;
  char *seven[] = {"sh", "-c", "exit 7", NULL}, *killed[] = {"sh", "-c", "kill -9 $$", NULL}, *sleeps[] = {"sh", "-c", "read x </dev/zero", NULL};
  o.argv = seven;
  CHECK(wf_spawn(&p, &o, &what) == 0 && p.pid > 0);
  await(&p, &end);
  CHECK(end.code == 7 && end.signal == 0 && end.peak > 0);
  CHECK(p.pid == 0 && wf_process_signal(&p, SIGKILL, false) == ESRCH && wf_process_reap(&p, &end) == ESRCH);
  o.argv = killed;
  CHECK(wf_spawn(&p, &o, &what) == 0);
  await(&p, &end);
  CHECK(end.code == -1 && end.signal == SIGKILL);
  o.argv = sleeps;
  CHECK(wf_spawn(&p, &o, &what) == 0);
  CHECK(wf_process_reap(&p, &end) == EAGAIN);
  CHECK(wf_process_signal(&p, SIGTERM, false) == 0);
  await(&p, &end);
  CHECK(end.signal == SIGTERM);
}

static void descriptors(void) {
  int a = open("/dev/null", O_RDONLY), b = open("/dev/zero", O_RDONLY); /* these are inherited unless told */
  wf_spawn_opts o = fresh();
  SAYS(&o, FDS, "0 1 2 ");
  wf_spawn_fd list[] = {{7, a}, {a, b}, {b, a}}; /* a and b change places */
  o.fds = list;
  o.nfds = 3;
  char script[200], wanted[200];
  snprintf(script, sizeof script, "cd /proc/$$/fd && readlink 7 %d %d", a, b);
  snprintf(wanted, sizeof wanted, "/dev/null\n/dev/zero\n/dev/null\n");
  SAYS(&o, script, wanted);
  wf_spawn_fd same[] = {{b, b}};
  CHECK(fcntl(b, F_SETFD, FD_CLOEXEC) == 0);
  o.fds = same;
  o.nfds = 1;
  snprintf(script, sizeof script, "%s; readlink /proc/$$/fd/%d", FDS, b);
  snprintf(wanted, sizeof wanted, "0 1 2 %d /dev/zero\n", b);
  SAYS(&o, script, wanted);
  CHECK(fcntl(b, F_GETFD) == FD_CLOEXEC);
  close(a);
  close(b);
  wf_spawn_fd closed[] = {{5, 999}};
  o.fds = closed;
  SAYS(&o, "true", "error 9 descriptor");
}

static void standard_streams_that_are_closed(void) {
  wf_spawn_opts o = fresh();
  close(0);
#if !WF_TSAN /* in its child of fork the descriptor is open again */
  SAYS(&o, FDS, "1 2 ");
#else
  (void)o;
#endif
}

static void surroundings(void) {
  wf_spawn_opts o = fresh();
  char *env[] = {"A=1", "PATH=/bin:/usr/bin", "B=x y", NULL};
  o.envp = env;
  o.cwd = "/usr";
  o.umask = 027;
  SAYS(&o, "echo $A $B $HOME; pwd; umask", "1 x y\n/usr\n0027\n");
  o = fresh();
  o.session = true;
  SAYS(&o, "set -- $(sed 's/.*) //' /proc/$$/stat); [ $3 = $$ ] && [ $4 = $$ ] && echo own", "own\n");
  o = fresh();
  o.group = 0;
  SAYS(&o, "set -- $(sed 's/.*) //' /proc/$$/stat); [ $3 = $$ ] && [ $4 != $$ ] && echo own", "own\n");
  o = fresh();
  wf_spawn_limit limits[] = {{RLIMIT_NOFILE, 33, 44}, {RLIMIT_CORE, 0, 0}, {RLIMIT_CPU, 5, UINT64_MAX}};
  o.limits = limits;
  o.nlimits = 3;
  SAYS(&o, "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -St", "33\n44\n0\n5\n");
  o = fresh();
  int cpu = 0;
  o.cpus = &cpu;
  o.ncpus = 1;
  o.has_nice = true;
  o.nice = 11;
  o.no_new_privs = true;
  SAYS(&o, "grep -E 'Cpus_allowed_list|NoNewPrivs' /proc/$$/status; nice", "NoNewPrivs:\t1\nCpus_allowed_list:\t0\n11\n");
  o = fresh();
  o.has_policy = true;
  o.policy = SCHED_BATCH;
  SAYS(&o, "set -- $(sed 's/.*) //' /proc/$$/stat); echo ${39}", "3\n");
}

static void on_signal(int sig) { (void)sig; }

static void signals(void) {
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  sigaddset(&some, SIGUSR1);
  sigprocmask(SIG_BLOCK, &some, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGUSR2, on_signal);
  wf_spawn_opts o = fresh();
  SAYS(&o, "grep -E 'Sig(Blk|Ign)' /proc/self/status", "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  signal(SIGHUP, SIG_IGN);
  SAYS(&o, "grep -E 'Sig(Blk|Ign)' /proc/self/status", "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\n");
  struct sigaction now;
  CHECK(sigaction(SIGUSR2, NULL, &now) == 0 && now.sa_handler == on_signal);
  CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  CHECK(sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGHUP) == 0);
}

static void identity(void) {
  wf_spawn_opts o = fresh();
  if (geteuid() != 0) {
    o.has_uid = true;
    o.uid = 0;
    SAYS(&o, "id -u", "error 1 uid");
    o = fresh();
    o.has_uid = true;
    o.uid = getuid();
    CHECK(strncmp(output_of(&o, "true"), "error", 5) != 0); /* its own is no change */
    o.has_groups = true;
    SAYS(&o, "id -u", "error 1 groups");
    printf("not root: identities are not changed\n");
    return;
  }
  gid_t groups[] = {1001, 1002};
  o.has_uid = o.has_gid = o.has_groups = true;
  o.uid = 12345;
  o.gid = 54321;
  o.groups = groups;
  o.ngroups = 2;
  SAYS(&o, "sed -n -E 's/^(Uid|Gid|Groups):[ \\t]*//p' /proc/$$/status | tr -s '\\t ' ' '",
       "12345 12345 12345 12345\n54321 54321 54321 54321\n1001 1002 \n");
  o.has_groups = false;
  o.ngroups = 0; /* then it has none of root's */
  SAYS(&o, "sed -n 's/^Groups:[ \\t]*//p' /proc/$$/status", "\n");
  o.cwd = "/root"; /* entered with the new identity */
  const char *said = output_of(&o, "pwd");
  CHECK(strcmp(said, "error 13 /root") == 0 || strcmp(said, "/root\n") == 0);
}

static void dies_with_its_parent(void) {
  int fds[2];
  char c;
  CHECK(pipe(fds) == 0);
  pid_t middle = fork();
  if (middle == 0) {
    wf_process p;
    const char *what;
    char *argv[] = {"sh", "-c", "echo; read x </dev/zero", NULL};
    wf_spawn_fd list[] = {{0, 0}, {1, fds[1]}, {2, 2}};
    wf_spawn_opts o = fresh();
    o.file = "/bin/sh";
    o.argv = argv;
    o.fds = list;
    o.nfds = 3;
    o.death_signal = SIGKILL;
    if (wf_spawn(&p, &o, &what) != 0) _exit(1);
    pause();
  }
  close(fds[1]);
  CHECK(read(fds[0], &c, 1) == 1); /* it runs */
  kill(middle, SIGKILL);
  waitpid(middle, NULL, 0);
  CHECK(read(fds[0], &c, 1) == 0); /* nobody holds the pipe any more */
  close(fds[0]);
}

/* ------------------------------------------------------------------------ what fails */

static void failures_come_back(void) {
  char dir[200], path[256], script[256];
  CHECK(temporary_folder(dir, sizeof dir));
  snprintf(path, sizeof path, "%s/plain", dir);
  snprintf(script, sizeof script, "%s/script", dir);
  close(open(path, O_CREAT | O_WRONLY, 0600));
  int fd = open(script, O_CREAT | O_WRONLY, 0700);
  CHECK(write(fd, "echo no interpreter\n", 20) == 20);
  close(fd);
  wf_spawn_opts o = fresh();
  o.file = "/no/such/file";
  fails_as(&o, ENOENT, "/no/such/file");
  o.file = "no-such-program-anywhere";
  fails_as(&o, ENOENT, "no-such-program-anywhere");
  o.file = "";
  fails_as(&o, ENOENT, "");
  o.file = path;
  fails_as(&o, EACCES, path);
  o.file = dir;
  fails_as(&o, EACCES, dir);
  o.file = script;
  fails_as(&o, ENOEXEC, script); /* never a shell */
  o = fresh();
  o.cwd = "/no/such";
  fails_as(&o, ENOENT, "/no/such");
  o = fresh();
  int cpu = 1000;
  o.cpus = &cpu;
  o.ncpus = 1;
  fails_as(&o, EINVAL, "affinity");
  o = fresh();
  o.has_policy = true;
  o.policy = SCHED_FIFO;
  fails_as(&o, EINVAL, "policy"); /* priority 0 */
  o = fresh();
  wf_spawn_limit bad = {RLIMIT_NOFILE, 10, 5};
  o.limits = &bad;
  o.nlimits = 1;
  fails_as(&o, EINVAL, "limits");
  o = fresh();
  o.group = 1;
  fails_as(&o, EPERM, "group");
  o = fresh();
  o.session = true;
  o.tty = 0;
  fd = open("/dev/null", O_RDONLY);
  o.tty = fd;
  fails_as(&o, ENOTTY, "terminal");
  close(fd);
  o = fresh();
  char **many = calloc(200001, sizeof *many);
  for (size_t i = 0; i < 200000; i++) many[i] = "an argument of some length, many times";
  o.argv = many;
  fails_as(&o, E2BIG, "/bin/true");
  free(many);
  unlink(path);
  unlink(script);
  rmdir(dir);
}

static void looks_in_the_path_of_the_child(void) {
  char dir[200], path[256];
  CHECK(temporary_folder(dir, sizeof dir));
  snprintf(path, sizeof path, "%s/only-here", dir);
  int fd = open(path, O_CREAT | O_WRONLY, 0700);
  CHECK(write(fd, "#!/bin/sh\nexit 5\n", 17) == 17);
  close(fd);
  char var[256], *argv[] = {"only-here", NULL}, *env[] = {var, NULL};
  snprintf(var, sizeof var, "PATH=/no/such:/etc/passwd:%s", dir);
  wf_spawn_fd list[] = {{0, 0}, {1, 1}, {2, 2}};
  wf_process p;
  wf_process_end end;
  const char *what;
  wf_spawn_opts o = fresh();
  o.file = "only-here";
  o.argv = argv;
  o.envp = env;
  o.fds = list;
  o.nfds = 3;
  CHECK(wf_spawn(&p, &o, &what) == 0);
  if (p.pid > 0) {
    await(&p, &end);
    CHECK(end.code == 5);
  }
  o.envp = NULL;
  fails_as(&o, ENOENT, "only-here");
  unlink(path);
  rmdir(dir);
}

static void without_close_range(void) {
  int a = open("/dev/zero", O_RDONLY);
  if (!forbid(436, ENOSYS, 0, 0)) return;
  wf_spawn_opts o = fresh();
  SAYS(&o, FDS, "0 1 2 ");
  if (!forbid(SYS_getdents64, ENOSYS, 0, 0)) return;
  wf_spawn_fd list[] = {{9, a}};
  o.fds = list;
  o.nfds = 1;
  SAYS(&o, FDS, "0 1 2 9 ");
}

static void without_pidfd(void) {
  if (!forbid(SYS_clone, EINVAL, 0, 0x1000)) return;
  wf_spawn_opts o = fresh();
  SAYS(&o, "echo hello", "hello\n");
#ifdef SYS_pidfd_open
  if (!forbid(SYS_pidfd_open, ENOSYS, 0, 0)) return;
  char *argv[] = {"sleep", "60", NULL};
  wf_spawn_fd list[] = {{0, 0}, {1, 1}, {2, 2}};
  wf_process p;
  wf_process_end end;
  const char *what;
  o.file = "sleep";
  o.argv = argv;
  o.fds = list;
  o.nfds = 3;
  CHECK(wf_spawn(&p, &o, &what) == 0 && p.pidfd == -1);
  CHECK(wf_process_signal(&p, SIGKILL, false) == 0);
  await(&p, &end);
  CHECK(end.signal == SIGKILL);
#endif
}

static void without_processes(void) {
  if (!forbid(SYS_clone, EAGAIN, 0, 0)) return;
  wf_spawn_opts o = fresh();
  fails_as(&o, EAGAIN, "fork");
}

static void with_identity_refused(void) {
  wf_spawn_opts o = fresh();
#ifdef SYS_setresuid32 /* 32-bit systems */
  if (!forbid(SYS_setresuid32, EAGAIN, 0, 0)) return;
#else
  if (!forbid(SYS_setresuid, EAGAIN, 0, 0)) return;
#endif
  o.has_uid = true;
  o.uid = getuid();
  fails_as(&o, EAGAIN, "uid");
}

static void somebody_else_reaps(void) {
  char *argv[] = {"true", NULL};
  wf_spawn_fd list[] = {{0, 0}, {1, 1}, {2, 2}};
  wf_process p;
  wf_process_end end;
  const char *what;
  wf_spawn_opts o = fresh();
  o.file = "true";
  o.argv = argv;
  o.fds = list;
  o.nfds = 3;
  signal(SIGCHLD, SIG_IGN);
  CHECK(wf_spawn(&p, &o, &what) == 0);
  int e;
  while ((e = wf_process_reap(&p, &end)) == EAGAIN) usleep(500);
  CHECK(e == 0 && !end.known && p.pid == 0);
}

/* ------------------------------------------------------------------------------ many */

static void *starter(void *arg) {
  char *argv[] = {"sh", "-c", "exit 3", NULL}, *bad[] = {"x", NULL};
  wf_spawn_fd list[] = {{0, 0}, {1, 1}, {2, 2}};
  wf_process p;
  wf_process_end end;
  const char *what;
  for (int i = 0; i < *(int *)arg; i++) {
    wf_spawn_opts o = fresh();
    o.fds = list;
    o.nfds = 3;
    o.file = i % 4 == 3 ? "/no/such" : "/bin/sh";
    o.argv = i % 4 == 3 ? bad : argv;
    int e = wf_spawn(&p, &o, &what);
    CHECK(e == (i % 4 == 3 ? ENOENT : 0));
    if (e != 0) continue;
    await(&p, &end);
    CHECK(end.code == 3);
  }
  return NULL;
}

/* Memory is allocated and descriptors are opened by others all the while. */
static _Atomic bool over;
static void *busy(void *arg) {
  (void)arg;
  while (!over) {
    void *m = malloc(1000);
    int fd = open("/dev/null", O_RDONLY);
    free(m);
    close(fd);
  }
  return NULL;
}

static void from_many_threads(void) {
  pthread_t threads[4], noise;
  int each = getenv("WEFT_QUICK") != NULL ? 20 : 200, before = open_fds();
  pthread_create(&noise, NULL, busy, NULL);
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, starter, &each);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  over = true;
  pthread_join(noise, NULL);
  CHECK(open_fds() == before && no_children());
}

int main(void) {
  in_a_child(the_end_is_told);
  in_a_child(descriptors);
  in_a_child(standard_streams_that_are_closed);
  in_a_child(surroundings);
  in_a_child(signals);
  in_a_child(identity);
  in_a_child(dies_with_its_parent);
  in_a_child(failures_come_back);
  in_a_child(looks_in_the_path_of_the_child);
  in_a_child(without_close_range);
  in_a_child(without_pidfd);
  in_a_child(without_processes);
  in_a_child(with_identity_refused);
  in_a_child(somebody_else_reaps);
  from_many_threads(); /* not in a child: the thread sanitizer wants no threads after a fork */
  CHECK(no_children());
  return failures != 0;
}
