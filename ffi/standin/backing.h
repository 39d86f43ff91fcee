/** Where a disk's bytes and metadata really are: a raw file, or a descriptor and its flat extent. */
#ifndef STANDIN_BACKING_H
#define STANDIN_BACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "metadata.h"
#include "vix_disk_lib.h"
#include "world.h"

typedef struct {
  int fd;
  /** Where the disk begins in the file. */
  uint64_t offset_bytes;
  uint64_t capacity;
  /** NULL for a local disk. */
  const Disk *disk;
  /** The file with the disk's bytes. */
  char *file;
  /** Where metadata go: NULL for nowhere, and whether that is a descriptor or a list. */
  char *metadata_file;
  bool metadata_in_descriptor;
  Metadata metadata;
} Backing;

/** The code for `errno`. */
VixError error_of_errno(int number);
/** Opens a raw image, or a descriptor with one flat extent. Locks the file: shared for reading, alone for writing. */
VixError backing_open_local(Backing *backing, const char *path, bool writable);
/** Opens what the world's disk consists of. */
VixError backing_open_disk(Backing *backing, const Disk *disk, bool writable);
void backing_close(Backing *backing);
VixError backing_save_metadata(Backing *backing);

#endif
