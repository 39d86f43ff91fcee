/** Sectors from and to a file. */
#ifndef STANDIN_TRANSFER_H
#define STANDIN_TRANSFER_H

#include "call.h"

/** Refuses what no disk could do, and what this one may not. */
VixError check_transfer(Call *call, VixDiskLibHandle handle, const void *buffer, bool writes);
VixError read_sectors(const Backing *backing, uint64_t start, uint64_t sectors, uint8_t *buffer);
VixError write_sectors(const Backing *backing, uint64_t start, uint64_t sectors, const uint8_t *buffer);

#endif
