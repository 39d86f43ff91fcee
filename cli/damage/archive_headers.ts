/** Reads and compares the headers of archives that may be damaged. */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { type DumpHeader, MAX_HEADER_BYTES, parseDumpHeader } from "../archive/header.ts";
import { remainsOf } from "../archive/remains.ts";
import { comparableSeconds } from "../archive/time_stamp.ts";
import { FormatError } from "../errors.ts";

/** Reads the header of a dump or rdiff. Returns undefined if it cannot be read. */
export async function readHeader(file: DamagedFile): Promise<DumpHeader | undefined> {
  const first = new Uint8Array(MAX_HEADER_BYTES);
  let filled = 0;
  for await (const { bytes, joined } of remainsOf(file, { onFault() {} })) {
    if (!joined) break;
    const part = bytes.subarray(0, first.length - filled);
    first.set(part, filled);
    filled += part.length;
    if (filled === first.length) break;
  }
  try {
    return parseDumpHeader(first.subarray(0, filled), file.path).header;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/** The fields of a header that identify a generation. */
export type GenerationFields = Pick<DumpHeader, "seriesId" | "time">;

/** Returns whether two headers are of the same generation. */
export function isSameGeneration(a: GenerationFields, b: GenerationFields): boolean {
  return isSameSeries(a, b) && comparableSeconds(a.time) === comparableSeconds(b.time);
}

/** Returns whether two headers are of the same series. */
export function isSameSeries(
  a: Pick<GenerationFields, "seriesId">,
  b: Pick<GenerationFields, "seriesId">,
): boolean {
  return a.seriesId.every((byte, i) => byte === b.seriesId[i]);
}
