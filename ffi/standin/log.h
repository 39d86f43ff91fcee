/** What the library tells: the caller's three functions, and a thread of its own that calls them, too. */
#ifndef STANDIN_LOG_H
#define STANDIN_LOG_H

#include <stdbool.h>

#include "vix_disk_lib.h"

/** NULL for each means silence. After Exit nothing may be called any more. */
void log_to(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic);
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Lines with every conversion that a caller has to understand. */
void log_formats(const char *who);

/** Starts the thread; it logs on its own, and InitEx does not wait for it. */
void log_thread_start(void);
/** Ends the thread and waits for it, also for what it is logging. */
void log_thread_stop(void);

#endif
