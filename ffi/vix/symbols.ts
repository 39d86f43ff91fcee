/**
 * The functions of libvixDiskLib, each with its prototype (vixDiskLib.h; every name begins with
 * `VixDiskLib_`). `VixError` is a `uint64`, `Bool` a `char`.
 */

/** The functions since 6.5, the oldest version that is supported. */
const LEVEL_65 = {
  // VixError InitEx(uint32 major, uint32 minor, GenericLogFunc *log, *warn, *panic, const char *libDir, const char *configFile)
  VixDiskLib_InitEx: {
    parameters: ["u32", "u32", "pointer", "pointer", "pointer", "buffer", "buffer"],
    result: "u64",
  },
  // void Exit(void)
  VixDiskLib_Exit: { parameters: [], result: "void" },
  // const char *ListTransportModes(void): static
  VixDiskLib_ListTransportModes: { parameters: [], result: "pointer" },
  // char *GetErrorText(VixError err, const char *locale): locale must be NULL
  VixDiskLib_GetErrorText: { parameters: ["u64", "buffer"], result: "pointer" },
  // void FreeErrorText(char *text)
  VixDiskLib_FreeErrorText: { parameters: ["pointer"], result: "void" },

  // VixError ConnectEx(const ConnectParams *, Bool readOnly, const char *snapshotRef, const char *modes, Connection *out)
  VixDiskLib_ConnectEx: { parameters: ["pointer", "u8", "buffer", "buffer", "buffer"], result: "u64" },
  // VixError Disconnect(Connection)
  VixDiskLib_Disconnect: { parameters: ["pointer"], result: "u64" },
  // VixError PrepareForAccess(const ConnectParams *, const char *identity)
  VixDiskLib_PrepareForAccess: { parameters: ["pointer", "buffer"], result: "u64" },
  // VixError EndAccess(const ConnectParams *, const char *identity)
  VixDiskLib_EndAccess: { parameters: ["pointer", "buffer"], result: "u64" },
  // VixError Cleanup(const ConnectParams *, uint32 *cleaned, uint32 *remaining): vmxSpec must be NULL
  VixDiskLib_Cleanup: { parameters: ["pointer", "buffer", "buffer"], result: "u64" },

  // VixError Open(Connection, const char *path, uint32 flags, Handle *out)
  VixDiskLib_Open: { parameters: ["pointer", "buffer", "u32", "buffer"], result: "u64" },
  // VixError Close(Handle)
  VixDiskLib_Close: { parameters: ["pointer"], result: "u64" },
  // VixError GetInfo(Handle, Info **out)
  VixDiskLib_GetInfo: { parameters: ["pointer", "buffer"], result: "u64" },
  // void FreeInfo(Info *)
  VixDiskLib_FreeInfo: { parameters: ["pointer"], result: "void" },
  // const char *GetTransportMode(Handle): static
  VixDiskLib_GetTransportMode: { parameters: ["pointer"], result: "pointer" },
  // VixError Read(Handle, SectorType start, SectorType sectors, uint8 *buf)
  VixDiskLib_Read: { parameters: ["pointer", "u64", "u64", "pointer"], result: "u64" },
  // VixError Write(Handle, SectorType start, SectorType sectors, const uint8 *buf)
  VixDiskLib_Write: { parameters: ["pointer", "u64", "u64", "pointer"], result: "u64" },
  // VixError Flush(Handle)
  VixDiskLib_Flush: { parameters: ["pointer"], result: "u64" },
  // VixError ReadMetadata(Handle, const char *key, char *buf, size_t bufLen, size_t *required)
  VixDiskLib_ReadMetadata: { parameters: ["pointer", "buffer", "buffer", "usize", "buffer"], result: "u64" },
  // VixError WriteMetadata(Handle, const char *key, const char *value)
  VixDiskLib_WriteMetadata: { parameters: ["pointer", "buffer", "buffer"], result: "u64" },
  // VixError GetMetadataKeys(Handle, char *keys, size_t maxLen, size_t *required)
  VixDiskLib_GetMetadataKeys: { parameters: ["pointer", "buffer", "usize", "buffer"], result: "u64" },

  // VixError Create(Connection, const char *path, const CreateParams *, ProgressFunc, void *): local disks only
  VixDiskLib_Create: { parameters: ["pointer", "buffer", "buffer", "pointer", "pointer"], result: "u64" },
  // VixError Rename(const char *from, const char *to)
  VixDiskLib_Rename: { parameters: ["buffer", "buffer"], result: "u64" },
  // VixError Unlink(Connection, const char *path)
  VixDiskLib_Unlink: { parameters: ["pointer", "buffer"], result: "u64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions since 6.7, without which older libraries work. */
const LEVEL_67 = {
  // ConnectParams *AllocateConnectParams(void)
  VixDiskLib_AllocateConnectParams: { parameters: [], result: "pointer", optional: true },
  // void FreeConnectParams(ConnectParams *): for the result of AllocateConnectParams only
  VixDiskLib_FreeConnectParams: { parameters: ["pointer"], result: "void", optional: true },
  // VixError QueryAllocatedBlocks(Handle, SectorType start, SectorType sectors, SectorType chunk, BlockList **out)
  VixDiskLib_QueryAllocatedBlocks: {
    parameters: ["pointer", "u64", "u64", "u64", "buffer"],
    result: "u64",
    optional: true,
  },
  // VixError FreeBlockList(BlockList *)
  VixDiskLib_FreeBlockList: { parameters: ["pointer"], result: "u64", optional: true },
} as const satisfies Deno.ForeignLibraryInterface;

/** All functions that backup and restore use. */
export const SYMBOLS = { ...LEVEL_65, ...LEVEL_67 } as const;

/** The functions as Deno binds them. */
export type VixSymbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
