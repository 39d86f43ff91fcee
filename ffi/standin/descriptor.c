#include "descriptor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backing.h"
#include "log.h"
#include "text.h"

#define DESCRIPTOR_MAX (1 << 20)
#define FIRST_LINE "# Disk DescriptorFile"

bool is_descriptor(const char *path) {
  char start[sizeof FIRST_LINE - 1];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, start, sizeof start);
  close(fd);
  return got == (ssize_t)sizeof start && strncasecmp(start, FIRST_LINE, sizeof start) == 0;
}

/** Returns the text between the quotes at `value`, or all of it, in new memory. */
static char *unquoted(const char *value) {
  while (isspace((unsigned char)*value)) value++;
  size_t len = strcspn(value, "\r\n");
  if (*value == '"') {
    value++;
    len = strcspn(value, "\"\r\n");
  }
  while (len > 0 && isspace((unsigned char)value[len - 1])) len--;
  char *text = zeroed(len + 1);
  memcpy(text, value, len);
  return text;
}

/** Reads a line such as `RW 2048 FLAT "a-flat.vmdk" 0`. */
static bool parse_extent(const char *line, Descriptor *descriptor) {
  char access[9], type[17];
  unsigned long long sectors, offset = 0;
  int name_at = 0, end_at = 0;
  if (sscanf(line, "%8s %llu %16s \"%n", access, &sectors, type, &name_at) != 3 || name_at == 0) return false;
  const char *name = line + name_at;
  const char *end = strchr(name, '"');
  if (end == NULL) return false;
  if (sscanf(end + 1, "%llu%n", &offset, &end_at) < 1) offset = 0;
  free(descriptor->extent_name);
  free(descriptor->extent_type);
  descriptor->extent_name = zeroed((size_t)(end - name) + 1);
  memcpy(descriptor->extent_name, name, (size_t)(end - name));
  descriptor->extent_type = copy_text(type);
  descriptor->sectors = sectors;
  descriptor->offset = offset;
  return true;
}

static bool is_extent(const char *line) {
  return strncasecmp(line, "RW ", 3) == 0 || strncasecmp(line, "RDONLY ", 7) == 0 || strncasecmp(line, "NOACCESS ", 9) == 0;
}

static bool is_metadata(const char *line) {
  return strncasecmp(line, "ddb.", 4) == 0;
}

static void parse_metadata(char *line, Metadata *metadata) {
  char *value = strchr(line, '=');
  if (value == NULL) return;
  size_t len = (size_t)(value - line);
  while (len > 0 && isspace((unsigned char)line[len - 1])) len--;
  char *text = unquoted(value + 1);
  line[len] = '\0';
  metadata_set(metadata, line + 4, text);
  free(text);
}

VixError descriptor_read(const char *path, Descriptor *descriptor) {
  *descriptor = (Descriptor){0};
  char *text = read_text_file(path, DESCRIPTOR_MAX);
  if (text == NULL) return error_of_errno(errno);
  unsigned extents = 0;
  bool readable = true, has_parent = false;
  for (char *line = text, *next; line != NULL; line = next) {
    next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    line += strspn(line, " \t");
    if (is_metadata(line)) {
      parse_metadata(line, &descriptor->metadata);
    } else if (is_extent(line)) {
      extents++;
      readable = readable && parse_extent(line, descriptor);
    } else if (strncasecmp(line, "createType", 10) == 0 && strchr(line, '=') != NULL) {
      free(descriptor->create_type);
      descriptor->create_type = unquoted(strchr(line, '=') + 1);
    } else if (strncasecmp(line, "parentCID=", 10) == 0) {
      has_parent = strncasecmp(line + 10, "ffffffff", 8) != 0;
    }
  }
  free(text);
  const char *type = descriptor->extent_type;
  bool flat = type != NULL && (strcasecmp(type, "FLAT") == 0 || strcasecmp(type, "VMFS") == 0);
  if (readable && extents == 1 && flat && !has_parent) return VIX_OK;
  log_warn("Stand-in: \"%s\" is no descriptor of one flat extent without a parent\n", path);
  descriptor_free(descriptor);
  return VIX_E_NOT_SUPPORTED;
}

static void put_extent(Growing *text, const Descriptor *descriptor) {
  grow_format(text, "RW %llu %s \"%s\"", (unsigned long long)descriptor->sectors, descriptor->extent_type,
              descriptor->extent_name);
  // VMFS extents have no offset.
  if (strcasecmp(descriptor->extent_type, "FLAT") == 0) {
    grow_format(text, " %llu", (unsigned long long)descriptor->offset);
  }
  grow_by(text, "\n", 1);
}

static void put_metadata(Growing *text, const Metadata *metadata) {
  for (size_t i = 0; i < metadata->count; i++) {
    grow_format(text, "ddb.%s = \"%s\"\n", metadata->keys[i], metadata->values[i]);
  }
}

VixError descriptor_create(const char *path, const Descriptor *descriptor) {
  if (strpbrk(descriptor->extent_name, "\"\r\n") != NULL) return VIX_E_INVALID_ARG;
  Growing text = {0};
  // The content id that VMware gives to a disk that was never written.
  grow_format(&text,
              "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=fffffffe\nparentCID=ffffffff\n"
              "createType=\"%s\"\n\n# Extent description\n",
              descriptor->create_type);
  put_extent(&text, descriptor);
  grow_format(&text, "\n# The Disk Data Base\n#DDB\n\n");
  put_metadata(&text, &descriptor->metadata);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd >= 0) close(fd);
  VixError error = fd < 0 || write_text_file(path, text.text) != 0 ? error_of_errno(errno) : VIX_OK;
  free(text.text);
  return error;
}

VixError descriptor_update(const char *path, const Descriptor *descriptor) {
  if (strpbrk(descriptor->extent_name, "\"\r\n") != NULL) return VIX_E_INVALID_ARG;
  char *old = read_text_file(path, DESCRIPTOR_MAX);
  if (old == NULL) return error_of_errno(errno);
  Growing text = {0};
  bool metadata_done = false;
  for (char *line = old, *next; line != NULL && (*line != '\0' || strchr(line, '\n')); line = next) {
    next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    const char *word = line + strspn(line, " \t");
    if (is_extent(word)) {
      put_extent(&text, descriptor);
    } else if (!is_metadata(word)) {
      grow_format(&text, "%s\n", line);
    } else if (!metadata_done) {
      put_metadata(&text, &descriptor->metadata);
      metadata_done = true;
    }
    if (next != NULL && *next == '\0') next = NULL;
  }
  if (!metadata_done) put_metadata(&text, &descriptor->metadata);
  VixError error = write_text_file(path, text.text == NULL ? "" : text.text) == 0 ? VIX_OK : error_of_errno(errno);
  free(text.text);
  free(old);
  return error;
}

char *descriptor_extent_path(const char *path, const char *extent_name) {
  const char *slash = strrchr(path, '/');
  if (extent_name[0] == '/' || slash == NULL) return copy_text(extent_name);
  return format_text("%.*s/%s", (int)(slash - path), path, extent_name);
}

void descriptor_free(Descriptor *descriptor) {
  free(descriptor->create_type);
  free(descriptor->extent_type);
  free(descriptor->extent_name);
  metadata_free(&descriptor->metadata);
  *descriptor = (Descriptor){0};
}
