/** Requests that complete later. */
#ifndef STANDIN_ASYNC_H
#define STANDIN_ASYNC_H

#include <stdbool.h>

#include "vix_disk_lib.h"

/** Waits until all requests of the handle are completed. */
void async_drain(VixDiskLibHandle handle);
/** Whether the calling thread is the one that runs completions. */
bool async_is_worker(void);
/** Completes all requests and ends the thread. */
void async_stop(void);

#endif
