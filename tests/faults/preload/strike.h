/* What every interposed call does before and behind the call itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kinds.h"
#include "place.h"

/* The interposed functions are all that this library exports. */
#define EXPORT __attribute__((visibility("default")))

/* What is to become of a call. */
typedef struct {
  /* Not 0: the call is not made, and fails with this. */
  int error;
  /* Bytes to ask for, at most as many as the caller did. */
  size_t count;
  bool dies_after;
} Strike;

/* Counts the call, writes it to the log, and decides; does not return if the process is to die now. */
Strike strike_place(Kind kind, const Place *place, size_t count);
Strike strike_fd(Kind kind, int fd, size_t count);
Strike strike_path(Kind kind, int dirfd, const char *path);

/* Sets errno and returns -1, the result of a call that fails. */
int strike_fail(const Strike *strike);

/* Behind the call: its result, unless the process is to die. errno stays. */
ssize_t strike_end(const Strike *strike, ssize_t result);

/* The body of an interposed function: `call` is the real one, which may use strike.count. */
#define STRUCK(made, call)                                                                                     \
  Strike strike = made;                                                                                        \
  if (strike.error != 0) return strike_fail(&strike);                                                          \
  return (__typeof__(call))strike_end(&strike, call)
