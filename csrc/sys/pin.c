/* See pin.h. */
#define _GNU_SOURCE
#include "sys/pin.h"

#include <dlfcn.h>
#ifdef __GLIBC__
#include <link.h>
#endif
#include <string.h>

const char *wf_code_file(void (*code)(void)) {
  Dl_info info;
  void *address;
  memcpy(&address, &code, sizeof address);
#ifdef __GLIBC__
  /* The program itself is never unmapped, and dlopen does not know it by its file name: this one is empty. */
  void *map = NULL;
  if (dladdr1(address, &info, &map, RTLD_DL_LINKMAP) == 0) return NULL;
  const char *name = map == NULL ? info.dli_fname : ((struct link_map *)map)->l_name;
#else
  if (dladdr(address, &info) == 0) return NULL;
  const char *name = info.dli_fname;
#endif
  return name == NULL ? "" : name;
}

bool wf_pin_code(void (*code)(void)) {
  const char *name = wf_code_file(code);
  if (name == NULL) return false;
  if (name[0] == '\0') return true;
#ifdef RTLD_NODELETE
  void *lib = dlopen(name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (lib == NULL) return false;
  dlclose(lib); /* it stays: NODELETE */
  return true;
#else
  return dlopen(name, RTLD_LAZY) != NULL; /* one reference for ever */
#endif
}
