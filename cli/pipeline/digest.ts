/** Computes the digest of a dump. */

import type { ByteSink, PassingHash } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { DigestWriter } from "./digest_writer.ts";
import { Batch } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/** The number of MD5s that are copied at a time. */
const COPIED_DIGESTS = 16 * 1024;

/**
 * Writes a digest anew, in the container of the sink. `root` is updated with the MD5s of all blocks.
 *
 * @throws {FormatError} if the digest is damaged or incomplete
 */
export async function copyDigest(
  owner: Core,
  { digestIn, digestOut, root }: { digestIn: DigestReader; digestOut: ByteSink; root?: PassingHash },
  options: RunOptions = {},
): Promise<void> {
  await using core = owner.scope();
  const { header } = digestIn;
  const checkpoint = new Checkpoint(options);
  const digest = new DigestWriter(core, digestOut, header, { root });
  const digestsPtr = core.alloc(COPIED_DIGESTS * core.DIGEST_SIZE);
  for (let first = 0; first < header.blockCount; first += COPIED_DIGESTS) {
    const count = Math.min(COPIED_DIGESTS, header.blockCount - first);
    await digestIn.take(digestsPtr, count);
    await digest.writeDigests({ first, count, digestsPtr });
    await checkpoint.passBatch({ end: first + count }, header);
  }
  await digestIn.finish();
  await digest.finish();
}

/**
 * Computes the digest of a dump. `root` is updated with the MD5s of all blocks.
 *
 * @throws {MismatchError} if the archive is an rdiff
 * @throws {FormatError} if it is damaged or incomplete
 */
export async function digestOf(
  owner: Core,
  { dumpIn, digestOut, root }: { dumpIn: DumpReader; digestOut: ByteSink; root?: PassingHash },
  options: RunOptions = {},
): Promise<{ blocks: number; zeroBlocks: number }> {
  await using core = owner.scope();
  const { header } = dumpIn;
  if (!header.full) {
    throw new MismatchError(`Cannot digest "${dumpIn.path}": it is an rdiff, a dump is needed`);
  }
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const digest = new DigestWriter(core, digestOut, header, { root });
  const { blockCount, blockBytes } = header;
  const ring = ringOf(crew, Batch.bytesFor(blockBytes), () => new Batch(core, blockBytes));
  let zeroBlocks = 0;
  let first = 0;
  const take = async (batch: Batch) => {
    if (!batch.start(first, blockCount)) return false;
    first = batch.end;
    await dumpIn.take(batch);
    return true;
  };
  const write = async (batch: Batch) => {
    zeroBlocks += batch.countZeros();
    await digest.write(batch);
  };
  await convey(ring, take, [
    { together: true, each: (batch) => batch.hash(crew) },
    { each: write },
    { each: (batch) => checkpoint.passBatch(batch, header) },
  ]);
  await dumpIn.finish();
  await digest.finish();
  return { blocks: header.blockCount, zeroBlocks };
}
