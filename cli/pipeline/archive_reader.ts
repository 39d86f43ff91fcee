/**
 * Reads dumps, rdiffs and digests into batches. The core parses the records in a window of the file, and the
 * classes of this file keep the window filled.
 */

import type { ByteSource } from "../archive/bytes.ts";
import {
  archiveKind,
  type DigestHeader,
  type DumpHeader,
  MAX_HEADER_BYTES,
  type MetadataOptions,
  type Parsed,
  parseDigestHeader,
  parseDumpHeader,
} from "../archive/header.ts";
import { explainDigestRecord, explainDumpRecord } from "../archive/record.ts";
import type { Core, DigestCursor, RecordCursor } from "../core.ts";
import { FormatError, formatError } from "../errors.ts";
import type { Batch } from "./batch.ts";
import { PART_BYTES, ReadAhead } from "./read_ahead.ts";

/**
 * The size of a window. Hundreds of records of small blocks fit into it, and it fits into the second cache of
 * a processor.
 */
const WINDOW_BYTES = 256 * 1024;

/**
 * The core memory for the windows of all archives that are read at the same time, and the bounds of one
 * window.
 */
const WINDOWS_BYTES = 16 * 1024 * 1024;
const MOST_WINDOW_BYTES = MAX_HEADER_BYTES;
const LEAST_WINDOW_BYTES = 16 * 1024;

/**
 * The window size for an archive of which most blocks are skipped. The longest header of a record fits, and
 * little more.
 */
export const SKIMMING_WINDOW_BYTES = 4 * 1024;

/** Returns the window size for each of `count` archives that are read at the same time. */
export function smallWindowBytes(count: number): number {
  const share = Math.floor(WINDOWS_BYTES / count / LEAST_WINDOW_BYTES) * LEAST_WINDOW_BYTES;
  return Math.min(MOST_WINDOW_BYTES, Math.max(LEAST_WINDOW_BYTES, share));
}

/** The memory that a reader uses, and what it does with metadata. */
export interface ReaderOptions extends MetadataOptions {
  /**
   * The size of the window, for example {@linkcode smallWindowBytes} or {@linkcode SKIMMING_WINDOW_BYTES}.
   * The file is not read ahead if it is given.
   */
  windowBytes?: number;
  /** The number of bytes of one read-ahead. It has no effect together with `windowBytes`. */
  partBytes?: number;
}

/** The part of an archive that lies in the core's memory. */
class ArchiveWindow {
  /** The archive. The window reads it through `#bytesAhead`, which may hold bytes that follow the window. */
  readonly source: ByteSource;
  readonly #bytesAhead: Pick<ByteSource, "offsetBytes" | "read" | "skip">;
  readonly #core: Core;
  #ptr: number;
  #bytes: Uint8Array;
  #start = 0;
  #end = 0;

  constructor(core: Core, source: ByteSource, { windowBytes, partBytes = PART_BYTES }: ReaderOptions) {
    const lenBytes = windowBytes ?? WINDOW_BYTES;
    this.source = source;
    this.#core = core;
    this.#bytesAhead = windowBytes === undefined ? new ReadAhead(core, source, partBytes) : source;
    this.#ptr = core.alloc(lenBytes);
    this.#bytes = core.bytes(this.#ptr, lenBytes);
  }

  /** The address of the first byte that was not consumed. */
  get ptr(): number {
    return this.#ptr + this.#start;
  }

  /** The bytes that were not consumed. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** The offset in the stream of the first byte that was not consumed. */
  get offsetBytes(): number {
    return this.#bytesAhead.offsetBytes - this.length;
  }

  consume(lenBytes: number): void {
    this.#start += lenBytes;
  }

  /**
   * Makes the window large enough for the longest header of an archive and fills it. Returns false if it has
   * that size already or the stream has ended.
   */
  async grow(): Promise<boolean> {
    const lenBytes = this.#bytes.length;
    if (lenBytes >= MAX_HEADER_BYTES) return false;
    const before = this.rest;
    this.#ptr = this.#core.alloc(MAX_HEADER_BYTES);
    this.#bytes = this.#core.bytes(this.#ptr, MAX_HEADER_BYTES);
    this.#core.copy(before, this.#bytes);
    this.#end = before.length;
    this.#start = 0;
    return await this.refill();
  }

  /** Reads until the window is full or the stream ends. Returns false if no byte was read. */
  async refill(): Promise<boolean> {
    this.#core.copy(this.rest, this.#bytes);
    this.#end -= this.#start;
    this.#start = 0;
    const got = await this.#core.hold(
      Promise.resolve(this.#bytesAhead.read(this.#bytes.subarray(this.#end))),
    );
    this.#end += got;
    return got > 0;
  }

  /**
   * Copies the next `into.length` bytes of the stream to `into`. Returns the number of bytes, which is
   * smaller at the end of the stream only.
   */
  async moveTo(into: Uint8Array): Promise<number> {
    const inWindow = Math.min(this.length, into.length);
    this.#core.copy(this.rest.subarray(0, inWindow), into);
    this.consume(inWindow);
    return inWindow + await this.#bytesAhead.read(into.subarray(inWindow));
  }

  /**
   * Skips `lenBytes` bytes. Returns the number of bytes that were skipped, which is smaller at the end of the
   * stream only.
   */
  async skip(lenBytes: number): Promise<number> {
    const inWindow = Math.min(this.length, lenBytes);
    this.consume(inWindow);
    return inWindow + await this.#bytesAhead.skip(lenBytes - inWindow);
  }
}

async function openWindow(
  core: Core,
  source: ByteSource,
  options: ReaderOptions = {},
): Promise<ArchiveWindow> {
  const window = new ArchiveWindow(core, source, options);
  const { windowBytes = MAX_HEADER_BYTES } = options;
  while (window.length < windowBytes && await window.refill());
  return window;
}

async function takeHeader<Header>(
  window: ArchiveWindow,
  parse: (bytes: Uint8Array, path: string) => Parsed<Header>,
): Promise<Header> {
  for (;;) {
    try {
      const { header, headerBytes } = parse(window.rest, window.source.path);
      window.consume(headerBytes);
      return header;
    } catch (error) {
      // The header may only be longer than the window.
      if (!(error instanceof FormatError) || !await window.grow()) throw error;
    }
  }
}

/** Reads the records of a dump or rdiff in ascending order of their blocks. */
export class DumpReader {
  readonly header: DumpHeader;
  /** The number of records read so far, and the number of those that hold a data block. */
  records = 0;
  dataRecords = 0;
  readonly #window: ArchiveWindow;
  readonly #cursor: RecordCursor;
  /** The lowest block number that the next record may have. */
  #nextBlock = 0;
  /** The block number of the next record, if the core has parsed it already; 0 otherwise. */
  #peekedBlock = 0;
  #ended = false;

  private constructor(core: Core, window: ArchiveWindow, header: DumpHeader) {
    this.header = header;
    this.#window = window;
    this.#cursor = core.recordCursor({
      blockBytes: header.blockBytes,
      blockCount: header.blockCount,
      full: header.full,
    });
  }

  /** Opens an archive whose header begins at the first byte of a window. */
  static async fromWindow(
    core: Core,
    window: ArchiveWindow,
    { dropsMetadata }: ReaderOptions = {},
  ): Promise<DumpReader> {
    const header = await takeHeader(
      window,
      (bytes, path) => parseDumpHeader(bytes, path, { dropsMetadata }),
    );
    return new DumpReader(core, window, header);
  }

  /** Opens an archive. @throws {FormatError} if it does not begin with the header of a dump or rdiff */
  static async open(core: Core, source: ByteSource, options?: ReaderOptions): Promise<DumpReader> {
    return await DumpReader.fromWindow(core, await openWindow(core, source, options), options);
  }

  get path(): string {
    return this.#window.source.path;
  }

  /** The archive as a stream of bytes. */
  get source(): ByteSource {
    return this.#window.source;
  }

  /** The offset in the stream of the next record. */
  get offsetBytes(): number {
    return this.#window.offsetBytes;
  }

  /** The lowest block number that a following record can have. */
  get nextBlock(): number {
    return this.#ended ? this.header.blockCount : Math.max(this.#nextBlock, this.#peekedBlock);
  }

  /**
   * Reads the records of the blocks of a batch. Entries of the table that are absent get the block; the
   * content of the other blocks is skipped. For a dump, `batch.offsets` gets the offsets of the records,
   * counted from the position of the reader before the call.
   *
   * @throws {FormatError} if a record is not valid at its place, or a dump ends before its last block
   */
  async take(batch: Batch): Promise<void> {
    const beginBytes = this.offsetBytes;
    const offsetsPtr = this.header.full ? batch.offsetsPtr : 0;
    while (this.nextBlock < batch.end) {
      const window = this.#window;
      const cursor = this.#cursor;
      const status = cursor.take(batch, {
        ptr: window.ptr,
        length: window.length,
        nextBlock: this.#nextBlock,
        offsetsPtr,
        offsetBytes: this.offsetBytes - beginBytes,
      });
      window.consume(cursor.consumed);
      this.#nextBlock = cursor.nextBlock;
      this.records += cursor.records;
      this.dataRecords += cursor.dataRecords;
      if (status === "reached") this.#peekedBlock = cursor.peekedBlock;
      else if (status === "content") await this.#moveContent(batch, cursor.peekedBlock);
      else if (status === "bad") throw this.#badRecord();
      else if (!await window.refill()) this.#end();
    }
    if (offsetsPtr !== 0) batch.offsets[batch.count] = this.offsetBytes - beginBytes;
  }

  /**
   * Reads to the end of the file. @throws {FormatError} if more data follows the last record, or records are
   * missing
   */
  async finish(): Promise<void> {
    if (this.#ended) return;
    if (this.#window.length > 0 || await this.#window.refill()) throw this.#badRecord();
    this.#end();
  }

  async #moveContent(batch: Batch, block: number): Promise<void> {
    const { blockBytes } = this.header;
    const wanted = batch.table[block - batch.first] === batch.core.ABSENT;
    const got = wanted
      ? await this.#window.moveTo(batch.slots(block, block + 1))
      : await this.#window.skip(blockBytes);
    if (got < blockBytes) {
      throw this.#error(`${blockBytes} bytes of block ${block}`, `the end of the file after ${got}`);
    }
    if (wanted) batch.table[block - batch.first] = batch.slotPtr(block);
    this.records++;
    this.dataRecords++;
  }

  #end(): void {
    const { full, blockCount } = this.header;
    if (this.#window.length > 0) throw this.#error("a whole record", "the end of the file inside it");
    if (full && this.#nextBlock < blockCount) {
      throw this.#error(`the record of block ${this.#nextBlock} of ${blockCount}`, "the end of the file");
    }
    this.#ended = true;
  }

  #badRecord(): FormatError {
    const { full, blockCount, blockBytes } = this.header;
    const wanted = { full, blockCount, blockBytes, nextBlock: this.#nextBlock };
    const { expected, found } = explainDumpRecord(this.#window.rest, wanted);
    return this.#error(expected, found);
  }

  #error(expected: string, found: string): FormatError {
    const what = this.header.full ? "dump" : "rdiff";
    return formatError(what, { path: this.path, offsetBytes: this.#window.offsetBytes, expected, found });
  }
}

/** Reads the records of a digest in the order of the blocks. */
export class DigestReader {
  readonly header: DigestHeader;
  readonly #window: ArchiveWindow;
  readonly #cursor: DigestCursor;
  #nextBlock = 0;

  private constructor(core: Core, window: ArchiveWindow, header: DigestHeader) {
    this.header = header;
    this.#window = window;
    this.#cursor = core.digestCursor();
  }

  /** Opens a digest whose header begins at the first byte of a window. */
  static async fromWindow(core: Core, window: ArchiveWindow): Promise<DigestReader> {
    return new DigestReader(core, window, await takeHeader(window, parseDigestHeader));
  }

  /** Opens a digest. @throws {FormatError} if it does not begin with the header of a digest */
  static async open(core: Core, source: ByteSource): Promise<DigestReader> {
    return await DigestReader.fromWindow(core, await openWindow(core, source));
  }

  get path(): string {
    return this.#window.source.path;
  }

  /** The digest as a stream of bytes. */
  get source(): ByteSource {
    return this.#window.source;
  }

  /**
   * Reads the MD5s of the next `count` blocks to the address `digestsPtr`, 16 bytes each.
   *
   * @throws {FormatError} if a record is not canonical or the file ends early
   */
  async take(digestsPtr: number, count: number): Promise<void> {
    for (let taken = 0; taken < count;) {
      const window = this.#window;
      const cursor = this.#cursor;
      const status = cursor.take(digestsPtr + taken * 16, {
        ptr: window.ptr,
        length: window.length,
        count: count - taken,
      });
      window.consume(cursor.consumed);
      taken += cursor.records;
      this.#nextBlock += cursor.records;
      if (status === "bad") {
        const { expected, found } = explainDigestRecord(window.rest, this.#nextBlock);
        throw this.#error(expected, found);
      }
      if (taken < count && !await window.refill()) {
        const wanted = `the record of block ${this.#nextBlock} of ${this.header.blockCount}`;
        throw this.#error(wanted, "the end of the file");
      }
    }
  }

  /** Reads to the end of the file. @throws {FormatError} if more data follows the last record */
  async finish(): Promise<void> {
    if (this.#window.length === 0 && !await this.#window.refill()) return;
    throw this.#error(`the end of the file after block ${this.header.blockCount - 1}`, "more");
  }

  #error(expected: string, found: string): FormatError {
    return formatError("digest", { path: this.path, offsetBytes: this.#window.offsetBytes, expected, found });
  }
}

/**
 * Opens a dump, an rdiff or a digest. @throws {FormatError} if `source` does not begin with the header of one
 * of them
 */
export async function openArchive(
  core: Core,
  source: ByteSource,
  options: Pick<ReaderOptions, "windowBytes"> = {},
): Promise<DumpReader | DigestReader> {
  const window = await openWindow(core, source, options);
  const reader = archiveKind(window.rest) === "digest" ? DigestReader : DumpReader;
  return await reader.fromWindow(core, window);
}
