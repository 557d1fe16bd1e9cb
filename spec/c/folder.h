/* A new empty folder in TMPDIR, or /tmp, for a test that then removes it. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool temporary_folder(char *path, size_t size) {
  const char *in = getenv("TMPDIR");
  int n = snprintf(path, size, "%s/weft-test-XXXXXX", in != NULL && in[0] == '/' ? in : "/tmp");
  return n > 0 && (size_t)n < size && mkdtemp(path) != NULL;
}

#endif
