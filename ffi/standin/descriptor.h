/** VMDK descriptors with one flat extent, the only kind of local disks here. */
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
  /** As written in the descriptor, relative to its folder. */
  char *extent_name;
  uint64_t sectors;
  uint64_t offset;
  Metadata metadata;
} Descriptor;

/** Whether the file begins like a descriptor. */
bool is_descriptor(const char *path);
VixError descriptor_read(const char *path, Descriptor *descriptor);
/** Writes a new file; fails if it exists. */
VixError descriptor_create(const char *path, const Descriptor *descriptor);
/** Replaces the extent and the metadata; every other line stays. */
VixError descriptor_update(const char *path, const Descriptor *descriptor);
/** Returns the path of the extent; free it. */
char *descriptor_extent_path(const char *path, const char *extent_name);
void descriptor_free(Descriptor *descriptor);

#endif
