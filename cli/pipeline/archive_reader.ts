/** Dump or rdiff to batch, and digest to batch. The core finds the records; this file keeps its window filled. */

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

/** Large enough that small blocks are taken by the hundred, small enough to stay in the processor's second cache. */
const WINDOW_BYTES = 256 * 1024;

/** Core memory for the windows of a long list of archives, and how much of it each gets. */
const WINDOWS_BYTES = 16 * 1024 * 1024;
const MOST_WINDOW_BYTES = MAX_HEADER_BYTES;
const LEAST_WINDOW_BYTES = 16 * 1024;

/** The window of an archive most of which is passed over: enough for the longest header of a record, and little more. */
export const SKIMMING_WINDOW_BYTES = 4 * 1024;

/** The window of one of `count` archives that are read at the same time. */
export function smallWindowBytes(count: number): number {
  const share = Math.floor(WINDOWS_BYTES / count / LEAST_WINDOW_BYTES) * LEAST_WINDOW_BYTES;
  return Math.min(MOST_WINDOW_BYTES, Math.max(LEAST_WINDOW_BYTES, share));
}

/** How an archive is opened. */
export interface ReaderOptions extends MetadataOptions {
  /**
   * With a size given, here {@linkcode smallWindowBytes} or {@linkcode SKIMMING_WINDOW_BYTES}, the file is not read ahead.
   */
  windowBytes?: number;
  /** Bytes that are read ahead at a time, without a small window. */
  partBytes?: number;
}

/** The part of a file that lies in the core's memory. */
class ArchiveWindow {
  /** What the file holds; it is read through `#bytesAhead`. */
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

  /** Address of the first byte that was not consumed. */
  get ptr(): number {
    return this.#ptr + this.#start;
  }

  /** Bytes that were not consumed. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Offset in the stream of the first byte that was not consumed. */
  get offsetBytes(): number {
    return this.#bytesAhead.offsetBytes - this.length;
  }

  consume(lenBytes: number): void {
    this.#start += lenBytes;
  }

  /** Makes room for a long header and reads on; false if nothing came or no header is longer. */
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

  /** Reads behind the rest until the window is full or the stream ends; false if nothing came. */
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

  /** Moves `into.length` bytes out of the stream; returns how many there were. */
  async moveTo(into: Uint8Array): Promise<number> {
    const inWindow = Math.min(this.length, into.length);
    this.#core.copy(this.rest.subarray(0, inWindow), into);
    this.consume(inWindow);
    return inWindow + await this.#bytesAhead.read(into.subarray(inWindow));
  }

  /** Passes over `lenBytes`; returns how many there were. */
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
      // Perhaps it only goes on.
      if (!(error instanceof FormatError) || !await window.grow()) throw error;
    }
  }
}

/** Reads the records of one dump or rdiff in order. */
export class DumpReader {
  readonly header: DumpHeader;
  /** Records read so far, and those of them that hold a block. */
  records = 0;
  dataRecords = 0;
  readonly #window: ArchiveWindow;
  readonly #cursor: RecordCursor;
  /** Lowest block that the next record may have. */
  #nextBlock = 0;
  /** Block of the next record where it is known already. */
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

  /** Begins with a window that holds the header. */
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

  /** Reads the header. @throws {FormatError} if it is none */
  static async open(core: Core, source: ByteSource, options?: ReaderOptions): Promise<DumpReader> {
    return await DumpReader.fromWindow(core, await openWindow(core, source, options), options);
  }

  get path(): string {
    return this.#window.source.path;
  }

  /** What it is read from. */
  get source(): ByteSource {
    return this.#window.source;
  }

  /** Offset in the stream of the next record. */
  get offsetBytes(): number {
    return this.#window.offsetBytes;
  }

  /** No record that is still to come is of a block before this one. */
  get nextBlock(): number {
    return this.#ended ? this.header.blockCount : Math.max(this.#nextBlock, this.#peekedBlock);
  }

  /**
   * Takes the records of the batch's blocks: absent entries of the table get theirs, the others are passed over. Of a
   * dump, `batch.offsets` tells where the records stand, counted from where the reader was.
   *
   * @throws {FormatError} if a record is not what must come next, or a dump ends before its last block
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

  /** Reads to the end of the file. @throws {FormatError} if the file goes on or is not whole */
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

/** Reads the records of a digest in order. */
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

  /** Begins with a window that holds the header. */
  static async fromWindow(core: Core, window: ArchiveWindow): Promise<DigestReader> {
    return new DigestReader(core, window, await takeHeader(window, parseDigestHeader));
  }

  /** Reads the header. @throws {FormatError} if it is none */
  static async open(core: Core, source: ByteSource): Promise<DigestReader> {
    return await DigestReader.fromWindow(core, await openWindow(core, source));
  }

  get path(): string {
    return this.#window.source.path;
  }

  /** What it is read from. */
  get source(): ByteSource {
    return this.#window.source;
  }

  /**
   * Takes the digests of the next `count` blocks to `digestsPtr`, 16 bytes each.
   *
   * @throws {FormatError} if a record is not canonical or the file ends
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

  /** Reads to the end of the file. @throws {FormatError} if the file goes on */
  async finish(): Promise<void> {
    if (this.#window.length === 0 && !await this.#window.refill()) return;
    throw this.#error(`the end of the file after block ${this.header.blockCount - 1}`, "more");
  }

  #error(expected: string, found: string): FormatError {
    return formatError("digest", { path: this.path, offsetBytes: this.#window.offsetBytes, expected, found });
  }
}

/** Opens whatever kind of archive `source` holds. @throws {FormatError} if it holds none */
export async function openArchive(
  core: Core,
  source: ByteSource,
  options: Pick<ReaderOptions, "windowBytes"> = {},
): Promise<DumpReader | DigestReader> {
  const window = await openWindow(core, source, options);
  const reader = archiveKind(window.rest) === "digest" ? DigestReader : DumpReader;
  return await reader.fromWindow(core, window);
}
