/** Dump to digest. */

import type { ByteSink } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import { MismatchError } from "../errors.ts";
import type { DumpReader } from "./archive_reader.ts";
import { DigestWriter } from "./archive_writer.ts";
import { Batch } from "./batch.ts";
import { Checkpoint, type RunOptions } from "./run.ts";

/**
 * Computes the digest of a dump.
 *
 * @throws {MismatchError} if it is an rdiff
 * @throws {FormatError} if it is damaged or not whole
 */
export async function digestOf(
  core: Core,
  { dumpIn, digestOut }: { dumpIn: DumpReader; digestOut: ByteSink },
  options: RunOptions = {},
): Promise<{ blocks: number; zeroBlocks: number }> {
  const { header } = dumpIn;
  if (!header.full) {
    throw new MismatchError(`Cannot digest "${dumpIn.path}": it is an rdiff, a dump is needed`);
  }
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, header.blockBytes);
  const digest = new DigestWriter(core, digestOut, header);
  let zeroBlocks = 0;
  for (let first = 0; batch.start(first, header.blockCount); first = batch.end) {
    await dumpIn.take(batch);
    zeroBlocks += batch.count - batch.dropZeros();
    batch.hash();
    await digest.write(batch);
    await checkpoint.passBatch(batch, header);
  }
  await dumpIn.finish();
  await digest.finish();
  return { blocks: header.blockCount, zeroBlocks };
}
