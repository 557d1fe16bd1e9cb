/* See attr.h. */
#define _GNU_SOURCE
#include "sys/attr.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/signame.h"

#if defined(__linux__)
#include <sys/prctl.h>

typedef struct cpu_bits {
  cpu_set_t part[WF_CPUS_MAX / CPU_SETSIZE];
} cpu_bits;

int wf_set_affinity(int64_t tid, const int *cpus, int ncpus) {
  cpu_bits want, got;
  CPU_ZERO_S(sizeof want, want.part);
  if (ncpus <= 0) return EINVAL;
  for (int i = 0; i < ncpus; i++) {
    if (cpus[i] < 0 || cpus[i] >= WF_CPUS_MAX) return EINVAL;
    CPU_SET_S((size_t)cpus[i], sizeof want, want.part);
  }
  if (sched_setaffinity((pid_t)tid, sizeof want, want.part) != 0) return errno;
  CPU_ZERO_S(sizeof got, got.part);
  if (sched_getaffinity((pid_t)tid, sizeof got, got.part) != 0) return errno;
  return CPU_EQUAL_S(sizeof want, want.part, got.part) ? 0 : EINVAL;
}

int wf_set_nice(int64_t tid, int nice_) {
  if (nice_ < -20 || nice_ > 19) return EINVAL;
  return setpriority(PRIO_PROCESS, (id_t)tid, nice_) == 0 ? 0 : errno;
}

void wf_attr_as_process(void) {
  cpu_bits bits;
  struct sched_param param;
  pid_t first = getpid();
  if (sched_getaffinity(first, sizeof bits, bits.part) == 0) (void)sched_setaffinity(0, sizeof bits, bits.part);
  int policy = sched_getscheduler(first);
  if (policy >= 0 && policy != sched_getscheduler(0) && sched_getparam(first, &param) == 0) (void)sched_setscheduler(0, policy, &param);
  int as = getpriority(PRIO_PROCESS, (id_t)first), is = getpriority(PRIO_PROCESS, 0);
  if (as != is) (void)setpriority(PRIO_PROCESS, 0, as);
}

int wf_set_no_new_privs(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno; }

#else

int wf_set_affinity(int64_t tid, const int *cpus, int ncpus) {
  (void)tid, (void)cpus, (void)ncpus;
  return ENOTSUP;
}

int wf_set_nice(int64_t tid, int nice_) {
  (void)tid, (void)nice_;
  return ENOTSUP;
}

int wf_set_no_new_privs(void) { return ENOTSUP; }

void wf_attr_as_process(void) {}

#endif

bool wf_signal_blockable(int sig) {
  /* SIGURG is ours. The rest a thread raises by itself: those kill the process when blocked, past any handler. */
  static const int open[] = {SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGKILL, SIGSTOP};
  for (size_t i = 0; i < sizeof open / sizeof *open; i++)
    if (sig == open[i]) return false;
  return true;
}

void wf_sigset(sigset_t *set, uint64_t signals) {
  sigemptyset(set);
  for (int sig = 1; sig <= WF_SIGNALS; sig++)
    if (signals >> (sig - 1) & 1) sigaddset(set, sig);
}

int wf_set_sigmask(uint64_t blocked) {
  sigset_t set;
  wf_sigset(&set, blocked);
  return pthread_sigmask(SIG_SETMASK, &set, NULL);
}

int wf_set_policy(int64_t tid, bool has_policy, int policy, bool has_priority, int priority, const char **what) {
  struct sched_param param = {0};
  *what = "policy";
  if (!has_policy && (policy = sched_getscheduler((pid_t)tid)) < 0) return errno;
  int least = sched_get_priority_min(policy), most = sched_get_priority_max(policy);
  if (least < 0) return EINVAL; /* no such policy, so `most` is none either */
  param.sched_priority = has_priority ? priority : least;
  if (param.sched_priority < least || param.sched_priority > most) {
    *what = "priority";
    return EINVAL;
  }
  return sched_setscheduler((pid_t)tid, policy, &param) < 0 ? errno : 0;
}
