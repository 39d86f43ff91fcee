// From one place of the memory to another. JavaScript copies shared bytes one by one where the two places begin at different
// bytes of a word.

/** Copies `len` bytes; the places may overlap. */
export function copyBytes(toPtr: usize, fromPtr: usize, len: usize): void {
  memory.copy(toPtr, fromPtr, len);
}
