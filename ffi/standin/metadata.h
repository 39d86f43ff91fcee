/** The disk data base: keys and values, without the `ddb.` in front of each key in descriptors. */
#ifndef STANDIN_METADATA_H
#define STANDIN_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  char **keys;
  char **values;
  size_t count;
} Metadata;

/** Returns NULL if the key is missing. Keys are compared without regard to case. */
const char *metadata_get(const Metadata *metadata, const char *key);
void metadata_set(Metadata *metadata, const char *key, const char *value);
uint64_t metadata_number(const Metadata *metadata, const char *key);
void metadata_free(Metadata *metadata);
/** Reads `key=value` lines. The key ends at the first `=`. */
void metadata_parse(Metadata *metadata, const char *text);
/** Returns the lines that `metadata_parse` reads; free it. */
char *metadata_format(const Metadata *metadata);
/** Adds the keys that every disk has: adapter, geometry, hardware version, uuid. Existing keys stay. */
void metadata_defaults(Metadata *metadata, const char *name, uint64_t capacity, int adapter, unsigned hw_version);
/** Replaces the geometry by that of a capacity. */
void metadata_set_geometry(Metadata *metadata, uint64_t capacity);
/** Returns 1 to 3, or 256 for any other adapter. */
int metadata_adapter(const Metadata *metadata);

#endif
