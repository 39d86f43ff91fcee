/** Requests that complete later. */
#ifndef STANDIN_ASYNC_H
#define STANDIN_ASYNC_H

#include "vix_disk_lib.h"

/** Waits until all requests of the handle are completed. */
void async_drain(VixDiskLibHandle handle);
/** Completes what is under way and ends the thread. */
void async_stop(void);

#endif
