/* Which calls concern the folder that is watched. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* A file below the watched folder: its path from there, "." for the folder itself. */
typedef struct {
  bool watched;
  char path[PATH_MAX];
  /* The old name, where a call gives a file a new one; empty for all others. */
  char from[PATH_MAX];
} Place;

/* Begins to watch `folder`, an absolute path without symbolic links. */
void place_watch(const char *folder);

/* What the descriptor is open on, by the name that it has now. */
void place_of_fd(Place *place, int fd);

/* What the arguments of a call such as openat name; symbolic links are not followed. */
void place_of_path(Place *place, int dirfd, const char *path);
