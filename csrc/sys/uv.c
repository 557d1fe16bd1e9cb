/* See uv.h. */
#include "sys/uv.h"

#ifdef WF_UV_LINKED

#define ADDRESS(name) .name = uv_##name,
wf_uv_calls wf_uv = {WF_UV_CALLS(ADDRESS)};

int wf_uv_load(void) { return 0; }
const char *wf_uv_trouble(void) { return ""; }

#else

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

wf_uv_calls wf_uv;

/* Guards what follows, and the writing of wf_uv. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;
static char trouble[256];

/* What dlopen leaves in errno; a library that is not there is not a file that the caller has named. */
static int refused(void) {
  int err = errno;
  const char *text = dlerror();
  snprintf(trouble, sizeof trouble, "%s", text == NULL ? "libuv cannot be loaded" : text);
  return err == EMFILE || err == ENFILE || err == ENOMEM ? err : ELIBACC;
}

static int load_locked(void) {
  errno = 0;
  void *lib = dlopen("libuv.so." TEXT(UV_VERSION_MAJOR), RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) return refused();
  wf_uv_calls calls;
  void *found;
#define FIND(name)                                              \
  if ((found = dlsym(lib, "uv_" #name)) == NULL) return refused(); \
  memcpy(&calls.name, &found, sizeof found);
  WF_UV_CALLS(FIND)
  wf_uv = calls;
  loaded = true; /* it stays: nobody closes it */
  return 0;
}

int wf_uv_load(void) {
  pthread_mutex_lock(&lock);
  int err = loaded ? 0 : load_locked();
  pthread_mutex_unlock(&lock);
  return err;
}

const char *wf_uv_trouble(void) { return trouble; }

#endif
