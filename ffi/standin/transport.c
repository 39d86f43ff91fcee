#include "transport.h"

#include <stddef.h>
#include <string.h>

#include "call.h"

static const struct {
  const char *name;
  bool remote;
  /** Whether the mode needs the plug-ins in libDir. */
  bool advanced;
} MODES[] = {{"file", false, false}, {"san", true, true}, {"hotadd", true, true}, {"nbdssl", true, false}, {"nbd", true, false}};

#define MODE_COUNT (sizeof MODES / sizeof MODES[0])

/**
 * Returns the number of the mode at the start of a list, or MODE_COUNT if it is unknown, and moves `list`
 * behind it.
 */
static size_t next_mode(const char **list) {
  size_t len = strcspn(*list, ":"), i = 0;
  while (i < MODE_COUNT && (strlen(MODES[i].name) != len || memcmp(MODES[i].name, *list, len) != 0)) i++;
  *list += len;
  if (**list == ':') ++*list;
  return i;
}

bool are_modes(const char *modes) {
  if (is_empty(modes)) return true;
  while (*modes != '\0') {
    if (next_mode(&modes) == MODE_COUNT) return false;
  }
  return true;
}

static bool is_there(size_t mode) {
  const char *name = MODES[mode].name;
  return list_has(world_transports(), ':', name, strlen(name)) && (!MODES[mode].advanced || library_has_plugins());
}

const char *choose_mode(const char *modes) {
  const char *list = is_empty(modes) ? world_transports() : modes;
  bool wants_advanced = false;
  while (*list != '\0') {
    size_t mode = next_mode(&list);
    if (mode == MODE_COUNT || !MODES[mode].remote) continue;
    if (is_there(mode)) return MODES[mode].name;
    wants_advanced = wants_advanced || MODES[mode].advanced;
  }
  // An advanced mode that is not available is not an error: NBDSSL is used without notice.
  return wants_advanced ? "nbdssl" : NULL;
}
