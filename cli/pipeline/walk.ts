/**
 * Reads archives to verify their structure: the records are valid and complete. Contents of blocks are not
 * verified.
 */

import type { PassingHash } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { Batch, SMALL_BATCH_BYTES } from "./batch.ts";
import { Checkpoint, type RunOptions } from "./run.ts";

/** The numbers of records of an archive. */
export interface RecordCounts {
  dataRecords: number;
  zeroRecords: number;
}

/**
 * Reads the records of a dump or rdiff to its end. The blocks of a plain file are skipped and not read.
 *
 * @throws {FormatError} if it is damaged or incomplete
 */
export async function walkRecords(
  owner: Core,
  reader: DumpReader,
  options: RunOptions = {},
): Promise<RecordCounts> {
  await using core = owner.scope();
  const { header } = reader;
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, header.blockBytes, SMALL_BATCH_BYTES);
  for (let first = 0; batch.start(first, header.blockCount); first = Math.max(batch.end, reader.nextBlock)) {
    // Blocks whose entry in the table is not absent are skipped.
    batch.table.fill(core.ZERO, 0, batch.count);
    await reader.take(batch);
    await checkpoint.passBatch(batch, header);
  }
  await reader.finish();
  return { dataRecords: reader.dataRecords, zeroRecords: reader.records - reader.dataRecords };
}

/** The number of MD5s that are read at a time. */
const DIGESTS = 65536;

/**
 * Reads a digest to its end. `root` is updated with all MD5s.
 *
 * @throws {FormatError} if it is damaged or incomplete
 */
export async function walkDigest(
  owner: Core,
  { digest, root }: { digest: DigestReader; root: PassingHash },
  options: RunOptions = {},
): Promise<RecordCounts> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = digest.header;
  const checkpoint = new Checkpoint(options);
  const ptr = core.alloc(DIGESTS * core.DIGEST_SIZE);
  const words = core.words(ptr, DIGESTS * 4);
  let zeroRecords = 0;
  for (let first = 0; first < blockCount; first += DIGESTS) {
    const count = Math.min(DIGESTS, blockCount - first);
    await digest.take(ptr, count);
    await root.update([core.bytes(ptr, count * core.DIGEST_SIZE)]);
    for (let at = 0; at < count * 4; at += 4) {
      if ((words[at] | words[at + 1] | words[at + 2] | words[at + 3]) === 0) zeroRecords++;
    }
    await checkpoint.pass({ doneBlocks: first + count, totalBlocks: blockCount, blockBytes });
  }
  await digest.finish();
  return { dataRecords: blockCount - zeroRecords, zeroRecords };
}
