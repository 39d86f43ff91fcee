/** Text: copies, numbers, lists, and a line of JSON that cannot overflow. */
#ifndef STANDIN_TEXT_H
#define STANDIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The same as `calloc`, but without memory the process ends: tests on such a machine have no meaning. */
void *zeroed(size_t bytes);
/** The same as `realloc`, with the same end. */
void *resized(void *memory, size_t bytes);
/** Returns a copy, or NULL for NULL. */
char *copy_text(const char *text);
/** Returns the text that `printf` would print, in new memory. */
char *format_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Whether two texts are equal; NULL equals only NULL. */
bool same_text(const char *a, const char *b);
bool is_empty(const char *text);
/**
 * Reads a decimal number or, with `0x`, a hexadecimal one. Returns false for anything else, and for anything
 * around it.
 */
bool parse_number(const char *text, uint64_t *number);
/** Whether `word` of `len` bytes is one of the parts of `list` between `separator`s. */
bool list_has(const char *list, char separator, const char *word, size_t len);
/**
 * Returns the whole file with a NUL behind it, or NULL with `errno` if it cannot be read or has more than
 * `max_bytes`.
 */
char *read_text_file(const char *path, size_t max_bytes);
/** Returns 0, or -1 with `errno`. */
int write_text_file(const char *path, const char *text);

/** A text that grows. */
typedef struct {
  char *text;
  size_t used;
  size_t room;
} Growing;
void grow_by(Growing *growing, const char *text, size_t len);
void grow_format(Growing *growing, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * One line of JSON. A field that does not fit is left out, and a long text is cut, so that the line stays
 * valid.
 */
typedef struct {
  size_t used;
  char text[6144];
} Line;

void line_start(Line *line);
void line_text(Line *line, const char *name, const char *value);
void line_number(Line *line, const char *name, uint64_t value);
void line_hex(Line *line, const char *name, uint64_t value);
void line_open(Line *line, const char *name);
void line_close(Line *line);
/** Closes the object and ends the line. */
void line_end(Line *line);

#endif
