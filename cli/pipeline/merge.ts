/** Chain to dump or rdiff. */

import type { ByteSink } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import { DumpWriter, type RecordOrigin } from "./dump_writer.ts";
import { Batch, SMALL_BATCH_BYTES } from "./batch.ts";
import type { Chain } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, type RunOptions, shortRingOf } from "./run.ts";

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
  const { blockCount, blockBytes } = header;
  const checkpoint = new Checkpoint(options);
  const writer = new DumpWriter(core, out, header);
  const ring = shortRingOf(Batch.bytesFor(blockBytes, SMALL_BATCH_BYTES), () => {
    const batch = new Batch(core, blockBytes, SMALL_BATCH_BYTES);
    return { batch, changed: new Uint8Array(batch.capacity), origin: undefined as RecordOrigin | undefined };
  });
  let first = 0;
  const take = async (item: typeof ring[number]) => {
    const { batch, changed } = item;
    if (!batch.start(first, blockCount)) return false;
    item.origin = await chain.take(batch, changed);
    first = chain.nextFrom(batch.end);
    return true;
  };
  await convey(ring, take, [
    { each: ({ batch, origin }) => writer.write(batch, { origin }) },
    { each: ({ batch }) => checkpoint.passBatch(batch, header) },
  ]);
  await chain.finish();
  await writer.finish();
  return { blocks: header.blockCount, records: writer.records };
}
