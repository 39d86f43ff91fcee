/** Makes the digest of a dump. */

import type { DumpHeader } from "../archive/header.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import { digestOf } from "../pipeline/digest.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { type ProofKind, proofOf } from "./proof.ts";
import { Sealing } from "./sealing.ts";
import { assertHash, assertRoot } from "./seals.ts";

/** A dump, and the digest that is made of it. */
export interface DigestRequest {
  /** The dump. */
  dumpin: ArchiveInput;
  /** Path of the new digest; `-` is standard output. The suffixes `.gz` and `.zst` compress it. */
  digestout: string;
  /**
   * Compression level of the digest: gzip 1 to 9, zstd 1 to 19. A digest that is not compressed ignores it.
   */
  level?: number;
}

/** The digest that was made. */
export interface DigestResult {
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks whose bytes are all zero. */
  zeroBlocks: number;
  /** The header of the dump. */
  header: DumpHeader;
  /** What proved the blocks of the dump. */
  proof: ProofKind;
  /** Length of the digest in bytes, compressed or not. */
  storedBytes: number;
  /** Paths of the seals that were written or extended; none if the digest went to a stream. */
  seals: readonly string[];
}

/**
 * Makes the digest of a dump: the MD5 of each block.
 *
 * @throws {FormatError} if the dump is damaged, or is not, byte for byte, the file that was sealed
 * @throws {MismatchError} if its blocks are not those that a seal records, or the archive is an rdiff
 *
 * @example
 * ```ts
 * import { digest } from "./digest.ts";
 * import { dump } from "./dump.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(1024).fill(1));
 * await dump({ mode: "full", disk: at("disk.raw"), dumpout: at("0.dump"), digestout: at("0.digest") });
 * await digest({ dumpin: at("0.dump"), digestout: at("again.digest") });
 * assertEquals(Deno.readFileSync(at("again.digest")), Deno.readFileSync(at("0.digest")));
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function digest(
  { dumpin, digestout, level }: DigestRequest,
  options: JobOptions = {},
): Promise<DigestResult> {
  return await Job.run(options, { inputs: [dumpin], outputs: [digestout] }, async (job) => {
    const dumpIn = await DumpReader.open(job.core, await job.source(pathOf(dumpin)));
    const proof = await proofOf(job, new Chain([dumpIn]));
    job.seals.warnOfSeals();
    if (proof.by === "files") await assertHash(proof.last!, job.run);
    const digestOut = await job.outputs.sink(digestout, { level });
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
  });
}
