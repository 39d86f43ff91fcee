/** PrepareForAccess and EndAccess: who keeps a virtual machine from being moved. */
#ifndef STANDIN_ACCESS_H
#define STANDIN_ACCESS_H

#include "call.h"

/** At Exit: complains about what was prepared and not ended. */
void access_report(Call *call);

#endif
