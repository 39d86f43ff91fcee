import { assertEquals } from "@std/assert";

/**
 * The first byte in which two buffers differ, -1 if they are the same; `assertEquals` takes minutes for a
 * disk.
 */
export function firstDifference(found: Uint8Array, content: Uint8Array): number {
  if (found.length !== content.length) return Math.min(found.length, content.length);
  for (let i = 0; i < found.length; i++) if (found[i] !== content[i]) return i;
  return -1;
}

export function assertSame(found: Uint8Array, content: Uint8Array, message?: string): void {
  assertEquals(firstDifference(found, content), -1, message);
}
