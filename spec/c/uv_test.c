/* uv_test.c: libuv is loaded when it is first needed (sys/uv.c): where it is not there, or lacks a function, that is said, and it
 * can be tried again; what was found is not looked for again. This program's own dlopen, dlsym and dlerror stand before libc's. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "check.h"
#include "sys/uv.h"

#ifndef WF_UV_LINKED

static int opened, asked, missing; /* missing: the number of the function that is not found; 0: none */
static int open_error = -1;        /* >= 0: there is no library, and that is in errno */
static const char *text;

void *dlopen(const char *file, int how) {
  static int library;
  (void)how;
  CHECK(strncmp(file, "libuv.so.", 9) == 0);
  opened++;
  if (open_error < 0) return &library;
  errno = open_error;
  return NULL;
}

void *dlsym(void *lib, const char *name) {
  static int function;
  CHECK(lib != NULL && strncmp(name, "uv_", 3) == 0);
  return ++asked == missing ? NULL : &function;
}

char *dlerror(void) { return (char *)(uintptr_t)text; }

static void cannot_be_loaded(int error) {
  memset(&wf_uv, 0, sizeof wf_uv);
  asked = 0;
  CHECK(wf_uv_load() == error);
  CHECK(strcmp(wf_uv_trouble(), text != NULL ? text : "libuv cannot be loaded") == 0);
  CHECK(wf_uv.run == NULL); /* nothing is half there */
}

int main(void) {
  enum { CALLS = sizeof(wf_uv_calls) / sizeof(void (*)(void)) };
  static const int own[] = {EMFILE, ENFILE, ENOMEM}, other[] = {0, ENOENT, EACCES};
  for (int i = 0; i < 3; i++) {
    text = i == 0 ? NULL : "no such library";
    open_error = own[i];
    cannot_be_loaded(own[i]);
    open_error = other[i];
    cannot_be_loaded(ELIBACC);
  }
  open_error = -1;
  text = "no such function";
  for (missing = 1; missing <= CALLS; missing++) cannot_be_loaded(ELIBACC);
  CHECK(asked == CALLS);
  missing = asked = opened = 0;
  CHECK(wf_uv_load() == 0 && opened == 1 && asked == CALLS && wf_uv.run != NULL);
  CHECK(wf_uv_load() == 0 && opened == 1);
  return failures != 0;
}

#else
int main(void) {
  CHECK(wf_uv_load() == 0 && strcmp(wf_uv_trouble(), "") == 0);
  return failures != 0;
}
#endif
