/** Connection parameters as objects of the library: Allocate, Get, Free. */

#include <string.h>

#include "call.h"

#if HAS_QUERY
/** The private field of parameters points to this if the library made them. */
static char made_here;

VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void) {
  Call call;
  call_begin(&call, CALL_AllocateConnectParams);
  VixDiskLibConnectParams *params = NULL;
  if (call_ready(&call)) {
    params = own_new(OWN_PARAMS, sizeof *params, 0, NULL);
    params->state = &made_here;
  }
  call_end(&call);
  return params;
}
#endif

/** Copies `text` to the tail and returns the copy. */
static char *put(char **tail, const char *text) {
  if (text == NULL) return NULL;
  size_t len = strlen(text) + 1;
  char *copy = memcpy(*tail, text, len);
  *tail += len;
  return copy;
}

static size_t room(const char *text) {
  return text == NULL ? 0 : strlen(text) + 1;
}

static VixDiskLibConnectParams *params_of(VixDiskLibConnection connection) {
  const char *host = connection->server == NULL ? NULL : connection->server->host;
  size_t bytes = room(host) + room(connection->vmx_spec) + room(connection->thumbprint) + room(connection->user);
  char *tail;
  VixDiskLibConnectParams *params = own_new(OWN_PARAMS, sizeof *params, bytes, &tail);
  params->serverName = put(&tail, host);
  params->vmxSpec = put(&tail, connection->vmx_spec);
  params->thumbPrint = put(&tail, connection->thumbprint);
  params->credType = (VixDiskLibCredType)connection->cred_type;
  char *user = put(&tail, connection->user);
  if (params->credType == VIXDISKLIB_CRED_SESSIONID) params->creds.sessionId.userName = user;
  else params->creds.uid.userName = user;
  params->port = connection->port;
  params->nfcHostPort = connection->nfc_port;
#if HAS_QUERY
  params->state = &made_here;
#endif
  return params;
}

VixError VixDiskLib_GetConnectParams(VixDiskLibConnection connection, VixDiskLibConnectParams **params) {
  Call call;
  call_begin(&call, CALL_GetConnectParams);
  call_connection(&call, connection);
  if (params == NULL && call.error == VIX_OK) call.error = VIX_E_INVALID_ARG;
  if (call_ready(&call)) *params = params_of(connection);
  return call_end(&call);
}

/**
 * The real library may free the strings that it finds here, and memory of another heap would end the process.
 */
static const char *foreign_pointer(const VixDiskLibConnectParams *params) {
  const struct {
    const char *name;
    const void *pointer;
  } fields[] = {
      {"vmxSpec", params->vmxSpec},
      {"serverName", params->serverName},
      {"thumbPrint", params->thumbPrint},
      {"creds[0]", params->creds.sessionId.cookie},
      {"creds[1]", params->creds.sessionId.userName},
      {"creds[2]", params->creds.sessionId.key},
      {"vimApiVer", params->vimApiVer},
#if HAS_QUERY
      {"spec[0]", params->spec.vStorageObjSpec.id},
      {"spec[1]", params->spec.vStorageObjSpec.datastoreMoRef},
      {"spec[2]", params->spec.vStorageObjSpec.ssId},
#endif
  };
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    if (fields[i].pointer != NULL && !own_has(params, fields[i].pointer)) return fields[i].name;
  }
  return NULL;
}

void VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *params) {
  Call call;
  call_begin(&call, CALL_FreeConnectParams);
  if (params != NULL) {
    // Only memory of the stand-in may be examined.
    const char *foreign = own_is_live(OWN_PARAMS, params) ? foreign_pointer(params) : NULL;
    if (foreign != NULL) violation(&call, "foreign_pointer", "FreeConnectParams finds the caller's memory in %s", foreign);
    OwnState state = own_free(OWN_PARAMS, params);
    if (state == OWN_FREED) violation(&call, "double_free", "FreeConnectParams of what was freed");
    if (state == OWN_FOREIGN) violation(&call, "foreign_free", "FreeConnectParams of what the library did not allocate");
    if (state == OWN_OVERRUN) violation(&call, "overrun", "the caller wrote behind connect params");
  }
  call_end(&call);
}
