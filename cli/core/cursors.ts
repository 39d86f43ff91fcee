/**
 * Writing and reading the records of archives. A packer writes the blocks of a table as records, one region
 * of memory after the other; a cursor reads records into a table, one window of a file after the other.
 */

import type { Instance, Span, TakeStatus } from "./instance.ts";

/** A run of consecutive blocks, and the table that says where in the memory each block is. */
export interface BlockRun {
  /** Address of the table, a multiple of 4. An entry is the block's address, `Core.ZERO` or `Core.ABSENT`. */
  readonly tablePtr: number;
  /** Number of blocks, and of entries of the table. */
  readonly count: number;
  /** Bytes of a block, at least 1. */
  readonly blockBytes: number;
  /** Index of the first block on the disk, a safe integer. */
  readonly first: number;
}

/**
 * A run with room for the content of all its blocks: the slot of block `first + i` is at
 * `slotsPtr + i * blockBytes`.
 */
export interface SlottedRun extends BlockRun {
  /** Address of the slots. */
  readonly slotsPtr: number;
}

/** A window of an archive's stream of records: bytes in the memory that begin at the start of a record. */
export interface RecordWindow extends Span {
  /** Lowest block index that the first record may have. */
  nextBlock: number;
  /**
   * Address of a 32-bit word for each block of the run, which receives the offset of the block's record. By
   * default offsets are not stored.
   */
  offsetsPtr?: number;
  /**
   * Offset of the window's first byte, 0 by default; the caller chooses what offsets are counted from. The
   * end of the window must be below 2^32.
   */
  offsetBytes?: number;
}

/** The disk of a dump or rdiff, as the header of the archive describes it. */
export interface RecordedDisk {
  /** Bytes of a block, at least 1. */
  readonly blockBytes: number;
  /** Number of blocks of the disk, a safe integer. */
  readonly blockCount: number;
  /** True for a dump, which has a record for every block; false for an rdiff. */
  readonly full: boolean;
}

/** Which blocks of a run are packed, and where pieces may end. */
export interface PackOptions {
  /** Address of one byte for each block: blocks whose byte is 0 are left out. By default none is left out. */
  selectPtr?: number;
  /** Blocks of a group, 1 to 2^32 - 1, by default 1. Pieces of the stream end only between groups. */
  groupBlocks?: number;
}

/** A region of the memory that receives records. */
export interface PackRegion extends Span {
  /** After so many bytes packing stops before the next group. By default only at the region's end. */
  stopBytes?: number;
  /**
   * Group of the last record before this region, if both belong to the same piece: a piece may not end
   * within this group. By default the group of the last record that this packer has packed.
   */
  lastGroup?: number;
  /**
   * Packing stops after the header of each data record, and does not copy the content into the region: the
   * caller writes it from where it lies, see {@linkcode RecordPacker.content}.
   */
  inPlace?: boolean;
}

/**
 * Writes the blocks of one run as records, one region after the other:
 * `while (packer.pack(region)) write(core.bytes(region.ptr, packer.packedBytes))`.
 */
export class RecordPacker {
  /** Number of records that the last call of `pack` wrote. */
  records = 0;
  /** Number of bytes that the last call of `pack` wrote. */
  packedBytes = 0;
  /** Group of the record that was packed last. */
  lastGroup = 0;
  /** Position in the run of the first block that has not been considered yet. */
  next = 0;
  /** With `inPlace`, position in the run of the block whose content comes next in the stream, or -1. */
  content = -1;
  readonly #instance: Instance;
  readonly #run: BlockRun;
  readonly #options: PackOptions;

  /** Use {@linkcode Core.packer}. */
  constructor(instance: Instance, run: BlockRun, options: PackOptions) {
    this.#instance = instance;
    this.#run = run;
    this.#options = options;
  }

  /**
   * Fills the region with the next records. Returns false if it wrote none: the run has no more, or
   * `stopBytes` is 0 and the next record begins another group.
   *
   * @throws {RangeError} if the region has less than the `RECORD_HEADER_MAX + blockBytes` bytes of the
   * longest record (with `inPlace` only its header), a number is out of its range, or the run or the region
   * is not in the memory
   */
  pack(region: PackRegion): boolean {
    const { layout: k, cursor, kernels } = this.#instance;
    const { first, tablePtr, count, blockBytes } = this.#run;
    const { selectPtr = 0, groupBlocks = 1 } = this.#options;
    const { ptr, length, stopBytes = length, lastGroup = this.lastGroup, inPlace = false } = region;
    const wantedBytes = k.RECORD_HEADER_MAX + (inPlace ? 0 : blockBytes);
    if (stopBytes > 0 && length < wantedBytes) {
      throw new RangeError(
        `Cannot pack records: ${wantedBytes} bytes of room are wanted, ${length} are given`,
      );
    }
    if (!(Number.isInteger(groupBlocks) && groupBlocks > 0 && groupBlocks < 2 ** 32)) {
      throw new RangeError(`Cannot pack records: a group cannot have ${groupBlocks} blocks`);
    }
    this.#instance.checkTable(this.#run);
    this.#instance.checkRange(selectPtr, count);
    this.#instance.checkRange(ptr, length);
    cursor.setInteger(k.PACK_FIRST_BLOCK, first);
    cursor.setInteger(k.PACK_LAST_GROUP, lastGroup);
    cursor.set(k.PACK_TABLE_PTR, tablePtr);
    cursor.set(k.PACK_SELECT_PTR, selectPtr);
    cursor.set(k.PACK_NEXT, this.next);
    cursor.set(k.PACK_COUNT, count);
    cursor.set(k.PACK_BLOCK_LEN, blockBytes);
    cursor.set(k.PACK_OUT_PTR, ptr);
    cursor.set(k.PACK_OUT_CAP, length);
    cursor.set(k.PACK_STOP_LEN, stopBytes);
    cursor.set(k.PACK_GROUP_BLOCKS, groupBlocks);
    cursor.set(k.PACK_IN_PLACE, inPlace ? 1 : 0);
    this.records = kernels.packRecords(cursor.ptr);
    this.packedBytes = cursor.get(k.PACK_OUT_LEN);
    this.lastGroup = cursor.getInteger(k.PACK_LAST_GROUP);
    this.next = cursor.get(k.PACK_NEXT);
    const content = cursor.get(k.PACK_CONTENT);
    this.content = content === k.NO_CONTENT ? -1 : content;
    return this.records > 0;
  }
}

/** Reads the records of one dump or rdiff, one window of its stream after the other. */
export class RecordCursor {
  /** Number of bytes of the last window that were consumed. */
  consumed = 0;
  /** Number of records of the last window that were consumed as a whole: all but the one of `content`. */
  records = 0;
  /** Number of those records that have data. */
  dataRecords = 0;
  /** Lowest block index that the next record may have. */
  nextBlock = 0;
  /** After `reached` and `content`, the block index of the record at which the cursor stopped. */
  peekedBlock = 0;
  readonly #instance: Instance;
  readonly #disk: RecordedDisk;

  /** Use {@linkcode Core.recordCursor}. */
  constructor(instance: Instance, disk: RecordedDisk) {
    this.#instance = instance;
    this.#disk = disk;
  }

  /**
   * Takes the records of the run's blocks from a window. An entry of the table that is `ABSENT` receives its
   * block, data being copied to the block's slot. Records of blocks whose entries are not `ABSENT`, and of
   * blocks before the run, are skipped; all records are skipped if `tablePtr` is 0. A call takes about
   * 0.1 µs, and 0.03 µs more for each small record.
   *
   * @throws {RangeError} if the run's block size is not that of the archive, a number is out of its range, or
   * the window, the table or the slots are not in the memory
   */
  take(run: SlottedRun, window: RecordWindow): TakeStatus {
    const { layout: k, cursor, kernels } = this.#instance;
    const { first, count, tablePtr, slotsPtr } = run;
    const { blockBytes, blockCount, full } = this.#disk;
    const { offsetsPtr = 0, offsetBytes = 0 } = window;
    if (run.blockBytes !== blockBytes || !(blockBytes > 0)) {
      throw new RangeError(
        `Cannot take records: blocks of ${run.blockBytes} bytes are wanted, those of the archive have ${blockBytes}`,
      );
    }
    this.#instance.checkRange(window.ptr, window.length);
    if (tablePtr !== 0) {
      this.#instance.checkWords(tablePtr, count);
      this.#instance.checkRange(slotsPtr, count * blockBytes);
    }
    if (offsetsPtr !== 0) this.#instance.checkWords(offsetsPtr, count);
    if (!(offsetBytes >= 0 && offsetBytes + window.length < 2 ** 32)) {
      throw new RangeError(
        `Cannot take records: ${offsetBytes} is not a possible offset of a window of ${window.length} bytes`,
      );
    }
    cursor.setInteger(k.TAKE_NEXT_BLOCK, window.nextBlock);
    cursor.setInteger(k.TAKE_DISK_BLOCKS, blockCount);
    cursor.setInteger(k.TAKE_TO_BLOCK, first + count);
    cursor.setInteger(k.TAKE_FIRST_BLOCK, first);
    cursor.set(k.TAKE_SRC_PTR, window.ptr);
    cursor.set(k.TAKE_SRC_LEN, window.length);
    cursor.set(k.TAKE_BLOCK_LEN, blockBytes);
    cursor.set(k.TAKE_FULL, full ? 1 : 0);
    cursor.set(k.TAKE_TABLE_PTR, tablePtr);
    cursor.set(k.TAKE_SLOTS_PTR, slotsPtr);
    cursor.set(k.TAKE_OFFSETS_PTR, offsetsPtr);
    cursor.set(k.TAKE_SRC_OFFSET, offsetBytes);
    const status = this.#instance.statusName(kernels.takeRecords(cursor.ptr));
    this.consumed = cursor.get(k.TAKE_CONSUMED);
    this.records = cursor.get(k.TAKE_RECORDS);
    this.dataRecords = cursor.get(k.TAKE_DATA_RECORDS);
    this.nextBlock = cursor.getInteger(k.TAKE_NEXT_BLOCK);
    this.peekedBlock = cursor.getInteger(k.TAKE_PEEK_BLOCK);
    return status;
  }
}

/** Reads the records of a digest, one window of its stream after the other. */
export class DigestCursor {
  /** Number of bytes of the last window that were consumed. */
  consumed = 0;
  /** Number of records of the last window that were consumed. */
  records = 0;
  readonly #instance: Instance;

  /** Use {@linkcode Core.digestCursor}. */
  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /**
   * Takes up to `count` digests from a window and writes them to `digestsPtr`, 16 bytes each, all of them
   * zero for a zero block. Returns `reached` when `count` digests were taken. A record whose MD5 is 16 zero
   * bytes is `bad`, because in the array it could not be told from a zero block.
   *
   * @throws {RangeError} if the window or the room for the digests is not in the memory
   */
  take(digestsPtr: number, window: Span & { count: number }): Exclude<TakeStatus, "content"> {
    const { layout: k, cursor, kernels } = this.#instance;
    const { ptr, length, count } = window;
    this.#instance.checkRange(ptr, length);
    this.#instance.checkRange(digestsPtr, count * k.DIGEST_SIZE);
    this.records = kernels.takeDigest(ptr, length, count, digestsPtr, cursor.ptr);
    this.consumed = cursor.get(k.DIGEST_CONSUMED);
    return this.#instance.statusName(cursor.get(k.DIGEST_STATUS)) as Exclude<TakeStatus, "content">;
  }
}
