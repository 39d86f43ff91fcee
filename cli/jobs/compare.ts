/** Compares two archives. */

import { MismatchError } from "../errors.ts";
import { DigestReader, DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { compareDigests, compareDumps, type CompareResult } from "../pipeline/compare.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** Two archives of the same kind. */
export interface CompareRequest {
  /** A dump, an rdiff or a digest. */
  a: ArchiveInput;
  /** Another archive of the same kind. */
  b: ArchiveInput;
}

/**
 * Compares two archives block by block. They are the same if their sizes and all blocks agree; other
 * differences between their headers (series, time, metadata) are only listed.
 *
 * @throws {FormatError} if an archive is damaged
 * @throws {MismatchError} if the archives are not of the same kind
 *
 * @example
 * ```ts
 * import { compare } from "./compare.ts";
 * import { dump } from "./dump.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(1024));
 * for (const n of [1, 2]) {
 *   const files = { dumpout: at(`${n}.dump`), digestout: at(`${n}.digest`) };
 *   await dump({ mode: "full", disk: at("disk.raw"), ...files });
 * }
 * const { same, blocks } = await compare({ a: at("1.dump"), b: at("2.dump") });
 * assertEquals({ same, blocks }, { same: true, blocks: 1 });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function compare({ a, b }: CompareRequest, options: JobOptions = {}): Promise<CompareResult> {
  return await Job.run(options, { inputs: [a, b] }, async (job) => {
    const readers = [
      await openArchive(job.core, await job.source(pathOf(a))),
      await openArchive(job.core, await job.source(pathOf(b))),
    ];
    const [first, second] = readers;
    if (first instanceof DumpReader && second instanceof DumpReader) {
      return await compareDumps(job.core, [first, second], job.run);
    }
    if (first instanceof DigestReader && second instanceof DigestReader) {
      return await compareDigests(job.core, [first, second], job.run);
    }
    throw new MismatchError(
      `Cannot compare "${pathOf(a)}" and "${pathOf(b)}": one is a digest, the other is not`,
    );
  });
}
