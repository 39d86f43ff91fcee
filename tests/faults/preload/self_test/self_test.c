/*
 * Makes the calls that are interposed, on files of the folder that is its first argument, and says how each ended:
 * a line for each with its name, its result and its error. Its second argument picks the calls of the program or those
 * that the C library's handle gives (`program`, `handle`).
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void *libc;

/* The function as the program gets it, or as a program gets it that loads the C library itself. */
static void *found(const char *name) {
  void *address = dlsym(libc == NULL ? RTLD_DEFAULT : libc, name);
  if (address == NULL) exit(3);
  return address;
}

#define F(name) ((__typeof__(&name))found(#name))

static long said(const char *name, long result) {
  int error = errno;
  printf("%s %ld %s\n", name, result, result < 0 ? strerrorname_np(error) : "-");
  fflush(stdout);
  return result;
}

#define SAY(name, ...) said(#name, F(name)(__VA_ARGS__))

int main(int count, char **arguments) {
  char bytes[64] = "0123456789abcdef";
  struct iovec parts[] = {{bytes, 6}, {bytes + 6, 10}};
  struct stat info;
  if (count != 3 || chdir(arguments[1]) != 0) return 2;
  if (strcmp(arguments[2], "handle") == 0) libc = dlopen("libc.so.6", RTLD_NOW);
  int fd = (int)said("create", F(open)("a", O_RDWR | O_CREAT, 0600));
  int folder = (int)said("open", F(openat)(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY));
  int other = (int)said("create", F(openat)(folder, "b", O_RDWR | O_CREAT, 0640));
  SAY(write, fd, bytes, 16);
  SAY(pwrite, fd, bytes, 16, 16);
  SAY(writev, fd, parts, 2);
  SAY(pwritev, fd, parts, 2, 48);
  SAY(fsync, fd);
  SAY(fdatasync, fd);
  lseek(fd, 0, SEEK_SET);
  SAY(read, fd, bytes, 16);
  SAY(pread, fd, bytes, 16, 16);
  SAY(readv, fd, parts, 2);
  SAY(preadv, fd, parts, 2, 0);
  lseek(fd, 0, SEEK_SET);
  SAY(copy_file_range, fd, NULL, other, NULL, 16, 0);
  SAY(ftruncate, fd, 40);
  SAY(fallocate, fd, 0, 0, 8);
  SAY(flock, fd, LOCK_EX | LOCK_NB);
  SAY(fchmod, fd, 0644);
  SAY(fchown, fd, (uid_t)-1, (gid_t)-1);
  SAY(fstat, fd, &info);
  SAY(stat, "a", &info);
  SAY(link, "a", "c");
  SAY(rename, "c", "d");
  SAY(renameat, folder, "d", folder, "e");
  SAY(symlink, "a", "s");
  SAY(mkdir, "m", 0700);
  SAY(unlink, "e");
  SAY(unlinkat, folder, "s", 0);
  SAY(rmdir, "m");
  said("opendir", F(opendir)(".") == NULL ? -1 : 0);
  SAY(close, other);
  SAY(close, fd);
  return 0;
}
