// Copying within the memory of the core.
//
// JavaScript could do it with Uint8Array.set, but the runtime copies shared memory byte by byte when source
// and target are aligned differently within a word. memory.copy has no such slow path.

/** Copies `len` bytes from `fromPtr` to `toPtr`; the two regions may overlap. */
export function copyBytes(toPtr: usize, fromPtr: usize, len: usize): void {
  memory.copy(toPtr, fromPtr, len);
}
