/** Transfers of sectors from and to a file. */
#ifndef STANDIN_TRANSFER_H
#define STANDIN_TRANSFER_H

#include "call.h"

/** Refuses transfers that no disk allows, and those that this disk does not allow. */
VixError check_transfer(Call *call, VixDiskLibHandle handle, const void *buffer, bool writes);
VixError read_sectors(const Backing *backing, uint64_t start, uint64_t sectors, uint8_t *buffer);
VixError write_sectors(const Backing *backing, uint64_t start, uint64_t sectors, const uint8_t *buffer);

#endif
