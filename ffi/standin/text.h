/** Text: copies, numbers, lists, and one line of JSON that cannot overflow. */
#ifndef STANDIN_TEXT_H
#define STANDIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** As `calloc`, but memory that is not there ends the process: a test on such a machine says nothing. */
void *zeroed(size_t bytes);
/** As `realloc`, with the same end. */
void *resized(void *memory, size_t bytes);
/** A copy, NULL of NULL. */
char *copy_text(const char *text);
/** What `printf` would print, in new memory. */
char *format_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** NULL equals only NULL. */
bool same_text(const char *a, const char *b);
bool is_empty(const char *text);
/** Decimal or, with `0x`, hexadecimal; false for anything else, also around it. */
bool parse_number(const char *text, uint64_t *number);
/** Whether `word` of `len` bytes is one of the parts of `list` between `separator`s. */
bool list_has(const char *list, char separator, const char *word, size_t len);
/** The whole file with a NUL behind it, NULL with `errno` if it cannot be read or has more than `max_bytes`. */
char *read_text_file(const char *path, size_t max_bytes);
/** 0, or -1 with `errno`. */
int write_text_file(const char *path, const char *text);

/** A text that grows. */
typedef struct {
  char *text;
  size_t used;
  size_t room;
} Growing;
void grow_by(Growing *growing, const char *text, size_t len);
void grow_format(Growing *growing, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** One line of JSON. A field that does not fit is left out, a long text is cut: the line stays valid. */
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
