/** The transport modes. */
#ifndef STANDIN_TRANSPORT_H
#define STANDIN_TRANSPORT_H

#include <stdbool.h>

/** Whether all names are known; NULL is the default list. */
bool are_modes(const char *modes);
/** Returns the first of the requested modes that is available for a remote disk, or NULL if there is none. */
const char *choose_mode(const char *modes);

#endif
