/** The trace: one JSON line for each call and event. Several processes may write to one file. */
#ifndef STANDIN_TRACE_H
#define STANDIN_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/** Returns the nanoseconds of a clock that never goes back. */
uint64_t now_ns(void);
/** Returns the number of the calling thread in the system. */
uint32_t this_thread(void);

/** Whether lines are needed. Before the first InitEx they are kept, because the file is not known yet. */
bool trace_wanted(void);
/** Sends lines to `path` (NULL: nowhere). Returns false if the file cannot be opened. */
bool trace_open(const char *path);
/** Begins a line with sequence number, time, process and thread. */
void trace_head(Line *line);
/** Ends `line` and writes it. */
void trace_write(Line *line);

#endif
