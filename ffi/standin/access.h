/** PrepareForAccess and EndAccess, which keep vCenter from moving a virtual machine. */
#ifndef STANDIN_ACCESS_H
#define STANDIN_ACCESS_H

#include "call.h"

/** Called by Exit: reports machines that were prepared and not ended. */
void access_report(Call *call);

#endif
