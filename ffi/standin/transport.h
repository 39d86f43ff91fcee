/** Ways to a disk. */
#ifndef STANDIN_TRANSPORT_H
#define STANDIN_TRANSPORT_H

#include <stdbool.h>

/** Whether all names are known; NULL is the default list. */
bool are_modes(const char *modes);
/** The first of the wanted modes that is there, for a remote disk; NULL if there is none. */
const char *choose_mode(const char *modes);

#endif
