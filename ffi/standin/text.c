#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** The limit of one text in a trace; more of it would not help. */
#define TEXT_MAX 1024
/** The bytes that are reserved for the end of a line: closing braces and the line feed. */
#define LINE_RESERVE 8

static void *or_end(void *memory) {
  if (memory == NULL) {
    fputs("Stand-in: out of memory\n", stderr);
    abort();
  }
  return memory;
}

void *zeroed(size_t bytes) {
  return or_end(calloc(1, bytes));
}

void *resized(void *memory, size_t bytes) {
  return or_end(realloc(memory, bytes));
}

char *copy_text(const char *text) {
  return text == NULL ? NULL : or_end(strdup(text));
}

char *format_text(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = NULL;
  if (vasprintf(&text, fmt, args) < 0) text = NULL;
  va_end(args);
  return or_end(text);
}

bool same_text(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool is_empty(const char *text) {
  return text == NULL || *text == '\0';
}

bool parse_number(const char *text, uint64_t *number) {
  bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const char *digits = hex ? text + 2 : text;
  if (strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits) || *digits == '\0') return false;
  errno = 0;
  *number = strtoull(digits, NULL, hex ? 16 : 10);
  return errno == 0;
}

bool list_has(const char *list, char separator, const char *word, size_t len) {
  for (const char *at = list; at != NULL;) {
    const char *end = strchr(at, separator);
    size_t part = end == NULL ? strlen(at) : (size_t)(end - at);
    if (part == len && memcmp(at, word, len) == 0) return true;
    at = end == NULL ? NULL : end + 1;
  }
  return false;
}

char *read_text_file(const char *path, size_t max_bytes) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  char *text = zeroed(max_bytes + 2);
  size_t used = 0;
  ssize_t got;
  while (used <= max_bytes && (got = read(fd, text + used, max_bytes + 1 - used)) != 0) {
    if (got < 0) {
      int saved = errno;
      close(fd);
      free(text);
      errno = saved;
      return NULL;
    }
    used += (size_t)got;
  }
  close(fd);
  if (used > max_bytes) {
    free(text);
    errno = EFBIG;
    return NULL;
  }
  return text;
}

int write_text_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return -1;
  size_t len = strlen(text), done = 0;
  while (done < len) {
    ssize_t went = write(fd, text + done, len - done);
    if (went < 0) {
      int saved = errno;
      close(fd);
      errno = saved;
      return -1;
    }
    done += (size_t)went;
  }
  return close(fd);
}

void grow_by(Growing *growing, const char *text, size_t len) {
  if (growing->used + len + 1 > growing->room) {
    growing->room = (growing->used + len + 1) * 2;
    growing->text = resized(growing->text, growing->room);
  }
  memcpy(growing->text + growing->used, text, len);
  growing->used += len;
  growing->text[growing->used] = '\0';
}

void grow_format(Growing *growing, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = NULL;
  int len = vasprintf(&text, fmt, args);
  va_end(args);
  if (len < 0) or_end(NULL);
  grow_by(growing, text, (size_t)len);
  free(text);
}

/** Returns the length of the UTF-8 character at `text`, 0 if there is none. */
static size_t utf8_len(const unsigned char *text) {
  size_t len = text[0] < 0x80 ? 1 : text[0] < 0xC2 ? 0 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : text[0] < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < len; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and numbers above U+10FFFF are refused.
  if (len == 3 && ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F))) return 0;
  if (len == 4 && ((text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))) return 0;
  return len;
}

/**
 * Writes `value` as a JSON string. If it does not fit, returns false and leaves an undefined tail behind
 * `used`.
 */
static bool put_string(char *out, size_t room, size_t *used, const char *value) {
  size_t at = *used;
  const unsigned char *text = (const unsigned char *)value;
  if (at + 2 > room) return false;
  out[at++] = '"';
  for (size_t i = 0; text[i] != '\0';) {
    if (at + 8 > room) return false;
    if (i >= TEXT_MAX) {
      memcpy(out + at, "...", 3);
      at += 3;
      break;
    }
    size_t len = utf8_len(text + i);
    if (text[i] == '"' || text[i] == '\\') {
      out[at++] = '\\';
      out[at++] = (char)text[i++];
    } else if (text[i] < 0x20 || len == 0) {
      // A byte that is not UTF-8 is shown as the character of the same number.
      at += (size_t)snprintf(out + at, 7, "\\u%04x", text[i++]);
    } else {
      memcpy(out + at, text + i, len);
      at += len;
      i += len;
    }
  }
  if (at + 1 > room) return false;
  out[at++] = '"';
  *used = at;
  return true;
}

#define LINE_ROOM (sizeof((Line *)0)->text - LINE_RESERVE)

/** Writes `,"name":` and returns the place of the value, 0 if there is no room. */
static size_t put_name(Line *line, const char *name) {
  size_t at = line->used, len = strlen(name);
  if (at + len + 4 > LINE_ROOM) return 0;
  if (line->text[at - 1] != '{') line->text[at++] = ',';
  line->text[at++] = '"';
  memcpy(line->text + at, name, len);
  at += len;
  line->text[at++] = '"';
  line->text[at++] = ':';
  return at;
}

void line_start(Line *line) {
  line->text[0] = '{';
  line->used = 1;
}

void line_text(Line *line, const char *name, const char *value) {
  if (value == NULL) return;
  size_t at = put_name(line, name);
  if (at != 0 && put_string(line->text, LINE_ROOM, &at, value)) line->used = at;
}

static void put_number(Line *line, const char *name, const char *fmt, uint64_t value) {
  char digits[32];
  size_t len = (size_t)snprintf(digits, sizeof digits, fmt, (unsigned long long)value);
  size_t at = put_name(line, name);
  if (at == 0 || at + len > LINE_ROOM) return;
  memcpy(line->text + at, digits, len);
  line->used = at + len;
}

void line_number(Line *line, const char *name, uint64_t value) {
  put_number(line, name, "%llu", value);
}

void line_hex(Line *line, const char *name, uint64_t value) {
  // As text, because JSON has no such numbers, and those of JavaScript are exact up to 53 bits only.
  put_number(line, name, "\"0x%llx\"", value);
}

void line_open(Line *line, const char *name) {
  size_t at = put_name(line, name);
  if (at == 0) abort();  // Objects are opened at the start of a line, where there is room.
  line->text[at++] = '{';
  line->used = at;
}

void line_close(Line *line) {
  line->text[line->used++] = '}';
}

void line_end(Line *line) {
  line->text[line->used++] = '}';
  line->text[line->used++] = '\n';
}
