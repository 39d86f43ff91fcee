/** Proves a generation from the next newer one, without reading an image. */

import type { PassingHash } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { Batch } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, crewOf, type RunOptions, shortRingOf } from "./run.ts";

/** A generation, the next newer one, and the rdiff between them. */
export interface ProofStep {
  newer: DigestReader;
  /** Leads from the newer generation to the older one. */
  rdiff: DumpReader;
  older: DigestReader;
  /** Is updated with the MD5s of the older generation. */
  root: PassingHash;
}

/** The blocks of the older generation. */
export interface StepCounts {
  /** Blocks that are not what the older digest says. */
  badBlocks: number;
  firstBadBlock?: number;
}

/**
 * Compares the older digest with the MD5s of the records of the rdiff and, for blocks without a record, with the
 * newer digest. If the newer generation is proved, the older one is.
 *
 * @throws {FormatError} if one of the files is damaged or incomplete
 */
export async function proveStep(
  owner: Core,
  { newer, rdiff, older, root }: ProofStep,
  options: RunOptions = {},
): Promise<StepCounts> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = rdiff.header;
  const size = core.DIGEST_SIZE;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const ring = shortRingOf(blockBytes, () => {
    const batch = new Batch(core, blockBytes);
    return {
      batch,
      newerPtr: core.alloc(batch.capacity * size),
      olderPtr: core.alloc(batch.capacity * size),
      badPtr: core.alloc(batch.capacity),
      end: 0,
    };
  });
  const result: StepCounts = { badBlocks: 0 };
  let first = 0;
  const take = async (item: typeof ring[number]) => {
    const { batch, newerPtr, olderPtr } = item;
    if (!batch.start(first, blockCount)) return false;
    item.end = first = batch.end;
    await rdiff.take(batch);
    await newer.take(newerPtr, batch.count);
    await older.take(olderPtr, batch.count);
    return true;
  };
  const compare = async ({ batch, newerPtr }: typeof ring[number]) => {
    await batch.hash(crew);
    const unchanged = core.bytes(newerPtr, batch.count * size);
    for (let i = 0; i < batch.count; i++) {
      if (batch.table[i] !== core.ABSENT) continue;
      batch.digests.set(unchanged.subarray(i * size, (i + 1) * size), i * size);
    }
  };
  const count = async ({ batch, olderPtr, badPtr }: typeof ring[number]) => {
    await root.update([core.bytes(olderPtr, batch.count * size)]);
    const bad = core.diffDigests(batch.digestsPtr, olderPtr, batch.count, badPtr);
    if (bad > 0) result.firstBadBlock ??= batch.first + core.bytes(badPtr, batch.count).indexOf(1);
    result.badBlocks += bad;
  };
  await convey(ring, take, [
    { together: true, each: compare },
    { each: count },
    { each: ({ end }) => checkpoint.passBatch({ end }, rdiff.header) },
  ]);
  await rdiff.finish();
  await newer.finish();
  await older.finish();
  return result;
}
