/** Compares two archives. */

import { MismatchError } from "../errors.ts";
import { DigestReader, DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { compareDigests, compareDumps, type CompareResult } from "../pipeline/compare.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** Two archives of one kind. */
export interface CompareRequest {
  /** Path of a dump, an rdiff or a digest. */
  a: string;
  /** Path of another archive of the same kind. */
  b: string;
}

/**
 * Compares two archives block by block. Sizes and blocks count; series, time and metadata are only reported.
 *
 * @throws {FormatError} if one is damaged
 * @throws {MismatchError} if they are not of one kind
 */
export async function compare({ a, b }: CompareRequest, options: JobOptions = {}): Promise<CompareResult> {
  await using job = await Job.start(options, { inputs: [a, b] });
  const readers = [
    await openArchive(job.core, await job.source(a)),
    await openArchive(job.core, await job.source(b)),
  ];
  const [first, second] = readers;
  if (first instanceof DumpReader && second instanceof DumpReader) {
    return await compareDumps(job.core, [first, second], job.run);
  }
  if (first instanceof DigestReader && second instanceof DigestReader) {
    return await compareDigests(job.core, [first, second], job.run);
  }
  throw new MismatchError(`Cannot compare "${a}" and "${b}": one is a digest, the other is not`);
}
