#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "place.h"

static char folder[PATH_MAX];
static size_t folder_length;

void place_watch(const char *path) {
  snprintf(folder, sizeof folder, "%s", path);
  folder_length = strlen(folder);
}

static void locate(Place *place, const char *path) {
  place->watched = folder_length > 0 && strncmp(path, folder, folder_length) == 0 &&
                   (path[folder_length] == '\0' || path[folder_length] == '/');
  if (!place->watched) return;
  const char *rest = path + folder_length;
  while (*rest == '/') rest++;
  snprintf(place->path, sizeof place->path, "%s", *rest == '\0' ? "." : rest);
}

/* The system knows the name of every descriptor, however it was made. Returns whether there is one. */
static bool name_of_fd(int fd, char name[PATH_MAX]) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, PATH_MAX - 1);
  if (length < 0) return false;
  name[length] = '\0';
  return true;
}

void place_of_fd(Place *place, int fd) {
  char name[PATH_MAX];
  place->watched = false;
  place->from[0] = '\0';
  if (folder_length > 0 && name_of_fd(fd, name)) locate(place, name);
}

/* `base`/`path`; too long a path is none of the watched folder. */
static void locate_below(Place *place, const char *base, const char *path) {
  char whole[PATH_MAX];
  int length = snprintf(whole, sizeof whole, *path == '\0' ? "%s%s" : "%s/%s", base, path);
  if (length > 0 && (size_t)length < sizeof whole) locate(place, whole);
}

void place_of_path(Place *place, int dirfd, const char *path) {
  char base[PATH_MAX];
  int fd, used = 0;
  place->watched = false;
  place->from[0] = '\0';
  if (folder_length == 0 || path == NULL) return;
  /* A file in a folder that is known by its descriptor alone may be named like this. */
  if (sscanf(path, "/proc/self/fd/%d%n", &fd, &used) == 1 && (path[used] == '/' || path[used] == '\0')) {
    if (name_of_fd(fd, base)) locate_below(place, base, path[used] == '/' ? path + used + 1 : "");
  } else if (path[0] == '/') {
    locate(place, path);
  } else if (dirfd == AT_FDCWD ? getcwd(base, sizeof base) != NULL : name_of_fd(dirfd, base)) {
    locate_below(place, base, path);
  }
}
