/** The checks of a server: the account, the machine, the snapshot. */
#ifndef STANDIN_REMOTE_H
#define STANDIN_REMOTE_H

#include "call.h"

/** Whether the parameters mean local disks: there are none, or they have neither a server nor a machine. */
bool is_local(const VixDiskLibConnectParams *params);
/**
 * Reports parameters that would crash the real library; writes the arguments to the trace, never the
 * password.
 */
void check_params(Call *call, const VixDiskLibConnectParams *params);
/** Returns 14008 for another name, 18000 for another port. */
VixError check_server(const VixDiskLibConnectParams *params, const Server **server);
VixError check_login(const VixDiskLibConnectParams *params, const Server *server);
/** Returns 4000 if there is no such machine. */
VixError check_vm(const VixDiskLibConnectParams *params, const Server *server, const Vm **vm);
/** Returns 13003 for another snapshot; NULL and "" mean no snapshot. */
VixError check_snapshot(const Vm *vm, const char *snapshot);
/** Returns 1 for another thumbprint; a server without one accepts any. */
VixError check_thumbprint(const char *thumbprint, const Server *server);

#endif
