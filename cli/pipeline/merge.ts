/** Merges a chain to one archive. */

import type { ByteSink, PassingHash } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import { DumpWriter } from "./dump_writer.ts";
import { Batch, BATCH_BYTES, SMALL_BATCH_BYTES } from "./batch.ts";
import type { Chain } from "./chain.ts";
import { convey } from "./conveyor.ts";
import type { RecordOrigin } from "./record_sink.ts";
import { Checkpoint, crewOf, type RunOptions, shortRingOf } from "./run.ts";

/**
 * Writes the generation to which a chain leads as one archive: a dump if the chain begins with a dump, an
 * rdiff otherwise. For a dump, `root` is updated with the MD5s of all blocks.
 *
 * @throws {FormatError} if an archive is damaged or incomplete
 */
export async function merge(
  owner: Core,
  { chain, out, root }: { chain: Chain; out: ByteSink; root?: PassingHash },
  options: RunOptions = {},
): Promise<{ blocks: number; records: number; zeroRecords: number }> {
  await using core = owner.scope();
  const { header } = chain;
  const { blockCount, blockBytes } = header;
  const checkpoint = new Checkpoint(options);
  const isHashed = root !== undefined && header.full;
  const writer = new DumpWriter(core, out, header);
  const ring = shortRingOf(blockBytes, () => {
    const batch = new Batch(core, blockBytes, chain.batchBytes(isHashed ? BATCH_BYTES : SMALL_BATCH_BYTES));
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
  const crew = crewOf(core, options);
  const write = async ({ batch, origin }: typeof ring[number]) => {
    const hashed = isHashed ? batch.updateHash(root) : undefined;
    await writer.store(batch, { origin });
    await hashed;
  };
  await convey(ring, take, [
    ...(isHashed ? [{ together: true, each: ({ batch }: typeof ring[number]) => batch.hash(crew) }] : []),
    { each: write },
    { each: ({ batch }) => batch.free },
    { each: ({ batch }) => checkpoint.passBatch(batch, header) },
  ]);
  await chain.finish();
  await writer.finish();
  return { blocks: header.blockCount, records: writer.records, zeroRecords: writer.zeroRecords };
}
