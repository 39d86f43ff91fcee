#include "remote.h"

#include <string.h>
#include <strings.h>

#include "log.h"

bool is_local(const VixDiskLibConnectParams *params) {
  return params == NULL || (params->serverName == NULL && params->vmxSpec == NULL);
}

static bool has_credentials(const VixDiskLibConnectParams *params) {
  if (params->credType == VIXDISKLIB_CRED_UID) return params->creds.uid.userName && params->creds.uid.password;
  if (params->credType == VIXDISKLIB_CRED_SESSIONID) return params->creds.sessionId.cookie && params->creds.sessionId.key;
  return true;
}

void check_params(Call *call, const VixDiskLibConnectParams *params) {
  if (is_local(params)) return;
  if (call->subject == NULL) call->subject = params->serverName;
  call_text(call, "server", params->serverName);
  call_text(call, "vmxSpec", params->vmxSpec);
  call_text(call, "thumbprint", params->thumbPrint);
  call_number(call, "port", params->port);
  call_number(call, "nfcHostPort", params->nfcHostPort);
  call_number(call, "credType", params->credType);
  if (params->credType == VIXDISKLIB_CRED_UID) call_text(call, "user", params->creds.uid.userName);
  if (params->credType == VIXDISKLIB_CRED_SESSIONID) call_text(call, "user", params->creds.sessionId.userName);
  if (call->error != VIX_OK) return;
  if (params->serverName == NULL || !has_credentials(params)) {
    violation(call, "null_parameter", "%s with NULL for the %s", CALL_NAMES[call->id],
              params->serverName == NULL ? "server" : "user, the password, the cookie or the key");
    call->error = VIX_E_INVALID_ARG;
    return;
  }
  if (params->credType != VIXDISKLIB_CRED_UID && params->credType != VIXDISKLIB_CRED_SESSIONID) {
    log_warn("Stand-in: credentials of type %d are not supported\n", (int)params->credType);
    call->error = VIX_E_INVALID_ARG;
    return;
  }
#if API >= 67
  if (params->specType != VIXDISKLIB_SPEC_VM) {
    log_warn("Stand-in: only virtual machines are simulated, not spec type %d\n", (int)params->specType);
    call->error = VIX_E_NOT_SUPPORTED;
    return;
  }
  if (params->state == NULL) {
    // No source says that the real library accepts these.
    violation(call, "params_state", "%s with parameters that AllocateConnectParams did not make",
              CALL_NAMES[call->id]);
  }
#endif
}

VixError check_server(const VixDiskLibConnectParams *params, const Server **server) {
  const World *world = the_world();
  *server = world_server(world, params->serverName);
  if (*server == NULL) {
    log_warn("Stand-in: there is no server \"%s\"\n", params->serverName);
    return world->unknown_server_code;
  }
  if (params->port != 0 && params->port != (*server)->port) {
    log_warn("Stand-in: %s does not listen on port %u\n", params->serverName, params->port);
    return VIX_E_CANNOT_CONNECT_TO_HOST;
  }
  return VIX_OK;
}

/** A world that does not state the right value accepts any. */
static bool fits(const char *wanted, const char *given) {
  return wanted == NULL || same_text(wanted, given);
}

VixError check_login(const VixDiskLibConnectParams *params, const Server *server) {
  bool fine;
  if (params->credType == VIXDISKLIB_CRED_UID) {
    fine = fits(server->user, params->creds.uid.userName) && fits(server->password, params->creds.uid.password);
  } else {
    fine = server->cookie != NULL && same_text(server->cookie, params->creds.sessionId.cookie) &&
           fits(server->password, params->creds.sessionId.key);
  }
  if (fine) return VIX_OK;
  log_warn("Stand-in: %s refuses the login\n", server->host);
  return server->login_code != 0 ? server->login_code : the_world()->login_code;
}

VixError check_vm(const VixDiskLibConnectParams *params, const Server *server, const Vm **vm) {
  *vm = params->vmxSpec == NULL ? NULL : world_vm(the_world(), server, params->vmxSpec);
  if (*vm != NULL) return VIX_OK;
  log_warn("Stand-in: %s has no virtual machine \"%s\"\n", server->host,
           params->vmxSpec == NULL ? "(NULL)" : params->vmxSpec);
  return VIX_E_VM_NOT_FOUND;
}

VixError check_snapshot(const Vm *vm, const char *snapshot) {
  if (is_empty(snapshot) || (vm != NULL && list_has(vm->snapshots, ',', snapshot, strlen(snapshot)))) return VIX_OK;
  log_warn("Stand-in: there is no snapshot \"%s\"\n", snapshot);
  return VIX_E_SNAPSHOT_NOTFOUND;
}

VixError check_thumbprint(const char *thumbprint, const Server *server) {
  if (server->thumbprint == NULL) return VIX_OK;
  if (thumbprint != NULL && strcasecmp(thumbprint, server->thumbprint) == 0) return VIX_OK;
  log_warn("Stand-in: the certificate of %s does not fit: expected thumbprint \"%s\", actual thumbprint \"%s\"\n",
           server->host, thumbprint == NULL ? "" : thumbprint, server->thumbprint);
  return VIX_E_FAIL;
}
