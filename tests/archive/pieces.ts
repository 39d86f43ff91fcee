/** Single members and frames of this program. */

import { HERE, storedBound } from "../../cli/archive/codecs.ts";
import { sharedCopy } from "./files.ts";

/** Options of a piece. */
export interface PieceOptions {
  level?: number;
  isLast: boolean;
}

/** Returns a gzip member of this program. */
export async function memberOf(
  content: Uint8Array,
  { level = 1, isLast }: PieceOptions,
): Promise<Uint8Array> {
  const into = new Uint8Array(new SharedArrayBuffer(storedBound(content.length)));
  return into.slice(0, await HERE.gzip({ content: sharedCopy(content), into, level, isLast }));
}

/** Returns a zstd frame of this program. */
export async function frameOf(content: Uint8Array, { level = 1, isLast }: PieceOptions): Promise<Uint8Array> {
  const into = new Uint8Array(new SharedArrayBuffer(storedBound(content.length)));
  return into.slice(0, await HERE.zstd({ content: sharedCopy(content), into, level, isLast }));
}
