/** Single members and frames of ours, in memory of their own. */

import { HERE, storedBound } from "../../cli/archive/codecs.ts";
import { sharedCopy } from "./files.ts";

/** How a piece is made. */
export interface PieceOptions {
  level?: number;
  isLast: boolean;
}

/** A gzip member of ours. */
export async function memberOf(
  content: Uint8Array,
  { level = 1, isLast }: PieceOptions,
): Promise<Uint8Array> {
  const into = new Uint8Array(new SharedArrayBuffer(storedBound(content.length)));
  return into.slice(0, await HERE.gzip({ content: sharedCopy(content), into, level, isLast }));
}

/** A zstd frame of ours. */
export async function frameOf(content: Uint8Array, { level = 1, isLast }: PieceOptions): Promise<Uint8Array> {
  const into = new Uint8Array(new SharedArrayBuffer(storedBound(content.length)));
  return into.slice(0, await HERE.zstd({ content: sharedCopy(content), into, level, isLast }));
}
