/** Chain to dump or rdiff. */

import type { ByteSink } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import { DumpWriter } from "./archive_writer.ts";
import { Batch } from "./batch.ts";
import type { Chain } from "./chain.ts";
import { Checkpoint, type RunOptions } from "./run.ts";

/**
 * Writes what a chain leads to as one archive: a dump if the chain begins with one, else an rdiff.
 *
 * @throws {FormatError} if an archive is damaged or not whole
 */
export async function merge(
  core: Core,
  { chain, out }: { chain: Chain; out: ByteSink },
  options: RunOptions = {},
): Promise<{ blocks: number; records: number }> {
  const { header } = chain;
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, header.blockBytes);
  const writer = new DumpWriter(core, out, header);
  for (let first = 0; batch.start(first, header.blockCount); first = chain.nextFrom(batch.end)) {
    await chain.take(batch);
    await writer.write(batch);
    await checkpoint.passBatch(batch, header);
  }
  await chain.finish();
  await writer.finish();
  return { blocks: header.blockCount, records: writer.records };
}
