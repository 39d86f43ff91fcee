/** Comparing megabytes. A comparison in JavaScript, byte by byte, would take seconds. */

import { Buffer } from "node:buffer";
import { assertSameBytes } from "../disks/helpers.ts";

/** Returns whether two arrays have the same length and content. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return bufferOf(a).equals(bufferOf(b));
}

/** Checks that two arrays have the same length and content. A failure names the first byte that differs. */
export function assertEqualBytes(actual: Uint8Array, expected: Uint8Array, message: string): void {
  if (!equalBytes(actual, expected)) assertSameBytes(actual, expected, message);
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
}
