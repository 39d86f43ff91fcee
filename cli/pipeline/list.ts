/** Lists the records of an archive one by one. */

import type { Core } from "../core.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { Batch } from "./batch.ts";
import { Checkpoint, crewOf, type RunOptions } from "./run.ts";

/** A record of an archive. */
export interface ListedRecord {
  /** Number of the block; the first block of a disk is 0. */
  block: number;
  /** All bytes of the block are zero. */
  zero: boolean;
  /** The MD5 of the block as 32 hexadecimal digits; absent for a zero block. */
  md5?: string;
}

/**
 * Yields the records of a dump or rdiff, one batch at a time. @throws {FormatError} if it is damaged or
 * incomplete
 */
export async function* listDump(
  owner: Core,
  reader: DumpReader,
  options: RunOptions = {},
): AsyncGenerator<ListedRecord[]> {
  await using core = owner.scope();
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const { blockCount, blockBytes } = reader.header;
  const batch = new Batch(core, blockBytes);
  for (let first = 0; batch.start(first, blockCount); first = Math.max(batch.end, reader.nextBlock)) {
    await reader.take(batch);
    await batch.hash(crew);
    const records: ListedRecord[] = [];
    for (let i = 0; i < batch.count; i++) {
      if (batch.table[i] !== core.ABSENT) {
        records.push(record(first + i, batch.digests.subarray(i * 16, i * 16 + 16)));
      }
    }
    yield records;
    await checkpoint.passBatch(batch, reader.header);
  }
  await reader.finish();
}

/**
 * Yields the records of a digest, up to 4096 at a time. @throws {FormatError} if it is damaged or incomplete
 */
export async function* listDigest(
  owner: Core,
  reader: DigestReader,
  options: RunOptions = {},
): AsyncGenerator<ListedRecord[]> {
  await using core = owner.scope();
  const checkpoint = new Checkpoint(options);
  const { blockCount, blockBytes } = reader.header;
  const capacity = 4096;
  const ptr = core.alloc(capacity * 16);
  for (let first = 0; first < blockCount; first += capacity) {
    const count = Math.min(capacity, blockCount - first);
    await reader.take(ptr, count);
    yield Array.from({ length: count }, (_, i) => record(first + i, core.bytes(ptr + i * 16, 16)));
    await checkpoint.pass({ doneBlocks: first + count, totalBlocks: blockCount, blockBytes });
  }
  await reader.finish();
}

function record(block: number, digest: Uint8Array): ListedRecord {
  if (digest.every((byte) => byte === 0)) return { block, zero: true };
  return {
    block,
    zero: false,
    md5: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}
