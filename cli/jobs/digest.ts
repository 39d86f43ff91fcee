/** Makes the digest of a dump. */

import type { DumpHeader } from "../archive/header.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import { digestOf } from "../pipeline/digest.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { type ProofKind, proofOf } from "./proof.ts";
import { Sealing } from "./sealing.ts";
import { assertHash, assertRoot } from "./seals.ts";

/** The dump, and its digest to be. */
export interface DigestRequest {
  /** Path of the dump. */
  dumpin: string;
  /** Path of the digest. */
  digestout: string;
  /** Compression, where the name of the digest asks for one: gzip 1 to 9, zstd 1 to 19. */
  level?: number;
}

/** What was digested. */
export interface DigestResult {
  /** Blocks of the disk. */
  blocks: number;
  /** Those that hold nothing but zeros. */
  zeroBlocks: number;
  /** The header of the dump. */
  header: DumpHeader;
  /** What proved the blocks. */
  proof: ProofKind;
  /** Bytes of the digest. */
  storedBytes: number;
  /** The paths of the seals. */
  seals: readonly string[];
}

/**
 * Computes the digest of a dump: the MD5 of each block.
 *
 * @throws {FormatError | MismatchError} if the dump is damaged, or is not what was sealed
 */
export async function digest(
  { dumpin, digestout, level }: DigestRequest,
  options: JobOptions = {},
): Promise<DigestResult> {
  await using job = await Job.start(options, { inputs: [dumpin], outputs: [digestout] });
  const dumpIn = await DumpReader.open(job.core, await job.source(dumpin));
  const proof = await proofOf(job, new Chain([dumpIn]));
  if (proof.by === "files") await assertHash(proof.last!, job.run);
  const digestOut = await job.sink(digestout, { level });
  const sealing = await Sealing.begin(job, dumpIn.header, [{ role: "digest", path: digestout }]);
  const sha256 = job.root();
  const counts = await digestOf(job.core, { dumpIn, digestOut, root: sha256 }, job.run);
  const root = await sha256.hex();
  assertRoot(dumpIn.path, proof.roots, root);
  const { blocks, zeroBlocks } = counts;
  await sealing.complete({
    root,
    mode: { asked: "digest", done: "digest" },
    written: {
      [digestout]: {
        dataRecords: blocks - zeroBlocks,
        zeroRecords: zeroBlocks,
        isProved: proof.by !== "nothing",
      },
    },
  });
  job.commit();
  return {
    ...counts,
    header: dumpIn.header,
    proof: proof.by,
    storedBytes: digestOut.storedBytes,
    seals: sealing.paths,
  };
}
