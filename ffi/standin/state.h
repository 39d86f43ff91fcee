/** Counters that several processes share: lines `name=number` in the file of `standin.state`. */
#ifndef STANDIN_STATE_H
#define STANDIN_STATE_H

#include <stdint.h>

/** Adds to a counter, which never goes below 0, and returns its former value; 0 without a file. */
uint64_t state_add(const char *file, const char *name, int64_t change);

#endif
