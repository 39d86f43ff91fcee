/** The calls by number and name. */
#ifndef STANDIN_NAMES_H
#define STANDIN_NAMES_H

#define CALLS(X)                                                                                                      \
  X(Init) X(InitEx) X(Exit) X(ListTransportModes) X(GetErrorText) X(FreeErrorText) X(AllocateConnectParams)            \
  X(FreeConnectParams) X(Connect) X(ConnectEx) X(GetConnectParams) X(Disconnect) X(PrepareForAccess) X(EndAccess)      \
  X(Cleanup) X(Open) X(Close) X(GetInfo) X(FreeInfo) X(GetTransportMode) X(Read) X(Write) X(ReadAsync) X(WriteAsync)   \
  X(Flush) X(Wait) X(QueryAllocatedBlocks) X(FreeBlockList) X(ReadMetadata) X(WriteMetadata) X(GetMetadataKeys)        \
  X(Create) X(CreateChild) X(Clone) X(SpaceNeededForClone) X(Grow) X(Shrink) X(Defragment) X(Rename) X(Unlink)         \
  X(Attach) X(IsAttachPossible) X(CheckRepair)

typedef enum {
#define X(name) CALL_##name,
  CALLS(X)
#undef X
  CALL_COUNT,
} CallId;

extern const char *const CALL_NAMES[CALL_COUNT];

#endif
