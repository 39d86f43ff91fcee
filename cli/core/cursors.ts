/** Objects that pack records out of tables and take them into tables, a region or a window at a time. */

import type { Instance, Span, TakeStatus } from "./instance.ts";

/** A run of consecutive blocks and the table that says where each one lies. */
export interface BlockRun {
  /** Address of the table, aligned to 4: an address, `Core.ZERO` or `Core.ABSENT` for each block. */
  readonly tablePtr: number;
  /** Blocks of the run. */
  readonly count: number;
  /** Bytes of a block, at least 1. */
  readonly blockBytes: number;
  /** Number of the first block, a safe integer. */
  readonly first: number;
}

/** A run whose blocks have places of their own: block `first + i` at `slotsPtr + i * blockBytes`. */
export interface SlottedRun extends BlockRun {
  readonly slotsPtr: number;
}

/** Bytes that begin with a record. */
export interface RecordWindow extends Span {
  /** The lowest block that the first record may have. */
  nextBlock: number;
  /** A word for each block of the run, which gets the place of its record, counted as `offsetBytes` is. */
  offsetsPtr?: number;
  /** Place of the window's first byte, below 2^32 with all that follows. */
  offsetBytes?: number;
}

/** The disk that an archive was made of, as its header tells. */
export interface RecordedDisk {
  /** Bytes of a block, at least 1. */
  readonly blockBytes: number;
  /** Blocks of the disk, a safe integer. */
  readonly blockCount: number;
  /** The archive is a dump and has a record for every block; false for an rdiff. */
  readonly full: boolean;
}

/** What of a run is packed. */
export interface PackOptions {
  /** One byte a block: only those whose byte is not 0 are packed. */
  selectPtr?: number;
  /** Blocks of a group; a piece of the stream ends in front of one. 1 if not given. */
  groupBlocks?: number;
}

/** Where records are packed to. */
export interface PackRegion extends Span {
  /** After so many bytes packing stops in front of the next group; never, if not given. */
  stopBytes?: number;
  /** Group of the record in front of the region, if it goes on with a piece. */
  lastGroup?: number;
  /** Stop behind the header of a data record, whose content is taken from where it lies; see `RecordPacker.content`. */
  inPlace?: boolean;
}

/** Packs one run, a region at a time: `while (packer.pack(region)) write(core.bytes(region.ptr, packer.packedBytes))`. */
export class RecordPacker {
  /** Records of the last `pack`. */
  records = 0;
  /** Bytes of the last `pack`. */
  packedBytes = 0;
  /** Group of the record that was packed last. */
  lastGroup = 0;
  /** Position in the run of the next block to look at. */
  next = 0;
  /** With `inPlace`, position of the block whose content comes next; -1 if none does. */
  content = -1;
  readonly #instance: Instance;
  readonly #run: BlockRun;
  readonly #options: PackOptions;

  /** Made by {@linkcode Core.packer}. */
  constructor(instance: Instance, run: BlockRun, options: PackOptions) {
    this.#instance = instance;
    this.#run = run;
    this.#options = options;
  }

  /**
   * Fills the region with the next records; false if there are none, or none before the next group.
   *
   * @throws {RangeError} if the region has less than `RECORD_HEADER_MAX + blockBytes` bytes before packing may stop, or
   * something is not in the memory
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
      throw new RangeError(`Cannot pack records: a group of ${groupBlocks} blocks is not possible`);
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

/** Takes the records of one dump or rdiff, a window of its bytes at a time. */
export class RecordCursor {
  /** Bytes of the last window that are used up. */
  consumed = 0;
  /** Records of the last window, and those of them with data; at `content` the one at hand is not among them. */
  records = 0;
  dataRecords = 0;
  /** Lowest block that the next record may have. */
  nextBlock = 0;
  /** At `reached` and `content`, the block of the record at hand. */
  peekedBlock = 0;
  readonly #instance: Instance;
  readonly #disk: RecordedDisk;

  /** Made by {@linkcode Core.recordCursor}. */
  constructor(instance: Instance, disk: RecordedDisk) {
    this.#instance = instance;
    this.#disk = disk;
  }

  /**
   * Takes the records of the run's blocks from a window. Entries of the table that are `ABSENT` get theirs, data copied to
   * the block's slot; records of other entries, and of blocks before the run, are passed over, all of them if `tablePtr`
   * is 0. A call costs about 0.1 µs, a small record 0.03 µs.
   *
   * @throws {RangeError} if the run's block size is not the archive's, or something is not in the memory
   */
  take(run: SlottedRun, window: RecordWindow): TakeStatus {
    const { layout: k, cursor, kernels } = this.#instance;
    const { first, count, tablePtr, slotsPtr } = run;
    const { blockBytes, blockCount, full } = this.#disk;
    const { offsetsPtr = 0, offsetBytes = 0 } = window;
    if (run.blockBytes !== blockBytes || !(blockBytes > 0)) {
      throw new RangeError(
        `Cannot take records: blocks of ${run.blockBytes} bytes are wanted, they have ${blockBytes}`,
      );
    }
    this.#instance.checkRange(window.ptr, window.length);
    if (tablePtr !== 0) {
      this.#instance.checkWords(tablePtr, count);
      this.#instance.checkRange(slotsPtr, count * blockBytes);
    }
    if (offsetsPtr !== 0) this.#instance.checkWords(offsetsPtr, count);
    if (!(offsetBytes >= 0 && offsetBytes + window.length < 2 ** 32)) {
      throw new RangeError(`Cannot take records: ${offsetBytes} is no place of a window`);
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

/** Takes the records of a digest, a window of its bytes at a time. */
export class DigestCursor {
  /** Bytes of the last window that are used up. */
  consumed = 0;
  /** Records of the last window. */
  records = 0;
  readonly #instance: Instance;

  /** Made by {@linkcode Core.digestCursor}. */
  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /**
   * Takes up to `count` digests from a window to `digestsPtr`, 16 bytes each, all zero for a zero block; `reached` when all
   * of them came. A record whose MD5 is 16 zero bytes is `bad`: it would read as a zero block.
   *
   * @throws {RangeError} if something is not in the memory
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
