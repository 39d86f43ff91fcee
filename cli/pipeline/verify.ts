/** Compares a disk with a digest or with the archives that were restored to it. */

import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import type { Crew } from "../workers/crew.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch, HALF_BATCH_BYTES } from "./batch.ts";
import type { Chain } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { beginningOfDisk } from "./disk_as_dump.ts";
import { readDisk } from "./disk_reader.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions, shortRingOf } from "./run.ts";

/** The two sides of the comparison. Only the first `capacityBytes` bytes of the disk are compared. */
export interface Verification {
  disk: ReadableDisk;
  capacityBytes: number;
  /** A digest, or a chain of archives. Blocks without a record in the chain are not compared. */
  expected: DigestReader | Chain;
}

/**
 * Reads a disk and compares the MD5 of each block with the expected one. Returns the number of blocks.
 *
 * @throws {MismatchError} at the first block that differs
 * @throws {FormatError} if the digest or an archive is damaged or incomplete
 */
export async function verifyDisk(
  owner: Core,
  { disk, capacityBytes, expected }: Verification,
  options: RunOptions = {},
): Promise<number> {
  await using core = owner.scope();
  const { header } = expected;
  const { blockCount, blockBytes } = header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const makeBatch = () => new VerifiedBatch(core, expected);
  const ring = "readers" in expected && expected.isLong
    ? shortRingOf(blockBytes, makeBatch)
    : ringOf(crew, 2 * Batch.bytesFor(blockBytes, HALF_BATCH_BYTES), makeBatch);
  const cut = beginningOfDisk(disk, capacityBytes);
  let first = 0;
  const next = async (item: VerifiedBatch) => {
    if (!item.batch.start(first, blockCount)) return false;
    first = item.batch.end;
    await item.take();
    return true;
  };
  const read = ({ batch }: VerifiedBatch) => readDisk(cut, batch, { start: batch.first, end: batch.end });
  const compare = async (item: VerifiedBatch) => {
    const block = await item.firstBad(crew);
    if (block === undefined) return;
    throw new MismatchError(
      `Cannot trust disk "${disk.path}": block ${block} was read back and differs from ` +
        `"${nameOf(expected)}"`,
      { block },
    );
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: read },
    { together: true, each: compare },
    { each: ({ batch }) => checkpoint.passBatch(batch, header) },
  ]);
  await expected.finish();
  return blockCount;
}

function nameOf(expected: DigestReader | Chain): string {
  return "path" in expected ? expected.path : expected.readers[expected.readers.length - 1].path;
}

/** Blocks of the disk and their expected MD5s. */
class VerifiedBatch {
  readonly batch: Batch;
  readonly #core: Core;
  readonly #expected: DigestReader | Chain;
  /** The blocks of the chain; undefined if the disk is compared with a digest. */
  readonly #archived?: Batch;
  readonly #expectedPtr: number;
  readonly #badPtr: number;
  /** One byte for each block: 1 if the MD5s differ. */
  readonly #bad: Uint8Array;

  constructor(core: Core, expected: DigestReader | Chain) {
    const { header: { blockBytes } } = expected;
    const isChain = "readers" in expected;
    const batchBytes = isChain ? expected.batchBytes(HALF_BATCH_BYTES) : HALF_BATCH_BYTES;
    this.batch = new Batch(core, blockBytes, batchBytes);
    const { capacity } = this.batch;
    this.#core = core;
    this.#expected = expected;
    if (isChain) this.#archived = new Batch(core, blockBytes, batchBytes);
    this.#expectedPtr = this.#archived?.digestsPtr ?? core.alloc(capacity * core.DIGEST_SIZE);
    this.#badPtr = core.alloc(capacity);
    this.#bad = core.bytes(this.#badPtr, capacity);
  }

  /** Reads the digests or the archived blocks for the run. */
  async take(): Promise<void> {
    const { first, end, count } = this.batch;
    if ("readers" in this.#expected) {
      this.#archived!.start(first, end);
      await this.#expected.take(this.#archived!);
    } else {
      await this.#expected.take(this.#expectedPtr, count);
    }
  }

  /** Returns the first block that differs; undefined if none does. */
  async firstBad(crew: Crew): Promise<number | undefined> {
    const { batch } = this;
    await batch.hash(crew);
    await this.#archived?.hash(crew);
    const bad = this.#core.diffDigests(
      batch.digestsPtr,
      this.#expectedPtr,
      batch.count,
      this.#badPtr,
      this.#archived?.tablePtr,
    );
    return bad === 0 ? undefined : batch.first + this.#bad.subarray(0, batch.count).indexOf(1);
  }
}
