/**
 * The structs of vixDiskLib.h as named offsets, on x86-64 (natural alignment). Newer versions only appended
 * fields, so the largest layout serves all of them, as long as nothing behind the end of an older struct is
 * read.
 */

/**
 * ```c
 * struct VixDiskLibConnectParams {
 *   char *vmxSpec;                      // 0   "moref=vm-16"
 *   char *serverName;                   // 8
 *   char *thumbPrint;                   // 16  since 5.1
 *   long privateUse;                    // 24
 *   VixDiskLibCredType credType;        // 32
 *   union { struct { char *userName, *password; } uid; ... } creds;   // 40, 24 bytes
 *   uint32 port;                        // 64  0: the library's choice
 *   uint32 nfcHostPort;                 // 68  0: 902
 *   char *vimApiVer;                    // 72  since 6.5
 *   char reserved[8];                   // 80  since 6.7, as what follows
 *   void *state;                        // 88
 *   union { ... } spec;                 // 96, 24 bytes
 *   VixDiskLibSpecType specType;        // 120
 * };                                    // 80 bytes in 6.5, 128 since 6.7
 * ```
 */
export const CONNECT_PARAMS = {
  vmxSpec: 0,
  serverName: 8,
  thumbPrint: 16,
  credType: 32,
  userName: 40,
  password: 48,
  port: 64,
  /** The size of the largest version. */
  size: 128,
} as const;

/** `VIXDISKLIB_CRED_UID`: user and password. */
export const CRED_UID = 1;

/**
 * ```c
 * struct VixDiskLibInfo {
 *   VixDiskLibGeometry biosGeo, physGeo;   // 0, 12: three uint32 each
 *   VixDiskLibSectorType capacity;         // 24
 *   VixDiskLibAdapterType adapterType;     // 32
 *   int numLinks;                          // 36
 *   char *parentFileNameHint;              // 40
 *   char *uuid;                            // 48
 *   uint32 logicalSectorSize, physicalSectorSize;  // 56, 60: since 7.0; beyond the end before
 * };
 * ```
 */
export const INFO = { capacity: 24, adapterType: 32 } as const;

/**
 * ```c
 * struct VixDiskLibCreateParams {
 *   VixDiskLibDiskType diskType;           // 0
 *   VixDiskLibAdapterType adapterType;     // 4
 *   uint16 hwVersion;                      // 8
 *   VixDiskLibSectorType capacity;         // 16
 *   uint32 logicalSectorSize, physicalSectorSize;  // 24, 28: since 7.0
 * };
 * ```
 */
export const CREATE_PARAMS = { diskType: 0, adapterType: 4, hwVersion: 8, capacity: 16, size: 32 } as const;

/** `VIXDISKLIB_DISK_MONOLITHIC_FLAT`. */
export const DISK_MONOLITHIC_FLAT = 2;

/** The virtual hardware of Workstation 5 and ESX 3, which every later product accepts. */
export const HW_VERSION = 4;

/** `struct VixDiskLibBlockList { uint32 numBlocks; struct { uint64 offset, length; } blocks[]; }`, in sectors. */
export const BLOCK_LIST = { count: 0, blocks: 8, blockSize: 16 } as const;

/** The sectors of the smallest chunk in a query of allocated blocks. A query may cover 524 288 chunks. */
export const MIN_CHUNK_SECTORS = 128;

/** `VIXDISKLIB_FLAG_OPEN_READ_ONLY`. */
export const OPEN_READ_ONLY = 4;
