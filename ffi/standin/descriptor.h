/** VMDK descriptors with one flat extent: all that local disks are here. */
#ifndef STANDIN_DESCRIPTOR_H
#define STANDIN_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "metadata.h"
#include "vix_disk_lib.h"

typedef struct {
  char *create_type;
  /** FLAT or VMFS. */
  char *extent_type;
  /** As the descriptor has it: relative to its folder. */
  char *extent_name;
  uint64_t sectors;
  uint64_t offset;
  Metadata metadata;
} Descriptor;

/** Whether the file begins as descriptors do. */
bool is_descriptor(const char *path);
VixError descriptor_read(const char *path, Descriptor *descriptor);
/** Writes a new file; fails if it exists. */
VixError descriptor_create(const char *path, const Descriptor *descriptor);
/** Replaces extent and metadata, every other line stays. */
VixError descriptor_update(const char *path, const Descriptor *descriptor);
/** Where the extent is; free it. */
char *descriptor_extent_path(const char *path, const char *extent_name);
void descriptor_free(Descriptor *descriptor);

#endif
