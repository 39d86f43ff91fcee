/** Comparing megabytes: element by element takes seconds. */

import { Buffer } from "node:buffer";
import { assertSameBytes } from "../disks/helpers.ts";

/** Of one length and content. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return bufferOf(a).equals(bufferOf(b));
}

/** Looks for the byte to name only where there is one. */
export function assertEqualBytes(actual: Uint8Array, expected: Uint8Array, message: string): void {
  if (!equalBytes(actual, expected)) assertSameBytes(actual, expected, message);
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
}
