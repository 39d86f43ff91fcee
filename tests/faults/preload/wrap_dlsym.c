/*
 * A program that asks the C library's handle for a function gets the C library's own, past every preloaded library.
 * So the question itself is interposed: where the answer would be a function that is interposed, it is ours.
 */

#include <dlfcn.h>

#include "real.h"
#include "strike.h"

static void *const OURS[REAL_COUNT] = {
#define ADDRESS(name) (void *)&name,
    INTERPOSED(ADDRESS)
#undef ADDRESS
};

EXPORT void *dlsym(void *restrict handle, const char *restrict name) {
  void *found = real_dlsym(handle, name);
  RealNumber number = found == NULL ? REAL_COUNT : real_named(name);
  if (number == REAL_COUNT || found != real_function(number)) return found;
  return OURS[number];
}
