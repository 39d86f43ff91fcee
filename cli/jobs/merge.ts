/** Merges a list of archives into one archive. */

import type { DumpHeader } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { merge as mergeChain } from "../pipeline/merge.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { type ProofKind, proofOf } from "./proof.ts";
import { Sealing } from "./sealing.ts";
import { assertRoot } from "./seals.ts";

/** A list of archives, and the archive that is made of them: a dump or an rdiff, as the first one is. */
export interface MergeRequest {
  /** Two or more archives, the newest first: a dump or an rdiff, and rdiffs that lead back from it. */
  archives: readonly ArchiveInput[];
  /**
   * Path of the merged dump, if the first archive is a dump; `-` is standard output. `.gz` and `.zst`
   * compress it.
   */
  dumpout?: string;
  /**
   * Path of the merged rdiff, if the first archive is an rdiff; `-` is standard output. `.gz` and `.zst`
   * compress it.
   */
  rdiffout?: string;
  /**
   * Compression level of the output: gzip 1 to 9, zstd 1 to 19. An output that is not compressed ignores it.
   */
  level?: number;
}

/** The archive that was made. */
export interface MergeResult {
  /** Blocks of the disk. */
  blocks: number;
  /** Records of the output: all blocks in a dump, the changed blocks in an rdiff. */
  records: number;
  /** The header of the output. */
  header: DumpHeader;
  /** What proved the blocks. */
  proof: ProofKind;
  /** Length of the output in bytes, compressed or not. */
  storedBytes: number;
  /** Paths of the seals that were written or extended; none if the output is a stream. */
  seals: readonly string[];
  /** Paths of the archives that no seal names. */
  unsealed: readonly string[];
}

/**
 * Merges archives into one, which leads to the generation of the last archive.
 *
 * @throws {UsageError} if there are fewer than two archives, or the output is not of the kind of the first
 *   archive
 * @throws {FormatError} if an archive is damaged, or is not, byte for byte, the file that was sealed
 * @throws {MismatchError} if the archives do not belong together, or their blocks are not those that a seal
 *   records
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { merge } from "./merge.ts";
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
 * // The newer dump and the rdiff are the older dump:
 * await merge({ archives: [at("2.dump"), at("1.rdiff")], dumpout: at("again.dump") });
 * assertEquals(Deno.readFileSync(at("again.dump")), Deno.readFileSync(at("1.dump")));
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function merge(
  { archives: inputs, dumpout, rdiffout, level }: MergeRequest,
  options: JobOptions = {},
): Promise<MergeResult> {
  const archives = inputs.map(pathOf);
  const out = dumpout ?? rdiffout;
  if (out === undefined || (dumpout !== undefined && rdiffout !== undefined)) {
    throw new UsageError("Cannot merge: one of --dumpout and --rdiffout is needed");
  }
  if (archives.length < 2) {
    throw new UsageError(`Cannot merge: two or more archives are needed, ${archives.length} is given`);
  }
  return await Job.run(options, { inputs, outputs: [out] }, async (job) => {
    const chain = await job.chain(archives);
    const { header } = chain;
    if (header.full !== (dumpout !== undefined)) {
      throw new UsageError(
        header.full
          ? `Cannot merge into an rdiff: "${archives[0]}" is a dump, use --dumpout`
          : `Cannot merge into a dump: "${archives[0]}" is an rdiff, use --rdiffout`,
      );
    }
    const first = await job.seals.sealed(chain.readers[0]);
    const proof = await proofOf(job, chain);
    job.seals.warnOfSeals();
    // A root proves the blocks, even if the files are other ones. It does not prove the header, which is that
    // of the last archive.
    if (proof.by !== "root") await job.proveSealed();
    const proveHeader = proof.by === "root" && proof.last !== undefined
      ? job.proveWhileRead(chain.readers.at(-1)!, proof.last)
      : () => Promise.resolve();
    const sink = await job.outputs.sink(out, { level });
    const role = header.full ? "dump" : "rdiff";
    const sealing = await Sealing.begin(job, header, [{ role, path: out }]);
    const sha256 = job.root();
    const { zeroRecords, ...counts } = await mergeChain(
      job.core,
      { chain, out: sink, root: sha256 },
      job.run,
    );
    const root = header.full ? await sha256.hex() : null;
    if (root !== null) assertRoot(proof.path, proof.roots, root);
    await proveHeader();
    const to = { time: formatTimeStamp(header.time), root: proof.last?.generation.root ?? null };
    await sealing.complete({
      root: root ?? to.root,
      mode: { asked: "merge", done: "merge" },
      written: {
        [out]: {
          dataRecords: counts.records - zeroRecords,
          zeroRecords,
          isProved: proof.by !== "nothing",
          ...(header.full ? {} : { from: first?.file.from ?? null, to }),
        },
      },
    });
    job.commit();
    return {
      ...counts,
      header,
      proof: proof.by,
      storedBytes: sink.storedBytes,
      seals: sealing.paths,
      unsealed: job.unsealed,
    };
  });
}
