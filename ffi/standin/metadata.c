#include "metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static const struct {
  int number;
  const char *name;
} ADAPTERS[] = {{1, "ide"}, {2, "buslogic"}, {3, "lsilogic"}, {256, "legacyESX"}};

#define ADAPTER_COUNT (sizeof ADAPTERS / sizeof ADAPTERS[0])

static size_t find(const Metadata *metadata, const char *key) {
  size_t i = 0;
  while (i < metadata->count && strcasecmp(metadata->keys[i], key) != 0) i++;
  return i;
}

const char *metadata_get(const Metadata *metadata, const char *key) {
  size_t i = find(metadata, key);
  return i < metadata->count ? metadata->values[i] : NULL;
}

void metadata_set(Metadata *metadata, const char *key, const char *value) {
  size_t i = find(metadata, key);
  if (i < metadata->count) {
    free(metadata->values[i]);
  } else {
    metadata->keys = resized(metadata->keys, (i + 1) * sizeof(char *));
    metadata->values = resized(metadata->values, (i + 1) * sizeof(char *));
    metadata->keys[i] = copy_text(key);
    metadata->count++;
  }
  metadata->values[i] = copy_text(value);
}

uint64_t metadata_number(const Metadata *metadata, const char *key) {
  const char *text = metadata_get(metadata, key);
  uint64_t number = 0;
  return text != NULL && parse_number(text, &number) ? number : 0;
}

void metadata_free(Metadata *metadata) {
  for (size_t i = 0; i < metadata->count; i++) {
    free(metadata->keys[i]);
    free(metadata->values[i]);
  }
  free(metadata->keys);
  free(metadata->values);
  *metadata = (Metadata){0};
}

void metadata_parse(Metadata *metadata, const char *text) {
  char *copy = copy_text(text);
  for (char *line = copy, *next; line != NULL; line = next) {
    next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    char *value = strchr(line, '=');
    if (*line == '#' || value == NULL || value == line) continue;
    *value++ = '\0';
    metadata_set(metadata, line, value);
  }
  free(copy);
}

char *metadata_format(const Metadata *metadata) {
  Growing text = {0};
  grow_by(&text, "", 0);
  for (size_t i = 0; i < metadata->count; i++) grow_format(&text, "%s=%s\n", metadata->keys[i], metadata->values[i]);
  return text.text;
}

static void set_number(Metadata *metadata, const char *key, uint64_t value) {
  char digits[24];
  snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
  metadata_set(metadata, key, digits);
}

static void set_missing(Metadata *metadata, const char *key, const char *value) {
  if (metadata_get(metadata, key) == NULL) metadata_set(metadata, key, value);
}

int metadata_adapter(const Metadata *metadata) {
  const char *name = metadata_get(metadata, "adapterType");
  for (size_t i = 0; name != NULL && i < ADAPTER_COUNT; i++) {
    if (strcasecmp(ADAPTERS[i].name, name) == 0) return ADAPTERS[i].number;
  }
  return 256;
}

void metadata_set_geometry(Metadata *metadata, uint64_t capacity) {
  bool ide = metadata_adapter(metadata) == 1;
  uint64_t heads = ide ? 16 : 255;
  uint64_t cylinders = capacity / heads / 63;
  if (cylinders == 0) cylinders = 1;
  if (ide && cylinders > 16383) cylinders = 16383;
  set_number(metadata, "geometry.cylinders", cylinders);
  set_number(metadata, "geometry.heads", heads);
  set_number(metadata, "geometry.sectors", 63);
}

/** Sixteen bytes of two FNV-1a hashes: a disk has the same uuid in every run. */
static void make_uuid(char *uuid, size_t room, const char *name) {
  uint64_t hash[2] = {0xcbf29ce484222325, 0x84222325cbf29ce4};
  for (const char *at = name; *at != '\0'; at++) {
    for (int i = 0; i < 2; i++) hash[i] = (hash[i] ^ (unsigned char)*at) * 0x100000001b3;
  }
  size_t used = 0;
  for (int i = 0; i < 16; i++) {
    unsigned byte = (unsigned)(hash[i / 8] >> (i % 8 * 8) & 0xFF);
    used += (size_t)snprintf(uuid + used, room - used, "%02x%s", byte, i == 15 ? "" : i == 7 ? "-" : " ");
  }
}

void metadata_defaults(Metadata *metadata, const char *name, uint64_t capacity, int adapter, unsigned hw_version) {
  for (size_t i = 0; i < ADAPTER_COUNT; i++) {
    if (ADAPTERS[i].number == adapter || i == ADAPTER_COUNT - 1) {
      set_missing(metadata, "adapterType", ADAPTERS[i].name);
    }
  }
  if (metadata_get(metadata, "geometry.sectors") == NULL) metadata_set_geometry(metadata, capacity);
  char text[64];
  make_uuid(text, sizeof text, name);
  set_missing(metadata, "uuid", text);
  snprintf(text, sizeof text, "%u", hw_version);
  set_missing(metadata, "virtualHWVersion", text);
  set_missing(metadata, "toolsVersion", "2147483647");
}
