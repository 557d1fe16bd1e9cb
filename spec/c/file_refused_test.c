/* file_refused_test.c: whole files and open ones when the kernel says no (sys/file.c): calls go on after EINTR, errors come back
 * as they are, memory that is out is ENOMEM, and a file that was to be replaced is what it was, with nothing left beside it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define REFUSED_OWN(X) X(read, MINUS_ONE, EIO) X(write, MINUS_ONE, ENOSPC)
#include "file_job.h"
#include "refusal.h"

#if REFUSALS

#define ONCE(name, at, error) refuse_as(REFUSED_##name, REFUSED_ANY, at, 1, error)
#define ALWAYS(name, error) refuse_as(REFUSED_##name, REFUSED_ANY, 1, 1000000, error)

static bool data_is(const wf_file_job *j, const char *text) {
  return j->size == strlen(text) && memcmp(j->data, text, j->size) == 0;
}

static wf_file_job writing(const char *name, const char *text) {
  wf_file_job j = job_on(in_folder(name), NULL);
  j.data = wf_malloc(strlen(text) + 1);
  j.size = strlen(text);
  memcpy(j.data, text, j.size);
  return j;
}

/* ---- reading ---- */

static void reads(void) {
  put_file("f", "text");
  wf_file_job j = job_on(in_folder("f"), NULL);
  ONCE(pread, 1, EINTR);
  ENDS(wf_file_read, &j, 0);
  CHECK(data_is(&j, "text") && j.fd == -1);
  wf_file_clean(&j);
  j = job_on(in_folder("f"), NULL);
  ONCE(pread, 1, EIO);
  ENDS(wf_file_read, &j, EIO);
  CHECK(j.fd == -1);
  wf_file_clean(&j);
  j = job_on(in_folder("f"), NULL);
  ONCE(fstat, 1, EIO);
  ENDS(wf_file_read, &j, EIO);
  CHECK(j.fd == -1);
  j = job_on(in_folder("f"), NULL);
  memory_ends_at(1);
  ENDS(wf_file_read, &j, ENOMEM);
  memory_ends_at(0);
  CHECK(j.fd == -1 && j.data == NULL);
  j = job_on(in_folder("f"), NULL);
  j.stop = true;
  ENDS(wf_file_read, &j, ECANCELED);
  CHECK(j.fd == -1);
  wf_file_clean(&j);
  j = job_on(in_folder("f"), NULL);
  j.most = 3;
  ENDS(wf_file_read, &j, EFBIG);
  wf_file_clean(&j);
  /* What has no size grows into its room. */
  j = job_on("/dev/zero", NULL);
  memory_ends_at(2);
  ENDS(wf_file_read, &j, ENOMEM);
  memory_ends_at(0);
  wf_file_clean(&j);
  j = job_on("/dev/zero", NULL);
  j.most = 300000;
  ENDS(wf_file_read, &j, EFBIG);
  CHECK(j.size > j.most);
  wf_file_clean(&j);
  j = job_on("/dev/zero", NULL);
  ONCE(read, 2, EIO);
  ENDS(wf_file_read, &j, EIO);
  wf_file_clean(&j);
}

/* Somebody has a lease on it, and gives it up. */
static void opens_what_is_leased(void) {
  put_file("f", "text");
  wf_file_job j = job_on(in_folder("f"), NULL);
  ONCE(openat, 1, EAGAIN);
  ENDS(wf_file_read, &j, 0);
  CHECK(data_is(&j, "text"));
  wf_file_clean(&j);
  j = job_on(in_folder("f"), NULL);
  ALWAYS(openat, EAGAIN);
  ENDS(wf_file_open, &j, EAGAIN);
  ONCE(openat, 1, EINTR);
  ENDS(wf_file_open, &j, 0);
  CHECK(j.fd >= 0 && !j.special);
  wf_file_clean(&j);
}

/* What has no contents to be had at once is open, and left to who asked. */
static void pipes_terminals_and_sockets_are_special(void) {
  CHECK(mkfifo(in_folder("p"), 0600) == 0);
  wf_file_job j = job_on(in_folder("p"), NULL);
  ENDS(wf_file_read, &j, 0);
  CHECK(j.special && j.fd >= 0);
  wf_file_clean(&j);
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0) {
    j = job_on(ptsname(terminal), NULL);
    ENDS(wf_file_read, &j, 0);
    CHECK(j.special && j.fd >= 0);
    wf_file_clean(&j);
  }
  close(terminal);
  int two[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, two) == 0);
  j = job_on(NULL, NULL);
  j.fd = two[0];
  j.given = true;
  ENDS(wf_file_read, &j, 0);
  CHECK(j.special);
  wf_file_clean(&j);
  CHECK(fcntl(two[0], F_GETFD) >= 0); /* it was given */
  close(two[0]);
  close(two[1]);
  /* Written to as they are, by who asked; no copy is made of them or into them. */
  int reader = open(in_folder("p"), O_RDONLY | O_NONBLOCK);
  for (int i = 0; i < 2; i++) {
    j = writing("p", "text");
    ENDS(i ? wf_file_append : wf_file_replace, &j, 0);
    CHECK(j.special && j.fd >= 0 && j.temp == NULL);
    wf_file_clean(&j);
  }
  put_file("f", "text");
  j = job_on(in_folder("p"), in_folder("g"));
  ENDS(wf_file_copy, &j, ESPIPE);
  wf_file_clean(&j);
  j = job_on(in_folder("f"), in_folder("p"));
  ENDS(wf_file_copy, &j, ESPIPE);
  wf_file_clean(&j);
  close(reader);
  CHECK(things_in_folder() == 2);
  j = writing("p", "text");
  ENDS(wf_file_replace, &j, ENXIO); /* nobody reads */
  wf_file_clean(&j);
  empty_folder();
}

static void reads_from_a_given_file(void) {
  put_file("f", "text");
  wf_file_job j = job_on(NULL, NULL);
  j.fd = open(in_folder("f"), O_RDONLY);
  j.given = true;
  int fd = j.fd;
  ENDS(wf_file_read, &j, 0);
  CHECK(data_is(&j, "text") && j.fd == -1 && fcntl(fd, F_GETFD) >= 0);
  wf_file_clean(&j);
  j.fd = fd;
  j.offset = 1;
  j.most = 10;
  ONCE(pread, 1, EIO);
  ENDS(wf_file_pread, &j, EIO);
  j.err = 0;
  ONCE(pread, 2, EIO); /* what there is comes first */
  ENDS(wf_file_pread, &j, 0);
  CHECK(data_is(&j, "ext"));
  j.stop = true;
  ENDS(wf_file_pread, &j, ECANCELED);
  j.stop = false;
  j.err = 0;
  memory_ends_at(1);
  ENDS(wf_file_pread, &j, ENOMEM);
  memory_ends_at(0);
  j.err = 0;
  j.fd = fd;
  ONCE(fstat, 1, EIO);
  ENDS(wf_file_fstat, &j, EIO);
  wf_file_close(&j);
  CHECK(fcntl(fd, F_GETFD) == -1);
  wf_file_clean(&j);
}

/* A number that programs take for a standard stream is no file's. */
static void not_as_a_standard_stream(void) {
  put_file("f", "text");
  close(0);
  wf_file_job j = job_on(in_folder("f"), NULL);
  ENDS(wf_file_open, &j, 0);
  CHECK(j.fd > 2 && fcntl(0, F_GETFD) == -1);
  wf_file_clean(&j);
  j = job_on(in_folder("f"), NULL);
  ONCE(fcntl, 1, EMFILE);
  ENDS(wf_file_open, &j, EMFILE);
  CHECK(j.fd == -1 && fcntl(0, F_GETFD) == -1);
}

/* ---- writing ---- */

/* The at-th call says so: the file is what it was, nothing is beside it; then it can be written. */
static void stays(int which, long at, int said, int error, bool exclusive) {
  if (!exclusive) put_file("f", "old");
  wf_file_job j = writing("f", "new");
  j.sync = true;
  j.exclusive = exclusive;
  refuse_as(which, REFUSED_ANY, at, 1, said);
  ENDS(wf_file_replace, &j, error);
  CHECK(file_has("f", exclusive ? NULL : "old") && things_in_folder() == !exclusive);
  wf_file_clean(&j);
  j = writing("f", "new");
  j.exclusive = exclusive;
  ENDS(wf_file_replace, &j, 0);
  CHECK(file_has("f", "new") && things_in_folder() == 1);
  wf_file_clean(&j);
  empty_folder();
}

/* It says so, and that is nothing. */
static void goes(int which, int said) {
  put_file("f", "old");
  wf_file_job j = writing("f", "new");
  j.sync = true;
  refuse_as(which, REFUSED_ANY, 1, 1, said);
  ENDS(wf_file_replace, &j, 0);
  CHECK(file_has("f", "new") && things_in_folder() == 1);
  wf_file_clean(&j);
  empty_folder();
}

static void replaces(void) {
  for (int exclusive = 0; exclusive < 2; exclusive++) {
    stays(REFUSED_openat, 1, EACCES, EACCES, exclusive);
    stays(REFUSED_write, 1, ENOSPC, ENOSPC, exclusive);
    stays(REFUSED_fsync, 1, EIO, EIO, exclusive);
    stays(REFUSED_close, 1, EDQUOT, EDQUOT, exclusive);
    stays(exclusive ? REFUSED_link : REFUSED_rename, 1, EIO, EIO, exclusive);
  }
  stays(REFUSED_link, 1, EEXIST, EEXIST, true); /* somebody else was first */
  stays(REFUSED_fchmod, 1, EPERM, EPERM, false);
  stays(REFUSED_faccessat, 1, EACCES, EACCES, false);
  goes(REFUSED_write, EINTR);
  goes(REFUSED_openat, EEXIST);
  goes(REFUSED_openat, EINTR);
  goes(REFUSED_fsync, EINTR);
  goes(REFUSED_fsync, EINVAL); /* nothing to be synchronised */
  goes(REFUSED_fsync, EROFS);
  goes(REFUSED_fsync, ENOTSUP);
  goes(REFUSED_close, EINTR); /* it is closed */
  goes(REFUSED_close, EINPROGRESS);
  goes(REFUSED_rename, EINTR);
  wf_file_job j = writing("f", "new");
  ALWAYS(openat, EEXIST); /* a name that is free is not looked for for ever */
  ENDS(wf_file_replace, &j, EEXIST);
  CHECK(refused_calls[REFUSED_openat] == 100);
  refuse(-1, 0);
  refuse_by_answer(REFUSED_write, REFUSED_ANY, 1, 1, 0);
  j.err = 0;
  ENDS(wf_file_replace, &j, EIO);
  j.err = 0;
  j.size = 0; /* nothing to write, so it is seen at the end */
  j.stop = true;
  ENDS(wf_file_replace, &j, ECANCELED);
  CHECK(things_in_folder() == 0);
  wf_file_clean(&j);
}

static void replaces_without_memory(void) {
  CHECK(symlink("f", in_folder("l")) == 0);
  put_file("f", "old");
  for (int link = 0; link < 2; link++) {
    int refused = 0;
    for (long n = 1;; n++) {
      wf_file_job j = writing(link ? "l" : "f", "new");
      j.sync = true;
      memory_ends_at(n);
      wf_file_replace(&j);
      bool out = heap_heal(&memory);
      wf_file_clean(&j);
      if (!out) break;
      CHECK(j.err == ENOMEM || j.err == 0); /* that a folder is not synchronised is no failure */
      refused += j.err == ENOMEM;
      CHECK(file_has("f", j.err == 0 ? "new" : "old") && things_in_folder() == 2);
      put_file("f", "old");
    }
    CHECK(refused >= 2);
    CHECK(file_has("f", "new"));
    put_file("f", "old");
  }
  wf_file_job j = writing("l", "new");
  ONCE(realpath, 1, EIO);
  ENDS(wf_file_replace, &j, EIO);
  wf_file_clean(&j);
  empty_folder();
}

/* By a path without a folder in it the folder that is synchronised is the current one. */
static void replaces_here(void) {
  CHECK(chdir(folder) == 0);
  wf_file_job j = writing("", "new");
  j.path = "f";
  j.sync = true;
  ENDS(wf_file_replace, &j, 0);
  CHECK(file_has("f", "new") && things_in_folder() == 1 && refused_calls[REFUSED_fsync] > 0);
  wf_file_clean(&j);
  CHECK(chdir("/") == 0);
  empty_folder();
}

static void keeps_the_owner_if_it_may(void) {
  if (geteuid() != 0) return;
  struct stat st;
  for (int may = 0; may < 2; may++) {
    put_file("f", "old");
    CHECK(chown(in_folder("f"), may ? 12345 : 0, 54321) == 0);
    wf_file_job j = writing("f", "new");
    refuse(-1, 0);
    if (!may) ONCE(fchown, 1, EPERM);
    ENDS(wf_file_replace, &j, 0);
    CHECK(stat(in_folder("f"), &st) == 0 && st.st_uid == (may ? 12345 : geteuid()) && st.st_gid == (may ? 54321 : getegid()));
    wf_file_clean(&j);
    empty_folder();
  }
}

static void appends(void) {
  put_file("f", "old");
  wf_file_job j = writing("f", "new");
  ONCE(write, 1, ENOSPC);
  ENDS(wf_file_append, &j, ENOSPC);
  CHECK(j.fd == -1 && file_has("f", "old"));
  j.err = 0;
  j.sync = true;
  ONCE(fsync, 1, EIO);
  ENDS(wf_file_append, &j, EIO);
  CHECK(j.fd == -1 && file_has("f", "oldnew"));
  wf_file_clean(&j);
  empty_folder();
}

/* ---- copies ---- */

static wf_file_job copying(void) { return job_on(in_folder("f"), in_folder("g")); }

static void copies(void) {
  static const int final[] = {ENOSPC, EDQUOT, EIO, EFBIG};
  put_file("f", "text");
  for (size_t i = 0; i < sizeof final / sizeof *final; i++) {
    wf_file_job j = copying();
    ONCE(copy_file_range, 1, final[i]);
    ENDS(wf_file_copy, &j, final[i]);
    CHECK(things_in_folder() == 1);
    wf_file_clean(&j);
  }
  /* Where the kernel does not copy, through memory. */
  static const struct {
    int which, error;
  } steps[] = {{-1, 0}, {REFUSED_read, EIO}, {REFUSED_write, ENOSPC}, {REFUSED_read, EINTR}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    bool well = steps[i].which < 0 || steps[i].error == EINTR;
    wf_file_job j = copying();
    ALWAYS(copy_file_range, i % 2 ? EXDEV : ENOSYS);
    if (steps[i].which >= 0) refuse_also(steps[i].which, REFUSED_ANY, 1, 1, steps[i].error);
    ENDS(wf_file_copy, &j, well ? 0 : steps[i].error);
    CHECK(file_has("g", well ? "text" : NULL) && things_in_folder() == (well ? 2 : 1));
    wf_file_clean(&j);
    unlink(in_folder("g"));
  }
  wf_file_job j = copying();
  ONCE(copy_file_range, 1, EINTR);
  ENDS(wf_file_copy, &j, 0);
  CHECK(file_has("g", "text"));
  wf_file_clean(&j);
  for (long n = 1; n <= 3; n++) {
    put_file("g", "old");
    j = copying();
    ALWAYS(copy_file_range, ENOSYS);
    memory_ends_at(n); /* for the target, the new file's name, the bytes */
    ENDS(wf_file_copy, &j, ENOMEM);
    memory_ends_at(0);
    CHECK(file_has("g", "old") && things_in_folder() == 2);
    wf_file_clean(&j);
  }
  j = copying();
  j.stop = true;
  ENDS(wf_file_copy, &j, ECANCELED);
  CHECK(file_has("g", "old") && things_in_folder() == 2);
  wf_file_clean(&j);
  empty_folder();
}

static void cuts_and_makes(void) {
  put_file("f", "text");
  wf_file_job j = job_on(in_folder("f"), NULL);
  j.offset = 3;
  ONCE(truncate, 1, EINTR);
  ENDS(wf_file_truncate, &j, 0);
  CHECK(file_has("f", "tex"));
  ONCE(truncate, 1, EIO);
  ENDS(wf_file_truncate, &j, EIO);
  j.fd = open(in_folder("f"), O_RDWR);
  j.offset = 1;
  j.err = 0;
  ONCE(ftruncate, 1, EINTR);
  ENDS(wf_file_truncate, &j, 0);
  CHECK(file_has("f", "t"));
  wf_file_clean(&j);
  j = job_on(in_folder(""), "t");
  ONCE(fstat, 1, EIO);
  ENDS(wf_file_temp, &j, EIO);
  CHECK(j.fd >= 0 && things_in_folder() == 2);
  wf_file_clean(&j);
  CHECK(things_in_folder() == 1);
  empty_folder();
}

static int first_free(void) {
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  return fd;
}

int main(void) {
  CHECK(temporary_folder(folder, sizeof folder));
  wf_alloc_set(heap_plain, &memory);
  int fd = first_free();
  reads();
  opens_what_is_leased();
  pipes_terminals_and_sockets_are_special();
  reads_from_a_given_file();
  in_a_child(not_as_a_standard_stream);
  empty_folder();
  replaces();
  replaces_without_memory();
  replaces_here();
  keeps_the_owner_if_it_may();
  appends();
  copies();
  cuts_and_makes();
  CHECK(first_free() == fd);
  CHECK(rmdir(folder) == 0);
  return failures != 0;
}

#else
int main(void) {
  printf("no calls can be refused here\n");
  return 0;
}
#endif
