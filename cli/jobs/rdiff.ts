/** Makes the rdiff between two dumps. */

import type { DumpHeader } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import { rdiffBetween } from "../pipeline/compare.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { proofOf } from "./proof.ts";
import { Sealing } from "./sealing.ts";
import { assertHash } from "./seals.ts";

/** Two dumps of one series, and the rdiff to be. */
export interface RdiffRequest {
  /** Path of the older dump. */
  older: string;
  /** Path of the newer dump. */
  newer: string;
  /** Path of the rdiff, which leads from the newer dump back to the older one. */
  rdiffout: string;
  /** Compression, where the name of the rdiff asks for one: gzip 1 to 9, zstd 1 to 19. */
  level?: number;
}

/** What the rdiff holds. */
export interface RdiffResult {
  /** Blocks of the disk. */
  blocks: number;
  /** Records of the rdiff: the blocks that differ. */
  records: number;
  /** The header of the older dump; the rdiff has the same, but that it is not full. */
  header: DumpHeader;
  /** Whether seals prove the blocks of both dumps. */
  isProved: boolean;
  /** Bytes of the rdiff. */
  storedBytes: number;
  /** The paths of the seals. */
  seals: readonly string[];
}

/**
 * Writes the rdiff that leads from a dump back to an older one.
 *
 * @throws {FormatError | MismatchError} if a dump is damaged, or they do not belong together
 */
export async function rdiff(
  { older: olderPath, newer: newerPath, rdiffout, level }: RdiffRequest,
  options: JobOptions = {},
): Promise<RdiffResult> {
  await using job = await Job.start(options, { inputs: [olderPath, newerPath], outputs: [rdiffout] });
  const older = await DumpReader.open(job.core, await job.source(olderPath));
  const newer = await DumpReader.open(job.core, await job.source(newerPath));
  const ends = [];
  let isProved = true;
  for (const dump of [newer, older]) {
    const { by, last: sealed } = await proofOf(job, new Chain([dump]));
    // Damage of a dump would become a difference. No root is computed of the blocks, so only the file can prove them.
    if (sealed !== undefined) await assertHash(sealed, job.run);
    isProved &&= by !== "nothing" && sealed !== undefined;
    ends.push({ time: formatTimeStamp(dump.header.time), root: sealed?.generation.root ?? null });
  }
  const [from, to] = ends;
  const sink = await job.sink(rdiffout, { level });
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
}
