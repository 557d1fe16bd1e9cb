/* See stack.h. */
#define _GNU_SOURCE /* pthread_getattr_np */

#include "sys/stack.h"

#include <pthread.h>
#include <stddef.h>

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
