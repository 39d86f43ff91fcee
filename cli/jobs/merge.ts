/** Makes one archive of several. */

import type { DumpHeader } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { merge as mergeChain } from "../pipeline/merge.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { type ProofKind, proofOf } from "./proof.ts";
import { Sealing } from "./sealing.ts";
import { assertRoot } from "./seals.ts";

/** What is merged into what. */
export interface MergeRequest {
  /** Two or more archives, the newest first: a dump or an rdiff, and rdiffs that lead back from it. */
  archives: readonly string[];
  /** The merged dump, if the first archive is a dump. */
  dumpout?: string;
  /** The merged rdiff, if the first archive is an rdiff. */
  rdiffout?: string;
  /** Compression, where the name of the output asks for one: gzip 1 to 9, zstd 1 to 19. */
  level?: number;
}

/** What was merged. */
export interface MergeResult {
  /** Blocks of the disk. */
  blocks: number;
  /** Records of the output: blocks of a dump, changed blocks of an rdiff. */
  records: number;
  /** The header of the output. */
  header: DumpHeader;
  /** What proved the blocks. */
  proof: ProofKind;
  /** Bytes of the output. */
  storedBytes: number;
  /** The paths of the seals. */
  seals: readonly string[];
  /** Archives that no seal tells of. */
  unsealed: readonly string[];
}

/**
 * Merges archives. The output has the generation of the last one.
 *
 * @throws {UsageError} if the request cannot be meant
 * @throws {FormatError | MismatchError} if an archive is damaged, or they do not belong together
 */
export async function merge(
  { archives, dumpout, rdiffout, level }: MergeRequest,
  options: JobOptions = {},
): Promise<MergeResult> {
  const out = dumpout ?? rdiffout;
  if (out === undefined || (dumpout !== undefined && rdiffout !== undefined)) {
    throw new UsageError("Cannot merge: one of --dumpout and --rdiffout is needed");
  }
  if (archives.length < 2) {
    throw new UsageError(`Cannot merge: two or more archives are needed, ${archives.length} is given`);
  }
  await using job = await Job.start(options, { inputs: archives, outputs: [out] });
  const chain = await job.chain(archives);
  const { header } = chain;
  if (header.full !== (dumpout !== undefined)) {
    throw new UsageError(
      header.full
        ? `Cannot merge into an rdiff: "${archives[0]}" is a dump, use --dumpout`
        : `Cannot merge into a dump: "${archives[0]}" is an rdiff, use --rdiffout`,
    );
  }
  const first = await job.sealed(chain.readers[0]);
  const proof = await proofOf(job, chain);
  // A root proves the blocks, whatever the files are, but not the header that the result has from the last one.
  if (proof.by !== "root") await job.proveSealed();
  const proveHeader = proof.by === "root" && proof.last !== undefined
    ? job.proveWhileRead(chain.readers.at(-1)!, proof.last)
    : () => Promise.resolve();
  const sink = await job.sink(out, { level });
  const role = header.full ? "dump" : "rdiff";
  const sealing = await Sealing.begin(job, header, [{ role, path: out }]);
  const sha256 = job.root();
  const { zeroRecords, ...counts } = await mergeChain(job.core, { chain, out: sink, root: sha256 }, job.run);
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
}
