#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "real.h"

static const char *const NAMES[REAL_COUNT] = {
#define NAME(name) #name,
    INTERPOSED(NAME)
#undef NAME
};

static void *_Atomic addresses[REAL_COUNT];

/* dlsym is interposed, so it cannot be asked for itself. Its version depends on the age and the processor of the
   C library: since 2.34 it belongs to libc.so.6, before that to libdl.so.2. */
static const char *const VERSIONS[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.0"};

typedef void *Dlsym(void *, const char *);

void *real_dlsym(void *handle, const char *name) {
  static Dlsym *_Atomic found;
  Dlsym *function = atomic_load(&found);
  for (size_t i = 0; function == NULL && i < sizeof VERSIONS / sizeof *VERSIONS; i++) {
    function = (Dlsym *)dlvsym(RTLD_NEXT, "dlsym", VERSIONS[i]);
  }
  if (function == NULL) abort();
  atomic_store(&found, function);
  return function(handle, name);
}

void *real_function(RealNumber number) {
  void *address = atomic_load(&addresses[number]);
  if (address != NULL) return address;
  address = real_dlsym(RTLD_NEXT, NAMES[number]);
  if (address == NULL) abort();
  atomic_store(&addresses[number], address);
  return address;
}

RealNumber real_named(const char *name) {
  for (int number = 0; number < REAL_COUNT; number++) {
    if (strcmp(NAMES[number], name) == 0) return (RealNumber)number;
  }
  return REAL_COUNT;
}
