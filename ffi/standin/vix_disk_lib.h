/*
 * The binary interface of VMware's disk library on Linux x86-64, one version at a time: the types, structs,
 * constants and functions that the stand-in exports.
 *
 * `API` is the version: 65 (6.5), 67 (6.7), 70 (7.0), 80 (8.0.1 and later), 90 (9.x). The assertions behind
 * each struct are the layouts on which public sources agree; a change that moves a field does not compile.
 */
#ifndef STANDIN_VIX_DISK_LIB_H
#define STANDIN_VIX_DISK_LIB_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifndef API
#error "Compile with -DAPI=65, 67, 70, 80 or 90"
#endif
#if API != 65 && API != 67 && API != 70 && API != 80 && API != 90
#error "API is none of 65, 67, 70, 80, 90"
#endif

#define VIX_EXPORT __attribute__((visibility("default")))

/** Version 6.7 added the allocation query, and parameters that only the library allocates. */
#define HAS_QUERY (API >= 67)
/** Version 7.0 added sector sizes. */
#define HAS_SECTOR_SIZES (API >= 70)

#define AT(type, field, offset) \
  _Static_assert(offsetof(type, field) == (offset), #type "." #field " is not at " #offset)
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has not " #bytes " bytes")

/** The code is in the lower 16 bits; the meaning of the others is private. */
typedef uint64_t VixError;
typedef uint64_t VixDiskLibSectorType;
typedef char Bool;

SIZE(VixError, 8);
SIZE(Bool, 1);

#define VIX_ERROR_CODE(error) ((error) & 0xFFFF)

#define VIXDISKLIB_SECTOR_SIZE 512
#define VIXDISKLIB_MIN_CHUNK_SIZE 128
#define VIXDISKLIB_MAX_CHUNK_NUMBER (512 * 1024)

enum {
  VIX_OK = 0,
  VIX_E_FAIL = 1,
  VIX_E_OUT_OF_MEMORY = 2,
  VIX_E_INVALID_ARG = 3,
  VIX_E_FILE_NOT_FOUND = 4,
  VIX_E_OBJECT_IS_BUSY = 5,
  VIX_E_NOT_SUPPORTED = 6,
  VIX_E_FILE_ERROR = 7,
  VIX_E_DISK_FULL = 8,
  VIX_E_INCORRECT_FILE_TYPE = 9,
  VIX_E_CANCELLED = 10,
  VIX_E_FILE_READ_ONLY = 11,
  VIX_E_FILE_ALREADY_EXISTS = 12,
  VIX_E_FILE_ACCESS_ERROR = 13,
  VIX_E_FILE_ALREADY_LOCKED = 15,
  VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT = 20,
  VIX_E_BUFFER_TOOSMALL = 24,
  VIX_E_HOST_NOT_CONNECTED = 26,
  VIX_E_INVALID_HANDLE = 1000,
  VIX_E_TOO_MANY_HANDLES = 1002,
  VIX_E_HOST_USER_PERMISSIONS = 3014,
  VIX_E_INVALID_AUTHENTICATION_SESSION = 3047,
  VIX_E_VM_NOT_FOUND = 4000,
  VIX_E_SNAPSHOT_NOTFOUND = 13003,
  VIX_E_HOST_SERVER_NOT_FOUND = 14008,
  VIX_E_HOST_NETWORK_CONN_REFUSED = 14009,
  VIX_E_DISK_NEEDS_REPAIR = 16006,
  VIX_E_DISK_OUTOFRANGE = 16007,
  VIX_E_DISK_CANTSHRINK = 16009,
  VIX_E_DISK_KEY_NOTFOUND = 16052,
  VIX_E_DISK_SUBSYSTEM_INIT_FAIL = 16053,
  VIX_E_DISK_INVALID_CONNECTION = 16054,
  VIX_E_CANNOT_CONNECT_TO_HOST = 18000,
  VIX_ASYNC = 25000,
  VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED = 26000,
};

typedef enum {
  VIXDISKLIB_DISK_MONOLITHIC_SPARSE = 1,
  VIXDISKLIB_DISK_MONOLITHIC_FLAT = 2,
  VIXDISKLIB_DISK_SPLIT_SPARSE = 3,
  VIXDISKLIB_DISK_SPLIT_FLAT = 4,
  VIXDISKLIB_DISK_VMFS_FLAT = 5,
  VIXDISKLIB_DISK_STREAM_OPTIMIZED = 6,
  VIXDISKLIB_DISK_VMFS_THIN = 7,
  VIXDISKLIB_DISK_VMFS_SPARSE = 8,
  VIXDISKLIB_DISK_UNKNOWN = 256,
} VixDiskLibDiskType;

typedef enum {
  VIXDISKLIB_ADAPTER_IDE = 1,
  VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC = 2,
  VIXDISKLIB_ADAPTER_SCSI_LSILOGIC = 3,
  VIXDISKLIB_ADAPTER_UNKNOWN = 256,
} VixDiskLibAdapterType;

enum {
  VIXDISKLIB_FLAG_OPEN_UNBUFFERED = 1,
  VIXDISKLIB_FLAG_OPEN_SINGLE_LINK = 2,
  VIXDISKLIB_FLAG_OPEN_READ_ONLY = 4,
  VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK = 0x3F0,
};

typedef enum {
  VIXDISKLIB_CRED_UID = 1,
  VIXDISKLIB_CRED_SESSIONID = 2,
  VIXDISKLIB_CRED_TICKETID = 3,
  VIXDISKLIB_CRED_SSPI = 4,
  VIXDISKLIB_CRED_UNKNOWN = 256,
} VixDiskLibCredType;

#if API >= 67
typedef enum {
  VIXDISKLIB_SPEC_VM = 0,
  VIXDISKLIB_SPEC_VSTORAGE_OBJECT = 1,
#if API >= 80
  /* Until 8.0.0 this number means "unknown". */
  VIXDISKLIB_SPEC_DATASTORE = 2,
  VIXDISKLIB_SPEC_UNKNOWN = 3,
#else
  VIXDISKLIB_SPEC_UNKNOWN = 2,
#endif
} VixDiskLibSpecType;
#endif

typedef struct {
  char *vmxSpec;
  char *serverName;
  char *thumbPrint;
  long privateUse;
  VixDiskLibCredType credType;
  union {
    struct {
      char *userName;
      char *password;
    } uid;
    struct {
      char *cookie;
      char *userName;
      char *key;
    } sessionId;
    void *ticketId;
  } creds;
  uint32_t port;
  uint32_t nfcHostPort;
  char *vimApiVer;
#if API >= 67
  char reserved[8];
  void *state;
  union {
    struct {
      char *id;
      char *datastoreMoRef;
      char *ssId;
    } vStorageObjSpec;
    struct {
      char *datastoreMoRef;
      char *diskFolder;
    } dsSpec;
  } spec;
  VixDiskLibSpecType specType;
#endif
} VixDiskLibConnectParams;

AT(VixDiskLibConnectParams, vmxSpec, 0);
AT(VixDiskLibConnectParams, serverName, 8);
AT(VixDiskLibConnectParams, thumbPrint, 16);
AT(VixDiskLibConnectParams, privateUse, 24);
AT(VixDiskLibConnectParams, credType, 32);
AT(VixDiskLibConnectParams, creds.uid.userName, 40);
AT(VixDiskLibConnectParams, creds.uid.password, 48);
AT(VixDiskLibConnectParams, creds.sessionId.cookie, 40);
AT(VixDiskLibConnectParams, creds.sessionId.userName, 48);
AT(VixDiskLibConnectParams, creds.sessionId.key, 56);
AT(VixDiskLibConnectParams, creds.ticketId, 40);
AT(VixDiskLibConnectParams, port, 64);
AT(VixDiskLibConnectParams, nfcHostPort, 68);
AT(VixDiskLibConnectParams, vimApiVer, 72);
#if API >= 67
AT(VixDiskLibConnectParams, reserved, 80);
AT(VixDiskLibConnectParams, state, 88);
AT(VixDiskLibConnectParams, spec, 96);
AT(VixDiskLibConnectParams, spec.vStorageObjSpec.id, 96);
AT(VixDiskLibConnectParams, spec.vStorageObjSpec.datastoreMoRef, 104);
AT(VixDiskLibConnectParams, spec.vStorageObjSpec.ssId, 112);
AT(VixDiskLibConnectParams, spec.dsSpec.datastoreMoRef, 96);
AT(VixDiskLibConnectParams, spec.dsSpec.diskFolder, 104);
AT(VixDiskLibConnectParams, specType, 120);
SIZE(VixDiskLibConnectParams, 128);
#else
SIZE(VixDiskLibConnectParams, 80);
#endif

typedef struct {
  uint32_t cylinders;
  uint32_t heads;
  uint32_t sectors;
} VixDiskLibGeometry;

SIZE(VixDiskLibGeometry, 12);

typedef struct {
  VixDiskLibGeometry biosGeo;
  VixDiskLibGeometry physGeo;
  VixDiskLibSectorType capacity;
  VixDiskLibAdapterType adapterType;
  int numLinks;
  char *parentFileNameHint;
  char *uuid;
#if HAS_SECTOR_SIZES
  uint32_t logicalSectorSize;
  uint32_t physicalSectorSize;
#endif
} VixDiskLibInfo;

AT(VixDiskLibInfo, biosGeo, 0);
AT(VixDiskLibInfo, physGeo, 12);
AT(VixDiskLibInfo, capacity, 24);
AT(VixDiskLibInfo, adapterType, 32);
AT(VixDiskLibInfo, numLinks, 36);
AT(VixDiskLibInfo, parentFileNameHint, 40);
AT(VixDiskLibInfo, uuid, 48);
#if HAS_SECTOR_SIZES
AT(VixDiskLibInfo, logicalSectorSize, 56);
AT(VixDiskLibInfo, physicalSectorSize, 60);
SIZE(VixDiskLibInfo, 64);
#else
SIZE(VixDiskLibInfo, 56);
#endif

typedef struct {
  VixDiskLibDiskType diskType;
  VixDiskLibAdapterType adapterType;
  uint16_t hwVersion;
  VixDiskLibSectorType capacity;
#if HAS_SECTOR_SIZES
  uint32_t logicalSectorSize;
  uint32_t physicalSectorSize;
#endif
} VixDiskLibCreateParams;

AT(VixDiskLibCreateParams, diskType, 0);
AT(VixDiskLibCreateParams, adapterType, 4);
AT(VixDiskLibCreateParams, hwVersion, 8);
AT(VixDiskLibCreateParams, capacity, 16);
#if HAS_SECTOR_SIZES
AT(VixDiskLibCreateParams, logicalSectorSize, 24);
AT(VixDiskLibCreateParams, physicalSectorSize, 28);
SIZE(VixDiskLibCreateParams, 32);
#else
SIZE(VixDiskLibCreateParams, 24);
#endif

#if HAS_QUERY
typedef struct {
  VixDiskLibSectorType offset;
  VixDiskLibSectorType length;
} VixDiskLibBlock;

AT(VixDiskLibBlock, length, 8);
SIZE(VixDiskLibBlock, 16);

typedef struct {
  uint32_t numBlocks;
  VixDiskLibBlock blocks[];
} VixDiskLibBlockList;

AT(VixDiskLibBlockList, blocks, 8);
SIZE(VixDiskLibBlockList, 8);
#endif

typedef struct VixDiskLibConnectionStruct *VixDiskLibConnection;
typedef struct VixDiskLibHandleStruct *VixDiskLibHandle;

typedef void VixDiskLibGenericLogFunc(const char *fmt, va_list args);
typedef Bool (*VixDiskLibProgressFunc)(void *progressData, int percentCompleted);
typedef void (*VixDiskLibCompletionCB)(void *cbData, VixError result);

/* Life of the library */

VIX_EXPORT VixError VixDiskLib_InitEx(uint32_t majorVersion, uint32_t minorVersion, VixDiskLibGenericLogFunc *log,
                                      VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic,
                                      const char *libDir, const char *configFile);
VIX_EXPORT VixError VixDiskLib_Init(uint32_t majorVersion, uint32_t minorVersion, VixDiskLibGenericLogFunc *log,
                                    VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic,
                                    const char *libDir);
VIX_EXPORT void VixDiskLib_Exit(void);
VIX_EXPORT const char *VixDiskLib_ListTransportModes(void);
VIX_EXPORT char *VixDiskLib_GetErrorText(VixError err, const char *locale);
VIX_EXPORT void VixDiskLib_FreeErrorText(char *errMsg);

/* Connections */

#if HAS_QUERY
VIX_EXPORT VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void);
#endif
VIX_EXPORT void VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *params);
VIX_EXPORT VixError VixDiskLib_Connect(const VixDiskLibConnectParams *params, VixDiskLibConnection *connection);
VIX_EXPORT VixError VixDiskLib_ConnectEx(const VixDiskLibConnectParams *params, Bool readOnly, const char *snapshotRef,
                                         const char *transportModes, VixDiskLibConnection *connection);
VIX_EXPORT VixError VixDiskLib_GetConnectParams(VixDiskLibConnection connection, VixDiskLibConnectParams **params);
VIX_EXPORT VixError VixDiskLib_Disconnect(VixDiskLibConnection connection);
VIX_EXPORT VixError VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *params, const char *identity);
VIX_EXPORT VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *params, const char *identity);
VIX_EXPORT VixError VixDiskLib_Cleanup(const VixDiskLibConnectParams *params, uint32_t *numCleanedUp,
                                       uint32_t *numRemaining);

/* Disks */

VIX_EXPORT VixError VixDiskLib_Open(VixDiskLibConnection connection, const char *path, uint32_t flags,
                                    VixDiskLibHandle *handle);
VIX_EXPORT VixError VixDiskLib_Close(VixDiskLibHandle handle);
VIX_EXPORT VixError VixDiskLib_GetInfo(VixDiskLibHandle handle, VixDiskLibInfo **info);
VIX_EXPORT void VixDiskLib_FreeInfo(VixDiskLibInfo *info);
VIX_EXPORT const char *VixDiskLib_GetTransportMode(VixDiskLibHandle handle);
VIX_EXPORT VixError VixDiskLib_Read(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                                    VixDiskLibSectorType numSectors, uint8_t *buffer);
VIX_EXPORT VixError VixDiskLib_Write(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                                     VixDiskLibSectorType numSectors, const uint8_t *buffer);
VIX_EXPORT VixError VixDiskLib_ReadAsync(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                                         VixDiskLibSectorType numSectors, uint8_t *buffer,
                                         VixDiskLibCompletionCB callback, void *cbData);
VIX_EXPORT VixError VixDiskLib_WriteAsync(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                                          VixDiskLibSectorType numSectors, const uint8_t *buffer,
                                          VixDiskLibCompletionCB callback, void *cbData);
VIX_EXPORT VixError VixDiskLib_Flush(VixDiskLibHandle handle);
VIX_EXPORT VixError VixDiskLib_Wait(VixDiskLibHandle handle);
#if HAS_QUERY
VIX_EXPORT VixError VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                                                    VixDiskLibSectorType numSectors, VixDiskLibSectorType chunkSize,
                                                    VixDiskLibBlockList **blockList);
VIX_EXPORT VixError VixDiskLib_FreeBlockList(VixDiskLibBlockList *blockList);
#endif
VIX_EXPORT VixError VixDiskLib_ReadMetadata(VixDiskLibHandle handle, const char *key, char *buf, size_t bufLen,
                                            size_t *requiredLen);
VIX_EXPORT VixError VixDiskLib_WriteMetadata(VixDiskLibHandle handle, const char *key, const char *val);
VIX_EXPORT VixError VixDiskLib_GetMetadataKeys(VixDiskLibHandle handle, char *keys, size_t maxLen,
                                               size_t *requiredLen);

/* Management of disks */

VIX_EXPORT VixError VixDiskLib_Create(VixDiskLibConnection connection, const char *path,
                                      const VixDiskLibCreateParams *params, VixDiskLibProgressFunc progress,
                                      void *progressData);
VIX_EXPORT VixError VixDiskLib_CreateChild(VixDiskLibHandle parent, const char *childPath, VixDiskLibDiskType diskType,
                                           VixDiskLibProgressFunc progress, void *progressData);
VIX_EXPORT VixError VixDiskLib_Clone(VixDiskLibConnection dstConnection, const char *dstPath,
                                     VixDiskLibConnection srcConnection, const char *srcPath,
                                     const VixDiskLibCreateParams *params, VixDiskLibProgressFunc progress,
                                     void *progressData, Bool overWrite);
VIX_EXPORT VixError VixDiskLib_SpaceNeededForClone(VixDiskLibHandle handle, VixDiskLibDiskType diskType,
                                                   uint64_t *spaceNeeded);
VIX_EXPORT VixError VixDiskLib_Grow(VixDiskLibConnection connection, const char *path, VixDiskLibSectorType capacity,
                                    Bool updateGeometry, VixDiskLibProgressFunc progress, void *progressData);
VIX_EXPORT VixError VixDiskLib_Shrink(VixDiskLibHandle handle, VixDiskLibProgressFunc progress, void *progressData);
VIX_EXPORT VixError VixDiskLib_Defragment(VixDiskLibHandle handle, VixDiskLibProgressFunc progress,
                                          void *progressData);
VIX_EXPORT VixError VixDiskLib_Rename(const char *srcPath, const char *dstPath);
VIX_EXPORT VixError VixDiskLib_Unlink(VixDiskLibConnection connection, const char *path);
VIX_EXPORT VixError VixDiskLib_Attach(VixDiskLibHandle parent, VixDiskLibHandle child);
VIX_EXPORT VixError VixDiskLib_IsAttachPossible(VixDiskLibHandle parent, VixDiskLibHandle child);
VIX_EXPORT VixError VixDiskLib_CheckRepair(VixDiskLibConnection connection, const char *path, Bool repair);

#endif
