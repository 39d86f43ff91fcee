/**
 * The functions of libvixDiskLib, each with its prototype (vixDiskLib.h; every name begins with
 * `VixDiskLib_`). `VixError` is a `uint64`, `Bool` a `char`.
 */

/**
 * The functions without which nothing works. They are bound as optional, too, so that all missing ones can be named
 * at once.
 */
const ALWAYS_NEEDED = {
  // VixError InitEx(uint32 major, uint32 minor, GenericLogFunc *log, *warn, *panic, const char *libDir, const char *configFile)
  VixDiskLib_InitEx: {
    parameters: ["u32", "u32", "pointer", "pointer", "pointer", "buffer", "buffer"],
    result: "u64",
    optional: true,
  },
  // VixError ConnectEx(const ConnectParams *, Bool readOnly, const char *snapshotRef, const char *modes, Connection *out)
  VixDiskLib_ConnectEx: {
    parameters: ["pointer", "u8", "buffer", "buffer", "buffer"],
    result: "u64",
    optional: true,
  },
  // VixError Disconnect(Connection)
  VixDiskLib_Disconnect: { parameters: ["pointer"], result: "u64", optional: true },
  // VixError Open(Connection, const char *path, uint32 flags, Handle *out)
  VixDiskLib_Open: { parameters: ["pointer", "buffer", "u32", "buffer"], result: "u64", optional: true },
  // VixError Close(Handle)
  VixDiskLib_Close: { parameters: ["pointer"], result: "u64", optional: true },
  // VixError GetInfo(Handle, Info **out)
  VixDiskLib_GetInfo: { parameters: ["pointer", "buffer"], result: "u64", optional: true },
  // VixError Read(Handle, SectorType start, SectorType sectors, uint8 *buf)
  VixDiskLib_Read: { parameters: ["pointer", "u64", "u64", "pointer"], result: "u64", optional: true },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * The functions that some jobs need, and without which others work: replacements of the library, such as the one of
 * nbdkit's tests, and VMware's own before 6.7 have less than these.
 */
const SOMETIMES_NEEDED = {
  // void Exit(void)
  VixDiskLib_Exit: { parameters: [], result: "void", optional: true },
  // const char *ListTransportModes(void): static
  VixDiskLib_ListTransportModes: { parameters: [], result: "pointer", optional: true },
  // char *GetErrorText(VixError err, const char *locale): locale must be NULL
  VixDiskLib_GetErrorText: { parameters: ["u64", "buffer"], result: "pointer", optional: true },
  // void FreeErrorText(char *text)
  VixDiskLib_FreeErrorText: { parameters: ["pointer"], result: "void", optional: true },
  // VixError PrepareForAccess(const ConnectParams *, const char *identity)
  VixDiskLib_PrepareForAccess: { parameters: ["pointer", "buffer"], result: "u64", optional: true },
  // VixError EndAccess(const ConnectParams *, const char *identity)
  VixDiskLib_EndAccess: { parameters: ["pointer", "buffer"], result: "u64", optional: true },
  // VixError Cleanup(const ConnectParams *, uint32 *cleaned, uint32 *remaining): vmxSpec must be NULL
  VixDiskLib_Cleanup: { parameters: ["pointer", "buffer", "buffer"], result: "u64", optional: true },
  // void FreeInfo(Info *)
  VixDiskLib_FreeInfo: { parameters: ["pointer"], result: "void", optional: true },
  // const char *GetTransportMode(Handle): static
  VixDiskLib_GetTransportMode: { parameters: ["pointer"], result: "pointer", optional: true },
  // VixError Write(Handle, SectorType start, SectorType sectors, const uint8 *buf)
  VixDiskLib_Write: { parameters: ["pointer", "u64", "u64", "pointer"], result: "u64", optional: true },
  // VixError Flush(Handle)
  VixDiskLib_Flush: { parameters: ["pointer"], result: "u64", optional: true },
  // VixError ReadMetadata(Handle, const char *key, char *buf, size_t bufLen, size_t *required)
  VixDiskLib_ReadMetadata: {
    parameters: ["pointer", "buffer", "buffer", "usize", "buffer"],
    result: "u64",
    optional: true,
  },
  // VixError WriteMetadata(Handle, const char *key, const char *value)
  VixDiskLib_WriteMetadata: { parameters: ["pointer", "buffer", "buffer"], result: "u64", optional: true },
  // VixError GetMetadataKeys(Handle, char *keys, size_t maxLen, size_t *required)
  VixDiskLib_GetMetadataKeys: {
    parameters: ["pointer", "buffer", "usize", "buffer"],
    result: "u64",
    optional: true,
  },
  // VixError Create(Connection, const char *path, const CreateParams *, ProgressFunc, void *): local disks only
  VixDiskLib_Create: {
    parameters: ["pointer", "buffer", "buffer", "pointer", "pointer"],
    result: "u64",
    optional: true,
  },
  // VixError Rename(const char *from, const char *to)
  VixDiskLib_Rename: { parameters: ["buffer", "buffer"], result: "u64", optional: true },
  // VixError Unlink(Connection, const char *path)
  VixDiskLib_Unlink: { parameters: ["pointer", "buffer"], result: "u64", optional: true },
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
export const SYMBOLS = { ...ALWAYS_NEEDED, ...SOMETIMES_NEEDED } as const;

type Bound = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The functions as Deno binds them, those that the library lacks as null. */
export type VixSymbols =
  & { [Name in keyof typeof ALWAYS_NEEDED]: NonNullable<Bound[Name]> }
  & { [Name in keyof typeof SOMETIMES_NEEDED]: Bound[Name] };

/** The names of the functions that a library may lack. */
export type OptionalSymbol = keyof typeof SOMETIMES_NEEDED;

/** The functions that are always needed and that `bound` lacks, without their prefix. */
export function missingFunctions(bound: Bound): string[] {
  const names = Object.keys(ALWAYS_NEEDED) as (keyof typeof ALWAYS_NEEDED)[];
  return names.filter((name) => bound[name] === null).map((name) => name.replace("VixDiskLib_", ""));
}
