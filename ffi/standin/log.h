/** The library's log: the three functions of the caller, and a thread of the library that calls them, too. */
#ifndef STANDIN_LOG_H
#define STANDIN_LOG_H

#include <stdbool.h>

#include "vix_disk_lib.h"

/** NULL for a function disables it. After Exit none of them may be called any more. */
void log_to(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic);
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Logs lines with every conversion that a caller must understand. */
void log_formats(const char *who);

/** Starts the thread, which logs on its own. InitEx does not wait for its lines. */
void log_thread_start(void);
/** Ends the thread and waits for it and its lines. */
void log_thread_stop(void);

#endif
