/** The files with the bytes and the metadata of a disk: a raw file, or a descriptor and its flat extent. */
#ifndef STANDIN_BACKING_H
#define STANDIN_BACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "metadata.h"
#include "vix_disk_lib.h"
#include "world.h"

typedef struct {
  int fd;
  /** The place in the file where the disk begins. */
  uint64_t offset_bytes;
  uint64_t capacity;
  /** NULL for a local disk. */
  const Disk *disk;
  /** The file with the bytes of the disk. */
  char *file;
  /** The file of the metadata, NULL for none, and whether it is a descriptor or a list. */
  char *metadata_file;
  bool metadata_in_descriptor;
  Metadata metadata;
} Backing;

/** Returns the code for `errno`. */
VixError error_of_errno(int number);
/**
 * Opens a raw image, or a descriptor with one flat extent. Locks the file: shared for reading, exclusively
 * for writing.
 */
VixError backing_open_local(Backing *backing, const char *path, bool writable);
/** Opens the files of a disk of the world. */
VixError backing_open_disk(Backing *backing, const Disk *disk, bool writable);
void backing_close(Backing *backing);
VixError backing_save_metadata(Backing *backing);

#endif
