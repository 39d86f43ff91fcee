/** Makes the rdiff between two dumps. */

import type { DumpHeader } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import { rdiffBetween } from "../pipeline/compare.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { proofOf } from "./proof.ts";
import { Sealing } from "./sealing.ts";
import { assertHash } from "./seals.ts";

/** Two dumps of one series, and the rdiff that is made of them. */
export interface RdiffRequest {
  /** The older dump. */
  older: ArchiveInput;
  /** The newer dump. */
  newer: ArchiveInput;
  /**
   * Path of the new rdiff, which leads from the newer dump back to the older one; `-` is standard output. The
   * suffixes `.gz` and `.zst` compress it.
   */
  rdiffout: string;
  /**
   * Compression level of the rdiff: gzip 1 to 9, zstd 1 to 19. An rdiff that is not compressed ignores it.
   */
  level?: number;
}

/** The rdiff that was made. */
export interface RdiffResult {
  /** Blocks of the disk. */
  blocks: number;
  /** Records of the rdiff: the blocks that differ. */
  records: number;
  /** The header of the older dump. The header of the rdiff is the same, except for `full`. */
  header: DumpHeader;
  /** Seals prove the blocks of both dumps. */
  isProved: boolean;
  /** Length of the rdiff in bytes, compressed or not. */
  storedBytes: number;
  /** Paths of the seals that were written or extended; none if the rdiff went to a stream. */
  seals: readonly string[];
}

/**
 * Makes the rdiff that leads from a dump back to an older one.
 *
 * @throws {FormatError} if a dump is damaged, or is not, byte for byte, the file that was sealed
 * @throws {MismatchError} if the archives are not dumps of one series and one disk size
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { merge } from "./merge.ts";
 * import { rdiff } from "./rdiff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * const disk = at("disk.raw");
 * Deno.writeFileSync(disk, new Uint8Array(1024).fill(1));
 * await dump({ mode: "full", disk, dumpout: at("1.dump"), digestout: at("1.digest") });
 * Deno.writeFileSync(disk, new Uint8Array(1024).fill(2));
 * const previous = { dumpin: at("1.dump"), digestin: at("1.digest") };
 * const outputs = { dumpout: at("2.dump"), digestout: at("2.digest"), rdiffout: at("1.rdiff") };
 * await dump({ mode: "diff", disk, ...previous, ...outputs });
 *
 * // The same rdiff again, of the two dumps:
 * const { records } = await rdiff({ older: at("1.dump"), newer: at("2.dump"), rdiffout: at("again.rdiff") });
 * assertEquals(records, 1);
 * assertEquals(Deno.readFileSync(at("again.rdiff")), Deno.readFileSync(at("1.rdiff")));
 * // The newer dump and the rdiff are the older dump:
 * await merge({ archives: [at("2.dump"), at("again.rdiff")], dumpout: at("again.dump") });
 * assertEquals(Deno.readFileSync(at("again.dump")), Deno.readFileSync(at("1.dump")));
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function rdiff(
  { older: olderInput, newer: newerInput, rdiffout, level }: RdiffRequest,
  options: JobOptions = {},
): Promise<RdiffResult> {
  return await Job.run(options, { inputs: [olderInput, newerInput], outputs: [rdiffout] }, async (job) => {
    const older = await DumpReader.open(job.core, await job.source(pathOf(olderInput)));
    const newer = await DumpReader.open(job.core, await job.source(pathOf(newerInput)));
    const ends = [];
    let isProved = true;
    for (const dump of [newer, older]) {
      // A damaged block would look like a difference. The files are compared with their seals, because no
      // root is computed here.
      const { by, last: sealed } = await proofOf(job, new Chain([dump]), { computesRoot: false });
      if (sealed !== undefined) await assertHash(sealed, job.run);
      isProved &&= by === "files";
      ends.push({ time: formatTimeStamp(dump.header.time), root: sealed?.generation.root ?? null });
    }
    job.seals.warnOfSeals();
    const [from, to] = ends;
    const sink = await job.outputs.sink(rdiffout, { level });
    const sealing = await Sealing.begin(job, older.header, [{ role: "rdiff", path: rdiffout }]);
    const { zeroRecords, ...counts } = await rdiffBetween(job.core, { older, newer, out: sink }, job.run);
    await sealing.complete({
      root: to.root,
      mode: { asked: "rdiff", done: "rdiff" },
      written: {
        [rdiffout]: { dataRecords: counts.records - zeroRecords, zeroRecords, isProved, from, to },
      },
    });
    job.commit();
    return {
      ...counts,
      header: older.header,
      isProved,
      storedBytes: sink.storedBytes,
      seals: sealing.paths,
    };
  });
}
