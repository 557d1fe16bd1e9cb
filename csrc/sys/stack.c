/* See stack.h. */
#define _GNU_SOURCE /* pthread_getattr_np */

#include "sys/stack.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

const void *wf_stack_low(void) {
#if defined(__linux__)
  pthread_attr_t a;
  void *low = NULL;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &a) == 0) {
    int ok = pthread_attr_getstack(&a, &low, &size) == 0;
    pthread_attr_destroy(&a);
    if (ok) return low;
  }
#elif defined(__APPLE__)
  return (char *)pthread_get_stackaddr_np(pthread_self()) - pthread_get_stacksize_np(pthread_self());
#endif
  return (char *)__builtin_frame_address(0) - 256 * 1024;
}

_Static_assert(sizeof(pthread_t) <= sizeof(uint64_t), "a thread's handle fits a word");

uint64_t wf_stack_mine(void) {
  pthread_t self = pthread_self();
  uint64_t word = 0;
  memcpy(&word, &self, sizeof self);
  return word;
}

bool wf_stack_of(uint64_t thread, const void **low, size_t *size) {
#if defined(__linux__)
  pthread_t id;
  pthread_attr_t a;
  void *at = NULL;
  memcpy(&id, &thread, sizeof id);
  if (pthread_getattr_np(id, &a) != 0) return false;
  bool ok = pthread_attr_getstack(&a, &at, size) == 0;
  pthread_attr_destroy(&a);
  *low = at;
  return ok;
#else
  (void)thread, (void)low, (void)size;
  return false;
#endif
}
