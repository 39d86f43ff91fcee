/** The disk data base: keys and values, without the `ddb.` that descriptors put before each key. */
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

/** NULL if the key is missing. Keys count in any case. */
const char *metadata_get(const Metadata *metadata, const char *key);
void metadata_set(Metadata *metadata, const char *key, const char *value);
uint64_t metadata_number(const Metadata *metadata, const char *key);
void metadata_free(Metadata *metadata);
/** Reads `key=value` lines; everything up to the first `=` is the key. */
void metadata_parse(Metadata *metadata, const char *text);
/** The lines that `metadata_parse` reads; free it. */
char *metadata_format(const Metadata *metadata);
/** What every disk has: adapter, geometry, hardware version, uuid. Keys that are there stay. */
void metadata_defaults(Metadata *metadata, const char *name, uint64_t capacity, int adapter, unsigned hw_version);
/** The geometry that belongs to a capacity, in place of any other. */
void metadata_set_geometry(Metadata *metadata, uint64_t capacity);
/** 1 to 3, 256 for any other. */
int metadata_adapter(const Metadata *metadata);

#endif
