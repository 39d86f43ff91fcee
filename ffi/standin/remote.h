/** What a server checks: who comes, for which machine, at which snapshot. */
#ifndef STANDIN_REMOTE_H
#define STANDIN_REMOTE_H

#include "call.h"

/** Whether the parameters mean local disks: none, or neither a server nor a machine in them. */
bool is_local(const VixDiskLibConnectParams *params);
/** Complains about what would crash the real library; writes the arguments to the trace, never the password. */
void check_params(Call *call, const VixDiskLibConnectParams *params);
/** 14008 for another name, 18000 for another port. */
VixError check_server(const VixDiskLibConnectParams *params, const Server **server);
VixError check_login(const VixDiskLibConnectParams *params, const Server *server);
/** 4000 if there is no such machine. */
VixError check_vm(const VixDiskLibConnectParams *params, const Server *server, const Vm **vm);
/** 13003; NULL and "" mean no snapshot. */
VixError check_snapshot(const Vm *vm, const char *snapshot);
/** 1; a server without a thumbprint takes any. */
VixError check_thumbprint(const char *thumbprint, const Server *server);

#endif
