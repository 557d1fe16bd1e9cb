/* file_name_refused_test.c: names and folders when the kernel says no (sys/file_name.c, sys/file_dir.c): calls are begun again
 * after EINTR, errors come back as they are, what is replaced or removed by others meanwhile is looked at again, and what cannot
 * be done leaves things as they were. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>

#define REFUSED_OWN(X) X(unlink, MINUS_ONE, EPERM)
#include "file_job.h"
#include "refusal.h"

#if REFUSALS

#define ONCE(name, at, error) refuse_as(REFUSED_##name, REFUSED_ANY, at, 1, error)

static void calls_go_on_after_signals(void) {
  static void (*const run[])(wf_file_job *) = {wf_file_stat, wf_file_lstat, wf_file_access, wf_file_chmod, wf_file_chown,
                                               wf_file_utime, wf_file_link, wf_file_symlink, wf_file_mkdir};
  for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
    for (int error = 0; error <= EIO; error += EIO) {
      put_file("f", "x");
      wf_inject_order(WF_CALL_LINK, 0, 1, error != 0 ? error : EINTR, 0);
      wf_file_job j = job_on(in_folder(run[i] == wf_file_mkdir ? "d" : "f"), in_folder("g"));
      j.uid = getuid();
      j.gid = getgid();
      ENDS(run[i], &j, error);
      CHECK(wf_inject_count(WF_CALL_LINK) == (error != 0 ? 1 : 2));
      empty_folder();
    }
  }
  put_file("f", "x");
  wf_inject_order(WF_CALL_RENAME, 0, 1, EINTR, 0);
  wf_file_job j = job_on(in_folder("f"), in_folder("g"));
  ENDS(wf_file_rename, &j, 0);
  CHECK(file_has("f", NULL) && file_has("g", "x"));
  wf_inject_order(WF_CALL_LINK, 0, 1, EINTR, 0);
  j = job_on(folder, "t");
  ENDS(wf_file_tempdir, &j, 0);
  CHECK(things_in_folder() == 2);
  wf_file_clean(&j);
  CHECK(things_in_folder() == 1);
  empty_folder();
}

/* Where there is no renameat2 a name is not taken from anybody either. */
static void renames_to_a_new_name_in_steps(void) {
  static const char *const name[2] = {"f", "d"}, *const full[2] = {"f2", "d2"};
  static const int unknown[] = {EINVAL, ENOSYS};
  for (int i = 0; i < 2; i++) {
    for (int folder_too = 0; folder_too < 2; folder_too++) {
      put_file("f", "x");
      put_file("f2", "y");
      CHECK(mkdir(in_folder("d"), 0700) == 0 && mkdir(in_folder("d2"), 0700) == 0);
      put_file("d/in", "z");
      const char *from = name[folder_too];
      wf_file_job j = job_on(in_folder(from), in_folder(full[folder_too]));
      j.exclusive = true;
      ONCE(renameat2, 1, unknown[i]);
      ENDS(wf_file_rename, &j, EEXIST);
      j.path2 = in_folder("new");
      ONCE(renameat2, 1, EIO);
      ENDS(wf_file_rename, &j, EIO);
      CHECK(things_in_folder() == 4 && file_has("f", "x") && file_has("f2", "y") && file_has("d/in", "z"));
      ONCE(renameat2, 1, unknown[i]);
      ENDS(wf_file_rename, &j, 0);
      CHECK(things_in_folder() == 4 && access(in_folder(from), F_OK) != 0);
      CHECK(file_has(folder_too ? "new/in" : "new", folder_too ? "z" : "x"));
      ONCE(renameat2, 1, unknown[i]);
      ENDS(wf_file_rename, &j, ENOENT); /* it is gone */
      empty_folder();
    }
  }
}

/* The second step fails: nothing is left of the first. */
static void renames_in_steps_that_fail_leave_nothing(void) {
  CHECK(mkdir(in_folder("d"), 0700) == 0);
  put_file("f", "x");
  wf_file_job j = job_on(in_folder("d"), in_folder("d/in"));
  j.exclusive = true;
  ONCE(renameat2, 1, ENOSYS);
  ENDS(wf_file_rename, &j, EINVAL); /* into itself */
  CHECK(access(in_folder("d/in"), F_OK) != 0);
  for (int folder_too = 0; folder_too < 2; folder_too++) {
    ONCE(renameat2, 1, ENOSYS);
    refuse_also(folder_too ? REFUSED_rename : REFUSED_unlink, REFUSED_ANY, 1, 1, EPERM);
    j.path = in_folder(folder_too ? "d" : "f");
    j.path2 = in_folder("new");
    ENDS(wf_file_rename, &j, EPERM);
    CHECK(things_in_folder() == 2 && file_has("f", "x"));
  }
  empty_folder();
}

static void folders_with_their_parents(void) {
  wf_file_job j = job_on(in_folder("a/b/c"), NULL);
  j.mode = 0755;
  ENDS(wf_file_mkdir, &j, ENOENT); /* not asked for */
  j.flags = 1;
  memory_ends_at(1);
  ENDS(wf_file_mkdir, &j, ENOMEM);
  memory_ends_at(0);
  CHECK(things_in_folder() == 0);
  wf_inject_order(WF_CALL_LINK, 1, 1, EINTR, 0);
  ENDS(wf_file_mkdir, &j, 0);
  ENDS(wf_file_mkdir, &j, 0); /* it is there */
  j.path = in_folder("a/b/c/d//");
  ENDS(wf_file_mkdir, &j, 0);
  /* Above what is to be made there may be what is not ours: that it is there is enough. */
  static const int denied[] = {EACCES, EROFS};
  for (int i = 0; i < 2; i++) {
    j.path = in_folder(i ? "a/x/y" : "a/y/z");
    ONCE(mkdir, 2, denied[i]);
    ENDS(wf_file_mkdir, &j, 0);
    j.path = in_folder(i ? "a/v/y" : "a/w/z");
    refuse_as(REFUSED_mkdir, REFUSED_ANY, 2, 1000, denied[i]); /* and the rest cannot be made */
    ENDS(wf_file_mkdir, &j, denied[i]);
    refuse(-1, 0);
    CHECK(access(in_folder(i ? "a/x/y" : "a/y/z"), F_OK) == 0 && access(in_folder(i ? "a/v" : "a/w"), F_OK) != 0);
  }
  put_file("f", "x");
  j.path = in_folder("f/g");
  ENDS(wf_file_mkdir, &j, ENOTDIR);
  j.path = in_folder("f");
  ENDS(wf_file_mkdir, &j, EEXIST);
  j.path = in_folder("n/g");
  ONCE(mkdir, 2, EEXIST); /* the folder is there; then it is a file that is in the way */
  ENDS(wf_file_mkdir, &j, 0);
  j.path = in_folder("f/h");
  ONCE(mkdir, 1, ENOENT);
  ENDS(wf_file_mkdir, &j, ENOTDIR);
  j.path = "/";
  ONCE(mkdir, 1, ENOENT);
  ENDS(wf_file_mkdir, &j, 0);
  j.path = ""; /* there is no such path, whatever is asked */
  ENDS(wf_file_mkdir, &j, ENOENT);
  empty_folder();
}

static void without_memory(void) {
  CHECK(symlink("x", in_folder("l")) == 0);
  wf_file_job j = job_on(in_folder("l"), "t");
  memory_ends_at(1);
  ENDS(wf_file_readlink, &j, ENOMEM);
  ENDS(wf_file_tempdir, &j, ENOMEM);
  j.path = folder;
  ENDS(wf_file_realpath, &j, ENOMEM);
  ENDS(wf_file_scan, &j, ENOMEM);
  memory_ends_at(0);
  j.size = 0;
  ENDS(wf_file_scan, &j, 0);
  CHECK(j.size == sizeof "ll" && strcmp(j.data, "ll") == 0);
  wf_file_clean(&j);
  empty_folder();
}

static void letters_and_types(void) {
  static const struct {
    mode_t mode;
    char letter;
    const char *type;
  } kinds[] = {{S_IFREG, 'f', "file"},   {S_IFDIR, 'd', "directory"}, {S_IFLNK, 'l', "link"},  {S_IFIFO, 'p', "pipe"},
               {S_IFSOCK, 's', "socket"}, {S_IFCHR, 'c', "char"},      {S_IFBLK, 'b', "block"}, {0, '?', "unknown"}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    CHECK(wf_file_letter(kinds[i].mode | 0644) == kinds[i].letter);
    CHECK(strcmp(wf_file_type(kinds[i].letter), kinds[i].type) == 0);
  }
}

/* What a folder says of an entry, and what it is when the folder does not say. */
static void entries_of_each_kind(void) {
  static const struct {
    unsigned char type;
    char letter;
  } kinds[] = {{DT_REG, 'f'}, {DT_DIR, 'd'}, {DT_LNK, 'l'}, {DT_FIFO, 'p'}, {DT_SOCK, 's'}, {DT_CHR, 'c'}, {DT_BLK, 'b'}};
  static struct dirent entry;
  put_file("..x", ""); /* not one of the two */
  put_file("f", "");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    wf_file_job j = job_on(folder, NULL);
    entry.d_type = kinds[i].type;
    strcpy(entry.d_name, "0");
    refuse_by_answer(REFUSED_readdir, REFUSED_ANY, 1, 1, (long)&entry);
    ENDS(wf_file_scan, &j, 0);
    CHECK(j.size == 5 + 3 + 3 && strcmp(j.data, "f..x") == 0 && j.data[5] == kinds[i].letter && strcmp(j.data + 6, "0") == 0);
    wf_file_clean(&j);
  }
  entry.d_type = DT_UNKNOWN;
  for (int there = 0; there < 2; there++) {
    wf_file_job j = job_on(folder, NULL);
    strcpy(entry.d_name, there ? "f" : "0");
    refuse_by_answer(REFUSED_readdir, REFUSED_ANY, 1, 1, (long)&entry);
    ENDS(wf_file_scan, &j, 0);
    CHECK(strcmp(j.data + 5, there ? "ff" : "?0") == 0);
    wf_file_clean(&j);
  }
  wf_file_job j = job_on(folder, NULL);
  j.stop = true;
  ENDS(wf_file_scan, &j, ECANCELED);
  wf_file_clean(&j);
  empty_folder();
}

/* ---- trees ---- */

static wf_file_job tree(void) {
  CHECK(mkdir(in_folder("t"), 0700) == 0 && mkdir(in_folder("t/a"), 0700) == 0 && mkdir(in_folder("t/a/b"), 0700) == 0);
  put_file("t/a/b/f", "x");
  wf_file_job j = job_on(in_folder("t"), NULL);
  j.flags = 1;
  return j;
}

static bool tree_is_there(void) { return access(in_folder("t"), F_OK) == 0; }

/* The at-th call says so: the tree cannot be removed; then it can. */
static void a_tree_stays(int which, long at, int said, int error) {
  wf_file_job j = tree();
  refuse_as(which, REFUSED_ANY, at, 1, said);
  ENDS(wf_file_remove, &j, error);
  CHECK(tree_is_there());
  ENDS(wf_file_remove, &j, 0);
  CHECK(!tree_is_there());
}

/* It is seen that somebody else was there, and no more. */
static void a_tree_goes(int which, long at, int said) {
  wf_file_job j = tree();
  refuse_as(which, REFUSED_ANY, at, 1, said);
  ENDS(wf_file_remove, &j, 0);
  CHECK(!tree_is_there());
}

static void trees_that_cannot_be_removed(void) {
  a_tree_stays(REFUSED_openat, 1, EMFILE, EMFILE);
  a_tree_stays(REFUSED_openat, 2, EMFILE, EMFILE);
  a_tree_stays(REFUSED_openat, 4, EACCES, EACCES); /* ".." */
  a_tree_stays(REFUSED_fstat, 1, EIO, EIO);
  a_tree_stays(REFUSED_fstat, 3, EIO, EIO);
  a_tree_stays(REFUSED_fdopendir, 1, ENOMEM, ENOMEM);
  a_tree_stays(REFUSED_readdir, 1, EIO, EIO);
  a_tree_stays(REFUSED_unlinkat, 1, EBUSY, EBUSY);
  a_tree_stays(REFUSED_unlinkat, 3, EBUSY, EBUSY); /* the file */
  a_tree_stays(REFUSED_unlinkat, 4, EBUSY, EBUSY); /* its folder, empty */
  wf_file_job j = tree();
  for (long n = 1; n <= 2; n++) {
    memory_ends_at(n);
    ENDS(wf_file_remove, &j, ENOMEM);
    memory_ends_at(0);
    CHECK(tree_is_there());
  }
  j.stop = true;
  ENDS(wf_file_remove, &j, ECANCELED);
  j.stop = false;
  wf_inject_order(WF_CALL_LINK, 1, 1, EIO, 0); /* the first is asked before there is a tree */
  ENDS(wf_file_remove, &j, EIO);
  CHECK(tree_is_there());
  int other = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a folder was moved: ".." leads somewhere else */
  refuse_by_answer(REFUSED_openat, REFUSED_ANY, 4, 1, other);
  ENDS(wf_file_remove, &j, EBUSY);
  CHECK(tree_is_there());
  wf_inject_order(WF_CALL_LINK, 0, 3, EINTR, 0);
  ENDS(wf_file_remove, &j, 0);
  CHECK(!tree_is_there());
}

static void trees_that_others_touch(void) {
  a_tree_goes(REFUSED_openat, 2, ENOENT);
  a_tree_goes(REFUSED_openat, 2, ENOTDIR);
  a_tree_goes(REFUSED_openat, 2, ELOOP);
  a_tree_goes(REFUSED_unlinkat, 1, EEXIST); /* how some say that it is not empty */
  a_tree_goes(REFUSED_unlinkat, 4, ENOTEMPTY);
  a_tree_goes(REFUSED_unlinkat, 4, ENOENT);
  a_tree_goes(REFUSED_rmdir, 1, EEXIST);
  static struct dirent gone = {.d_type = DT_REG, .d_name = "gone"};
  wf_file_job j = tree();
  refuse_by_answer(REFUSED_readdir, REFUSED_ANY, 1, 1, (long)&gone);
  ENDS(wf_file_remove, &j, 0);
  CHECK(!tree_is_there());
}

/* Nothing is open that was not. */
static int first_free(void) {
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  return fd;
}

int main(void) {
  CHECK(temporary_folder(folder, sizeof folder));
  wf_alloc_set(heap_plain, &memory);
  int fd = first_free();
  calls_go_on_after_signals();
  renames_to_a_new_name_in_steps();
  renames_in_steps_that_fail_leave_nothing();
  folders_with_their_parents();
  without_memory();
  letters_and_types();
  entries_of_each_kind();
  trees_that_cannot_be_removed();
  trees_that_others_touch();
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
